"""What `nnicli` offers, and what its modules may do."""

from __future__ import annotations

import ast
import importlib
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nnicli

PACKAGE = Path(nnicli.__file__).parent
ROOT = PACKAGE.parent
MODULES = sorted(PACKAGE.rglob("*.py"))
FACES = sorted(PACKAGE.rglob("__init__.py"))
PUBLIC = (".", "config", "testing")
CLI_MODULES = [
    path
    for path in MODULES
    if path.parent == PACKAGE / "cli"
    and path.name not in ("output.py", "consoles.py", "streams.py")
]
# What only a module that needs it may load; `import nnicli` is to cost next to nothing.
HEAVY = ("requests", "urllib3", "jsonschema", "yaml", "psutil", "sqlite3", "click", "rich")


def _stub() -> dict[str, str]:
    """Return public name -> the module that the stub takes it from."""
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text("utf-8"))
    return {
        alias.name: str(node.module)
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


STUB = _stub()


def test_all_is_what_the_stub_lists() -> None:
    assert getattr(nnicli, "__all__") == ["__version__", *STUB]  # noqa: B009 - not in the stub


@pytest.mark.parametrize("name", STUB)
def test_a_public_name_comes_from_the_module_that_defines_it(name: str) -> None:
    """So the stub is the only list, and loading a name loads nothing beside what it needs."""
    value = getattr(nnicli, name)

    assert value is getattr(importlib.import_module(STUB[name]), name)
    assert value.__module__ == STUB[name]
    assert pickle.loads(pickle.dumps(value)) is value


def test_a_star_import_brings_every_public_name() -> None:
    names: dict[str, object] = {}

    exec("from nnicli import *", names)

    assert {"__version__", *STUB} <= names.keys()


def test_completion_offers_every_public_name_before_it_is_loaded() -> None:
    code = "import nnicli; print(*dir(nnicli))"

    output = subprocess.check_output([sys.executable, "-c", code], text=True)

    assert {"__version__", *STUB} <= set(output.split())


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'nnicli' has no attribute 'Experimnt'"):
        nnicli.Experimnt  # type: ignore[attr-defined]  # noqa: B018 - the access is the test


@pytest.mark.parametrize("path", FACES, ids=lambda path: path.parent.name)
def test_every_package_says_whether_it_is_public(path: Path) -> None:
    documentation = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    (word,) = re.findall(r"^(Public|Internal)[:.]", documentation, re.MULTILINE)

    assert (word == "Public") == (path.parent.relative_to(PACKAGE).as_posix() in PUBLIC)


def _taken() -> set[tuple[str, str]]:
    """Return the pairs of a package and a name that something outside of it takes from its face."""
    return {
        (node.module, alias.name)
        for folder in ("nnicli", "tests", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


def test_a_face_holds_what_others_take_and_nothing_else() -> None:
    held = {
        (f"nnicli.{path.parent.name}", str(alias.asname))
        for path in [*FACES, *PACKAGE.glob("*/__init__.pyi")]
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }

    assert held - _taken() == set()


@pytest.mark.parametrize("path", FACES, ids=lambda path: path.parent.name)
def test_a_face_lists_its_names_once(path: Path) -> None:
    """An `__all__` beside the imports is for what users take from a public package."""
    package = path.parent.relative_to(PACKAGE).as_posix()

    assert ("\n__all__ = " in path.read_text("utf-8")) == (package in PUBLIC and package != ".")


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
