"""What `nnicli` offers, and what its modules may do."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nnicli

PACKAGE = Path(nnicli.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
CLI_MODULES = [
    path
    for path in MODULES
    if path.parent == PACKAGE / "cli"
    and path.name not in ("output.py", "consoles.py", "streams.py")
]
# What only a module that needs it may load; `import nnicli` is to cost next to nothing.
HEAVY = ("requests", "urllib3", "jsonschema", "yaml", "psutil", "sqlite3", "click", "rich")


def test_all_lists_every_lazy_name_once() -> None:
    lazy = {name for names in nnicli._HOMES.values() for name in names}

    assert sorted(nnicli.__all__) == sorted(lazy | {"__version__"})


@pytest.mark.parametrize("name", nnicli.__all__)
def test_every_public_name_comes_from_the_module_that_is_named(name: str) -> None:
    value = getattr(nnicli, name)

    if name != "__version__":
        assert value is getattr(importlib.import_module(nnicli._HOME_OF[name]), name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'nnicli' has no attribute 'Experimnt'"):
        nnicli.Experimnt  # noqa: B018 - the access is the test


def test_type_checkers_see_the_same_names_as_users() -> None:
    """The imports for type checkers and the table for run time are written separately."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nnicli.")
        for alias in node.names
    }

    assert imported == set(nnicli.__all__) - {"__version__"}


def test_import_nnicli_loads_nothing_heavy() -> None:
    code = f"import sys, nnicli; print([m for m in {HEAVY!r} if m in sys.modules])"

    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert output == "[]\n"


def _calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_command_prints_or_exits(path: Path) -> None:
    """The fake manager's scripts are programs of their own."""
    if path.is_relative_to(PACKAGE / "cli") or path.is_relative_to(PACKAGE / "testing"):
        return

    assert {"print", "exit", "sys.exit", "os._exit"}.isdisjoint(_calls(path))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_imports_nni(path: Path) -> None:
    """nnicli runs where no nni can be imported."""
    if path.is_relative_to(PACKAGE / "testing"):
        return
    tree = ast.parse(path.read_text("utf-8"))
    names = {alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    names |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}

    assert not [name for name in names if name.split(".")[0] in ("nni", "nni_node")]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_logger_is_a_safe_one(path: Path) -> None:
    """Use `get_logger` of nnicli.safe_logging; the command's own handler is none that logs."""
    if path.name == "safe_logging.py" or path == PACKAGE / "cli" / "display.py":
        return

    assert "logging.getLogger" not in set(_calls(path))


@pytest.mark.parametrize("path", CLI_MODULES, ids=lambda path: path.name)
def test_commands_print_in_one_place_only(path: Path) -> None:
    """`output.py` and `consoles.py` make what they print safe; nobody gets past them."""
    tree = ast.parse(path.read_text("utf-8"))
    written_to = {ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Attribute)}

    assert {"print", "click.echo", "click.secho", "Console", "Table"}.isdisjoint(_calls(path))
    assert {"sys.stdout", "sys.stderr"}.isdisjoint(written_to)
