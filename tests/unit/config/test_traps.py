"""Training services that a release accepts but cannot run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nnicli.config import check_config, convert_config
from tests.sample_configs import SERVICES, make_files, v1_config, v2_config

REMOTE = {
    "platform": "remote",
    "reuseMode": False,
    "machineList": [{"host": "10.0.0.1", "user": "u", "password": "hush"}],
}


@pytest.fixture(autouse=True)
def directory(tmp_path: Path) -> Path:
    make_files(tmp_path)
    return tmp_path


def _errors(config: dict[str, Any], directory: Path, version: str) -> list[str]:
    found = check_config(config, base_path=directory, nni_version=version)
    return [str(problem) for problem in found if problem.severity == "error"]


def _with_service(platform: str, **fields: Any) -> dict[str, Any]:
    return v2_config({"platform": platform, **SERVICES[platform], **fields})


@pytest.mark.parametrize("platform", ["kubeflow", "frameworkcontroller"])
@pytest.mark.parametrize("version", ["2.5", "2.10.1", "3.0"])
def test_kubernetes_without_reuse_needs_the_v1_format(
    directory: Path, platform: str, version: str
) -> None:
    """ERROR with `assert(kubernetesCRDClient !== undefined)` (2.5, 2.10.1, 3.0, seen live)."""
    config = _with_service(platform, reuseMode=False)

    assert _errors(config, directory, version) == [
        (
            "trainingService.reuseMode: found false, which ends every experiment in ERROR; "
            "leave it out, or write the config in the v1 format, where `reuse: false` works"
        )
    ]


def test_kubeflow_needs_a_command_in_reuse_mode(directory: Path) -> None:
    config = _with_service("kubeflow")
    del config["trialCommand"]

    assert _errors(config, directory, "3.0") == [
        (
            "trialCommand: is required but missing: without it the manager creates "
            "job after job for ever"
        )
    ]
    assert _errors({**config, "trialCommand": "python3 trial.py"}, directory, "3.0") == []


def test_a_converted_kubeflow_config_gets_the_command_of_its_worker() -> None:
    conversion = convert_config(v1_config("kubeflow"))

    worker = conversion.document["trainingService"]["worker"]
    assert conversion.document["trialCommand"] == worker["command"]
    assert "trialCommand" in [note.location for note in conversion.notes]


@pytest.mark.parametrize(("version", "is_refused"), [("2.10.1", False), ("3.0", True)])
def test_local_in_a_list_is_refused_by_3_0(
    directory: Path, version: str, *, is_refused: bool
) -> None:
    """3.0 ends in ERROR, 2.10.1 runs it (seen live)."""
    config = {**v2_config({"platform": "local"}), "trainingService": [{"platform": "local"}]}

    expected = (
        "trainingService[0].platform: found local in a list, which ends every experiment in "
        "ERROR; write it as a mapping"
    )
    assert _errors(config, directory, version) == ([expected] if is_refused else [])


@pytest.mark.parametrize(
    ("version", "change", "is_refused"),
    [
        ("3.0", {}, True),
        ("3.0", {"nniManagerIp": "10.0.0.9"}, False),
        ("3.0", {"reuseMode": True}, False),
        ("3.0", {"machineList": [{"host": "localhost", "user": "u", "password": "x"}]}, False),
        ("2.10.1", {}, False),
    ],
)
def test_machines_of_3_0_need_the_address_of_the_manager(
    directory: Path, version: str, change: dict[str, Any], *, is_refused: bool
) -> None:
    config = {**v2_config({"platform": "local"}), "trainingService": {**REMOTE, **change}}

    expected = (
        "nniManagerIp: is required but missing: without it the machines look for "
        "the manager at localhost. Give the address at which they reach this machine"
    )
    assert _errors(config, directory, version) == ([expected] if is_refused else [])
