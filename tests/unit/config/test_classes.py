"""Custom classes are looked for without running their file."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

import pytest

from nnicli.config import Target, check_config
from tests.unit.config.conftest import HEAD, SPACE, WriteConfig
from tests.unit.config.test_v1 import V1

TARGET = Target(Path("/env/bin/python3"))


def _missing(modules: Iterable[str]) -> frozenset[str]:
    return frozenset(modules)


def _found(path: Path, target: Target | None, version: str = "3.0") -> list[str]:
    (path.parent / "trial.py").touch()
    found = check_config(path, nni_version=version, target=target)
    return [f"{one.severity}: {one.location}: {one.message}" for one in found]


@pytest.fixture
def config(write_config: WriteConfig) -> Path:
    text = HEAD.replace("{name: TPE}", "{className: mine.Mine, codeDirectory: .}")
    return write_config(text + SPACE)


def test_what_python_warns_of_in_the_file_is_not_printed(config: Path) -> None:
    """From Python 3.12 on every validate would print it."""
    (config.parent / "mine.py").write_text("class Mine:\n    pattern = '\\d'\n")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert _found(config, TARGET) == []

    assert caught == []


@pytest.mark.parametrize(
    "text",
    [
        "class Mine: pass",
        "from other import Mine",
        "from other import Theirs as Mine",
        "from other import *",
        "Mine = make()",
        "if True:\n    class Mine: pass",
        "globals()['Mine'] = make()",
        "class Mine[T: pass",
    ],
)
def test_a_class_that_may_be_there_is_fine(config: Path, text: str) -> None:
    """The last one may be written for another version of Python."""
    (config.parent / "mine.py").write_text(text)

    assert _found(config, TARGET) == []


def test_a_missing_class_is_reported_with_the_classes_of_the_file(config: Path) -> None:
    file = config.parent / "mine.py"
    file.write_text("class Mien: pass\nraise RuntimeError('it was run')\n")

    assert _found(config, TARGET) == [
        f"warning: tuner.className: class Mine not found in {file}; its classes: Mien"
    ]
    assert _found(config, None) == []


def test_a_class_of_an_installed_package_is_fine(config: Path) -> None:
    """NNI only adds the directory to what its Python finds anyway."""
    assert _found(config, TARGET) == []
    (error,) = _found(config, Target(TARGET.python, find_missing=_missing))
    assert error.startswith("error: tuner.className: module not found: ")


def test_the_v1_format(write_config: WriteConfig) -> None:
    write_config('{"x": {"_type": "choice", "_value": [1]}}', name="space.json")
    write_config("class Mien: pass\n", name="mine.py")
    tuner = "{codeDir: ., classFileName: mine.py, className: Mine}"
    built_in = "{builtinTunerName: TPE, classArgs: {optimize_mode: maximize}}"
    path = write_config(V1.replace(built_in, tuner))

    assert _found(path, TARGET, "1.9") == [
        (
            f"warning: tuner.className: class Mine not found in {path.parent}/mine.py; its "
            "classes: Mien"
        )
    ]
