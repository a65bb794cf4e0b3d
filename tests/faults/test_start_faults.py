"""A failed start says why, and leaves no process, port, registry entry or directory."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nnicli import (
    ConfigError,
    Experiment,
    InstallationNotFoundError,
    LaunchError,
    ManagerExitedError,
    PortInUseError,
    RegistryError,
    StartTimeoutError,
    Timeouts,
)
from nnicli.launcher import ports
from nnicli.store import Registry
from nnicli.testing import Behaviour, Exit, FakeInstallation, Rejection

Check = Callable[[], None]
DEFAULT = Timeouts()
QUICK = Timeouts(start_s=1.5, read_s=3.0, stop_s=5.0)


def _experiment(installation: FakeInstallation, timeouts: Timeouts = DEFAULT) -> Experiment:
    return Experiment(nni=installation.prefix, timeouts=timeouts)


@pytest.mark.parametrize(
    ("behaviour", "error", "message"),
    [
        (
            Behaviour(exits_before_ready=Exit(7, "FATAL: no sqlite")),
            ManagerExitedError,
            r"ended before it was ready \(exit code 7\).*FATAL: no sqlite",
        ),
        (
            Behaviour(exits_before_ready=Exit(0, "")),
            ManagerExitedError,
            r"ended before it was ready \(exit code 0\); it wrote no log",
        ),
        (
            Behaviour(exits_after_ready=3),
            ManagerExitedError,
            r"the manager ended .* \(exit code 3\)",
        ),
        (
            Behaviour(exits_after_post=4),
            ManagerExitedError,
            r"right after the experiment was sent \(exit code 4\)",
        ),
        (
            Behaviour(rejects_post=Rejection(500, "Bad training service platform: lokal")),
            LaunchError,
            "did not accept the experiment: .*Bad training service platform: lokal",
        ),
        (Behaviour(never_ready=True), StartTimeoutError, "did not become ready within"),
        (Behaviour(answers_html=True), StartTimeoutError, "did not become ready within"),
        (
            Behaviour(never_answers=("POST /experiment",)),
            LaunchError,
            "did not accept the experiment: .*no answer",
        ),
        (
            Behaviour(resets=("POST /experiment",)),
            LaunchError,
            "did not accept the experiment: ",
        ),
        (
            Behaviour(truncates=("POST /experiment",)),
            LaunchError,
            "did not accept the experiment: ",
        ),
    ],
)
def test_a_manager_that_fails_to_start(
    installation: FakeInstallation,
    config: Path,
    nothing_is_left: Check,
    behaviour: Behaviour,
    error: type[LaunchError],
    message: str,
) -> None:
    installation.set_behaviour(behaviour)
    experiment = _experiment(installation, QUICK)

    with pytest.raises(error, match=rf"(?s){message}") as caught:
        experiment.start_experiment(config)

    assert type(caught.value) is error
    assert str(installation.nni_node / "node") in caught.value.argv
    assert experiment.exp_id is None
    nothing_is_left()


def test_the_error_has_the_exit_code_and_the_end_of_the_log(
    installation: FakeInstallation, config: Path
) -> None:
    installation.set_behaviour(Behaviour(exits_before_ready=Exit(9, "line 1\nline 2")))

    with pytest.raises(ManagerExitedError) as caught:
        _experiment(installation).start_experiment(config)

    assert caught.value.returncode == 9
    assert caught.value.log_tail == "line 1\nline 2"


def test_the_same_instance_can_start_after_a_failed_start(
    installation: FakeInstallation, config: Path
) -> None:
    installation.set_behaviour(Behaviour(exits_before_ready=Exit(), first_starts=1))
    experiment = _experiment(installation)
    with pytest.raises(ManagerExitedError):
        experiment.start_experiment(config)

    with experiment:
        experiment.start_experiment(config)
        assert experiment.get_experiment_status()["status"] == "RUNNING"


def test_an_error_in_the_config_starts_nothing(
    installation: FakeInstallation, config: Path, nothing_is_left: Check
) -> None:
    config.write_text(config.read_text().replace("trialConcurrency", "trialConcurency"))

    with pytest.raises(ConfigError, match="trialConcurency"):
        _experiment(installation).start_experiment(config)

    assert installation.starts() == 0
    nothing_is_left()


def test_the_error_for_a_busy_port_names_its_holder(
    installation: FakeInstallation,
    config: Path,
    nothing_is_left: Check,
    free_port: Callable[[], int],
) -> None:
    port = free_port()
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(PortInUseError, match=f"port {port} is already in use by pid {os.getpid()} "),
    ):
        _experiment(installation).start_experiment(config, port)

    assert installation.starts() == 0
    nothing_is_left()


def test_a_given_port_that_is_taken_in_the_meantime(
    installation: FakeInstallation,
    config: Path,
    nothing_is_left: Check,
    free_port: Callable[[], int],
) -> None:
    """The manager finds it busy although it was free a moment earlier."""
    installation.set_behaviour(Behaviour(steals_port=True))

    with pytest.raises(PortInUseError):
        _experiment(installation).start_experiment(config, free_port())

    assert installation.starts() == 1
    nothing_is_left()


def test_without_a_given_port_the_next_one_is_tried(
    installation: FakeInstallation, config: Path
) -> None:
    installation.set_behaviour(Behaviour(steals_port=True, first_starts=2))

    with _experiment(installation) as experiment:
        experiment.start_experiment(config)

        assert installation.starts() == 3
        assert experiment.port is not None
        assert experiment.port >= ports.FIRST_PORT + 2
        assert list(Registry().read()) == [experiment.exp_id]


def test_another_program_on_the_port_never_gets_the_experiment(
    installation: FakeInstallation,
    config: Path,
    free_port: Callable[[], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes the port in the meantime, and looks exactly like a manager that waits for a POST."""
    stranger = FakeInstallation.create(tmp_path / "stranger")
    port = free_port()
    with _experiment(stranger) as other:
        other.start_experiment(config, port)
        with monkeypatch.context() as patch:
            patch.setattr(ports, "is_free", lambda _: True)
            with pytest.raises(PortInUseError):
                _experiment(installation).start_experiment(config, port)

        posts = [line for line in stranger.requests() if line.startswith("POST /")]
        assert len(posts) == 1
        assert list(Registry().read()) == [other.exp_id]
    Registry().remove(str(other.exp_id))


def test_a_corrupt_registry_is_reported_before_anything_is_spawned(
    installation: FakeInstallation, config: Path, home: Path
) -> None:
    path = home / "nni-experiments" / ".experiment"
    path.parent.mkdir()
    path.write_text('{"aBcD": {"id": "aBcD", ')

    with pytest.raises(RegistryError, match=r"\.experiment"):
        _experiment(installation).start_experiment(config)

    assert installation.starts() == 0
    assert path.read_text() == '{"aBcD": {"id": "aBcD", '
    assert [entry.name for entry in path.parent.iterdir() if entry.is_dir()] == []


def test_if_the_registry_cannot_be_written_the_manager_is_ended(
    installation: FakeInstallation,
    config: Path,
    nothing_is_left: Check,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", refuse)
        with pytest.raises(RegistryError, match="Permission denied"):
            _experiment(installation).start_experiment(config)

    nothing_is_left()


def test_the_error_for_a_locked_registry_names_the_lock(
    installation: FakeInstallation,
    config: Path,
    home: Path,
    nothing_is_left: Check,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lock = home / "nni-experiments" / ".experiment.lock.4711"
    lock.parent.mkdir()
    lock.touch()
    # From the future, so that it does not grow stale while the test runs.
    os.utime(lock, (time.time() + 600, time.time() + 600))

    with monkeypatch.context() as patch:
        impatient = partial(Registry, lock_timeout_s=0.3)
        patch.setattr("nnicli.store.layouts.Registry", impatient)
        with pytest.raises(RegistryError, match=r"\.experiment\.lock\.4711"):
            _experiment(installation).start_experiment(config)

    lock.unlink()
    nothing_is_left()


def test_the_error_for_a_full_disk_names_the_file(
    installation: FakeInstallation,
    config: Path,
    nothing_is_left: Check,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(path: str, _flags: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    monkeypatch.setattr("nnicli.launcher.files._open_for_owner", refuse)

    with pytest.raises(LaunchError, match=r"could not write .*nnictl_stdout\.log: No space left"):
        _experiment(installation).start_experiment(config)

    assert installation.starts() == 0
    nothing_is_left()


def test_a_directory_that_cannot_be_created_is_reported(
    installation: FakeInstallation, config: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    experiment = Experiment(nni=installation.prefix, experiments_directory=tmp_path / "file")

    with pytest.raises(LaunchError, match="could not create the directory"):
        experiment.start_experiment(config)

    assert installation.starts() == 0


def test_a_node_that_cannot_run_is_reported(
    installation: FakeInstallation, config: Path, nothing_is_left: Check
) -> None:
    (installation.nni_node / "node").write_bytes(b"\x7fELF of another machine")

    with pytest.raises(
        LaunchError,
        match=r"could not start .*: .*; it may be built for another system, so reinstall nni",
    ):
        _experiment(installation).start_experiment(config)

    nothing_is_left()


def test_a_missing_installation_is_reported_before_the_config_is_read(tmp_path: Path) -> None:
    with pytest.raises(InstallationNotFoundError, match="no NNI found at"):
        Experiment(nni=tmp_path / "none").start_experiment(tmp_path / "none.yml")


def test_ctrl_c_during_a_start_leaves_nothing(
    installation: FakeInstallation,
    config: Path,
    nothing_is_left: Check,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nnicli.rest.ManagerClient.start_experiment", interrupt)

    with pytest.raises(KeyboardInterrupt):
        _experiment(installation).start_experiment(config)

    assert installation.starts() == 1
    nothing_is_left()


def test_secrets_of_a_config_are_not_in_the_error(
    installation: FakeInstallation, config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config.write_text(config.read_text() + "experimentNmae: x\n")
    document = json.dumps({"password": "tHe-SeCrEt"})
    config.write_text(config.read_text() + f"sharedStorage: {document}\n")

    with caplog.at_level("DEBUG"), pytest.raises(ConfigError) as caught:
        _experiment(installation).start_experiment(config)

    assert "tHe-SeCrEt" not in str(caught.value) + caplog.text + repr(caught.value.problems)
