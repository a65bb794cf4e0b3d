"""Configs in the other format: the outcome of every field."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from nnicli import ConfigError, InvalidValueError
from nnicli.config import check_config, convert_config
from tests.sample_configs import (
    SERVICES,
    V1_RELEASES,
    V1_SECTIONS,
    V2_RELEASES,
    make_files,
    v1_config,
    v2_config,
)

NOT_IN_V2 = frozenset(("paiYarn", "dlts", "adl", "hybrid"))
TO_V1 = ("openpai", "aml", "kubeflow", "frameworkcontroller", "adl")


@pytest.fixture(autouse=True)
def directory(tmp_path: Path) -> Path:
    make_files(tmp_path)
    return tmp_path


def _errors(config: Any, directory: Path, version: str) -> list[str]:
    problems = check_config(config, base_path=directory, nni_version=version)
    return [str(problem) for problem in problems if problem.severity == "error"]


def _with_file(config: dict[str, Any]) -> dict[str, Any]:
    del config["searchSpace"]
    return {**config, "searchSpaceFile": "space.json"}


@pytest.mark.parametrize("platform", V1_SECTIONS)
def test_the_v1_samples_are_valid(platform: str, directory: Path) -> None:
    version = V1_RELEASES.get(platform, "2.1")

    assert _errors(v1_config(platform), directory, version) == []


@pytest.mark.parametrize("platform", sorted(set(V1_SECTIONS) - NOT_IN_V2))
def test_a_v1_config_becomes_a_valid_v2_config(platform: str, directory: Path) -> None:
    conversion = convert_config(v1_config(platform))

    assert conversion.format == "v2"
    assert [note for note in conversion.notes if note.rule == "lost"] == []
    assert _errors(conversion.document, directory, "2.10.1") == []


@pytest.mark.parametrize("platform", sorted(NOT_IN_V2))
def test_a_platform_that_v2_does_not_have_is_an_error(platform: str) -> None:
    conversion = convert_config(v1_config(platform))

    lost = {note.location: note for note in conversion.notes if note.rule == "lost"}
    assert lost["trainingServicePlatform"].severity == "error"
    assert platform in lost["trainingServicePlatform"].message


@pytest.mark.parametrize("platform", TO_V1)
def test_a_v2_config_becomes_a_valid_v1_config(platform: str, directory: Path) -> None:
    config = _with_file(v2_config({"platform": platform, **SERVICES[platform]}))

    conversion = convert_config(config, to="v1")

    assert conversion.format == "v1"
    assert conversion.notes == tuple(one for one in conversion.notes if one.severity == "warning")
    assert _errors(conversion.document, directory, "2.1") == []


@pytest.mark.parametrize("platform", sorted({*TO_V1} - {"adl"}))
def test_a_round_trip_changes_nothing(platform: str) -> None:
    service = {"platform": platform, **copy.deepcopy(SERVICES[platform])}

    there = convert_config(v2_config(service), to="v1")
    back = convert_config(there.document).document["trainingService"]

    for name, value in service.items():
        if name in ("trialMemorySize", "worker", "taskRoles"):
            continue
        assert back[name] == value


def test_memory_becomes_megabytes() -> None:
    config = v2_config({"platform": "openpai", **SERVICES["openpai"], "trialMemorySize": "1.5gb"})

    assert convert_config(config, to="v1").document["trial"]["memoryMB"] == 1536


def test_every_lost_or_dropped_field_is_reported_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text(
        "authorName: me\n"
        "experimentName: x\n"
        "searchSpacePath: space.json\n"
        "trainingServicePlatform: remote\n"
        "multiPhase: true\n"
        "useAnnotation: false\n"
        "tuner: {builtinTunerName: TPE, includeIntermediateResults: true}\n"
        "trial: {command: x, codeDir: ., nasMode: classic_mode}\n"
        "machineList:\n"
        "- {ip: a, username: b, passwd: hush, preCommand: x, passphrase: hush}\n"
    )

    notes = convert_config(file).notes

    assert [(note.line, note.location, note.rule, note.severity) for note in notes] == [
        (1, "authorName", "dropped", "warning"),
        (1, "trainingService.reuseMode", "assumed", "warning"),
        (5, "multiPhase", "lost", "error"),
        (7, "tuner.includeIntermediateResults", "lost", "warning"),
        (8, "trial.nasMode", "lost", "error"),
        (10, "machineList[0].preCommand", "lost", "error"),
    ]
    assert not any("hush" in str(note) for note in notes)


def test_the_passphrase_of_a_key_is_kept() -> None:
    """NNI's own conversion loses it, and then refuses the config (2.6 to 3.0)."""
    config = v1_config("remote")
    config["machineList"] = [{"ip": "a", "username": "b", "sshKeyPath": "k", "passphrase": "hush"}]

    (machine,) = convert_config(config).document["trainingService"]["machineList"]

    assert machine == {"host": "a", "user": "b", "sshKeyFile": "k", "sshPassphrase": "hush"}


def test_gpus_of_v1_get_the_default_that_v2_requires() -> None:
    config = v1_config("local")
    config["trial"] = {**config["trial"], "gpuNum": 1}
    config["localConfig"] = {"maxTrialNumPerGpu": 2}

    conversion = convert_config(config)

    assert conversion.document["trainingService"] == {
        "platform": "local",
        "maxTrialNumberPerGpu": 2,
        "useActiveGpu": False,
    }
    assert [note.rule for note in conversion.notes if "useActiveGpu" in note.location] == [
        "assumed"
    ]


def test_a_custom_class_is_converted_to_its_new_form() -> None:
    config = v1_config("local")
    config["tuner"] = {"codeDir": "algo", "classFileName": "mine.py", "className": "Mine"}

    there = convert_config(config).document
    back = convert_config(there, to="v1").document

    assert there["tuner"] == {"className": "mine.Mine", "codeDirectory": "algo"}
    assert back["tuner"] == config["tuner"]


def test_a_hybrid_list_becomes_the_hybrid_of_v1() -> None:
    machine = {"host": "a", "user": "b", "password": "hush"}
    services = [
        {"platform": "local"},
        {"platform": "remote", "machineList": [machine]},
        {"platform": "aml", **SERVICES["aml"]},
    ]

    conversion = convert_config(_with_file(v2_config(services)), to="v1")

    document = conversion.document
    assert document["trainingServicePlatform"] == "hybrid"
    assert document["hybridConfig"] == {"trainingServicePlatforms": ["local", "remote", "aml"]}
    assert document["machineList"] == [{"ip": "a", "username": "b", "passwd": "hush"}]
    assert document["amlConfig"]["computeTarget"] == "c"
    assert not [note for note in conversion.notes if note.rule == "lost"]


def test_dlc_cannot_be_converted_to_v1() -> None:
    config = _with_file(v2_config({"platform": "dlc", **SERVICES["dlc"]}))

    conversion = convert_config(config, to="v1")

    (lost,) = [note for note in conversion.notes if note.rule == "lost"]
    assert (lost.location, lost.severity) == ("trainingService", "error")


def test_a_config_already_in_the_format_is_unchanged() -> None:
    config = v2_config({"platform": "openpai", **SERVICES["openpai"]})

    conversion = convert_config(config)

    assert (conversion.document, conversion.notes) == (config, ())


def test_an_invalid_value_stays_or_is_reported() -> None:
    service = {"platform": "openpai", **SERVICES["openpai"], "trialMemorySize": "lots"}
    config = _with_file(v2_config(service))
    config["maxTrialNumber"] = "many"

    conversion = convert_config(config, to="v1")

    assert conversion.document["maxTrialNum"] == "many"
    (note,) = [note for note in conversion.notes if note.rule == "lost"]
    assert note.location == "trainingService.trialMemorySize"


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "list.yml").write_text("- 1\n")

    with pytest.raises(ConfigError, match="nothing was converted"):
        convert_config(tmp_path / "list.yml")
    with pytest.raises(ConfigError, match="nothing was converted"):
        convert_config(tmp_path / "none.yml")
    with pytest.raises(InvalidValueError, match="allowed: v1 or v2"):
        convert_config({}, to="v3")  # type: ignore[arg-type]  # that is the error


def test_a_conversion_does_not_show_secrets() -> None:
    config = v2_config({"platform": "openpai", **SERVICES["openpai"]})

    assert "hush" not in repr(convert_config(config, to="v1"))


def test_releases_of_the_samples_are_those_of_the_table() -> None:
    assert set(V2_RELEASES) < set(SERVICES)
    assert set(V1_RELEASES) < set(V1_SECTIONS)


def test_an_inline_search_space_has_to_become_a_file() -> None:
    conversion = convert_config(v2_config({"platform": "local"}), to="v1")

    assert "searchSpace" not in conversion.document
    (lost,) = [note for note in conversion.notes if note.rule == "lost"]
    assert (lost.location, lost.severity) == ("searchSpace", "error")
    assert "name the file as searchSpacePath" in lost.message


def test_an_advisor_is_moved_to_its_v1_section() -> None:
    config = v2_config({"platform": "local"})
    config["tuner"] = {"name": "Hyperband", "classArgs": {"optimize_mode": "maximize"}}

    document = convert_config(config, to="v1").document

    assert document["advisor"] == {
        "builtinAdvisorName": "Hyperband",
        "classArgs": {"optimize_mode": "maximize"},
    }
    assert "tuner" not in document


def test_old_arguments_of_tpe_turn_it_into_tpe_legacy() -> None:
    config = v1_config("local")
    config["tuner"]["classArgs"] = {"optimize_mode": "maximize", "parallel_optimize": True}

    conversion = convert_config(config)

    assert conversion.document["tuner"]["name"] == "TPE_legacy"
    assert [note.rule for note in conversion.notes if note.location == "tuner.name"] == ["assumed"]


@pytest.mark.parametrize(
    ("change", "location"),
    [
        ({"tuner": {"name": "TPE_legacy"}}, "tuner.name"),
        ({"tuner": {"name": "TPE", "classArgs": {"seed": 1}}}, "tuner.classArgs.seed"),
        ({"maxTrialNumber": 1_000_000}, "maxTrialNumber"),
    ],
)
def test_what_is_invalid_in_the_other_format_is_reported(
    change: dict[str, Any], location: str
) -> None:
    config = {**_with_file(v2_config({"platform": "local"})), **change}

    notes = convert_config(config, to="v1").notes

    assert [(note.location, note.severity) for note in notes if note.rule == "format"] == [
        (location, "error")
    ]
