"""A fake manager that misbehaves on request."""

from __future__ import annotations

import http.client
import json
import os
import signal
from pathlib import Path

import pytest

from nnicli.testing import Behaviour, Exit, FakeInstallation, Rejection, TunerExit
from tests.unit.testing.running import Starter


@pytest.mark.parametrize(
    ("behaviour", "returncode", "stderr"),
    [
        (Behaviour(exits_before_ready=Exit(7, "no luck")), 7, b"no luck"),
        (Behaviour(steals_port=True), 1, b"EADDRINUSE"),
    ],
)
def test_manager_that_never_serves(
    starter: Starter, home: Path, behaviour: Behaviour, returncode: int, stderr: bytes
) -> None:
    installation = FakeInstallation.create(home / "nni", behaviour=behaviour)

    process = starter.spawn(installation).process

    assert process.wait(20) == returncode
    assert process.stderr is not None
    assert stderr in process.stderr.read()


@pytest.mark.parametrize(
    ("behaviour", "body"),
    [(Behaviour(never_ready=True), "INITIALIZING"), (Behaviour(answers_html=True), "<!doctype")],
)
def test_manager_that_is_never_ready(
    starter: Starter, installation: FakeInstallation, behaviour: Behaviour, body: str
) -> None:
    installation.set_behaviour(behaviour)

    manager = starter.spawn(installation)

    manager.wait_for(lambda: manager.request("GET", "/check-status")[1].startswith(body))


def test_fault_of_the_first_start_does_not_affect_the_second(
    starter: Starter, installation: FakeInstallation
) -> None:
    installation.set_behaviour(Behaviour(first_starts=1, steals_port=True))
    first = starter.spawn(installation)
    assert first.process.wait(20) == 1

    second = starter.spawn(installation)

    second.wait_for_status("INITIALIZED")
    assert installation.starts() == 2


def test_manager_that_dies_between_ready_and_post(
    starter: Starter, installation: FakeInstallation
) -> None:
    installation.set_behaviour(Behaviour(exits_after_ready=5))

    manager = starter.spawn(installation)

    manager.wait_for_status("INITIALIZED")
    assert manager.process.wait(20) == 5


def test_manager_that_dies_after_the_post(starter: Starter) -> None:
    manager = starter.start(Behaviour(exits_after_post=6))

    assert manager.process.wait(20) == 6


def test_rejected_post_may_be_followed_by_another(
    starter: Starter, installation: FakeInstallation
) -> None:
    installation.set_behaviour(Behaviour(rejects_post=Rejection(500, "bad platform")))
    manager = starter.spawn(installation)
    manager.wait_for_status("INITIALIZED")

    answer = manager.request("POST", "/experiment", starter.config())

    assert answer == (500, '{"error": "bad platform"}')
    assert manager.get("/check-status")["status"] == "INITIALIZED"


def test_ignored_update_is_answered_with_200(starter: Starter) -> None:
    manager = starter.start(Behaviour(ignores_updates=True))

    params = {"params": {"trialConcurrency": 5}}
    status, _ = manager.request("PUT", "/experiment?update_type=TRIAL_CONCURRENCY", params)

    assert status == 200
    assert manager.get("/experiment")["params"]["trialConcurrency"] == 2


def test_routes_that_never_answer_reset_or_cut(starter: Starter) -> None:
    behaviour = Behaviour(
        never_answers=("GET /version",),
        resets=("GET /export-data",),
        truncates=("GET /trial-jobs",),
    )
    manager = starter.start(behaviour, trialConcurrency=0)

    with pytest.raises(TimeoutError):
        manager.request("GET", "/version", timeout_s=0.5)
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        manager.request("GET", "/export-data")
    assert manager.request("GET", "/trial-jobs") == (200, "[")


def test_manager_that_will_not_stop(starter: Starter) -> None:
    manager = starter.start(Behaviour(hangs_on_stop=True))

    assert manager.request("DELETE", "/experiment")[0] == 200
    os.kill(manager.process.pid, signal.SIGTERM)

    assert manager.get("/check-status")["status"] in ("RUNNING", "NO_MORE_TRIAL", "DONE")
    assert manager.process.poll() is None


def test_tuner_that_never_connects_ends_in_error(starter: Starter) -> None:
    behaviour = Behaviour(tuner_never_connects=True, tuner_connect_limit_s=0.1, orphan_tuner_s=0)
    manager = starter.start(behaviour)

    manager.wait_for_status("ERROR")

    assert manager.process.poll() is None
    assert "tuner" in manager.get("/check-status")["errors"][0]


@pytest.mark.parametrize(("says_goodbye", "status"), [(True, "RUNNING"), (False, "ERROR")])
def test_tuner_that_crashes(starter: Starter, says_goodbye: bool, status: str) -> None:
    """3.0 stays RUNNING forever after an exception in a handler: the tuner says goodbye."""
    exits = TunerExit(trials=1, returncode=3, traceback="Boom\n", says_goodbye=says_goodbye)
    manager = starter.start(Behaviour(tuner_exits=exits, tuner_lost_limit_s=0.2))
    log = manager.directory / "log" / "dispatcher.log"
    manager.wait_for(lambda: log.exists() and "Boom" in log.read_text("utf-8"))

    manager.wait_for_status(status)

    manager.wait_for(lambda: len(manager.get("/trial-jobs?status=SUCCEEDED")) == 1)


def test_stop_does_not_wait_for_a_tuner_that_never_connected(starter: Starter) -> None:
    """3.0 exits at once and leaves its tuner behind, for nnicli to kill."""
    manager = starter.start(Behaviour(tuner_delay_s=600))

    assert manager.stop() == 0

    os.killpg(manager.process.pid, 0)


def test_requests_are_recorded(starter: Starter, installation: FakeInstallation) -> None:
    manager = starter.spawn(installation)
    manager.wait_for_status("INITIALIZED")

    manager.request("POST", "/experiment", starter.config())

    assert installation.requests().count("POST /api/v1/nni/experiment") == 1


def test_behaviour_round_trips_through_json() -> None:
    behaviour = Behaviour(
        exits_before_ready=Exit(3, "x"),
        rejects_post=Rejection(),
        tuner_exits=TunerExit(trials=2),
        resets=("GET /a", "PUT /b"),
    )

    assert Behaviour.from_json(json.loads(json.dumps(behaviour.to_json()))) == behaviour
