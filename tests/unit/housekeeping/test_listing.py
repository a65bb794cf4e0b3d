"""Experiments are listed with the managers that really run them."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from nnicli import Connection, Experiment, list_experiments
from nnicli.housekeeping import listing
from nnicli.releases import find_release
from nnicli.rest import Request
from nnicli.store import Registry
from nnicli.testing import FakeInstallation
from nnicli.waiting import Deadline
from tests.contract.scenes import LONG_TRIAL, PLAIN_TRIAL, wait_for, write_config
from tests.support import kill_manager


@pytest.fixture(params=["2.7", "3.0"])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> FakeInstallation:
    return FakeInstallation.create(tmp_path / "nni", version=request.param)


@pytest.fixture
def experiment(installation: FakeInstallation) -> Iterator[Experiment]:
    with Experiment(nni=installation.prefix) as experiment:
        yield experiment


def test_a_running_experiment_is_listed_with_its_manager(
    experiment: Experiment,
    installation: FakeInstallation,
    tmp_path: Path,
    home: Path,
    free_port: Callable[[], int],
) -> None:
    port = free_port()
    experiment.start_experiment(write_config(tmp_path / "project", LONG_TRIAL), port)
    assert experiment.process is not None

    (record,) = list_experiments(running_only=True)

    assert record.exp_id == experiment.exp_id
    assert record.owner is not None
    assert record.owner.pid == experiment.process.identity.pid
    assert record.is_running
    assert record.port == port
    assert record.url == f"http://127.0.0.1:{port}"
    assert record.version == installation.version
    assert record.directory == home / "nni-experiments" / str(experiment.exp_id)
    assert record.ended_at is None

    experiment.stop_experiment()
    (stopped,) = list_experiments()

    assert list_experiments(running_only=True) == []
    assert (stopped.status, stopped.owner) == ("STOPPED", None)
    assert (stopped.port, stopped.url) == (None, None)
    assert stopped.ended_at is not None
    assert stopped.started_at == record.started_at


def test_a_view_is_listed_as_viewed(experiment: Experiment, tmp_path: Path) -> None:
    config = write_config(tmp_path / "project", PLAIN_TRIAL, maxTrialNumber=1)
    experiment.start_experiment(config)
    experiment.stop_experiment()
    experiment.view_experiment(str(experiment.exp_id))

    (record,) = list_experiments()

    assert record.status == "VIEWED"
    assert record.is_running
    assert experiment.stop_experiment().how == "asked"


@pytest.fixture
def unrecorded(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Experiment:
    """An experiment that is DONE, whose manager does not write to the registry, as in 1.x."""
    release = find_release("3.0")
    release = replace(release, layout=replace(release.layout, records_status=False))
    monkeypatch.setattr(listing, "find_release", lambda _: release)
    config = write_config(tmp_path / "project", PLAIN_TRIAL, maxTrialNumber=1)
    experiment.start_experiment(config)
    experiment.wait(timeout=60)
    Registry().update(str(experiment.exp_id), status="INITIALIZED")
    return experiment


def test_a_manager_is_asked_for_a_status_that_is_not_in_a_registry(unrecorded: Experiment) -> None:
    """The registry of 1.x keeps what the launcher wrote at the start."""
    (record,) = list_experiments()

    assert (record.exp_id, record.status) == (unrecorded.exp_id, "DONE")
    assert record.registry_status == "INITIALIZED"


def test_a_manager_is_asked_over_the_given_connection(unrecorded: Experiment) -> None:
    asked: list[str] = []

    def note(request: Request) -> Request:
        asked.append(request.path)
        return request

    (record,) = list_experiments(connection=Connection(auth=note))

    assert (record.exp_id, record.status) == (unrecorded.exp_id, "DONE")
    assert asked == ["/api/v1/nni/check-status"]


def test_a_manager_that_does_not_answer_does_not_block(unrecorded: Experiment) -> None:
    assert unrecorded.process is not None
    pid = unrecorded.process.identity.pid
    os.kill(pid, signal.SIGSTOP)
    asked = Deadline(None)
    try:
        (record,) = list_experiments()
    finally:
        os.kill(pid, signal.SIGCONT)

    assert (record.status, record.is_running) == ("UNKNOWN", True)
    assert asked.waited_s < 10


def test_an_experiment_whose_manager_was_killed_is_stopped(
    experiment: Experiment, tmp_path: Path
) -> None:
    """Its registry still says RUNNING."""
    experiment.start_experiment(write_config(tmp_path / "project", LONG_TRIAL))
    # Two trials run at once, and may be all trials.
    lively = ("RUNNING", "NO_MORE_TRIAL")
    wait_for(lambda: list_experiments()[0].registry_status in lively, "it is recorded as running")
    kill_manager(experiment)

    (record,) = list_experiments()

    assert record.registry_status in lively
    assert (record.status, record.owner) == ("STOPPED", None)


def test_a_pid_of_another_process_is_not_an_owner(home: Path) -> None:
    """The registry has only a number, which is this very process's here."""
    registry = home / "nni-experiments" / ".experiment"
    registry.parent.mkdir()
    entry = {"id": "old", "pid": os.getpid(), "status": "RUNNING", "port": 8080}
    registry.write_text(json.dumps({"old": entry}), "utf-8")
    assert psutil.pid_exists(os.getpid())

    (record,) = list_experiments()

    assert (record.status, record.owner, record.port) == ("STOPPED", None, None)


def test_a_copy_of_a_running_experiment_does_not_run(
    experiment: Experiment, tmp_path: Path, home: Path
) -> None:
    """It has the same id in another directory."""
    experiment.start_experiment(write_config(tmp_path / "project", LONG_TRIAL))
    exp_id = str(experiment.exp_id)
    database = home / "nni-experiments" / exp_id / "db" / "nni.sqlite"
    copy = tmp_path / "copies" / exp_id / "db" / "nni.sqlite"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(database.read_bytes())

    records = list_experiments(experiments_directories=[tmp_path / "copies"])

    running = {record.directory for record in records if record.is_running}
    assert running == {home / "nni-experiments" / exp_id}
    assert len(records) == 2


def test_a_damaged_registry_is_reported_in_a_warning(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry = home / "nni-experiments" / ".experiment"
    registry.parent.mkdir()
    registry.write_text("{", "utf-8")

    with caplog.at_level(logging.WARNING):
        assert list_experiments() == []

    assert f"{registry} is damaged" in caplog.text
