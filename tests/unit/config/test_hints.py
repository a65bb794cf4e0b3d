"""What runs but surprises is a warning, and never keeps an experiment from its start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nnicli.config import check_config, load_config
from tests.sample_configs import make_files, v1_config, v2_config


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    make_files(tmp_path)
    return tmp_path


def _told(config: dict[str, Any], folder: Path, version: str = "3.0") -> list[tuple[str, str]]:
    problems = check_config(config, base_path=folder, nni_version=version)
    assert all(problem.severity == "warning" for problem in problems)
    return [(problem.rule, problem.location) for problem in problems]


@pytest.mark.parametrize(
    "value",
    ["${your_name}", "{name}", "<the name>", "replace_with_your_name", "your_name", "a your-ip b"],
)
def test_a_placeholder_is_told(folder: Path, value: str) -> None:
    config = {**v2_config({"platform": "local"}), "experimentName": value}

    assert _told(config, folder) == [("placeholder", "experimentName")]


@pytest.mark.parametrize("value", ["python3 t.py --out ${OUT} < in > out", "my {x} name", "yours"])
def test_what_only_looks_a_bit_like_one_is_not(folder: Path, value: str) -> None:
    assert _told({**v2_config({"platform": "local"}), "experimentName": value}, folder) == []


@pytest.mark.parametrize(
    ("tuner", "version", "is_told"),
    [
        ("Hyperband", "3.0", True),
        ("Hyperband", "2.10.1", True),
        ("Hyperband", "2.9", False),
        ("GPTuner", "3.0", True),
        ("Random", "3.0", False),
    ],
)
def test_a_tuner_that_fails_in_the_release_is_told(
    folder: Path, tuner: str, version: str, is_told: bool
) -> None:
    """3.0 and 2.10.1 end with "'<=' not supported between instances of 'str' and 'int'"."""
    config = v2_config({"platform": "local"})
    config["tuner"] = {"name": tuner, "classArgs": {"optimize_mode": "maximize"}}

    found = [one for one in _told(config, folder, version) if one[0] == "trap"]

    assert found == ([("trap", "tuner.name")] if is_told else [])


def test_values_of_the_user_s_own_are_left_alone(folder: Path) -> None:
    config = v2_config({"platform": "local"})
    config["searchSpace"]["x"] = {"_type": "choice", "_value": ["<unk>", "${a}"]}

    assert _told(config, folder) == []


def test_a_placeholder_without_quotes_is_a_mapping_and_says_so(folder: Path) -> None:
    config = {**v2_config({"platform": "local"}), "nniManagerIp": {"your_ip": None}}

    (problem,) = check_config(config, base_path=folder)

    assert problem.severity == "error"
    assert problem.suggestion == "YAML reads {your_ip} as a mapping; replace the placeholder"


@pytest.mark.parametrize("arguments", [None, {}, {"seed": 1}])
def test_a_tpe_without_a_direction_is_told(folder: Path, arguments: Any) -> None:
    config = v2_config({"platform": "local"})
    config["tuner"] = {"name": "tpe", "classArgs": arguments}

    assert _told(config, folder) == [("default", "tuner.classArgs.optimize_mode")]


def test_a_tpe_with_one_is_not(folder: Path) -> None:
    assert _told(v1_config("local"), folder, "1.9") == []


def test_a_v1_tpe_without_a_direction_is_told(folder: Path) -> None:
    config = {**v1_config("local"), "tuner": {"builtinTunerName": "TPE"}}

    assert _told(config, folder, "1.9") == [("default", "tuner.classArgs.optimize_mode")]


@pytest.mark.parametrize(("given", "told"), [({}, 1), ({"reuseMode": False}, 0)])
def test_remote_machines_without_a_reuse_mode_are_told(
    folder: Path, given: dict[str, Any], told: int
) -> None:
    machine = {"host": "a", "user": "b", "password": "hush"}
    config = v2_config({"platform": "remote", "machineList": [machine], **given})
    config["nniManagerIp"] = "10.0.0.9"

    assert len(_told(config, folder)) == told


def test_a_warning_stops_no_start(folder: Path) -> None:
    config = {**v2_config({"platform": "local"}), "experimentName": "<name>"}

    loaded = load_config(config, base_path=folder)

    assert [warning.rule for warning in loaded.warnings] == ["placeholder"]
