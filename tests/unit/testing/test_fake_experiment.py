"""A sound fake manager, seen over plain HTTP and in its files."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from nnicli.store import Registry
from nnicli.testing import Behaviour, FakeInstallation
from tests.unit.testing.running import Manager, Starter, wait_until_gone

LONG_TRIAL = "python3 trial.py; sleep 300"


def trials(manager: Manager, status: str | None = None) -> list[dict[str, Any]]:
    query = f"?status={status}" if status else ""
    found: list[dict[str, Any]] = manager.get(f"/trial-jobs{query}")
    return found


def update(manager: Manager, update_type: str, **params: Any) -> int:
    path = f"/experiment?update_type={update_type}"
    return manager.request("PUT", path, {"params": params})[0]


def registry_entry(starter: Starter) -> dict[str, Any]:
    (entry,) = json.loads(starter.registry.read_text("utf-8")).values()
    assert isinstance(entry, dict)
    return entry


@pytest.mark.parametrize("version", ["2.7", "2.8", "2.10.1", "3.0"])
def test_trials_run_to_the_end_in_every_release(starter: Starter, version: str) -> None:
    manager = starter.start(version=version)

    manager.wait_for_status("DONE")

    assert manager.get("/job-statistics") == [{"trialJobStatus": "SUCCEEDED", "trialJobNumber": 3}]
    parameters = [json.loads(trial["hyperParameters"][0]) for trial in trials(manager)]
    finals = [trial["finalMetricData"][0]["data"] for trial in trials(manager)]
    assert [json.loads(json.loads(final)) for final in finals] == [
        row["parameters"]["x"] for row in parameters
    ]
    assert manager.stop() == (1 if version == "2.7" else 0)
    assert registry_entry(starter)["status"] == "STOPPED"


@pytest.mark.parametrize(
    ("version", "directory", "output"),
    [("2.10.1", "trials", "stdout"), ("3.0", "environments/local-env/trials", "trial.stdout")],
)
def test_files_are_where_the_release_puts_them(
    starter: Starter, version: str, directory: str, output: str
) -> None:
    manager = starter.start(version=version, command="echo hello", maxTrialNumber=1)

    manager.wait_for_status("DONE")

    (trial,) = trials(manager)
    assert (manager.directory / directory / trial["trialJobId"] / output).read_text() == "hello\n"
    assert trial["logPath"].endswith(f"{directory}/{trial['trialJobId']}")


def test_database_has_the_events_and_profiles_of_nni(starter: Starter) -> None:
    manager = starter.start(maxTrialNumber=1)
    manager.wait_for_status("DONE")
    manager.stop()

    with closing(sqlite3.connect(manager.directory / "db" / "nni.sqlite")) as connection:
        events = connection.execute("select event, environmentId from TrialJobEvent").fetchall()
        metrics = connection.execute("select type, sequence from MetricData").fetchall()
        (end,) = connection.execute(
            "select endTime from ExperimentProfile order by revision desc limit 1"
        ).fetchone()

    assert events == [("RUNNING", "local-env"), ("SUCCEEDED", "local-env")]
    assert metrics == [("PERIODICAL", 0), ("FINAL", 0)]
    assert end == registry_entry(starter)["endTime"]


def test_done_experiment_continues_when_its_limit_is_raised(starter: Starter) -> None:
    manager = starter.start(maxTrialNumber=1)
    manager.wait_for_status("DONE")

    assert update(manager, "MAX_TRIAL_NUM", maxTrialNumber=2) == 200

    manager.wait_for(lambda: len(trials(manager, "SUCCEEDED")) == 2)


def test_concurrency_zero_pauses(starter: Starter) -> None:
    manager = starter.start(trialConcurrency=0)
    manager.wait_for_tuner()

    assert trials(manager) == []
    update(manager, "TRIAL_CONCURRENCY", trialConcurrency=2)
    manager.wait_for_status("DONE")


def test_search_space_before_the_tuner_is_never_answered(starter: Starter) -> None:
    manager = starter.start(Behaviour(tuner_delay_s=60))

    path = "/experiment?update_type=SEARCH_SPACE"
    body: dict[str, Any] = {"params": {"searchSpace": {}}}
    with pytest.raises(TimeoutError):
        manager.request("PUT", path, body, timeout_s=0.5)
    assert "x" in manager.get("/experiment")["params"]["searchSpace"]


def test_search_space_reaches_the_tuner(starter: Starter) -> None:
    manager = starter.start(trialConcurrency=0)
    manager.wait_for_tuner()
    space = {"x": {"_type": "choice", "_value": [7]}}

    assert update(manager, "SEARCH_SPACE", searchSpace=space) == 200

    update(manager, "TRIAL_CONCURRENCY", trialConcurrency=1)
    manager.wait_for_status("DONE")
    assert {row["parameter"]["x"] for row in manager.get("/export-data")} == {7}


def test_batch_tuner_runs_out_of_trials(starter: Starter) -> None:
    """3.0 stays in TUNER_NO_MORE_TRIAL forever; it never becomes DONE."""
    space = {"all": {"_type": "choice", "_value": [{"x": 1}, {"x": 2}]}}
    manager = starter.start(tuner={"name": "BatchTuner"}, searchSpace=space, maxTrialNumber=8)

    manager.wait_for(lambda: len(trials(manager, "SUCCEEDED")) == 2)

    manager.wait_for_status("TUNER_NO_MORE_TRIAL")


def test_custom_trial_and_its_limit(starter: Starter) -> None:
    manager = starter.start(maxTrialNumber=1)
    manager.wait_for_status("DONE")
    refused = manager.request("POST", "/trial-jobs", {"x": 9})
    # Paused, so that the tuner's trials do not use up the new limit first.
    update(manager, "TRIAL_CONCURRENCY", trialConcurrency=0)
    update(manager, "MAX_TRIAL_NUM", maxTrialNumber=3)

    accepted = manager.request("POST", "/trial-jobs", {"x": 9})
    update(manager, "TRIAL_CONCURRENCY", trialConcurrency=1)

    assert (refused[0], "reach maxTrialNum" in refused[1]) == (500, True)
    number = json.loads(accepted[1])["sequenceId"]
    manager.wait_for(lambda: len(trials(manager, "SUCCEEDED")) == 3)
    (custom,) = [trial for trial in trials(manager) if trial["sequenceId"] == number]
    assert json.loads(custom["hyperParameters"][0])["parameter_source"] == "customized"


def test_cancelled_and_failed_trials_keep_their_metrics_out_of_the_export(
    starter: Starter,
) -> None:
    command = "python3 trial.py; [ $NNI_TRIAL_SEQ_ID = 0 ] && exit 3; sleep 300"
    manager = starter.start(command=command, maxTrialNumber=2)
    manager.wait_for(lambda: len(manager.get("/metric-data?type=FINAL")) == 2)
    manager.wait_for(lambda: trials(manager, "FAILED"))
    (running,) = trials(manager, "RUNNING")

    assert manager.request("DELETE", f"/trial-jobs/{running['trialJobId']}")[0] == 200

    assert [trial["status"] for trial in trials(manager)] == ["FAILED", "USER_CANCELED"]
    assert manager.get("/export-data") == []
    assert len(manager.get("/metric-data")) == 4


def test_resume_runs_unfinished_trials_again_and_continues(
    starter: Starter, installation: FakeInstallation
) -> None:
    manager = starter.start(command=LONG_TRIAL, trialConcurrency=1)
    manager.wait_for(lambda: trials(manager, "RUNNING"))
    (unfinished,) = trials(manager)
    manager.stop()

    resumed = starter.spawn(installation, action="resume", port=manager.port)
    resumed.wait_for_status("INITIALIZED")
    answer = resumed.request("POST", "/experiment", {})

    assert answer == (200, "")
    resumed.wait_for(lambda: trials(resumed, "RUNNING"))
    assert [trial["trialJobId"] for trial in trials(resumed)] == [unfinished["trialJobId"]]


def test_resume_of_2_8_replaces_unfinished_trials(starter: Starter) -> None:
    manager = starter.start(version="2.8", command=LONG_TRIAL, trialConcurrency=1)
    manager.wait_for(lambda: trials(manager, "RUNNING"))
    manager.stop()

    installation = FakeInstallation(starter.registry.parents[1] / "nni 2.8", "2.8")
    resumed = starter.spawn(installation, action="resume", port=manager.port)
    resumed.wait_for_status("INITIALIZED")
    resumed.request("POST", "/experiment", {})

    resumed.wait_for(lambda: trials(resumed, "RUNNING"))
    assert [trial["status"] for trial in trials(resumed)] == ["FAILED", "RUNNING"]


def test_view_answers_and_changes_nothing(starter: Starter, installation: FakeInstallation) -> None:
    manager = starter.start()
    manager.wait_for_status("DONE")
    before = {path: manager.get(path) for path in ("/trial-jobs", "/metric-data", "/export-data")}
    manager.stop()

    viewing = starter.spawn(installation, action="view", port=manager.port)
    viewing.wait_for_status("INITIALIZED")
    viewing.request("POST", "/experiment", {})

    viewing.wait_for_status("VIEWED")
    assert {path: viewing.get(path) for path in before} == before
    assert update(viewing, "MAX_TRIAL_NUM", maxTrialNumber=9) == 500
    assert viewing.stop() == 0
    entry = registry_entry(starter)
    assert (entry["status"], entry["endTime"]) == ("STOPPED", "N/A")


def test_resume_under_a_newer_manager_ends_in_error(
    starter: Starter, installation: FakeInstallation
) -> None:
    """3.0 has another column; its manager fails on the first event."""
    manager = starter.start(version="2.10.1", maxTrialNumber=1)
    manager.wait_for_status("DONE")
    manager.stop()

    resumed = starter.spawn(installation, action="resume", port=manager.port)
    resumed.wait_for_status("INITIALIZED")
    resumed.request("POST", "/experiment", {})
    update(resumed, "MAX_TRIAL_NUM", maxTrialNumber=2)

    resumed.wait_for_status("ERROR")
    (error,) = resumed.get("/check-status")["errors"]
    assert "7 columns but 8 values" in error


def test_stop_leaves_behind_a_trial_child_that_ignores_signals(starter: Starter) -> None:
    """NNI 3.0 signals only a trial's shell; nnicli has to kill the processes below it."""
    child = "(trap '' INT TERM; echo $BASHPID > child; exec sleep 300) & wait"
    manager = starter.start(command=child, maxTrialNumber=1)
    code = starter.registry.parents[1] / "code directory" / "child"
    manager.wait_for(lambda: code.exists() and code.read_text())
    pid = int(code.read_text())

    manager.stop()

    os.kill(pid, 0)
    assert os.getpgid(pid) == manager.process.pid
    os.kill(pid, signal.SIGKILL)
    wait_until_gone(pid)


def test_tuner_and_trials_outlive_a_killed_manager(starter: Starter) -> None:
    manager = starter.start(command="echo $$ > shell; exec sleep 300", maxTrialNumber=1)
    manager.wait_for_tuner()
    shell = starter.registry.parents[1] / "code directory" / "shell"
    manager.wait_for(lambda: shell.exists() and shell.read_text())
    registry = Registry(starter.registry)
    # Killed while writing the registry, it would leave the file empty.
    manager.wait_for(lambda: _status_in(registry) == "NO_MORE_TRIAL")

    manager.process.kill()
    manager.process.wait()

    os.kill(int(shell.read_text()), 0)
    assert _status_in(registry) == "NO_MORE_TRIAL"


def _status_in(registry: Registry) -> object:
    (entry,) = registry.read().values()
    return entry["status"]


def test_manager_runs_on_without_a_registry(
    starter: Starter, installation: FakeInstallation
) -> None:
    manager = starter.spawn(installation, is_registered=False)
    manager.wait_for_status("INITIALIZED")
    manager.request("POST", "/experiment", starter.config())

    manager.wait_for_status("DONE")

    manager.stop()
    assert "ENOENT" in (manager.directory / "log" / "nnimanager.log").read_text("utf-8")


def test_stop_before_the_post_leaves_the_registry_initialized(
    starter: Starter, installation: FakeInstallation
) -> None:
    manager = starter.spawn(installation)
    manager.wait_for_status("INITIALIZED")

    assert manager.stop() == 1
    assert registry_entry(starter)["status"] == "INITIALIZED"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/trial-jobs/nosuch", (200, "")),
        ("GET", "/nosuch", (200, "<!doctype html>")),
        ("POST", "/nosuch", (404, "Not Found")),
        ("DELETE", "/trial-jobs/nosuch", (500, '{"error"')),
        ("GET", "/version", (200, "3.0.0")),
        ("GET", "/tensorboard/1", (500, '{"error"')),
    ],
)
def test_odd_answers_match_those_of_nni(
    starter: Starter, method: str, path: str, expected: tuple[int, str]
) -> None:
    manager = starter.start()

    status, body = manager.request(method, path)

    assert (status, body[: len(expected[1])]) == expected
    assert bool(body) == bool(expected[1])


def test_port_in_use_ends_the_second_manager(
    starter: Starter, installation: FakeInstallation
) -> None:
    first = starter.start()

    second = starter.spawn(installation, port=first.port, exp_id="fake2")

    assert second.process.wait(20) == 1
    assert second.process.stderr is not None
    assert b"EADDRINUSE" in second.process.stderr.read()
