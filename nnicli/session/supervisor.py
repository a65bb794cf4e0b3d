"""Detecting that an experiment is over, or that it cannot go on."""

from __future__ import annotations

import math

from nnicli.errors import (
    ConnectError,
    ConnectionLostError,
    ExperimentFailedError,
    RequestTimeoutError,
    TrialsNotStartedError,
)
from nnicli.models import ExperimentStatus, TrialJobStatus
from nnicli.safe_logging import get_logger
from nnicli.session import diagnosis, progress
from nnicli.session.link import Session
from nnicli.session.outlook import Snapshot, may_be_over, settle_time_s
from nnicli.waiting import Deadline

logger = get_logger(__name__)

_STOPPING = (ExperimentStatus.STOPPING, ExperimentStatus.STOPPED)
# The tuner starts right after the experiment; one that has not been seen by then never started.
_TUNER_START_S = 5.0
_DYING_S = 0.5
# The check runs between two requests to the manager, so one alone may miss the tuner.
_CHECKS_WITHOUT_TUNER = 2
# For statistics the manager scans its database: while it works they are requested so seldom that
# they take only a small share of the time.
_LEAST_INTERVAL_S = 2.0
_SHARE = 0.05


class Supervisor:
    """Watches one session: the manager's process and status, the tuner, its sets and its trials.

    The status alone is not enough. A 3.0 manager whose tuner has died of an exception says RUNNING
    forever, a 2.10 one dies with it (seen live), and TUNER_NO_MORE_TRIAL comes before the tuner's
    last sets have run. docs/explanation/waiting.md has the whole model.

    Attributes:
        last_status: What the manager said at the last check, empty before the first.
    """

    def __init__(self, session: Session, *, patience_s: float) -> None:
        """Begin to watch.

        Args:
            session: The experiment.
            patience_s: After how many seconds without a running trial a warning is logged.
        """
        self._session = session
        self._since = Deadline(None)
        self._tuner_was_seen = False
        self._checks_without_tuner = 0
        self._log_position = 0
        self._crash_found = ""
        self._last_snapshot: Snapshot | None = None
        self._unchanged = Deadline(None)
        self._starving = Deadline(None)
        self._next_snapshot = Deadline(0)
        self._patience_s = patience_s
        self._has_warned = False
        self.last_status = ""

    @property
    def exp_id(self) -> str:
        """The experiment's id."""
        return self._session.exp_id

    def has_starved(self, limit_s: float) -> bool:
        """Return whether trials or sets have waited this long while none ran."""
        if self._starved_s < limit_s:
            return False
        # The last snapshot may be some seconds old.
        self._record(self._take_snapshot(self.last_status))
        return self._starved_s >= limit_s

    @property
    def _starved_s(self) -> float:
        snapshot = self._last_snapshot
        return self._starving.waited_s if snapshot is not None and snapshot.is_starved else 0.0

    def check(self, *, allow_no_metric: bool = False) -> ExperimentStatus | None:
        """Return the final status of an experiment that is over, None while it goes on.

        Args:
            allow_no_metric: Whether it may end without any number as a final metric.

        Raises:
            TunerCrashedError: The tuner is gone, or does nothing any more.
            ExperimentFailedError: The manager is gone, or says ERROR.
            NoTrialSucceededError: It is over, and no trial succeeded.
            NoMetricError: It is over, and no trial that succeeded has a number as its metric.
            RestError: The manager does not answer.
        """
        session = self._session
        if session.manager_is_gone():
            raise self._ended()
        try:
            return self._judge(allow_no_metric=allow_no_metric)
        except (ConnectError, ConnectionLostError) as error:
            # It may have died during the request, which shows only a moment later.
            if session.process is not None and session.process.wait(_DYING_S):
                raise self._ended() from error
            raise

    def not_started(self, waited_s: float) -> TrialsNotStartedError:
        """Return the error for an experiment none of whose trials has run for this long."""
        return TrialsNotStartedError(
            f"experiment {self._session.exp_id}: {self._starvation()}",
            waited_s=waited_s,
            status=self.last_status,
        ).with_advice(
            "it is still running, and wait() may be called again",
            shell="the experiment was stopped",
        )

    # The end

    def _judge(self, *, allow_no_metric: bool) -> ExperimentStatus | None:
        session = self._session
        answer = session.client.get_experiment_status()
        status = self.last_status = answer["status"]
        if status == ExperimentStatus.ERROR:
            said = "; ".join(answer["errors"]) or "no reason"
            raise diagnosis.failure(
                session,
                f"its manager says ERROR: {diagnosis.quote(said)}",
                errors=answer["errors"],
                crash=self._crash(),
            )
        # Up to 2.1 the status of a view stays INITIALIZED forever.
        if session.is_view:
            return ExperimentStatus.VIEWED
        if status in _STOPPING:
            return self._end_of_stopping(status)
        if status != ExperimentStatus.DONE:
            self._check_tuner(status)
        return self._find_end(status, allow_no_metric=allow_no_metric)

    def _end_of_stopping(self, status: str) -> ExperimentStatus | None:
        """Distinguish a stop from a manager that gives up, as 3.0 does over an unreachable host."""
        if self._session.evidence.manager_error():
            raise self._failure(f"its manager gave up and says {status}")
        return ExperimentStatus.STOPPED if status == ExperimentStatus.STOPPED else None

    def _find_end(self, status: str, *, allow_no_metric: bool) -> ExperimentStatus | None:
        is_candidate = status in (ExperimentStatus.DONE, ExperimentStatus.TUNER_NO_MORE_TRIAL)
        if not is_candidate:
            if self._next_snapshot.expired:
                self._check_progress(status)
            return None
        snapshot = self._take_snapshot(status)
        self._record(snapshot)
        if not may_be_over(snapshot) or not self._is_settled(snapshot):
            self._warn_of_starvation()
            return None
        if status == ExperimentStatus.DONE and self._is_reopening():
            return None
        self._check_results(snapshot, allow_no_metric=allow_no_metric)
        return ExperimentStatus(status)

    def _check_progress(self, status: str) -> None:
        try:
            self._record(self._take_snapshot(status))
        except RequestTimeoutError as error:
            # The end does not depend on it, and a large experiment may need more time than is left.
            logger.debug("no snapshot of experiment %s: %s", self._session.exp_id, error)
            return
        self._warn_of_starvation()

    def _is_reopening(self) -> bool:
        """Return whether DONE no longer holds because a limit was raised."""
        # In this order: the manager changes its status before it submits a trial, so by the time a
        # new trial makes the raised limit look reached, the status is another.
        return (
            progress.may_be_reopening(self._session)
            or self._session.client.get_experiment_status()["status"] != ExperimentStatus.DONE
        )

    def _take_snapshot(self, status: str) -> Snapshot:
        session, asked = self._session, Deadline(None)
        try:
            # In this order: a set that is submitted in between is counted as queued, not missed.
            counts = progress.count_trials(session)
            profile = session.client.get_experiment_profile()
        finally:
            self._next_snapshot = Deadline(max(_LEAST_INTERVAL_S, asked.waited_s / _SHARE))
        return Snapshot(
            status,
            counts,
            params=profile["params"],
            queued=progress.count_queued(session, profile, trials=sum(counts.values())),
            is_answered=progress.tuner_has_answered(session),
            is_paused=session.client.get_field(profile, "trial_concurrency") == 0,
        )

    def _record(self, snapshot: Snapshot) -> None:
        if snapshot != self._last_snapshot:
            self._unchanged = Deadline(None)
        if not snapshot.is_starved or self._has_moved(snapshot):
            self._starving = Deadline(None)
            self._has_warned = False
        self._last_snapshot = snapshot

    def _has_moved(self, snapshot: Snapshot) -> bool:
        before = self._last_snapshot
        return before is None or before.finished != snapshot.finished

    def _is_settled(self, snapshot: Snapshot) -> bool:
        if snapshot.status == ExperimentStatus.DONE:
            return True
        return self._unchanged.waited_s >= settle_time_s(snapshot, self._session.release.pace)

    def _check_results(self, snapshot: Snapshot, *, allow_no_metric: bool) -> None:
        session = self._session
        if not snapshot.counts.get(TrialJobStatus.SUCCEEDED, 0):
            raise diagnosis.nothing_succeeded(session, snapshot.counts)
        if allow_no_metric:
            return
        succeeded = session.client.list_trial_jobs(status=TrialJobStatus.SUCCEEDED)
        if not any(_has_number(trial.final_value) for trial in succeeded):
            raise diagnosis.no_metric(session, succeeded)

    # The tuner

    def _check_tuner(self, status: str) -> None:
        if self._crash():
            raise self._failure(f"nothing more comes, although its manager says {status}")
        process = self._session.process
        if process is None:
            return
        if process.tuner() is not None:
            self._tuner_was_seen = True
            self._checks_without_tuner = 0
            return
        if not self._tuner_was_seen and self._since.waited_s < _TUNER_START_S:
            return
        self._checks_without_tuner += 1
        if self._checks_without_tuner >= _CHECKS_WITHOUT_TUNER:
            raise self._failure(f"its tuner is gone while the manager says {status}")

    def _crash(self) -> str:
        logs = self._session.logs
        if not self._crash_found and logs is not None:
            self._crash_found, self._log_position = logs.dispatcher.crash(self._log_position)
        return self._crash_found

    def _ended(self) -> ExperimentFailedError:
        return self._failure(f"its manager {self._session.manager_end()}")

    def _failure(self, what: str) -> ExperimentFailedError:
        return diagnosis.failure(self._session, what, crash=self._crash())

    # Trials that do not start

    def _warn_of_starvation(self) -> None:
        if self._has_warned or self._starved_s < self._patience_s:
            return
        self._has_warned = True
        logger.warning("experiment %s: %s", self._session.exp_id, self._starvation())

    def _starvation(self) -> str:
        snapshot = self._take_snapshot(self.last_status)
        return diagnosis.starvation(self._session, snapshot, self._starved_s)


def _has_number(value: float | None) -> bool:
    return value is not None and not math.isnan(value)
