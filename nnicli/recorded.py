"""Read an experiment from its files, without a manager."""

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
    AssignedParameters,
    ExperimentDatabase,
    ExperimentPaths,
    Log,
    Parents,
)

T = TypeVar("T")


class RecordedExperiment(ExperimentReader):
    """An experiment read from its files; `open_experiment()` returns one.

    It has the read methods and the models of `Experiment`, and answers as a manager of the
    experiment's release (1.8 to 3.0) would. Each read opens the files and closes them again, so it
    may be used while a manager is running, and sees what that has written meanwhile. No file is
    changed, and none is left behind.

    Reads raise DecodingError if the file is not the database of an experiment.
    """

    def __init__(self, database: ExperimentDatabase) -> None:
        """Read from the records of an experiment."""
        self._database = database
        log = AssignedParameters(ExperimentPaths(database.directory).manager_log)
        self._source = PairedTrials(database, log)

    def __repr__(self) -> str:
        return f"<nnicli.RecordedExperiment {str(self.directory)!r}>"

    @property
    def directory(self) -> Path:
        """The experiment directory, with links resolved."""
        return self._database.directory

    @property
    def exp_id(self) -> str:
        """The experiment's id; it is read from the database.

        Raises:
            ExperimentNotFoundError: The experiment was never started, so it does not have one.
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
    """Open an experiment to read from its files.

    Args:
        experiment: Its id or a unique prefix of it, its directory, its `nni.sqlite`, its archive,
            or the address of its manager on this machine. An archive is unpacked into a temporary
            directory, which is deleted together with the returned object.
        experiments_directories: Experiments directories to search first for an id, before NNI's
            defaults and those that NNI's registries name.

    Raises:
        ExperimentNotFoundError: The experiment was not found; the message says where it looked.
        InvalidValueError: The reference is ambiguous; the message lists the experiments.
        ArchiveError: The archive is damaged.
        DecodingError: The file is not the database of an experiment, or permission to look at the
            path was denied.
    """
    found = find_experiment(experiment, preferred=experiments_directories)
    if found.kind == "archive" and found.path is not None:
        return _open_archive(found.path)
    if found.kind == "database" and found.path is not None:
        database = ExperimentDatabase(found.path)
    else:
        database = ExperimentDatabase.of(found.directory.resolve())
    # Report a file that is something else now, not on the first read.
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
    # A forked process does not own the files.
    if os.getpid() == pid:
        stack.close()
