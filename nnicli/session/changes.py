"""Changes to a running experiment, followed until they take effect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nnicli.errors import (
    RequestTimeoutError,
    StateError,
    StatusError,
    TrialStillRunningError,
    TunerNotReadyError,
    UnsupportedVersionError,
    UpdateNotAppliedError,
)
from nnicli.models import ExperimentProfile, TrialJob
from nnicli.safe_logging import get_logger
from nnicli.session import progress, validation
from nnicli.session.link import Session
from nnicli.waiting import Deadline, poll_until

logger = get_logger(__name__)

_TUNER_INTERVAL_S = 0.02
_KILL_INTERVAL_S = 0.2
# Before 3.0 a manager polls its trials every 5 s.
_KILL_AGAIN_S = 6.0
# What managers answer to a trial beyond the limit (1.8 to 3.0, `nnimanager.js`).
_LIMIT_REACHED = "reach maxTrialNum"
_LIMITS = ("max_trial_number", "max_experiment_duration")


def update_profile(
    session: Session, given: Mapping[str, Any], timeout_s: float
) -> ExperimentProfile:
    """Change fields of the experiment; return its new profile.

    Args:
        session: The experiment.
        given: Field, as `Experiment.update()` calls it -> its new value.
        timeout_s: How long to wait for the tuner before a new search space is sent.

    Raises:
        InvalidValueError: A value is not allowed; nothing was sent.
        SearchSpaceError: The search space is missing or not valid; nothing was sent.
        UpdateNotAppliedError: The manager answered 200, and the value did not change.
        TunerNotReadyError: The tuner did not connect in time; nothing was changed.
    """
    fields = {name: validation.UPDATE_CHECKS[name](value) for name, value in given.items()}
    search_space = fields.pop("search_space", None)
    if search_space is not None:
        # First, so that nothing is changed without a tuner.
        wait_for_tuner(session, timeout_s)
    profile = session.client.update_profile(**fields)
    if not fields.keys().isdisjoint(_LIMITS):
        progress.expect_reopening(session)
    if search_space is not None:
        profile = _send_search_space(session, search_space, timeout_s)
    logger.info("experiment %s: updated %s", session.exp_id, ", ".join(given))
    return profile


def wait_for_tuner(session: Session, timeout_s: float) -> None:
    """Wait until the tuner is connected, if its log can be read.

    A search space or an import that is sent earlier gets no answer and is lost (2.8 to 3.0, seen
    live).

    Raises:
        TunerNotReadyError: It did not connect in time, or its manager is gone.
    """
    if session.logs is None or session.tuner_has_connected or not _may_miss_changes(session):
        return
    deadline, log = Deadline(timeout_s), session.logs.dispatcher

    def probe() -> bool | None:
        if log.tuner_has_connected():
            return True
        return False if session.manager_is_gone() else None

    if not poll_until(probe, deadline=deadline, interval_s=_TUNER_INTERVAL_S):
        raise _tuner_not_ready(session, deadline)
    session.tuner_has_connected = True


def _send_search_space(
    session: Session, search_space: dict[str, Any], timeout_s: float
) -> ExperimentProfile:
    """Change the search space, and try again if the tuner was not connected yet.

    Raises:
        TunerNotReadyError: The tuner did not take it in time.
    """
    wait_for_tuner(session, timeout_s)
    deadline = Deadline(timeout_s)
    while True:
        try:
            return session.client.update_profile(search_space=search_space)
        except UpdateNotAppliedError as error:
            # Without the tuner's log, trying is the only way to find out that it is connected.
            if session.logs is not None or not _may_miss_changes(session):
                raise
            if deadline.expired:
                raise _tuner_not_ready(session, deadline) from error


def import_data(session: Session, rows: Iterable[Mapping[str, Any]], timeout_s: float) -> None:
    """Send known results to the tuner, once it is connected.

    Raises:
        InvalidValueError: A row has another form, or is not a point of the search space; nothing
            was sent.
        TunerNotReadyError: The tuner did not take them in time.
    """
    checked = [validation.check_row(row, index) for index, row in enumerate(rows)]
    space = _search_space(session)
    for index, row in enumerate(checked):
        validation.check_is_in_space(row["parameter"], space, field=f"rows[{index}].parameter")
    wait_for_tuner(session, timeout_s)
    deadline = Deadline(timeout_s)
    try:
        session.client.import_data(checked)
    except RequestTimeoutError as error:
        if not _has_imported(session, checked):
            raise _tuner_not_ready(session, deadline) from error


def _has_imported(session: Session, rows: list[dict[str, Any]]) -> bool:
    try:
        return rows in session.client.get_imported_data()
    except UnsupportedVersionError:
        # 1.8 has no request for it.
        return False


def _may_miss_changes(session: Session) -> bool:
    return session.client.dialect.misses_early_changes


def _tuner_not_ready(session: Session, deadline: Deadline) -> TunerNotReadyError:
    log_tail = session.evidence.crash_log()
    hint = f"; the end of its log:\n{log_tail}" if log_tail else ""
    return TunerNotReadyError(
        f"the tuner of experiment {session.exp_id} did not connect to its manager within "
        f"{deadline.waited_s:.1f} s, so nothing was changed{hint}",
        waited_s=deadline.waited_s,
        log_tail=log_tail,
    )


def _search_space(session: Session) -> dict[str, Any]:
    """Return the experiment's current search space, empty if its profile has none."""
    profile = session.client.get_experiment_profile()
    space: dict[str, Any] | None = session.client.get_field(profile, "search_space")
    return space or {}


def submit_trial(session: Session, parameters: Mapping[str, Any]) -> int:
    """Queue a trial with these parameters; return its sequence id.

    Raises:
        InvalidValueError: They are not a point of the search space; nothing was sent.
        StateError: The experiment has used up its trials.
    """
    validation.check_is_in_space(parameters, _search_space(session), field="parameters")
    try:
        return session.client.submit_trial(parameters)
    except StatusError as error:
        if _LIMIT_REACHED not in error.server_message:
            raise
        raise StateError(
            f"experiment {session.exp_id} has used up its trials; call update_trailnum() with "
            "a higher number, and submit the trial again"
        ) from error


def kill_trial(session: Session, trial_job_id: str, timeout_s: float) -> None:
    """Cancel a trial, repeatedly until it has ended.

    Managers answer 200 and say USER_CANCELED at once. Over SSH, up to 2.10, they kill the process
    in the trial's `jobpid`, which is empty in the first seconds (`killChildProcesses`, seen live);
    the trial then runs to its end, and its status becomes that of this end.

    Raises:
        TrialJobNotFoundError: The trial was not found.
        TrialStillRunningError: It did not end in time.
    """
    deadline = Deadline(timeout_s)

    def probe() -> bool | None:
        return _has_ended(session.client.get_trial_job(trial_job_id)) or None

    # Never without a check first: a DELETE turns SUCCEEDED into USER_CANCELED.
    while not probe():
        if deadline.expired:
            raise TrialStillRunningError(
                f"trial {trial_job_id} is still running {deadline.waited_s:.0f} s after its "
                "manager was first asked to cancel it; check get_trial_job() and its log, and try "
                "again",
                trial_job_id=trial_job_id,
                waited_s=deadline.waited_s,
            )
        session.client.kill_trial_job(trial_job_id)
        patience = Deadline(min(_KILL_AGAIN_S, deadline.remaining_s))
        poll_until(probe, deadline=patience, interval_s=_KILL_INTERVAL_S)


def _has_ended(trial: TrialJob) -> bool:
    # USER_CANCELED is set by the request, the end time only when the trial ends.
    return trial.is_finished and trial.endTime is not None
