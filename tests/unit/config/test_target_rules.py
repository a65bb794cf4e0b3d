"""A config for a release with the other format also has to be valid in that format."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from nnicli.config import check_config, load_config
from nnicli.config.formats import newer_fields
from nnicli.config.secrets import Loc
from tests.sample_configs import SERVICES, make_files, v1_config, v2_config


@pytest.fixture(autouse=True)
def directory(tmp_path: Path) -> Path:
    make_files(tmp_path)
    return tmp_path


def _errors(config: Any, directory: Path, version: str) -> list[tuple[str, str]]:
    problems = check_config(config, base_path=directory, nni_version=version)
    return [(one.location, one.message) for one in problems if one.severity == "error"]


@pytest.mark.parametrize("platform", ["pai", "aml"])
def test_a_platform_that_was_removed_is_an_error(platform: str, directory: Path) -> None:
    ((location, message),) = _errors(v1_config(platform), directory, "3.0")

    assert location == "trainingServicePlatform"
    assert "not available in this release" in message
    assert _errors(v1_config(platform), directory, "2.10.1") == []


def test_an_invalid_field_of_shared_storage_is_reported_at_its_location(directory: Path) -> None:
    config = {**v1_config("local"), "sharedStorage": {"storageType": "NFS"}}

    errors = _errors(config, directory, "2.10.1")

    assert {location for location, _ in errors} == {
        f"sharedStorage.{name}"
        for name in (
            "localMountPoint", "remoteMountPoint", "localMounted", "nfsServer", "exportedDirectory"
        )
    }  # fmt: skip
    assert _errors(config, directory, "2.1") == []


def test_a_job_file_alone_is_not_enough_for_openpai(directory: Path) -> None:
    (directory / "job.yml").write_text("taskRoles: {worker: {}}\n")
    config = v1_config("pai")
    config["trial"] = {
        "codeDir": ".",
        "nniManagerNFSMountPath": "mount",
        "containerNFSMountPath": "/mnt",
        "paiConfigPath": "job.yml",
    }

    locations = {location for location, _ in _errors(config, directory, "2.10.1")}

    assert "trialCommand" in locations
    assert _errors(config, directory, "1.9") == []


@pytest.mark.parametrize("name", ["Hyperband", "BOHB"])
def test_an_advisor_is_sent_as_one_to_1_x(name: str, directory: Path) -> None:
    config = v2_config({"platform": "local"})
    config["tuner"] = {"name": name, "classArgs": {"optimize_mode": "maximize"}}

    document = load_config(config, base_path=directory, nni_version="1.9").document

    assert document["advisor"]["builtinAdvisorName"] == name
    assert "tuner" not in document


def test_the_limits_of_v1_hold_for_v2_configs_of_2_0(directory: Path) -> None:
    config = {**v2_config({"platform": "local"}), "maxTrialNumber": 1_000_000}

    ((location, message),) = _errors(config, directory, "2.0")

    assert location == "maxTrialNumber"
    assert "as maxTrialNum of the v1 format: found 1000000; allowed: at most 99999" in message


@pytest.mark.parametrize(
    ("version", "service", "field"),
    [
        ("2.6", {"platform": "kubeflow", **SERVICES["kubeflow"], "namespace": "x"}, "namespace"),
        ("2.6", {"platform": "dlc", **SERVICES["dlc"], "ossDataSourceId": "x"}, "ossDataSourceId"),
        ("2.5", {"platform": "local", "trialCommand": "x"}, "trialCommand"),
    ],
)
def test_a_field_that_was_added_later_is_an_error(
    version: str, service: dict[str, Any], field: str, directory: Path
) -> None:
    ((location, message),) = _errors(v2_config(service), directory, version)

    assert location == f"trainingService.{field}"
    assert "; added in " in message
    assert not [one for one in _errors(v2_config(service), directory, "2.8") if one[0] == location]


def test_kubeflow_has_had_the_same_fields_since_2_4(directory: Path) -> None:
    config = v2_config({"platform": "kubeflow", **SERVICES["kubeflow"]})

    assert _errors(config, directory, "2.4") == []
    assert _errors(config, directory, "2.3")


@pytest.mark.parametrize(("version", "valid"), [("2.4", False), ("2.5", True), ("3.0", True)])
def test_random_takes_a_seed_since_2_5(version: str, valid: bool, directory: Path) -> None:
    v2 = v2_config({"platform": "local"})
    v2["tuner"] = {"name": "Random", "classArgs": {"seed": 3}}
    v1 = v1_config("local")
    v1["tuner"] = {"builtinTunerName": "Random", "classArgs": {"seed": 3}}

    for config in (v1, v2):
        assert (_errors(config, directory, version) == []) == valid


@pytest.mark.parametrize("config", [v2_config({"platform": "local"}), v1_config("local")])
def test_an_unknown_key_is_reported_even_if_it_is_null(
    config: dict[str, Any], directory: Path
) -> None:
    changed = {**copy.deepcopy(config), "fooo": None}

    assert [location for location, _ in _errors(changed, directory, "2.1")] == ["fooo"]


def test_a_null_port_means_the_default(directory: Path) -> None:
    config = v1_config("remote")
    config["machineList"] = [{"ip": "a", "username": "b", "passwd": "hush", "port": None}]

    assert _errors(config, directory, "1.9") == []


def test_files_named_in_v1_must_exist(directory: Path) -> None:
    pai = v1_config("pai")
    pai["trial"] = {**pai["trial"], "nniManagerNFSMountPath": "none"}
    fc = v1_config("frameworkcontroller")
    fc["frameworkcontrollerConfig"] = {**fc["frameworkcontrollerConfig"], "configPath": "none.yml"}
    own = v1_config("local")
    own["tuner"] = {"codeDir": ".", "classFileName": "t.py", "className": "t.T"}
    (directory / "t.py").touch()

    found = [
        [location for location, _ in _errors(config, directory, "2.5")] for config in (pai, fc, own)
    ]

    assert found == [
        ["trial.nniManagerNFSMountPath"],
        ["frameworkcontrollerConfig.configPath"],
        ["tuner.className"],
    ]


def test_a_custom_tuner_may_have_any_search_space(directory: Path) -> None:
    (directory / "mine.py").touch()
    config = v2_config({"platform": "local"})
    config["searchSpace"] = {"x": {"_type": "mine", "_value": 3}, "y": [1, 2]}
    own = {**config, "tuner": {"className": "mine.Mine", "codeDirectory": "."}}

    assert _errors(config, directory, "3.0")
    assert _errors(own, directory, "3.0") == []
    assert check_config(own, base_path=directory)


def _inputs(number: Any) -> dict[str, Any]:
    return {"_type": "input_choice", "_value": {"candidates": ["a"], "n_chosen": number}}


@pytest.mark.parametrize(
    ("tuner", "space", "is_valid"),
    [
        ("PPOTuner", _inputs(2), False),
        ("PPOTuner", _inputs(1), True),
        ("RegularizedEvolutionTuner", _inputs([0, 1]), False),
        ("BatchTuner", {"_type": "choice", "_value": [{"_name": "a", "lr": 1}]}, True),
        ("BatchTuner", {"_type": "choice", "_value": [{"lr": 1}, {"lr": 2}]}, True),
    ],
)
def test_what_a_tuner_can_use(
    tuner: str, space: dict[str, Any], is_valid: bool, directory: Path
) -> None:
    config = v2_config({"platform": "local"})
    config["searchSpace"] = {"x": space}
    config["tuner"] = {"name": tuner, "classArgs": {"optimize_mode": "maximize"}}
    if tuner == "BatchTuner":
        del config["tuner"]["classArgs"]

    assert (_errors(config, directory, "3.0") == []) == is_valid


def test_the_budgets_of_bohb_are_a_range(directory: Path) -> None:
    config = v2_config({"platform": "local"})
    arguments = {"optimize_mode": "maximize", "min_budget": 5, "max_budget": 1}
    config["tuner"] = {"name": "BOHB", "classArgs": arguments}

    ((location, _),) = _errors(config, directory, "3.0")

    assert location == "tuner.classArgs.max_budget"


@pytest.mark.parametrize(
    ("arguments", "at_once", "found"),
    [
        ({"population_size": 2}, 4, "found 2"),
        ({}, 33, "is not given, which means 32"),
        (None, 33, "is not given, which means 32"),
        ({"population_size": 4}, 4, None),
        ({}, 32, None),
    ],
)
@pytest.mark.parametrize("key", ["name", "builtinTunerName"])
def test_evolution_needs_as_many_individuals_as_trials_run_at_once(
    directory: Path, key: str, arguments: dict[str, int] | None, at_once: int, found: str | None
) -> None:
    """With fewer it fails on its first request, when the status is already RUNNING."""
    base = v2_config({"platform": "local"}) if key == "name" else v1_config("local")
    given = {"optimize_mode": "maximize", **(arguments or {})}
    tuner = {key: "Evolution", **({} if arguments is None else {"classArgs": given})}
    config = {**base, "tuner": tuner, "trialConcurrency": at_once}

    errors = _errors(config, directory, "3.0" if key == "name" else "1.9")

    message = f"{found}; allowed: at least trialConcurrency, which is {at_once}"
    assert errors == ([] if found is None else [("tuner.classArgs.population_size", message)])


def test_a_field_of_list_items_may_have_been_added_later(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the service itself used to be checked, so a newer field of a machine was accepted."""
    loc: Loc = ("trainingService", "machineList", 0, "useActiveGpu")
    monkeypatch.setattr(newer_fields, "_NEWER", {("v2", loc): "3.0"})
    machine = {"host": "a", "user": "u", "password": "p", "useActiveGpu": False}
    service = {"platform": "remote", "reuseMode": False, "machineList": [machine]}

    found = [
        one for one in _errors(v2_config(service), directory, "2.10") if "; added in " in one[1]
    ]

    assert [location for location, _ in found] == ["trainingService.machineList[0].useActiveGpu"]
    assert "; added in 3.0" in found[0][1]
