"""The document that is POSTed: one spelling, absolute paths, NNI's own defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nnicli.config import load_config
from nnicli.config.releases import RELEASES, release_for
from nnicli.versions import parse_version
from tests.unit.config.conftest import HEAD, SPACE, WriteConfig

CONFIG: dict[str, Any] = {
    "trialConcurrency": 1,
    "trialCommand": "python3 trial.py",
    "tuner": {"name": "TPE"},
    "trainingService": {"platform": "local"},
    "searchSpace": {"x": {"_type": "uniform", "_value": [0, 1]}},
}


def _load(config: dict[str, Any], base: Path, **options: Any) -> dict[str, Any]:
    return load_config(config, base_path=base, **options).document


def test_a_small_config_gets_the_defaults(tmp_path: Path, home: Path) -> None:
    """What `ExperimentConfig.json()` of 3.0 gives for the same config, without nulls."""
    assert _load(CONFIG, tmp_path) == {
        "experimentType": "hpo",
        "searchSpace": {"x": {"_type": "uniform", "_value": [0, 1]}},
        "trialCommand": "python3 trial.py",
        "trialCodeDirectory": str(tmp_path),
        "trialConcurrency": 1,
        "useAnnotation": False,
        "debug": False,
        "logLevel": "info",
        "experimentWorkingDirectory": str(home / "nni-experiments"),
        "tuner": {"name": "TPE"},
        "trainingService": {
            "platform": "local",
            "trialCommand": "python3 trial.py",
            "trialCodeDirectory": str(tmp_path),
            "debug": False,
            "maxTrialNumberPerGpu": 1,
            "reuseMode": False,
        },
    }


def test_paths_are_relative_to_the_directory_of_the_config_file(
    tmp_path: Path, write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links are resolved as NNI does; the working directory does not matter."""
    (tmp_path / "code").mkdir()
    (tmp_path / "link").symlink_to("code")
    (tmp_path / "space.json").write_text('{"x": {"_type": "uniform", "_value": [1e-7, 1]}}')
    (tmp_path / "code" / "mine.py").touch()
    monkeypatch.chdir("/")
    config = write_config(
        HEAD.replace("{name: TPE}", "{className: mine.T, codeDirectory: link}")
        + "trialCodeDirectory: ./link\nsearchSpaceFile: space.json\n"
        + "experimentWorkingDirectory: ../logs\n"
    )

    loaded = load_config(config)

    document = loaded.document
    assert document["trialCodeDirectory"] == str(tmp_path / "code")
    assert document["trainingService"]["trialCodeDirectory"] == str(tmp_path / "code")
    assert document["tuner"] == {"className": "mine.T", "codeDirectory": str(tmp_path / "code")}
    assert document["searchSpace"] == {"x": {"_type": "uniform", "_value": [1e-7, 1]}}
    assert "searchSpaceFile" not in document
    assert loaded.experiments_directory == tmp_path.parent / "logs"
    assert document["experimentWorkingDirectory"] == str(tmp_path.parent / "logs")


def test_home_is_expanded(tmp_path: Path, home: Path) -> None:
    config = {**CONFIG, "experimentWorkingDirectory": "~/x", "trialCodeDirectory": "~"}

    document = _load(config, tmp_path)

    assert document["experimentWorkingDirectory"] == str(home / "x")
    assert document["trialCodeDirectory"] == str(home)


def test_paths_of_a_mapping_are_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert load_config(CONFIG).document["trialCodeDirectory"] == str(tmp_path)


def test_any_spelling_becomes_camel_case_but_not_inside_class_args(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    config = write_config(
        "TRIAL_CONCURRENCY: 1\n_trial__Command: x\n"
        "tuner: {Name: tpe, class_args: {optimize_mode: minimize}}\n"
        "training_service: {Platform: local, use_active_gpu: false, gpu_indices: '1, 0'}\n"
        "trial_gpu_number: 1\ntuner_gpu_indices: 2\nexperiment_name: null\n"
        "search_space: {trial_concurrency: {_type: choice, _value: [1]}}\n"
    )

    document = load_config(config).document

    assert document["trialConcurrency"] == 1
    assert document["trialCommand"] == "x"
    assert document["tuner"] == {"name": "TPE", "classArgs": {"optimize_mode": "minimize"}}
    assert document["trainingService"] == {
        "platform": "local",
        "useActiveGpu": False,
        "gpuIndices": [1, 0],
        "trialGpuNumber": 1,
        "trialCommand": "x",
        "trialCodeDirectory": str(tmp_path),
        "debug": False,
        "maxTrialNumberPerGpu": 1,
        "reuseMode": False,
    }
    assert document["tunerGpuIndices"] == [2]
    assert list(document["searchSpace"]) == ["trial_concurrency"]
    assert "experimentName" not in document


@pytest.mark.parametrize(
    ("fields", "debug", "expected"),
    [
        ({}, False, (False, "info")),
        ({"debug": True}, False, (True, "debug")),
        ({"logLevel": "warning"}, False, (False, "warning")),
        ({"debug": True, "logLevel": "warning"}, False, (True, "warning")),
        ({"logLevel": "warning", "debug": False}, True, (True, "debug")),
    ],
)
def test_debug_sets_the_log_level(
    tmp_path: Path, fields: dict[str, Any], debug: bool, expected: tuple[bool, str]
) -> None:
    document = _load({**CONFIG, **fields}, tmp_path, debug=debug)

    assert (document["debug"], document["logLevel"]) == expected
    assert document["trainingService"]["debug"] == expected[0]


def test_fields_of_the_service_override_those_of_the_experiment(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    service = {"platform": "local", "trialCommand": "y", "trialCodeDirectory": "code"}

    document = _load({**CONFIG, "trainingService": service}, tmp_path)

    assert document["trialCommand"] == "python3 trial.py"
    assert document["trainingService"]["trialCommand"] == "y"
    assert document["trainingService"]["trialCodeDirectory"] == str(tmp_path / "code")


def test_durations_are_sent_as_written(tmp_path: Path) -> None:
    fields = {"maxExperimentDuration": "1.5h", "maxTrialDuration": 60}

    document = _load({**CONFIG, **fields}, tmp_path)

    assert {name: document[name] for name in fields} == fields


def test_a_mount_point_is_relative_to_the_directory_of_the_config(tmp_path: Path) -> None:
    storage = {
        "storage_type": "NFS",
        "localMountPoint": "mnt",
        "remoteMountPoint": "/mnt",
        "localMounted": "usermount",
        "nfsServer": "host",
        "exportedDirectory": "/export",
    }

    document = _load({**CONFIG, "sharedStorage": storage}, tmp_path)

    assert document["sharedStorage"]["storageType"] == "NFS"
    assert document["sharedStorage"]["localMountPoint"] == str(tmp_path / "mnt")


@pytest.mark.parametrize(
    ("field", "algorithm", "version", "place"),
    [
        ("advisor", {"name": "hyperband"}, "3.0", "tuner"),
        ("advisor", {"name": "hyperband"}, "2.8", "tuner"),
        ("advisor", {"name": "hyperband"}, "2.7", "advisor"),
        ("tuner", {"name": "BOHB"}, "2.7", "advisor"),
        ("tuner", {"name": "TPE"}, "2.7", "tuner"),
        ("advisor", {"className": "mine.A", "codeDirectory": "."}, "2.7", "advisor"),
        ("advisor", {"className": "mine.A", "codeDirectory": "."}, "2.8", "tuner"),
    ],
)
def test_an_advisor_is_in_the_section_that_its_release_reads(
    tmp_path: Path, field: str, algorithm: dict[str, Any], version: str, place: str
) -> None:
    """From 2.8 on advisors are tuners; a dispatcher of 2.7 would not find Hyperband there."""
    (tmp_path / "mine.py").touch()
    config = {key: value for key, value in CONFIG.items() if key != "tuner"}

    document = _load({**config, field: algorithm}, tmp_path, nni_version=version)

    assert place in document
    assert len({"tuner", "advisor"} & set(document)) == 1


@pytest.mark.parametrize(
    ("version", "expected"), [("2.7", False), ("2.8", False), ("2.9", True), ("3.0", True)]
)
def test_the_experiment_type_is_sent_to_releases_that_have_it(
    tmp_path: Path, version: str, expected: bool
) -> None:
    config = {**CONFIG, "experimentType": "hpo"}

    document = _load(config, tmp_path, nni_version=version)

    assert ("experimentType" in document) is expected


def test_the_given_mapping_is_not_changed(tmp_path: Path) -> None:
    config = {**CONFIG, "tuner": {"name": "tpe"}, "experimentName": None}

    _load(config, tmp_path)

    assert config == {**CONFIG, "tuner": {"name": "tpe"}, "experimentName": None}


def test_rows_of_the_release_table_are_sorted() -> None:
    versions = [parse_version(row.since) for row in RELEASES]

    assert versions == sorted(set(versions))
    assert release_for(None) is RELEASES[-1]


def test_an_inline_search_space_is_sent_as_written(write_config: WriteConfig) -> None:
    assert load_config(write_config(HEAD + SPACE)).document["searchSpace"] == {
        "x": {"_type": "uniform", "_value": [0, 1]}
    }
