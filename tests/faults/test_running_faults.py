"""Faults while an experiment runs: dead managers, dead tuners, updates without effect."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from nnicli import (
    AlreadyConnectedError,
    ConnectError,
    Experiment,
    ExperimentFailedError,
    ExperimentNotFoundError,
    InvalidValueError,
    NoMetricError,
    NotConnectedError,
    NoTrialSucceededError,
    SearchSpaceError,
    StateError,
    Timeouts,
    TrialJobNotFoundError,
    TrialsNotStartedError,
    TrialStillRunningError,
    TunerCrashedError,
    TunerNotReadyError,
    TunerTooSlowError,
    UnsupportedVersionError,
    UpdateNotAppliedError,
    WaitTimeoutError,
)
from nnicli.session import Supervisor, changes
from nnicli.store import Registry
from nnicli.testing import Behaviour, FakeInstallation, TunerExit
from nnicli.waiting import Deadline, poll_until
from tests.support import kill_manager, leftovers

REPORTS = "import nni\nnni.report_final_result(nni.get_next_parameter()['x'])\n"
TRACEBACK = "Traceback (most recent call last):\nKeyError: 'no such layer'\n"


@pytest.fixture
def experiment(installation: FakeInstallation) -> Iterator[Experiment]:
    timeouts = Timeouts(read_s=3.0, tuner_s=5.0, stop_s=10.0)
    with Experiment(nni=installation.prefix, timeouts=timeouts) as experiment:
        yield experiment


def _await_running_trial(experiment: Experiment) -> None:
    found = poll_until(
        lambda: any(trial.status == "RUNNING" for trial in experiment.list_trial_jobs()) or None,
        deadline=Deadline(20),
        interval_s=0.05,
    )
    assert found


# Managers that die


def test_after_the_manager_s_death_reads_come_from_the_files_with_one_warning(
    experiment: Experiment, config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    experiment.start_experiment(config)
    _await_running_trial(experiment)
    before = experiment.list_trial_jobs()
    kill_manager(experiment)

    with caplog.at_level(logging.WARNING):
        after = experiment.list_trial_jobs()
        experiment.get_job_statistics()

    assert [trial.trialJobId for trial in after] == [trial.trialJobId for trial in before]
    assert caplog.text.count("has died; reading its files instead") == 1
    with pytest.raises(ConnectError):
        experiment.get_experiment_status()


def test_another_manager_on_a_dead_manager_s_port_is_not_used(
    experiment: Experiment,
    installation: FakeInstallation,
    config: Path,
    free_port: Callable[[], int],
) -> None:
    """The next start takes the port that has just become free."""
    port = free_port()
    experiment.start_experiment(config, port)
    exp_id = experiment.exp_id
    kill_manager(experiment)
    with Experiment(nni=installation.prefix) as stranger:
        stranger.start_experiment(config, port)

        with pytest.raises(ConnectError, match=f"the manager of experiment {exp_id} has died"):
            experiment.update_concurrency(7)

        assert experiment.get_experiment_profile()["id"] == exp_id
        assert stranger.get_experiment_profile()["params"]["trialConcurrency"] == 1
        assert experiment.stop_experiment().how == "already gone"
        assert stranger.get_experiment_status()["status"] == "RUNNING"


def test_a_dead_manager_s_orphans_are_ended_and_reported(
    experiment: Experiment, config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    experiment.start_experiment(config)
    _await_running_trial(experiment)
    exp_id = str(experiment.exp_id)
    kill_manager(experiment)
    orphans = {identity.pid for identity in leftovers(exp_id)}

    with caplog.at_level(logging.WARNING):
        outcome = experiment.stop_experiment()

    assert orphans
    assert outcome.how == "already gone"
    assert orphans <= {survivor.pid for survivor in outcome.survivors}
    assert leftovers(exp_id) == []
    assert f"the manager of experiment {exp_id} had died" in caplog.text
    entry = Registry().get(exp_id)
    assert entry is not None
    assert entry["status"] == "STOPPED"
    assert isinstance(entry["endTime"], int)


def test_wait_reports_that_the_manager_died(experiment: Experiment, config: Path) -> None:
    experiment.start_experiment(config)
    kill_manager(experiment)

    with pytest.raises(ExperimentFailedError, match="cannot go on: its manager has died") as caught:
        experiment.wait(timeout=20)

    assert not isinstance(caught.value, TunerCrashedError)


def test_the_manager_s_error_is_reported_rather_than_the_tuner_s_lost_connection(
    experiment: Experiment, config: Path, home: Path
) -> None:
    """2.10.1 over SSH with a refused key: nnimanager.log does not mention it (seen live)."""
    experiment.start_experiment(config)
    kill_manager(experiment)
    log = home / "nni-experiments" / str(experiment.exp_id) / "log"
    lost = (
        "Traceback (most recent call last):\n  ...\n"
        "ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 8083)\n"
    )
    with (log / "nnictl_stderr.log").open("a") as file:
        file.write(f"Error: All configured authentication methods failed\n{lost}")
    with (log / "dispatcher.log").open("a") as file:
        file.write(f"[2026-11-26 20:38:34] ERROR (nni.main/MainThread) [Errno 111]\n{lost}")

    with pytest.raises(ExperimentFailedError, match="authentication methods failed") as caught:
        experiment.wait(timeout=20)

    assert not isinstance(caught.value, TunerCrashedError)


@pytest.fixture
def suspended(installation: FakeInstallation, config: Path) -> Iterator[Experiment]:
    """Yield an experiment whose manager is suspended: it accepts connections and nothing more."""
    timeouts = Timeouts(connect_s=0.5, read_s=0.5, scan_s=1.0, tuner_s=5.0, stop_s=1.0)
    with Experiment(nni=installation.prefix, timeouts=timeouts) as experiment:
        experiment.start_experiment(config)
        _await_running_trial(experiment)
        assert experiment.process is not None
        process = psutil.Process(experiment.process.identity.pid)
        process.suspend()
        assert poll_until(
            lambda: process.status() == psutil.STATUS_STOPPED or None,
            deadline=Deadline(20),
            interval_s=0.01,
        )
        yield experiment


HANGING_CALLS: dict[str, Callable[[Experiment], object]] = {
    "wait": lambda experiment: experiment.wait(),
    "wait with a limit": lambda experiment: experiment.wait(timeout=0.2),
    "wait that asks once": lambda experiment: experiment.wait(timeout=0),
    "status": lambda experiment: experiment.get_experiment_status(),
    "profile": lambda experiment: experiment.get_experiment_profile(),
    "statistics": lambda experiment: experiment.get_job_statistics(),
    "trial": lambda experiment: experiment.get_trial_job("a"),
    "trials": lambda experiment: experiment.list_trial_jobs(),
    "metrics": lambda experiment: experiment.get_job_metrics(),
    "results": lambda experiment: experiment.export_data(),
    "best": lambda experiment: experiment.best_trial(mode="maximize"),
    "concurrency": lambda experiment: experiment.update_concurrency(2),
    "limits": lambda experiment: experiment.update(max_trial_number=9, max_experiment_duration=9),
    "space": lambda experiment: experiment.update(
        search_space={"x": {"_type": "uniform", "_value": [0, 2]}}
    ),
    "kill": lambda experiment: experiment.kill_trial_job("a"),
    "submit": lambda experiment: experiment.submit_trial({"x": 0.5}),
    "import": lambda experiment: experiment.import_data([{"parameter": {"x": 0.5}, "value": 1}]),
    "connect": lambda experiment: Experiment(
        timeouts=Timeouts(connect_s=0.5, read_s=0.5)
    ).connect_experiment(str(experiment.endpoint)),
}


@pytest.mark.parametrize("call", HANGING_CALLS.values(), ids=list(HANGING_CALLS))
def test_when_the_manager_hangs_every_call_ends_by_its_limit_and_says_so(
    suspended: Experiment, call: Callable[[Experiment], object]
) -> None:
    """Each took three times its limit, and no error said that the process is alive."""
    assert suspended.process is not None
    pid = suspended.process.identity.pid
    since = Deadline(None)

    with pytest.raises(
        TimeoutError, match=rf"the manager hangs: its process \(pid {pid}\) is alive"
    ):
        call(suspended)

    # The longest limit is 1 s, and twice 0.5 s for an update.
    assert since.waited_s < 2.5


def test_a_wait_that_timed_out_on_a_hanging_manager_can_be_repeated(
    suspended: Experiment,
) -> None:
    assert suspended.process is not None

    with pytest.raises(WaitTimeoutError, match="kill -CONT"):
        suspended.wait(timeout=0.2)

    os.kill(suspended.process.identity.pid, signal.SIGCONT)
    assert suspended.wait(timeout=20, until="RUNNING") == "RUNNING"


def test_a_hanging_manager_is_killed_by_the_stop(suspended: Experiment) -> None:
    outcome = suspended.stop_experiment()

    assert outcome.how == "killed"
    assert leftovers(outcome.exp_id) == []


def test_a_manager_that_gave_its_port_up_is_not_asked_there(
    installation: FakeInstallation, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3.0 frees its port 5 s before it ends; whatever takes it then must not be stopped."""
    experiment = Experiment(nni=installation.prefix)
    experiment.start_experiment(config)
    monkeypatch.setattr("nnicli.launcher.stopping.listens", lambda *_: False)

    outcome = experiment.stop_experiment()

    assert outcome.how == "asked"
    assert not any(line.startswith("DELETE") for line in installation.requests())
    assert leftovers(outcome.exp_id) == []


def test_a_deaf_manager_is_killed(installation: FakeInstallation, config: Path) -> None:
    installation.set_behaviour(Behaviour(hangs_on_stop=True))
    impatient = Experiment(nni=installation.prefix, timeouts=Timeouts(stop_s=0.5))
    impatient.start_experiment(config)

    outcome = impatient.stop_experiment()

    assert outcome.how == "killed"
    assert leftovers(outcome.exp_id) == []
    assert (Registry().get(outcome.exp_id) or {})["status"] == "STOPPED"


def test_a_pid_that_was_reused_gets_no_signal(experiment: Experiment, config: Path) -> None:
    """The registry still names the dead manager's pid; now it is the test's own."""
    experiment.start_experiment(config)
    exp_id = str(experiment.exp_id)
    kill_manager(experiment)
    Registry().update(exp_id, pid=os.getpid())

    experiment.stop_experiment()

    assert psutil.pid_exists(os.getpid())
    assert leftovers(exp_id) == []


# Tuners that die


@pytest.mark.parametrize("says_goodbye", [True, False], ids=["status-RUNNING", "status-ERROR"])
def test_a_dead_tuner_ends_the_wait_with_its_traceback(
    installation: FakeInstallation, experiment: Experiment, config: Path, says_goodbye: bool
) -> None:
    """After an exception in a handler a 3.0 manager says RUNNING forever (seen live)."""
    crash = TunerExit(trials=1, traceback=TRACEBACK, says_goodbye=says_goodbye)
    installation.set_behaviour(Behaviour(tuner_exits=crash, tuner_lost_limit_s=0.2))
    experiment.start_experiment(config)

    with pytest.raises(TunerCrashedError, match="KeyError: 'no such layer'") as caught:
        experiment.wait(timeout=30)

    assert "KeyError: 'no such layer'" in caught.value.log_tail


def test_a_search_space_for_a_tuner_that_never_connects_is_an_error(
    installation: FakeInstallation, config: Path
) -> None:
    installation.set_behaviour(Behaviour(tuner_never_connects=True))
    timeouts = Timeouts(tuner_s=0.5)
    with Experiment(nni=installation.prefix, timeouts=timeouts) as experiment:
        experiment.start_experiment(config)

        with pytest.raises(TunerNotReadyError, match=r"did not connect .* so nothing was changed"):
            experiment.update(
                trial_concurrency=2, search_space={"x": {"_type": "uniform", "_value": [0, 9]}}
            )

        assert not any(request.startswith("PUT") for request in installation.requests())


def test_changes_that_need_the_tuner_wait_for_it(
    installation: FakeInstallation, experiment: Experiment, config: Path
) -> None:
    """Sent earlier, they would get no answer and be lost (2.8 to 3.0, seen live)."""
    installation.set_behaviour(Behaviour(tuner_delay_s=1.0))
    experiment.start_experiment(config)

    profile = experiment.update(search_space={"x": {"_type": "uniform", "_value": [0, 9]}})
    experiment.import_data([{"parameter": {"x": 1}, "value": 0.5}])

    assert profile["params"]["searchSpace"]["x"]["_value"] == [0, 9]
    assert len(experiment.client.get_imported_data()) == 1


# Updates


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"trial_concurrency": 3}, "trial_concurrency: wanted 3, manager has 1"),
        ({"max_trial_number": 9}, "max_trial_number: wanted 9, manager has 3"),
        ({"max_experiment_duration": "2h"}, "max_experiment_duration: wanted 7200"),
        (
            {"search_space": {"x": {"_type": "uniform", "_value": [0, 9]}}},
            "search_space: wanted ",
        ),
    ],
)
def test_a_200_that_changed_nothing_is_an_error(
    installation: FakeInstallation,
    experiment: Experiment,
    config: Path,
    fields: dict[str, object],
    message: str,
) -> None:
    """2.2 to 2.10.1 answered 200 to keys that they ignored, so a 200 proves nothing."""
    installation.set_behaviour(Behaviour(ignores_updates=True))
    experiment.start_experiment(config)

    with pytest.raises(UpdateNotAppliedError, match=message):
        experiment.update(**fields)  # type: ignore[arg-type]  # one of them


def test_an_unanswered_update_is_settled_by_reading_back(
    installation: FakeInstallation, experiment: Experiment, config: Path
) -> None:
    installation.set_behaviour(Behaviour(never_answers=("PUT /experiment",)))
    experiment.start_experiment(config)

    with pytest.raises(UpdateNotAppliedError, match="trial_concurrency: wanted 2, manager has 1"):
        experiment.update_concurrency(2)


@pytest.mark.parametrize(
    ("method", "value", "error", "message"),
    [
        ("update_concurrency", -1, InvalidValueError, "an integer from 0 to 99999"),
        ("update_concurrency", "many", InvalidValueError, "'many' is not allowed"),
        ("update_concurrency", "2.5", InvalidValueError, "'2.5' is not allowed"),
        ("update_concurrency", " 2 ", InvalidValueError, "' 2 ' is not allowed"),
        ("update_concurrency", True, InvalidValueError, "True is not allowed"),
        ("update_concurrency", 1.5, InvalidValueError, "1.5 is not allowed"),
        ("update_trailnum", 0, InvalidValueError, "an integer from 1"),
        ("update_trailnum", None, InvalidValueError, "None is not allowed"),
        ("update_duration", "soon", InvalidValueError, "'soon' is not a duration"),
        ("update_duration", "0s", InvalidValueError, "above zero"),
        ("update_duration", "-5m", InvalidValueError, "'-5m' is not a duration"),
        ("update_duration", True, InvalidValueError, "True is not a duration"),
        ("update_searchspace", "missing.json", SearchSpaceError, r"missing\.json"),
        (
            "update_searchspace",
            "broken.json",
            SearchSpaceError,
            r"broken\.json:\d+:\d+: this is not valid JSON: expecting value",
        ),
        ("update_searchspace", "typo.json", SearchSpaceError, "unifrom"),
        ("update_searchspace", ".", SearchSpaceError, "directory"),
    ],
)
def test_a_bad_value_is_refused_before_anything_is_sent(
    installation: FakeInstallation,
    experiment: Experiment,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    value: object,
    error: type[ValueError],
    message: str,
) -> None:
    monkeypatch.chdir(config.parent)
    Path("broken.json").write_text('{"x": ')
    Path("typo.json").write_text('{"x": {"_type": "unifrom", "_value": [0, 1]}}')
    experiment.start_experiment(config)
    before = experiment.get_experiment_profile()["params"]

    with pytest.raises(error, match=message):
        getattr(experiment, method)(value)

    assert experiment.get_experiment_profile()["params"] == before
    assert not any(request.startswith("PUT") for request in installation.requests())


# Trials that a manager cannot reach


def test_a_kill_without_effect_is_repeated_until_the_trial_has_ended(
    installation: FakeInstallation,
    experiment: Experiment,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Over SSH 2.x says USER_CANCELED for a trial in its first seconds, and lets it run on."""
    installation.set_behaviour(Behaviour(misses_kills=2))
    monkeypatch.setattr(changes, "_KILL_AGAIN_S", 0.3)
    experiment.start_experiment(config)
    _await_running_trial(experiment)
    (trial,) = experiment.list_trial_jobs()

    experiment.kill_trial_job(trial.trialJobId)

    ended = experiment.get_trial_job(trial.trialJobId)
    assert (ended.status, ended.endTime is None) == ("USER_CANCELED", False)


def test_a_trial_that_cannot_be_killed_is_an_error(
    installation: FakeInstallation, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.set_behaviour(Behaviour(misses_kills=1_000))
    monkeypatch.setattr(changes, "_KILL_AGAIN_S", 0.2)
    with Experiment(nni=installation.prefix, timeouts=Timeouts(kill_s=1.0)) as experiment:
        experiment.start_experiment(config)
        _await_running_trial(experiment)
        (trial,) = experiment.list_trial_jobs()

        with pytest.raises(
            TrialStillRunningError, match=rf"trial {trial.trialJobId} is still running \d+ s after"
        ) as caught:
            experiment.kill_trial_job(trial.trialJobId)

    assert caught.value.trial_job_id == trial.trialJobId
    assert 1.0 <= caught.value.waited_s < 20


def test_zero_concurrency_pauses(experiment: Experiment, config: Path) -> None:
    experiment.start_experiment(config)

    experiment.update_concurrency(0)

    assert experiment.get_experiment_profile()["params"]["trialConcurrency"] == 0


def test_with_one_bad_value_nothing_is_sent(
    installation: FakeInstallation, experiment: Experiment, config: Path
) -> None:
    experiment.start_experiment(config)

    with pytest.raises(InvalidValueError):
        experiment.update(trial_concurrency=2, max_experiment_duration="soon")

    assert not any(request.startswith("PUT") for request in installation.requests())


def test_a_viewed_experiment_cannot_be_changed(experiment: Experiment, config: Path) -> None:
    experiment.start_experiment(config)
    exp_id = experiment.stop_experiment().exp_id
    experiment.view_experiment(exp_id)

    assert experiment.wait() == "VIEWED"
    with pytest.raises(StateError, match=f"only viewed; .*resume_experiment\\('{exp_id}'\\)"):
        experiment.update_concurrency(2)


# Waits


def test_a_wait_that_times_out_changes_nothing(experiment: Experiment, config: Path) -> None:
    experiment.start_experiment(config)

    with pytest.raises(
        WaitTimeoutError, match=r"is RUNNING after .* it is still running"
    ) as caught:
        experiment.wait(timeout=0)

    assert caught.value.status == "RUNNING"
    assert experiment.get_experiment_status()["status"] == "RUNNING"


def test_a_wait_ends_on_a_requested_status(experiment: Experiment, config: Path) -> None:
    experiment.start_experiment(config)

    assert experiment.wait(timeout=20, until="RUNNING") == "RUNNING"


def test_an_unknown_status_to_wait_for_is_refused(experiment: Experiment, config: Path) -> None:
    experiment.start_experiment(config)

    with pytest.raises(InvalidValueError, match="until: 'FINISHED' is not allowed; allowed: INIT"):
        experiment.wait(until="FINISHED")


def test_the_error_without_any_success_quotes_the_log_of_a_trial(
    experiment: Experiment, config: Path
) -> None:
    config.write_text(config.read_text().replace("sleep 600", "echo no such file >&2; exit 3"))
    experiment.start_experiment(config)

    with pytest.raises(NoTrialSucceededError, match=r"(?s)3 FAILED.*no such file"):
        experiment.wait(timeout=30)


# The end


def _write_batch(config: Path, *, trial: str, points: int, concurrency: int) -> None:
    """Configure a tuner that generates this many points and no more."""
    config.with_name("trial.py").write_text(trial)
    values = ", ".join(f"{{x: {number}}}" for number in range(points))
    text = config.read_text()
    for old, new in {
        "sleep 600": "python3 trial.py",
        "maxTrialNumber: 3\n": "",
        "trialConcurrency: 1": f"trialConcurrency: {concurrency}",
        "x: {_type: uniform, _value: [0, 1]}": f"combine: {{_type: choice, _value: [{values}]}}",
        "name: TPE\n  classArgs: {optimize_mode: minimize}": "name: BatchTuner",
    }.items():
        assert old in text
        text = text.replace(old, new)
    config.write_text(text)


@pytest.mark.parametrize(("points", "concurrency"), [(3, 5), (5, 2)])
def test_every_set_that_the_tuner_generated_runs_before_the_end(
    installation: FakeInstallation,
    experiment: Experiment,
    config: Path,
    points: int,
    concurrency: int,
) -> None:
    """TUNER_NO_MORE_TRIAL comes before the last sets are submitted, with few sets before any."""
    installation.set_behaviour(Behaviour(submit_delay_s=1.5))
    _write_batch(config, trial=REPORTS, points=points, concurrency=concurrency)
    experiment.start_experiment(config)

    assert experiment.wait(timeout=60) == "TUNER_NO_MORE_TRIAL"

    assert [trial.status for trial in experiment.list_trial_jobs()] == ["SUCCEEDED"] * points


def test_a_connected_instance_waits_for_every_set_too(
    installation: FakeInstallation, experiment: Experiment, config: Path
) -> None:
    installation.set_behaviour(Behaviour(submit_delay_s=1.5))
    _write_batch(config, trial=REPORTS, points=3, concurrency=5)
    experiment.start_experiment(config)
    other = Experiment()
    other.connect_experiment(str(experiment.endpoint))

    assert other.wait(timeout=60) == "TUNER_NO_MORE_TRIAL"

    assert len(other.list_trial_jobs()) == 3
    other.disconnect()


def test_a_resumed_experiment_ends_when_its_queue_was_lost(
    installation: FakeInstallation, experiment: Experiment, config: Path
) -> None:
    """Sets that were queued at the stop never become trials, so wait() does not expect them."""
    installation.set_behaviour(Behaviour(submit_delay_s=3.0))
    _write_batch(config, trial=REPORTS, points=3, concurrency=1)
    experiment.start_experiment(config)
    started = poll_until(
        lambda: experiment.list_trial_jobs() or None, deadline=Deadline(20), interval_s=0.05
    )
    assert started
    exp_id = experiment.stop_experiment().exp_id
    experiment.resume_experiment(exp_id)

    assert experiment.wait(timeout=60) == "TUNER_NO_MORE_TRIAL"


def test_a_tuner_that_is_alive_but_does_nothing_is_reported_within_seconds(
    installation: FakeInstallation, experiment: Experiment, config: Path
) -> None:
    """Its worker thread is dead; no release notices until it needs more sets (seen live)."""
    crash = TunerExit(trials=0, traceback=TRACEBACK, lives_on=True)
    installation.set_behaviour(Behaviour(tuner_exits=crash))
    experiment.start_experiment(config)

    with pytest.raises(TunerCrashedError, match="KeyError: 'no such layer'") as caught:
        experiment.wait(timeout=10)

    assert caught.value.log_tail == TRACEBACK.strip()
    assert experiment.process is not None
    assert experiment.process.tuner() is not None


def test_a_manager_whose_tuner_was_too_slow_is_restarted(
    installation: FakeInstallation,
    experiment: Experiment,
    config: Path,
    caplog: pytest.LogCaptureFixture,
    free_port: Callable[[], int],
) -> None:
    """NNI gives the tuner 10 s, which may be too short on a busy machine (2.8 to 3.0)."""
    installation.set_behaviour(
        Behaviour(first_starts=1, tuner_never_connects=True, tuner_connect_limit_s=0.3)
    )
    config.write_text(config.read_text().replace("sleep 600", "sleep 0.1"))
    # A port that no other test gets in the meantime.
    experiment.start_experiment(config, free_port())
    before = experiment.exp_id, experiment.port
    installation.set_behaviour(Behaviour(first_starts=1, tuner_never_connects=True))

    assert experiment.wait(timeout=60, allow_no_metric=True) == "DONE"

    assert (experiment.exp_id, experiment.port) == before
    assert len(experiment.list_trial_jobs()) == 3
    assert "the machine is too slow or too busy (load" in caplog.text
    assert f"restarting the manager of experiment {experiment.exp_id}" in caplog.text


def test_a_tuner_that_is_too_slow_every_time_is_an_error(
    installation: FakeInstallation,
    experiment: Experiment,
    config: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    installation.set_behaviour(Behaviour(tuner_never_connects=True, tuner_connect_limit_s=0.2))
    experiment.start_experiment(config)

    with pytest.raises(TunerTooSlowError, match="too slow or too busy"):
        experiment.wait(timeout=110)

    assert caplog.text.count("restarting the manager of experiment") == 2


def test_a_manager_that_was_only_connected_to_is_not_restarted(
    installation: FakeInstallation, experiment: Experiment, config: Path
) -> None:
    installation.set_behaviour(Behaviour(tuner_never_connects=True, tuner_connect_limit_s=0.2))
    experiment.start_experiment(config)
    other = Experiment()
    other.connect_experiment(str(experiment.endpoint))

    with pytest.raises(TunerTooSlowError):
        other.wait(timeout=60)

    other.disconnect()


@pytest.mark.parametrize(
    ("report", "found"),
    [
        ("", "no final metric at all"),
        ("nni.report_final_result(float('nan'))", "NaN"),
        ("nni.report_final_result('good')", "str"),
        ("nni.report_final_result({'accuracy': 1})", 'a dict without "default"'),
        ("nni.report_final_result({'default': float('nan')})", 'a dict with NaN as "default"'),
    ],
)
def test_an_experiment_without_a_number_as_metric_is_an_error(
    experiment: Experiment, config: Path, report: str, found: str
) -> None:
    config.with_name("trial.py").write_text(f"import nni\nnni.get_next_parameter()\n{report}\n")
    config.write_text(config.read_text().replace("sleep 600", "python3 trial.py"))
    experiment.start_experiment(config)

    with pytest.raises(NoMetricError, match="3 trials succeeded") as caught:
        experiment.wait(timeout=60)

    assert f"(found: {found})" in str(caught.value)
    assert experiment.wait(allow_no_metric=True) == "DONE"


def test_one_number_is_enough(experiment: Experiment, config: Path) -> None:
    config.with_name("trial.py").write_text(
        "import nni\nnni.get_next_parameter()\n"
        "if nni.get_sequence_id() == 1:\n    nni.report_final_result({'default': 0})\n"
    )
    config.write_text(config.read_text().replace("sleep 600", "python3 trial.py"))
    experiment.start_experiment(config)

    assert experiment.wait(timeout=60) == "DONE"


def test_other_logs_are_quoted_if_a_failed_trial_has_an_empty_stderr(
    experiment: Experiment, config: Path
) -> None:
    command = "echo the last words; exit 7"
    config.write_text(config.read_text().replace("sleep 600", command))
    experiment.start_experiment(config)

    with pytest.raises(NoTrialSucceededError, match="3 FAILED") as caught:
        experiment.wait(timeout=60)

    assert "with nothing in its stderr; the end of its stdout:\nthe last words" in str(caught.value)


def test_trials_that_do_not_start_are_reported_with_the_known_facts(
    installation: FakeInstallation, config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As with 3.0 and a missing code directory, a host without python, or a busy GPU."""
    installation.set_behaviour(Behaviour(submit_delay_s=600))
    timeouts = Timeouts(trial_s=0.5, stop_s=10)
    with Experiment(nni=installation.prefix, timeouts=timeouts) as experiment:
        experiment.start_experiment(config)

        with pytest.raises(
            TrialsNotStartedError, match=r"no trial has run for \d+ s \(1 waiting\)"
        ):
            experiment.wait(timeout=60, start_timeout=3)

        assert experiment.get_experiment_status()["status"] == "RUNNING"
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "training service local" in warning
    assert "trialCommand sleep 600" in warning


def test_the_check_for_trials_that_do_not_start_ends_with_the_wait(
    installation: FakeInstallation, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.set_behaviour(Behaviour(submit_delay_s=600))
    check = Supervisor.has_starved

    def check_suspended(self: Supervisor, limit_s: float) -> bool:
        process.send_signal(signal.SIGSTOP)
        return check(self, limit_s)

    monkeypatch.setattr(Supervisor, "has_starved", check_suspended)
    with Experiment(nni=installation.prefix, timeouts=Timeouts(read_s=20, stop_s=2)) as experiment:
        experiment.start_experiment(config)
        assert experiment.process is not None
        process = psutil.Process(experiment.process.identity.pid)

        with pytest.raises(WaitTimeoutError, match="could not be checked in time") as caught:
            experiment.wait(timeout=3, start_timeout=0)

    assert caught.value.waited_s < 10


def test_a_manager_that_is_slow_to_count_its_trials_is_waited_for(
    installation: FakeInstallation, config: Path
) -> None:
    """With 100,000 trials counting takes seconds, which must not end the wait."""
    installation.set_behaviour(Behaviour(never_answers=("GET /job-statistics",)))
    timeouts = Timeouts(read_s=0.5, stop_s=10)
    with Experiment(nni=installation.prefix, timeouts=timeouts) as experiment:
        experiment.start_experiment(config)

        with pytest.raises(WaitTimeoutError, match="is RUNNING after") as caught:
            experiment.wait(timeout=6)

    assert caught.value.waited_s >= 6


def test_a_paused_experiment_does_not_starve(
    installation: FakeInstallation, config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    installation.set_behaviour(Behaviour(submit_delay_s=600))
    with Experiment(nni=installation.prefix, timeouts=Timeouts(trial_s=0.1)) as experiment:
        experiment.start_experiment(config)
        experiment.update_concurrency(0)

        with pytest.raises(WaitTimeoutError, match="is RUNNING") as caught:
            experiment.wait(timeout=4, start_timeout=1)

    assert not isinstance(caught.value, TrialsNotStartedError)
    assert "no trial has run" not in caplog.text


# Calls in the wrong state


def test_without_an_experiment_every_error_names_the_call_to_make() -> None:
    experiment = Experiment()

    calls: tuple[Callable[[], object], ...] = (
        experiment.stop_experiment,
        experiment.list_trial_jobs,
        experiment.get_experiment_status,
        experiment.wait,
        lambda: experiment.update_concurrency(1),
    )
    for call in calls:
        with pytest.raises(NotConnectedError, match=r"no experiment yet; call start_experiment"):
            call()


def test_a_connected_instance_cannot_start_another_experiment(
    experiment: Experiment, config: Path
) -> None:
    experiment.start_experiment(config)

    calls: tuple[Callable[[], object], ...] = (
        lambda: experiment.start_experiment(config),
        lambda: experiment.resume_experiment("x"),
        lambda: experiment.view_experiment("x"),
        lambda: experiment.connect_experiment("http://127.0.0.1:1"),
    )
    for call in calls:
        with pytest.raises(
            AlreadyConnectedError, match=f"connected to experiment {experiment.exp_id}"
        ):
            call()


def test_a_stopped_experiment_can_be_read_but_not_updated(
    experiment: Experiment, config: Path
) -> None:
    experiment.start_experiment(config)
    exp_id = experiment.exp_id
    experiment.stop_experiment()

    assert experiment.exp_id == exp_id
    assert (experiment.endpoint, experiment.port, experiment.process) == (None, None, None)
    assert experiment.get_experiment_status() == {"status": "STOPPED", "errors": []}
    assert experiment.get_experiment_profile()["id"] == exp_id
    with pytest.raises(NotConnectedError, match=f"experiment {exp_id} is stopped"):
        experiment.update_concurrency(1)
    with pytest.raises(NotConnectedError):
        experiment.stop_experiment()


def test_leaving_the_block_stops_only_what_it_started(
    installation: FakeInstallation, config: Path
) -> None:
    with Experiment(nni=installation.prefix) as owner:
        owner.start_experiment(config)
        with Experiment() as guest:
            guest.connect_experiment(str(owner.endpoint))
            assert guest.exp_id == owner.exp_id
        assert guest.exp_id is None
        assert owner.get_experiment_status()["status"] == "RUNNING"
    assert leftovers(str(owner.exp_id)) == []


def test_a_connected_instance_can_stop_the_experiment_completely(
    experiment: Experiment, config: Path
) -> None:
    experiment.start_experiment(config)
    _await_running_trial(experiment)
    guest = Experiment()
    guest.connect_experiment(str(experiment.endpoint))

    outcome = guest.stop_experiment()

    assert outcome.how == "asked"
    assert leftovers(outcome.exp_id) == []
    assert guest.list_trial_jobs()
    experiment.disconnect()


def test_disconnecting_leaves_the_experiment_running(
    installation: FakeInstallation, config: Path
) -> None:
    first = Experiment(nni=installation.prefix)
    first.start_experiment(config)
    endpoint = str(first.endpoint)

    first.disconnect()

    assert (first.exp_id, first.endpoint) == (None, None)
    second = Experiment()
    second.connect_experiment(endpoint)
    assert second.get_experiment_status()["status"] == "RUNNING"
    second.stop_experiment()


# Existing experiments


def test_the_error_for_an_unknown_experiment_names_the_place_searched(
    experiment: Experiment, home: Path
) -> None:
    with pytest.raises(ExperimentNotFoundError, match=str(home / "nni-experiments" / "nosuch")):
        experiment.resume_experiment("nosuch")


@pytest.mark.parametrize("exp_id", ["../x", "/etc", "", "."])
def test_an_id_is_not_a_path(experiment: Experiment, exp_id: str) -> None:
    with pytest.raises(ExperimentNotFoundError):
        experiment.resume_experiment(exp_id)


def test_a_running_experiment_is_not_resumed(
    experiment: Experiment, installation: FakeInstallation, config: Path
) -> None:
    """A second manager would write into the same database."""
    experiment.start_experiment(config)

    for call in ("resume_experiment", "view_experiment"):
        with pytest.raises(StateError, match="still has a manager"):
            getattr(Experiment(nni=installation.prefix), call)(experiment.exp_id)


def test_a_2_x_experiment_can_be_viewed_but_not_resumed_with_3_0(
    experiment: Experiment, tmp_path: Path, config: Path
) -> None:
    """3.0 would end in ERROR: its table has one more column (seen live)."""
    older = FakeInstallation.create(tmp_path / "older", version="2.10.1")
    with Experiment(nni=older.prefix) as first:
        first.start_experiment(config)
        exp_id = str(first.exp_id)

    with pytest.raises(
        UnsupportedVersionError, match=f"experiment {exp_id} was created by another generation"
    ):
        experiment.resume_experiment(exp_id)

    experiment.view_experiment(exp_id)
    assert experiment.get_experiment_profile()["id"] == exp_id


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("maxTrialNumber: 1", r"used up its 1 trials; call update_trailnum\(\)"),
        ("maxExperimentDuration: 1s", r"used up its 1s; call update_duration\(\)"),
    ],
)
def test_a_used_up_limit_is_reported_and_the_experiment_still_resumed(
    experiment: Experiment,
    config: Path,
    caplog: pytest.LogCaptureFixture,
    change: str,
    message: str,
) -> None:
    text = config.read_text().replace("maxTrialNumber: 3", change).replace("sleep 600", "sleep 0.1")
    config.write_text(text)
    experiment.start_experiment(config)
    experiment.wait(timeout=30, allow_no_metric=True)
    exp_id = experiment.stop_experiment().exp_id

    with caplog.at_level(logging.WARNING):
        experiment.resume_experiment(exp_id)

    assert re.search(message, caplog.text)
    assert experiment.exp_id == exp_id


def test_a_failed_resume_leaves_the_experiment_as_it_was(
    experiment: Experiment, installation: FakeInstallation, config: Path, home: Path
) -> None:
    experiment.start_experiment(config)
    exp_id = experiment.stop_experiment().exp_id
    entry = Registry().get(exp_id)
    database = home / "nni-experiments" / exp_id / "db" / "nni.sqlite"
    content = database.read_bytes()
    installation.set_behaviour(Behaviour(never_ready=True))

    impatient = Experiment(nni=installation.prefix, timeouts=Timeouts(start_s=0.5))

    with pytest.raises(TimeoutError):
        impatient.resume_experiment(exp_id)

    assert Registry().get(exp_id) == entry
    assert database.read_bytes() == content
    assert leftovers(exp_id) == []


# Invalid answers


def test_an_unknown_trial_is_not_found(experiment: Experiment, config: Path) -> None:
    """3.0 answers 200 with an empty body."""
    experiment.start_experiment(config)

    for call in (experiment.get_trial_job, experiment.kill_trial_job):
        with pytest.raises(TrialJobNotFoundError, match="nosuch"):
            call("nosuch")


@pytest.mark.parametrize("fault", ["truncates", "resets", "never_answers"])
def test_a_broken_answer_of_a_living_manager_is_an_error(
    installation: FakeInstallation, config: Path, fault: str
) -> None:
    """Reads fall back to the files only when the manager is known to be dead."""
    installation.set_behaviour(Behaviour(**{fault: ("GET /trial-jobs",)}))  # type: ignore[arg-type]  # all are tuples
    timeouts = Timeouts(scan_s=0.5, read_s=3.0)
    with Experiment(nni=installation.prefix, timeouts=timeouts) as experiment:
        experiment.start_experiment(config)

        with pytest.raises((ConnectionError, TimeoutError, ValueError), match="trial-jobs"):
            experiment.list_trial_jobs()


def test_metrics_of_every_kind_are_decoded(
    experiment: Experiment, config: Path, tmp_path: Path
) -> None:
    script = tmp_path / "trial.py"
    script.write_text(
        "import nni\n"
        "nni.get_next_parameter()\n"
        "for metric in (1, 0.5, float('nan'), float('-inf'), 'text', {'default': 2, 'loss': 3}):\n"
        "    nni.report_intermediate_result(metric)\n"
        "nni.report_final_result({'default': 0.25, 'loss': float('nan')})\n"
    )
    config.write_text(
        config.read_text()
        .replace("sleep 600", "python3 trial.py")
        .replace("maxTrialNumber: 3", "maxTrialNumber: 1")
    )
    experiment.start_experiment(config)
    experiment.wait(timeout=30, allow_no_metric=True)
    (trial,) = experiment.list_trial_jobs()

    metrics = [metric.data for metric in experiment.get_job_metrics()[trial.trialJobId]]

    assert json.dumps(metrics) == json.dumps(
        [
            1,
            0.5,
            float("nan"),
            float("-inf"),
            "text",
            {"default": 2, "loss": 3},
            {"default": 0.25, "loss": float("nan")},
        ]
    )
    assert trial.final_value == 0.25
    assert experiment.best_trial().trialJobId == trial.trialJobId
