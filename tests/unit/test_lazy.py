"""Packages whose names are loaded when they are first used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

FACE = """\
from nnicli.lazy import attach_stub

own = 1
__getattr__, __dir__ = attach_stub(__name__, "own")
"""
STUB = """\
from sleepy.inner import Thing as Thing, make as make

own: int
"""


@pytest.fixture
def sleepy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    package = tmp_path / "sleepy"
    package.mkdir()
    (package / "__init__.py").write_text(FACE)
    (package / "__init__.pyi").write_text(STUB)
    (package / "inner.py").write_text("class Thing: ...\ndef make(): return Thing()\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield package
    for name in ("sleepy", "sleepy.inner"):
        sys.modules.pop(name, None)


def _load() -> ModuleType:
    return importlib.import_module("sleepy")


@pytest.mark.usefixtures("sleepy")
def test_a_name_is_loaded_when_it_is_first_used() -> None:
    package = _load()

    assert "sleepy.inner" not in sys.modules
    assert package.make.__module__ == "sleepy.inner"
    assert "make" in vars(package)


@pytest.mark.usefixtures("sleepy")
def test_all_and_dir_have_every_name_before_it_is_loaded() -> None:
    package = _load()

    assert package.__all__ == ["own", "Thing", "make"]
    assert {"own", "Thing", "make"} <= set(dir(package))
    assert "sleepy.inner" not in sys.modules


@pytest.mark.usefixtures("sleepy")
def test_another_name_is_an_attribute_error_and_a_module_is_imported() -> None:
    package = _load()

    with pytest.raises(AttributeError, match="module 'sleepy' has no attribute 'inner'"):
        package.inner  # noqa: B018 - the access is the test
    names: dict[str, ModuleType] = {}
    exec("from sleepy import inner", names)
    assert names["inner"].Thing is package.Thing


def test_without_its_stub_the_package_says_so(sleepy: Path) -> None:
    (sleepy / "__init__.pyi").unlink()
    package = _load()

    with pytest.raises(FileNotFoundError, match=r"__init__\.pyi"):
        package.make  # noqa: B018 - the access is the test
