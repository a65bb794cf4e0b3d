"""Algorithms that need extra packages, or that a user registered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from nnicli.config import Target, check_config, load_config
from tests.unit.config.conftest import HEAD, SPACE, WriteConfig
from tests.unit.config.test_v1 import V1

PYTHON = Path("/env/bin/python3")


@pytest.fixture(autouse=True)
def trial(tmp_path: Path) -> None:
    (tmp_path / "trial.py").touch()


def _has_no_module(modules: Iterable[str]) -> frozenset[str]:
    return frozenset(modules)


def _must_not_be_called(modules: Iterable[str]) -> frozenset[str]:
    raise AssertionError(modules)


EMPTY = Target(PYTHON, find_missing=_has_no_module)


def _errors(path: Path, target: Target, version: str = "3.0") -> list[str]:
    found = check_config(path, nni_version=version, target=target)
    shown = [str(problem) for problem in found if problem.severity == "error"]
    return [line.replace(f"{path.parent}/", "") for line in shown]


@pytest.mark.parametrize(
    ("name", "needs", "command"),
    [
        ("SMAC", "smac, ConfigSpaceNNI", "'nni[SMAC]'"),
        ("BOHB", "ConfigSpace, statsmodels", "'nni[BOHB]'"),
        ("Anneal", "hyperopt", "'nni[Anneal]'"),
        ("dngo", "pybnn, torch", "'nni[DNGO]' torch"),
    ],
)
def test_a_tuner_whose_packages_are_missing_is_an_error_with_the_command(
    write_config: WriteConfig, name: str, needs: str, command: str
) -> None:
    path = write_config(HEAD.replace("TPE", name) + SPACE)

    (error,) = _errors(path, EMPTY)

    assert f"which needs {needs}; not installed, so run `" in error
    assert error.endswith(f"`{PYTHON} -m pip install {command}`")


def test_a_tuner_whose_packages_are_there_is_fine(write_config: WriteConfig) -> None:
    path = write_config(HEAD.replace("TPE", "SMAC") + SPACE)

    assert _errors(path, Target(PYTHON)) == []


def test_python_is_not_run_for_a_tuner_that_needs_nothing(write_config: WriteConfig) -> None:
    """It would make every start slower."""
    assert _errors(write_config(), Target(PYTHON, find_missing=_must_not_be_called)) == []


def test_an_extra_of_1_9_has_to_be_installed_by_nnictl(
    write_config: WriteConfig,
) -> None:
    """`Builtin name is not found: SMAC` otherwise (1.9, seen live)."""
    write_config('{"x": {"_type": "choice", "_value": [1]}}', name="space.json")
    path = write_config(V1.replace("TPE", "SMAC"))
    target = replace(EMPTY, registers_extras=True)
    registered = {"tuner": {"SMAC": "nni.smac_tuner.smac_tuner.SMACTuner"}}

    assert _errors(path, target, "1.9") == [
        (
            "config.yml:9:9: tuner.builtinTunerName: found SMAC, which is not installed; run "
            "`nnictl package install --name=SMAC`"
        )
    ]
    assert _errors(path, Target(PYTHON, registered=registered), "1.9") == []


@pytest.mark.parametrize("version", ["2.5", "2.10.1", "3.0"])
def test_a_registered_tuner_is_taken(write_config: WriteConfig, version: str) -> None:
    """It may have any arguments and any search space."""
    space = "searchSpace: {x: {_type: my_type, _value: [0, 1]}}\n"
    path = write_config(HEAD.replace("{name: TPE}", "{name: Mine, classArgs: {a: 1}}") + space)
    target = Target(PYTHON, registered={"tuner": {"Mine": "mine.Mine"}})

    config = load_config(path, nni_version=version, target=target)

    assert config.document["tuner"] == {"name": "Mine", "classArgs": {"a": 1}}
    assert [problem.severity for problem in config.warnings] == ["warning"]


def test_a_registered_advisor_is_sent_in_the_section_that_names_it(
    write_config: WriteConfig,
) -> None:
    """Up to 2.7 the manager takes `advisor` as well as `tuner`."""
    path = write_config(HEAD.replace("tuner: {name: TPE}", "advisor: {name: Mine}") + SPACE)
    target = Target(PYTHON, registered={"advisor": {"Mine": "mine.Mine"}})

    config = load_config(path, nni_version="2.5", target=target)

    assert config.document["advisor"] == {"name": "Mine"}
    assert "tuner" not in config.document


def test_a_registered_tuner_in_the_v1_format(write_config: WriteConfig) -> None:
    write_config('{"x": {"_type": "choice", "_value": [1]}}', name="space.json")
    path = write_config(V1.replace("{builtinTunerName: TPE, ", "{builtinTunerName: Mine, "))
    target = Target(PYTHON, registered={"tuner": {"Mine": "mine.Mine"}})

    assert _errors(path, target, "1.9") == []
    assert _errors(path, target, "3.0") == []


def test_a_registered_tuner_whose_package_is_gone_is_an_error(write_config: WriteConfig) -> None:
    path = write_config(HEAD.replace("TPE", "Mine") + SPACE)
    target = replace(EMPTY, registered={"tuner": {"Mine": "mine.tuner.Mine"}})

    assert _errors(path, target) == [
        (
            "config.yml:3:9: tuner.name: found Mine, which is registered as mine.tuner.Mine; "
            "/env/bin/python3 has no module mine: install its package there, or run `nnictl "
            "algo unregister Mine`"
        )
    ]


def test_an_unknown_name_is_compared_with_registered_ones(
    write_config: WriteConfig,
) -> None:
    path = write_config(HEAD.replace("TPE", "Myne") + SPACE)
    target = Target(PYTHON, registered={"tuner": {"Mine": "mine.Mine"}})

    (error,) = _errors(path, target)

    assert error.endswith("Hyperband, BOHB, Mine (did you mean 'Mine'?)")


@pytest.mark.parametrize(
    ("version", "is_needed"), [("1.9", True), ("2.5", True), ("2.6", False), ("3.0", False)]
)
def test_author_and_name_are_required_where_nnictl_requires_them(
    write_config: WriteConfig, version: str, *, is_needed: bool
) -> None:
    """nnictl of 2.2 and 2.5 refuse such a config; 2.6 and 3.0 run it (seen live)."""
    write_config('{"x": {"_type": "choice", "_value": [1]}}', name="space.json")
    text = "".join(V1.splitlines(keepends=True)[2:])

    found = _errors(write_config(text), Target(PYTHON), version)

    expected = [f"config.yml:1:1: {name}: is required but missing" for name in REQUIRED]
    assert found == (expected if is_needed else [])


REQUIRED = ("authorName", "experimentName")
