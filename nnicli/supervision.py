"""Noticing that an experiment is over, or that it cannot go on."""

from __future__ import annotations

from collections.abc import Sequence

from nnicli.errors import (
    ConnectError,
    ConnectionLostError,
    ExperimentFailedError,
    NoTrialSucceededError,
    RestError,
    TunerCrashedError,
)
from nnicli.models import ExperimentStatus, NNIManagerStatus, TrialJobStatus
from nnicli.session import Session
from nnicli.waiting import Deadline

_FINAL = (ExperimentStatus.DONE, ExperimentStatus.STOPPED, ExperimentStatus.VIEWED)
# What managers say of a tuner that is lost or never came (1.9 to 3.0).
_TUNER_WORDS = ("uner", "ispatcher")
_BUSY = (TrialJobStatus.WAITING, TrialJobStatus.RUNNING)

# A tuner is started within a moment of the experiment; one that was not seen by then never was.
_TUNER_START_S = 5.0
_DYING_S = 0.5
# It is looked at between two answers of its manager, so one look may fall into a gap.
_LOOKS_WITHOUT_TUNER = 2


class Supervisor:
    """Watches one session: the manager's process and status, the tuner's process and log.

    The status alone does not tell: a 3.0 manager whose tuner has died of an exception says RUNNING
    for ever, a 2.10 one dies with it (seen live).

    Attributes:
        last_status: What the manager said at the last look, empty before the first.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._since = Deadline(None)
        self._tuner_was_seen = False
        self._looks_without_tuner = 0
        self.last_status = ""

    def check(self) -> ExperimentStatus | None:
        """Return the status in which no more work will be done, None while it goes on.

        Raises:
            TunerCrashedError: The tuner is gone.
            ExperimentFailedError: The manager is gone, or says ERROR.
            NoTrialSucceededError: It is over without a single success.
            RestError: The manager does not answer.
        """
        session = self._session
        if session.manager_is_gone():
            raise self._failure("its manager has died")
        try:
            answer = session.client.get_experiment_status()
        except (ConnectError, ConnectionLostError) as error:
            # It may have died while it was asked, and be seen to be dead a moment later.
            if session.process is not None and session.process.wait(_DYING_S):
                raise self._failure("its manager has died") from error
            raise
        status = self.last_status = answer["status"]
        if status == ExperimentStatus.ERROR:
            raise self._error_status(answer)
        final = self._final_status(status)
        if final is None:
            self._check_tuner(status)
        return final

    def _final_status(self, status: str) -> ExperimentStatus | None:
        # Up to 2.1 the status of a view stays INITIALIZED for ever.
        if self._session.is_view:
            return ExperimentStatus.VIEWED
        is_exhausted = status == ExperimentStatus.TUNER_NO_MORE_TRIAL
        if status not in _FINAL and not is_exhausted:
            return None
        numbers = {
            entry["trialJobStatus"]: entry["trialJobNumber"]
            for entry in self._session.client.get_job_statistics()
        }
        # This status never becomes DONE by itself (seen live on 2.10.1 and 3.0).
        if is_exhausted and any(numbers.get(busy, 0) for busy in _BUSY):
            return None
        if status == ExperimentStatus.DONE and self._session.may_be_reopening():
            return None
        if not numbers.get(TrialJobStatus.SUCCEEDED, 0):
            raise self._nothing_succeeded(numbers)
        return ExperimentStatus(status)

    def _check_tuner(self, status: str) -> None:
        process = self._session.process
        if process is None or self._session.is_view:
            return
        if process.tuner() is not None:
            self._tuner_was_seen = True
            self._looks_without_tuner = 0
            return
        if not self._tuner_was_seen and self._since.waited_s < _TUNER_START_S:
            return
        self._looks_without_tuner += 1
        if self._looks_without_tuner >= _LOOKS_WITHOUT_TUNER:
            raise self._failure(f"its tuner is gone while the manager says {status}")

    def _error_status(self, answer: NNIManagerStatus) -> ExperimentFailedError:
        said = "; ".join(answer["errors"]) or "no reason"
        return self._failure(f"its manager says ERROR: {said}", errors=answer["errors"])

    def _failure(self, what: str, *, errors: Sequence[str] = ()) -> ExperimentFailedError:
        """Return the error for an experiment that cannot go on; a crashed tuner is told apart."""
        session = self._session
        log_tail = session.crash_log()
        message = f"experiment {session.exp_id} cannot go on: {what}"
        if log_tail:
            message += f"; the end of the log:\n{log_tail}"
        if self._tuner_crashed(errors):
            return TunerCrashedError(message, errors=errors, log_tail=log_tail)
        return ExperimentFailedError(message, errors=errors)

    def _tuner_crashed(self, errors: Sequence[str]) -> bool:
        session = self._session
        if session.is_view:
            return False
        if any(word in error for error in errors for word in _TUNER_WORDS):
            return True
        if session.process is None:
            return False
        if session.manager_is_gone():
            return session.died_with_tuner()
        return session.process.tuner() is None

    def _nothing_succeeded(self, numbers: dict[str, int]) -> NoTrialSucceededError:
        session = self._session
        told = ", ".join(f"{number} {status}" for status, number in numbers.items()) or "no trial"
        message = f"experiment {session.exp_id} is over and no trial succeeded ({told})"
        failed = session.client.list_trial_jobs(status=TrialJobStatus.FAILED)
        if failed:
            message += self._end_of(failed[0].trialJobId)
        return NoTrialSucceededError(message)

    def _end_of(self, trial_job_id: str) -> str:
        try:
            text = self._session.client.trial_log(trial_job_id, kind="stderr").strip()
        except RestError as error:
            # Up to 2.3 only local trials' logs can be had; the failure is the one to tell.
            return f"; the log of trial {trial_job_id} cannot be had ({error})"
        return f"; trial {trial_job_id} ended with:\n{text[-2000:]}"
