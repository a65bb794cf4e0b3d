"""When an experiment is over, by snapshots of it."""

from __future__ import annotations

import pytest

from nnicli.releases import find_release
from nnicli.session.outlook import Snapshot, may_be_over, settle_time_s

LOCAL = {"trialConcurrency": 4, "trainingService": {"platform": "local"}}


def _snapshot(
    status: str = "TUNER_NO_MORE_TRIAL", queued: int | None = 0, **counts: int
) -> Snapshot:
    return Snapshot(status, counts, LOCAL, queued)


@pytest.mark.parametrize(
    ("snapshot", "is_over"),
    [
        # A grid of three at a concurrency of four: the tuner is done before there is any trial.
        (_snapshot(queued=3), False),
        (_snapshot(queued=2, SUCCEEDED=1), False),
        (_snapshot(WAITING=3), False),
        (_snapshot(RUNNING=1, SUCCEEDED=2), False),
        # One that a resume runs again (2.10 to 3.0), and one whose state the manager does not know.
        (_snapshot(ADD_RESUMED=1, SUCCEEDED=2), False),
        (_snapshot(UNKNOWN=1), False),
        (_snapshot(SUCCEEDED=3), True),
        (_snapshot(SUCCEEDED=1, FAILED=1, EARLY_STOPPED=1, USER_CANCELED=1), True),
        (_snapshot(queued=None, SUCCEEDED=3), True),
        (_snapshot("RUNNING", SUCCEEDED=3), False),
        (_snapshot("NO_MORE_TRIAL", RUNNING=1), False),
        # Sets beyond maxTrialNumber are never submitted (1.9).
        (_snapshot("DONE", queued=2, SUCCEEDED=3), True),
    ],
)
def test_an_experiment_is_over_once_nothing_runs_waits_or_is_queued(
    snapshot: Snapshot, is_over: bool
) -> None:
    assert may_be_over(snapshot) is is_over


@pytest.mark.parametrize(
    ("version", "params", "times"),
    [
        ("1.8", LOCAL, (6.0, 15.0)),
        ("v1.9", LOCAL, (6.0, 15.0)),
        ("2.10.1", LOCAL, (6.0, 15.0)),
        ("3.0.0", LOCAL, (1.5, 6.0)),
        ("3.0.0", {"trainingService": {"platform": "remote", "reuseMode": False}}, (1.5, 6.0)),
        ("3.0.0", {"trainingService": {"platform": "remote", "reuseMode": True}}, (6.0, 15.0)),
        ("3.0.0", {"trainingService": {"platform": "kubeflow"}}, (6.0, 15.0)),
        ("3.0.0", {"trainingService": [{"platform": "local"}]}, (6.0, 15.0)),
    ],
)
def test_the_settle_time_follows_the_manager_s_interval(
    version: str, params: dict[str, object], times: tuple[float, float]
) -> None:
    """The longer one applies where the queue or the tuner's last answer is unknown."""
    pace = find_release(version).pace
    certain = Snapshot("TUNER_NO_MORE_TRIAL", {"SUCCEEDED": 3}, params, queued=0, is_answered=True)
    unanswered = Snapshot("TUNER_NO_MORE_TRIAL", {"SUCCEEDED": 3}, params, queued=0)
    unknown = Snapshot("TUNER_NO_MORE_TRIAL", {"SUCCEEDED": 3}, params, None, is_answered=True)

    assert (settle_time_s(certain, pace), settle_time_s(unanswered, pace)) == times
    assert settle_time_s(unknown, pace) == times[1]


@pytest.mark.parametrize(
    ("snapshot", "is_starved"),
    [
        (_snapshot("RUNNING"), True),
        (_snapshot("RUNNING", WAITING=2), True),
        (_snapshot("RUNNING", queued=2), True),
        (_snapshot("TUNER_NO_MORE_TRIAL", queued=2), True),
        (_snapshot("RUNNING", WAITING=2, RUNNING=1), False),
        (_snapshot("TUNER_NO_MORE_TRIAL", SUCCEEDED=3), False),
        (_snapshot("NO_MORE_TRIAL", WAITING=1), True),
        (Snapshot("RUNNING", {"WAITING": 2}, LOCAL, 0, is_paused=True), False),
    ],
)
def test_an_experiment_starves_when_a_trial_should_run_and_none_does(
    snapshot: Snapshot, is_starved: bool
) -> None:
    assert snapshot.is_starved is is_starved
