"""An experiment's records in `nni.sqlite`, read without changing a byte."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nnicli.errors import (
    DecodingError,
    ExperimentNotFoundError,
    InvalidValueError,
    TrialJobNotFoundError,
)
from nnicli.models import (
    ExperimentProfile,
    TrialJob,
    TrialJobStatistics,
    TrialMetricData,
    TrialResult,
)
from nnicli.store.events import Row, count_statuses, export_rows, replay_trials
from nnicli.store.layouts import layout_with

_BUSY_TIMEOUT_S = 10.0
_METRIC_COLUMNS = "timestamp, trialJobId, parameterId, type, sequence, data"


class ExperimentDatabase:
    """The records of one experiment, of NNI 2.7 to 3.0; a TrialSource that needs no manager.

    Each read opens the file read-only and closes it, so it may be used beside a living manager.

    Args:
        path: The file `<experiments directory>/<id>/db/nni.sqlite`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"ExperimentDatabase({str(self.path)!r})"

    @property
    def directory(self) -> Path:
        """The experiment's own folder."""
        return self.path.parent.parent

    def trial_event_columns(self) -> tuple[str, ...]:
        """Return the columns of the table TrialJobEvent, which differ between releases."""
        rows = self._query("select name from pragma_table_info('TrialJobEvent')")
        return tuple(row["name"] for row in rows)

    def get_experiment_profile(self) -> ExperimentProfile:
        """Return the newest profile; `params` is the config.

        Raises:
            ExperimentNotFoundError: The database has none.
        """
        rows = self._query("select * from ExperimentProfile order by revision desc limit 1")
        if not rows:
            raise ExperimentNotFoundError(
                f"{self.path} has no experiment: it was never started",
                exp_id=self.directory.name,
            )
        profile = {key: value for key, value in rows[0].items() if value is not None}
        return {**profile, "params": json.loads(profile["params"])}  # type: ignore[typeddict-item]  # columns are its keys

    def get_job_statistics(self) -> list[TrialJobStatistics]:
        """Return how many trials are in each status; statuses without a trial are absent."""
        return [
            {"trialJobStatus": status, "trialJobNumber": number}
            for status, number in count_statuses(self._trials())
        ]

    def list_trial_jobs(self) -> list[TrialJob]:
        """Return all trials in the order in which they were made."""
        return [TrialJob(trial) for trial in self._trials()]

    def get_trial_job(self, trial_job_id: str) -> TrialJob:
        """Return one trial.

        Raises:
            TrialJobNotFoundError: There is none of that id.
        """
        trials = self._trials(trial_job_id)
        if not trials:
            raise TrialJobNotFoundError(
                f"experiment {self.directory.name} has no trial {trial_job_id!r}",
                trial_job_id=trial_job_id,
            )
        return TrialJob(trials[0])

    def get_job_metrics(self, trial_job_id: str | None = None) -> dict[str, list[TrialMetricData]]:
        """Return metrics by trial job id, of one trial or of all."""
        where, values = _only(trial_job_id)
        grouped: dict[str, list[TrialMetricData]] = {}
        for row in self._query(
            f"select {_METRIC_COLUMNS} from MetricData{where} order by rowid",  # noqa: S608 - constants
            *values,
        ):
            grouped.setdefault(row["trialJobId"], []).append(TrialMetricData(row))
        return grouped

    def export_data(self) -> list[TrialResult]:
        """Return parameters and final metric of every trial that succeeded with one."""
        return [TrialResult(row) for row in export_rows(self._trials())]

    def trial_log(self, trial_job_id: str, kind: str = "stdout") -> str:
        """Return what a trial wrote: `stdout`, `stderr` or `trial`; empty before it wrote.

        Raises:
            InvalidValueError: The kind is none of these.
            TrialJobNotFoundError: There is no such trial.
        """
        layout = layout_with(self.trial_event_columns())
        if kind not in layout.trial_logs:
            raise InvalidValueError(
                f"kind: {kind!r} is not allowed; allowed: {', '.join(layout.trial_logs)}",
                field="kind",
                value=kind,
            )
        # Only an id that is in the database gets into a path.
        trial = self.get_trial_job(trial_job_id)
        path = layout.trial_log_path(self.directory, trial.trialJobId, kind)
        try:
            return path.read_text("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def _trials(self, trial_job_id: str | None = None) -> list[dict[str, Any]]:
        where, values = _only(trial_job_id)
        final = f"{where} and" if where else " where"
        with self._connection() as connection:
            events = _fetch(
                connection,
                f"select * from TrialJobEvent{where} order by rowid",  # noqa: S608 - constants
                *values,
            )
            finals = _fetch(
                connection,
                f"select {_METRIC_COLUMNS} from MetricData{final} type = 'FINAL' order by rowid",  # noqa: S608 - constants
                *values,
            )
        return replay_trials(events, finals)

    def _query(self, statement: str, *values: object) -> list[Row]:
        with self._connection() as connection:
            return _fetch(connection, statement, *values)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if not self.path.is_file():
            raise ExperimentNotFoundError(
                f"there is no database at {self.path}", exp_id=self.directory.name
            )
        try:
            with closing(_open(self.path, mode="ro")) as connection:
                needs_recovery = _needs_recovery(connection)
                if not needs_recovery:
                    yield connection
                    return
            with _recovered_copy(self.path) as connection:
                yield connection
        except sqlite3.Error as error:
            raise DecodingError(f"{self.path} cannot be read: {error}") from error


def _open(path: Path, *, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT_S)
    connection.row_factory = sqlite3.Row
    return connection


def _needs_recovery(connection: sqlite3.Connection) -> bool:
    """Return whether a writer died in the middle of a transaction, which only a writer can undo."""
    try:
        connection.execute("select count(*) from sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        if "readonly" not in str(error) and "unable to open" not in str(error):
            raise
        return True
    return False


@contextmanager
def _recovered_copy(path: Path) -> Iterator[sqlite3.Connection]:
    """Undo the half-done transaction in a copy, and leave the original as it is."""
    with tempfile.TemporaryDirectory(prefix="nnicli-") as directory:
        for file in path.parent.glob(f"{path.name}*"):
            shutil.copy(file, directory)
        with closing(_open(Path(directory) / path.name, mode="rw")) as connection:
            yield connection


def _fetch(connection: sqlite3.Connection, statement: str, *values: object) -> list[Row]:
    return [dict(row) for row in connection.execute(statement, values).fetchall()]


def _only(trial_job_id: str | None) -> tuple[str, tuple[str, ...]]:
    return ("", ()) if trial_job_id is None else (" where trialJobId = ?", (trial_job_id,))
