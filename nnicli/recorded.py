"""An experiment read from its files, without any manager."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from nnicli.errors import DecodingError, ExperimentNotFoundError
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
    find_experiment_directory,
    is_file,
    to_absolute,
    why_closed,
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
    experiment: str | os.PathLike[str], *, experiments_directories: Parents = ()
) -> RecordedExperiment:
    """Return an experiment to be read from its files.

    Args:
        experiment: Its id, its own folder, or its `nni.sqlite`.
        experiments_directories: Where to look for an id besides NNI's default folders and that
            which NNI's registries name.

    Raises:
        ExperimentNotFoundError: There is none; the message lists the places.
        DecodingError: There is a file that is no database of an experiment, or a place that may
            not be looked at.
    """
    database = _find(experiment, experiments_directories)
    # A file that is something else is told here, and not by the first read.
    database.trial_event_columns()
    return RecordedExperiment(database)


def _find(experiment: str | os.PathLike[str], parents: Parents) -> ExperimentDatabase:
    path = to_absolute(experiment)
    if is_file(path):
        return ExperimentDatabase(path.resolve())
    database = ExperimentDatabase.of(path)
    if is_file(database.path):
        return ExperimentDatabase.of(path.resolve())
    refusal = why_closed(database.path)
    if isinstance(experiment, str) and Path(experiment).name == experiment:
        try:
            return ExperimentDatabase.of(find_experiment_directory(experiment, parents).resolve())
        except ExperimentNotFoundError:
            if refusal is None:
                raise
    if refusal is not None:
        raise DecodingError(f"{path} cannot be read as an experiment: {refusal}")
    raise ExperimentNotFoundError(
        f"there is no experiment at {path}; allowed: an experiment's id, its own folder (with "
        "db/nni.sqlite in it), or its nni.sqlite",
        exp_id=path.name,
    )
