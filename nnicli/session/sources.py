"""Where an experiment is read from: its manager, or its files once the manager is gone."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from nnicli import results
from nnicli.errors import Advice, ConnectError, ConnectionLostError, NotConnectedError
from nnicli.safe_logging import get_logger
from nnicli.session.link import Session
from nnicli.store import (
    MANAGER_LOGS,
    TRIAL_LOGS,
    ExperimentDatabase,
    FetchedLog,
    Log,
    check_kind,
)

logger = get_logger(__name__)

T = TypeVar("T")


class ReadSource:
    """Reads the experiment of one session from the best source available."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._has_fallen_back = False

    def read(self, read: Callable[[results.PairedTrials], T]) -> T:
        """Read from the manager, or from the files if it was stopped or has died."""
        session = self._session
        if session.is_stopped:
            return read(results.PairedTrials(self._files_of_stopped(), session.assigned_parameters))
        try:
            return read(results.PairedTrials(session.client, session.assigned_parameters))
        except (ConnectError, ConnectionLostError):
            files = session.database() if session.manager_is_gone() else None
            if files is None:
                raise
        self._warn_once()
        return read(results.PairedTrials(files, session.assigned_parameters))

    def trial_log(self, trial_job_id: str, kind: str) -> Log:
        """Return a trial's log of this kind."""
        files = self._trial_files()
        if files is not None:
            return files.trial_log_file(trial_job_id, kind)
        client = self._session.client
        check_kind(kind, client.dialect.trial_files)
        client.get_trial_job(trial_job_id)
        return FetchedLog(lambda: client.trial_log(trial_job_id, kind))

    def trial_log_kinds(self) -> Collection[str]:
        """Return the kinds of logs that a trial may have."""
        has_files = self._trial_files() is not None
        return TRIAL_LOGS if has_files else self._session.client.dialect.trial_files

    def manager_log(self, kind: str) -> Log:
        """Return the manager's log of this kind."""
        session, files = self._session, self._files()
        if files is not None:
            return files.manager_log_file(kind)
        check_kind(kind, MANAGER_LOGS)
        name = session.release.layout.served_log(kind)
        return FetchedLog(lambda: session.client.get_log_file(name))

    def dispatcher_log(self) -> Log:
        """Return the tuner's log."""
        session, files = self._session, self._files()
        if files is not None:
            return files.dispatcher_log_file()
        return FetchedLog(lambda: session.client.get_log_file("dispatcher.log"))

    def is_running(self) -> bool:
        """Return whether the manager is alive, as far as can be known."""
        return not self._session.is_stopped and not self._session.manager_is_gone()

    def _trial_files(self) -> ExperimentDatabase | None:
        """Return the files if they include what the trials write, else None."""
        files = self._files()
        return files if not self.is_running() or self._session.runs_trials_here() else None

    def _files(self) -> ExperimentDatabase | None:
        """Return the files, None if they are not on this machine."""
        return self._files_of_stopped() if self._session.is_stopped else self._session.database()

    def _files_of_stopped(self) -> ExperimentDatabase:
        files = self._session.database()
        if files is None:
            raise NotConnectedError(
                f"experiment {self._session.exp_id} is stopped, and its files are not on this "
                "machine; read it before the stop, or on the machine where it ran"
            )
        return files

    def _warn_once(self) -> None:
        if self._has_fallen_back:
            return
        self._has_fallen_back = True
        logger.warning(
            "the manager of experiment %s %s; reading its files instead; %s",
            self._session.exp_id,
            self._session.manager_end(),
            Advice(
                "call stop_experiment() to end the processes that it left",
                "the processes that it left are ended at the end",
            ),
        )
