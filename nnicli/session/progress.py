"""How far an experiment has come, by its manager's numbers."""

from __future__ import annotations

from nnicli.models import ExperimentProfile
from nnicli.session.link import Session
from nnicli.waiting import Deadline

_REOPENING_S = 15.0


def count_trials(session: Session) -> dict[str, int]:
    """Return how many trials are in each status; statuses without a trial are absent."""
    rows = session.client.get_job_statistics()
    return {row["trialJobStatus"]: row["trialJobNumber"] for row in rows}


def count_queued(session: Session, profile: ExperimentProfile, *, trials: int) -> int | None:
    """Return how many parameter sets are generated but not submitted yet; None if unknown.

    Each set, from the tuner or a user, gets the next number on arrival, and becomes a trial when
    there is room (1.8 to 3.0, source).

    Args:
        session: The experiment.
        profile: The manager's current profile.
        trials: How many trials there are.
    """
    return None if session.lead is None else profile["nextSequenceId"] - trials - session.lead


def expect_reopening(session: Session) -> None:
    """Remember that a limit was changed, which may make an experiment that is DONE continue."""
    session.reopening = Deadline(_REOPENING_S)


def may_be_reopening(session: Session) -> bool:
    """Return whether the manager may still say DONE although trials and time are left.

    It checks its limits only once a second, before 3.0 every 5 s.
    """
    if session.reopening.expired:
        return False
    profile = session.client.get_experiment_profile()
    trials = session.client.get_field(profile, "max_trial_number")
    seconds = session.client.get_field(profile, "max_experiment_duration")
    has_trials_left = trials is None or sum(count_trials(session).values()) < trials
    return has_trials_left and (seconds is None or profile["execDuration"] < seconds)


def tuner_has_answered(session: Session) -> bool:
    """Return whether the tuner is known to have said, after the last trial, that it is done."""
    return session.logs is not None and session.logs.manager.tuner_has_answered()
