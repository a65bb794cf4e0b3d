"""Machines without a home, a writable home, visible processes or a loopback interface."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nnicli import (
    Experiment,
    RegistryError,
    find_installations,
    list_experiments,
    open_experiment,
    reconcile_experiments,
)
from nnicli.testing import FakeInstallation
from tests.mounts import needs_mounts


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as a user in a container may: any uid, no passwd entry, no HOME."""

    def refuse(uid: int) -> pwd.struct_passwd:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", refuse)


@pytest.mark.usefixtures("homeless")
def test_without_a_home_the_error_names_the_variable_to_set(
    installation: FakeInstallation, config: Path, tmp_path: Path
) -> None:
    experiment = Experiment(nni=installation.prefix, experiments_directory=tmp_path / "experiments")
    calls = (
        lambda: experiment.start_experiment(config),
        lambda: experiment.resume_experiment("abcdefg1"),
        list_experiments,
        reconcile_experiments,
    )

    for call in calls:
        with pytest.raises(RegistryError, match=r"HOME is not set, and user \d+ has no passwd"):
            call()

    assert installation.starts() == 0
    assert not (tmp_path / "experiments").exists()
    assert isinstance(find_installations(), list)


def test_without_a_home_an_experiment_is_read_by_its_directory(
    installation: FakeInstallation,
    config: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    with Experiment(nni=installation.prefix, experiments_directory=tmp_path) as experiment:
        experiment.start_experiment(config)
    request.getfixturevalue("homeless")

    recorded = open_experiment(tmp_path / str(experiment.exp_id))

    assert recorded.get_experiment_profile()["id"] == experiment.exp_id
    assert isinstance(recorded.manager_log(), str)


def _nnicli(
    *arguments: str | Path, within: tuple[str, ...] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*within, sys.executable, "-m", "nnicli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
        env={**os.environ, **variables},
    )


def _can_unshare(*options: str) -> bool:
    command = shutil.which("unshare")
    if command is None:
        return False
    return (
        subprocess.run([command, *options, "true"], capture_output=True, check=False).returncode
        == 0
    )


@pytest.mark.skipif(not _can_unshare("--user"), reason="no user namespaces here")
@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_the_error_for_a_read_only_home_names_the_variable_to_set(
    installation: FakeInstallation, config: Path, home: Path, tmp_path: Path, *, is_elsewhere: bool
) -> None:
    """In a new user namespace even root is only the owner of its files."""
    parent = ["--experiments-directory", str(tmp_path / "other")] if is_elsewhere else []
    home.chmod(0o500)

    command = ["run", str(config), "--nni", str(installation.prefix), *parent]
    answer = _nnicli(*command, within=("unshare", "--user"))

    home.chmod(0o700)
    assert answer.returncode == 4
    assert "Permission denied" in answer.stderr
    assert "set HOME to a directory that you can write to" in answer.stderr
    assert installation.starts() == 0


@pytest.mark.skipif(
    os.geteuid() != 0 or not _can_unshare("--net"), reason="no network namespaces here"
)
def test_a_loopback_that_is_down_is_reported_at_once(
    installation: FakeInstallation, config: Path
) -> None:
    answer = _nnicli("run", config, "--nni", installation.prefix, within=("unshare", "--net"))

    assert answer.returncode == 4
    assert "127.0.0.1 is not reachable" in answer.stderr
    assert "ip link set lo up" in answer.stderr
    assert installation.starts() == 0


@needs_mounts
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may unmount /proc")
@pytest.mark.parametrize(
    "arguments", [["run"], ["experiment", "list"], ["reconcile"]], ids=lambda words: words[-1]
)
def test_without_proc_the_error_names_it(
    installation: FakeInstallation, config: Path, arguments: list[str]
) -> None:
    if arguments == ["run"]:
        arguments = ["run", str(config), "--nni", str(installation.prefix)]
    script = 'umount -l /proc && exec "$@"'

    answer = _nnicli(*arguments, within=("unshare", "--mount", "sh", "-c", script, "sh"))

    assert answer.returncode == 4
    assert "/proc is not mounted" in answer.stderr
    assert "Traceback" not in answer.stderr
