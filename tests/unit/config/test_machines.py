"""Machines that cannot be reached, are given twice, or run fewer trials than wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nnicli.config import check_config
from tests.unit.config.conftest import WriteConfig
from tests.unit.config.test_v1 import REMOTE as OLD

MACHINE = {"host": "10.0.0.1", "user": "me", "password": "hush"}


def _problems(*machines: dict[str, Any], **fields: Any) -> list[tuple[str, str, str]]:
    config = {
        "trialConcurrency": 1,
        "trialCommand": "python3 trial.py",
        "tuner": {"name": "Random"},
        "searchSpace": {"x": {"_type": "uniform", "_value": [0, 1]}},
        "nniManagerIp": "10.0.0.9",
        "trainingService": {
            "platform": "remote",
            "reuseMode": False,
            "machineList": [{**MACHINE, **machine} for machine in machines],
        },
        **fields,
    }
    found = check_config(config, nni_version="3.0")
    return [(one.severity, one.location, one.message) for one in found]


HOST = "trainingService.machineList[0].host"


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("me@10.0.0.1:2222", "found a user and an address"),
        ("me:hunter2@gpu", "found a user and an address"),
        ("10.0.0.1:2222", 'found "10.0.0.1:2222"'),
    ],
)
def test_a_host_is_only_a_name_or_an_address(host: str, shown: str) -> None:
    """The part before the @ may include a password, so it is not shown."""
    allowed = "only a name or an address; give user and port separately"

    assert _problems({"host": host}) == [("error", HOST, f"{shown}; allowed: {allowed}")]


@pytest.mark.parametrize("host", ["gpu-1.example.org", "10.0.0.1", "fe80::1", "::1"])
def test_valid_hosts_are_accepted(host: str) -> None:
    assert _problems({"host": host}) == []


def test_a_duplicate_machine_is_reported() -> None:
    assert _problems({}, {"host": "other"}, {"port": 22}) == [
        (
            "warning",
            "trainingService.machineList[2].host",
            "found the same machine as in trainingService.machineList[0]; give it once",
        )
    ]
    assert _problems({}, {"port": 2222}, {"user": "you"}) == []


@pytest.mark.parametrize("path", ["/envs/nni/bin/python3", "C:\\nni\\python.exe", "python3.11"])
def test_the_python_path_of_a_machine_is_a_directory(path: str) -> None:
    ((severity, location, message),) = _problems({"pythonPath": path})

    assert (severity, location) == ("warning", "trainingService.machineList[0].pythonPath")
    assert message.endswith(", a program; NNI needs the directory that it is in")
    assert _problems({"pythonPath": "/envs/python3/bin"}) == []


def test_more_trials_than_machines_are_reported_in_reuse_mode() -> None:
    reusing = {"platform": "remote", "reuseMode": True, "machineList": [MACHINE]}

    assert _problems(trainingService=reusing, trialConcurrency=3) == [
        (
            "warning",
            "trialConcurrency",
            (
                "found 3, but in reuse mode each machine runs one trial at a time, so 1 run at "
                "once; add machines, or set reuseMode to false"
            ),
        )
    ]
    assert _problems({}, trialConcurrency=3) == []


def test_the_v1_format_is_checked_in_the_same_way(
    write_config: WriteConfig, tmp_path: Path
) -> None:
    write_config('{"x": {"_type": "choice", "_value": [1]}}', name="space.json")
    path = write_config(OLD.replace("ip: 10.0.0.1", "ip: '10.0.0.1:22'"))

    (problem,) = [one for one in check_config(path, nni_version="1.9") if one.rule == "host"]

    assert str(problem).replace(f"{tmp_path}/", "") == (
        'config.yml:12:4: machineList[0].ip: found "10.0.0.1:22"; allowed: only a name or an '
        "address; give username and port separately"
    )
