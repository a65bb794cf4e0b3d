"""An experiment's records in `nni.sqlite`, read without changing a byte."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nnicli.bulk import collection_paused
from nnicli.decoding import decode_json, is_shallow
from nnicli.errors import (
    DecodingError,
    ExperimentNotFoundError,
    TrialJobNotFoundError,
    TrialLogNotAvailableError,
)
from nnicli.models import (
    ExperimentProfile,
    TrialJob,
    TrialJobStatistics,
    TrialMetricData,
    group_metrics,
)
from nnicli.store.database.guarded import GuardedConnection
from nnicli.store.database.replay import (
    count_statuses,
    replay_trials,
    to_metric,
)
from nnicli.store.database.sqlite import (
    access_problem,
    column_names,
    last_rowids,
    open_read_only,
    read_rows,
)
from nnicli.store.layouts import layout_with
from nnicli.store.logs.paths import (
    check_kind,
    find_manager_log,
    find_trial_log,
    is_on_another_machine,
)
from nnicli.store.logs.reader import LogFile
from nnicli.store.paths import ExperimentPaths
from nnicli.store.tables import (
    EVENT_COLUMNS,
    EVENTS,
    LATER_EVENT_COLUMNS,
    METRIC_COLUMNS,
    METRICS,
)

_FINAL = "FINAL"
# The columns that every caller uses. A column without a value is left out of a profile.
_PROFILE_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "id": str,
    "logDir": str,
    "execDuration": (int, float),
}
# Older SQLite libraries, which some systems have with Python 3.10, allow 999 values per statement.
_TRIALS_AT_A_TIME = 500


class ExperimentDatabase:
    """The records of one experiment, of NNI 1.8 to 3.0; a TrialSource that needs no manager.

    Each read opens the file read-only and closes it, so it is safe while a manager is running. If
    the file is not such a database, or permission to read it is denied, reads raise DecodingError;
    if it does not exist, ExperimentNotFoundError.

    Args:
        path: The file `<experiments directory>/<id>/db/nni.sqlite`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, directory: Path) -> ExperimentDatabase:
        """Return the records of the experiment in this directory, which need not exist."""
        return cls(ExperimentPaths(directory).database)

    def __repr__(self) -> str:
        return f"ExperimentDatabase({str(self.path)!r})"

    @property
    def directory(self) -> Path:
        """The experiment directory."""
        return self.path.parent.parent

    def trial_event_columns(self) -> tuple[str, ...]:
        """Return the columns of the table TrialJobEvent, which differ between releases."""
        with self._connection() as connection:
            return column_names(connection, EVENTS)

    def get_experiment_profile(self) -> ExperimentProfile:
        """Return the newest profile; `params` is the config.

        Raises:
            ExperimentNotFoundError: The database has none.
            DecodingError: Its config is damaged; the message quotes none of it, as it may have
                secrets.
        """
        with self._connection() as connection:
            # Sorting whole rows would keep all of them in memory.
            cursor = connection.execute(
                "select * from ExperimentProfile where rowid ="
                " (select rowid from ExperimentProfile order by revision desc limit 1)"
            )
            row = cursor.fetchone()
            names = [column[0] for column in cursor.description]
        if row is None:
            raise ExperimentNotFoundError(
                f"{self.path} has no experiment: it was never started",
                exp_id=self.directory.name,
            )
        profile = {name: value for name, value in zip(names, row, strict=True) if value is not None}
        params = _decode_config(profile.get("params"))
        if params is None:
            raise self._unreadable("the config in it is not a JSON object")
        if not is_shallow(params):
            raise self._unreadable("the config in it is nested too deeply")
        for name, kind in _PROFILE_KINDS.items():
            if not isinstance(profile.get(name), kind):
                raise self._unreadable(f"its {name} is a {type(profile.get(name)).__name__}")
        return {**profile, "params": params}  # type: ignore[typeddict-item]  # columns are its keys

    def get_job_statistics(self) -> list[TrialJobStatistics]:
        """Return how many trials are in each status; statuses without a trial are absent."""
        return [
            {"trialJobStatus": status, "trialJobNumber": number}
            for status, number in count_statuses(self._replayed_at_once())
        ]

    def list_trial_jobs(self) -> list[TrialJob]:
        """Return all trials in the order in which they were created."""
        with collection_paused():
            return [TrialJob(trial) for trial in self._replayed_at_once()]

    def iter_trial_jobs(self) -> Iterator[TrialJob]:
        """Return the trials of `list_trial_jobs` a few at a time, slower but in little memory."""
        with self._connection() as connection:
            until = last_rowids(connection, EVENTS, METRICS)
            rows = read_rows(connection, EVENTS, ("trialJobId",), until=until[0])
            names = list(dict.fromkeys(name for name, _ in rows if name))
            for name in names:
                if not isinstance(name, str):
                    raise self._unreadable(f"a trial id in it is a {type(name).__name__}")
            for first in range(0, len(names), _TRIALS_AT_A_TIME):
                some = names[first : first + _TRIALS_AT_A_TIME]
                yield from map(TrialJob, _replayed(connection, until, some))

    def get_trial_job(self, trial_job_id: str) -> TrialJob:
        """Return one trial.

        Raises:
            TrialJobNotFoundError: The experiment does not have this trial.
        """
        trials = self._replayed_at_once(trial_job_id)
        if not trials:
            raise TrialJobNotFoundError(
                f"experiment {self.directory.name} has no trial {trial_job_id!r}",
                trial_job_id=trial_job_id,
            )
        return TrialJob(trials[0])

    def get_job_metrics(self, trial_job_id: str | None = None) -> dict[str, list[TrialMetricData]]:
        """Return metrics by trial job id, of one trial or of all."""
        with collection_paused(), self._connection() as connection:
            (last,) = last_rowids(connection, METRICS)
            rows = read_rows(
                connection, METRICS, METRIC_COLUMNS, until=last, matching=_only(trial_job_id)
            )
            return group_metrics(TrialMetricData(to_metric(row)) for row in rows)

    def last_parameter_ids(self, trial_job_ids: Collection[str]) -> dict[str, int | str | None]:
        """Return the `parameterId` of each trial's last metric; trials without one are absent."""
        names = list(trial_job_ids)
        last: dict[str, tuple[Any, ...]] = {}
        with self._connection() as connection:
            (until,) = last_rowids(connection, METRICS)
            for first in range(0, len(names), _TRIALS_AT_A_TIME):
                some = {"trialJobId": names[first : first + _TRIALS_AT_A_TIME]}
                for row in read_rows(
                    connection, METRICS, METRIC_COLUMNS, until=until, matching=some
                ):
                    last[row[METRIC_COLUMNS.index("trialJobId")]] = row
        return {name: TrialMetricData(to_metric(row)).parameterId for name, row in last.items()}

    def trial_log(self, trial_job_id: str, kind: str = "stdout") -> str:
        """Return a trial's log, `stdout`, `stderr` or `trial`; empty if nothing was written yet.

        Raises:
            InvalidValueError: The kind is none of these.
            TrialJobNotFoundError: The experiment does not have this trial.
            TrialLogNotAvailableError: It ran on another machine.
        """
        return self.trial_log_file(trial_job_id, kind).text()

    def trial_log_file(self, trial_job_id: str, kind: str) -> LogFile:
        """Return the file of a trial's log, or where it would be if nothing was written yet.

        Raises:
            InvalidValueError: The kind is none of these.
            TrialJobNotFoundError: The experiment does not have this trial.
            TrialLogNotAvailableError: It ran on another machine.
        """
        layout = layout_with(self.trial_event_columns())
        check_kind(kind, layout.trial_logs)
        # Only an id from the database is used in a path.
        trial = self.get_trial_job(trial_job_id)
        path = find_trial_log(self.directory, layout, trial.trialJobId, kind)
        if is_on_another_machine(trial.logPath) and not path.is_file():
            raise TrialLogNotAvailableError(
                f"trial {trial_job_id} ran on another machine, and its log is not in "
                f"{self.directory}; it is at {trial.logPath}",
                trial_job_id=trial_job_id,
                location=str(trial.logPath),
            )
        return LogFile(path)

    def manager_log_file(self, kind: str) -> LogFile:
        """Return a log of the manager: `log`, its own log; `stdout` or `stderr`, its output.

        Raises:
            InvalidValueError: The kind is none of these.
        """
        return LogFile(find_manager_log(self.directory, kind))

    def dispatcher_log_file(self) -> LogFile:
        """Return the log of the tuner's process."""
        return LogFile(ExperimentPaths(self.directory).dispatcher_log)

    def _replayed_at_once(self, trial_job_id: str | None = None) -> list[dict[str, Any]]:
        names = None if trial_job_id is None else [trial_job_id]
        with self._connection() as connection:
            return _replayed(connection, last_rowids(connection, EVENTS, METRICS), names)

    @contextmanager
    def _connection(self) -> Iterator[GuardedConnection]:
        if (refusal := access_problem(self.path)) is not None:
            raise self._unreadable(refusal)
        if not self.path.is_file():
            raise ExperimentNotFoundError(f"no database at {self.path}", exp_id=self.directory.name)
        connection = None
        try:
            with open_read_only(self.path) as connection:
                yield connection
        except OSError as error:
            raise self._unreadable(error.strerror or error) from error
        except (sqlite3.Error, UnicodeDecodeError) as error:
            # The driver quotes a value that is not valid text; it may be a config with secrets.
            reason, quoted, _ = str(error).partition(" with text ")
            if connection is not None and connection.is_late:
                reason = f"a query took longer than {connection.limit_s:.0f} s"
            # For a damaged schema that is not valid text, the message is empty up to Python 3.10.
            raise self._unreadable(reason or "its schema is not valid text") from (
                None if quoted else error
            )

    def _unreadable(self, reason: object) -> DecodingError:
        return DecodingError(
            f"{self.path} cannot be read as the database of an experiment: {reason}; if it is "
            "damaged, restore it from a backup"
        )


def _replayed(
    connection: GuardedConnection, until: Sequence[int], names: Sequence[str] | None
) -> list[dict[str, Any]]:
    """Return trials as `replay_trials` does.

    Args:
        connection: The database.
        until: The last rowids to read of events and of metrics.
        names: Ids of the trials, None for all.
    """
    last_event, last_metric = until
    metrics = read_rows(
        connection,
        METRICS,
        METRIC_COLUMNS,
        until=last_metric,
        # With the index on the type, SQLite would read all final metrics to find a few.
        matching={"type": [_FINAL]} if names is None else {"trialJobId": names, "+type": [_FINAL]},
    )
    return replay_trials(
        read_rows(
            connection,
            EVENTS,
            EVENT_COLUMNS,
            until=last_event,
            optional=LATER_EVENT_COLUMNS,
            matching={} if names is None else {"trialJobId": names},
        ),
        metrics,
    )


def _decode_config(text: object) -> dict[str, Any] | None:
    """Return a stored config, None if it is not a JSON object."""
    if not isinstance(text, str):
        return None
    try:
        config = decode_json(text)
    except DecodingError:
        return None
    return config if isinstance(config, dict) else None


def _only(trial_job_id: str | None) -> dict[str, list[str]]:
    return {} if trial_job_id is None else {"trialJobId": [trial_job_id]}
