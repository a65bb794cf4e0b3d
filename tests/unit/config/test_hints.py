"""What is surprising but runs is a warning, and never prevents a start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nnicli.config import check_config, load_config
from tests.sample_configs import make_files, v1_config, v2_config


@pytest.fixture(autouse=True)
def directory(tmp_path: Path) -> Path:
    make_files(tmp_path)
    return tmp_path


def _found(config: dict[str, Any], directory: Path, version: str = "3.0") -> list[tuple[str, str]]:
    problems = check_config(config, base_path=directory, nni_version=version)
    assert all(problem.severity == "warning" for problem in problems)
    return [(problem.rule, problem.location) for problem in problems]


@pytest.mark.parametrize(
    "value",
    ["${your_name}", "{name}", "<the name>", "replace_with_your_name", "your_name", "a your-ip b"],
)
def test_a_placeholder_is_reported(directory: Path, value: str) -> None:
    config = {**v2_config({"platform": "local"}), "experimentName": value}

    assert _found(config, directory) == [("placeholder", "experimentName")]


@pytest.mark.parametrize("value", ["python3 t.py --out ${OUT} < in > out", "my {x} name", "yours"])
def test_what_only_resembles_a_placeholder_is_not_reported(directory: Path, value: str) -> None:
    assert _found({**v2_config({"platform": "local"}), "experimentName": value}, directory) == []


@pytest.mark.parametrize(
    ("tuner", "version", "is_reported"),
    [
        ("Hyperband", "3.0", True),
        ("Hyperband", "2.10.1", True),
        ("Hyperband", "2.9", False),
        ("GPTuner", "3.0", True),
        ("Random", "3.0", False),
    ],
)
def test_a_tuner_that_fails_in_the_release_is_reported(
    directory: Path, tuner: str, version: str, is_reported: bool
) -> None:
    """3.0 and 2.10.1 end with "'<=' not supported between instances of 'str' and 'int'"."""
    config = v2_config({"platform": "local"})
    config["tuner"] = {"name": tuner, "classArgs": {"optimize_mode": "maximize"}}

    found = [one for one in _found(config, directory, version) if one[0] == "trap"]

    assert found == ([("trap", "tuner.name")] if is_reported else [])


def test_arbitrary_values_of_the_user_are_not_checked_for_placeholders(directory: Path) -> None:
    config = v2_config({"platform": "local"})
    config["searchSpace"]["x"] = {"_type": "choice", "_value": ["<unk>", "${a}"]}

    assert _found(config, directory) == []


def test_a_placeholder_without_quotes_is_reported_as_a_mapping(directory: Path) -> None:
    config = {**v2_config({"platform": "local"}), "nniManagerIp": {"your_ip": None}}

    (problem,) = check_config(config, base_path=directory)

    assert problem.severity == "error"
    assert problem.suggestion == "YAML reads {your_ip} as a mapping; replace the placeholder"


@pytest.mark.parametrize("arguments", [None, {}, {"seed": 1}])
def test_a_tpe_without_a_direction_is_reported(directory: Path, arguments: Any) -> None:
    config = v2_config({"platform": "local"})
    config["tuner"] = {"name": "tpe", "classArgs": arguments}

    assert _found(config, directory) == [("default", "tuner.classArgs.optimize_mode")]


def test_a_tpe_with_a_direction_is_not_reported(directory: Path) -> None:
    assert _found(v1_config("local"), directory, "1.9") == []


def test_a_v1_tpe_without_a_direction_is_reported(directory: Path) -> None:
    config = {**v1_config("local"), "tuner": {"builtinTunerName": "TPE"}}

    assert _found(config, directory, "1.9") == [("default", "tuner.classArgs.optimize_mode")]


@pytest.mark.parametrize(("given", "count"), [({}, 1), ({"reuseMode": False}, 0)])
def test_remote_machines_without_a_reuse_mode_are_reported(
    directory: Path, given: dict[str, Any], count: int
) -> None:
    machine = {"host": "a", "user": "b", "password": "hush"}
    config = v2_config({"platform": "remote", "machineList": [machine], **given})
    config["nniManagerIp"] = "10.0.0.9"

    assert len(_found(config, directory)) == count


def test_a_warning_does_not_prevent_a_start(directory: Path) -> None:
    config = {**v2_config({"platform": "local"}), "experimentName": "<name>"}

    loaded = load_config(config, base_path=directory)

    assert [warning.rule for warning in loaded.warnings] == ["placeholder"]
