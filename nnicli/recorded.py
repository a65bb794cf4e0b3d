"""An experiment read from its files, without any manager."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from nnicli.housekeeping import Reference, find_experiment, unpacked
from nnicli.launcher import find_managers
from nnicli.reader import ExperimentReader
from nnicli.results import PairedTrials
from nnicli.store import (
    TRIAL_LOGS,
    ExperimentDatabase,
    ExperimentPaths,
    HandedParameters,
    Log,
    Parents,
)

T = TypeVar("T")


class RecordedExperiment(ExperimentReader):
    """An experiment as its files have it; `open_experiment()` returns one.

    It has the read methods and the models of `Experiment`, and answers as the manager of the
    experiment's own release (1.8 to 3.0) would. Each read opens the files anew and closes them, so
    it may be used beside a living manager, and sees what that has written meanwhile. Nothing is
    changed and nothing is left beside the files.

    A file that is no database of an experiment raises DecodingError.
    """

    def __init__(self, database: ExperimentDatabase) -> None:
        """Take the records of an experiment."""
        self._database = database
        log = HandedParameters(ExperimentPaths(database.directory).manager_log)
        self._source = PairedTrials(database, log)

    def __repr__(self) -> str:
        return f"<nnicli.RecordedExperiment {str(self.directory)!r}>"

    @property
    def directory(self) -> Path:
        """The experiment's own folder, and no link to it."""
        return self._database.directory

    @property
    def exp_id(self) -> str:
        """The experiment's id; it is read from the database.

        Raises:
            ExperimentNotFoundError: The experiment was never started, and has none.
        """
        return self.get_experiment_profile()["id"]

    def _read(self, read: Callable[[PairedTrials], T]) -> T:
        return read(self._source)

    def _trial_log(self, trial_job_id: str, kind: str) -> Log:
        return self._database.trial_log_file(trial_job_id, kind)

    def _known_trial_logs(self) -> Collection[str]:
        return TRIAL_LOGS

    def _manager_log(self, kind: str) -> Log:
        return self._database.manager_log_file(kind)

    def _dispatcher_log(self) -> Log:
        return self._database.dispatcher_log_file()

    def _is_running(self) -> bool:
        return any(manager.runs(self.directory.name, self.directory) for manager in find_managers())


def open_experiment(
    experiment: Reference, *, experiments_directories: Parents = ()
) -> RecordedExperiment:
    """Return an experiment to be read from its files.

    Args:
        experiment: Its id or a unique prefix of it, its own directory, its `nni.sqlite`, its
            archive, or the address of its manager on this machine. An archive is unpacked into a
            temporary directory, which is deleted with what this returns.
        experiments_directories: Where to look for an id first, before NNI's default directories
            and those that NNI's registries name.

    Raises:
        ExperimentNotFoundError: There is none; the message lists the places.
        InvalidValueError: The reference means several; the message lists them.
        ArchiveError: The archive is damaged.
        DecodingError: There is a file that is no database of an experiment, or a place that may
            not be looked at.
    """
    found = find_experiment(experiment, preferred=experiments_directories)
    if found.kind == "archive" and found.path is not None:
        return _open_archive(found.path)
    if found.kind == "database" and found.path is not None:
        database = ExperimentDatabase(found.path)
    else:
        database = ExperimentDatabase.of(found.directory.resolve())
    # A file that is something else is reported here, and not by the first read.
    database.trial_event_columns()
    return RecordedExperiment(database)


def _open_archive(archive: Path) -> RecordedExperiment:
    with ExitStack() as stack:
        directory = stack.enter_context(unpacked(archive))
        database = ExperimentDatabase.of(directory)
        database.trial_event_columns()
        recorded = RecordedExperiment(database)
        weakref.finalize(recorded, _close_in, os.getpid(), stack.pop_all())
    return recorded


def _close_in(pid: int, stack: ExitStack) -> None:
    # A process that was forked does not own the files.
    if os.getpid() == pid:
        stack.close()
