"""The manager's database: append-only tables, from which alone a resume restores."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]

# 3.0 added `environmentId`; like its manager, the fake fails on tables without that column.
_TABLES = """
create table TrialJobEvent (timestamp integer, trialJobId text, event text, data text,
    logPath text, sequenceId integer, message text{environment});
create index TrialJobEvent_trialJobId on TrialJobEvent(trialJobId);
create table MetricData (timestamp integer, trialJobId text, parameterId text, type text,
    sequence integer, data text);
create index MetricData_trialJobId on MetricData(trialJobId);
create table ExperimentProfile (params text, id text, execDuration integer, startTime integer,
    endTime integer, logDir text, nextSequenceId integer, revision integer);
"""
_EVENT = ("timestamp", "trialJobId", "event", "data", "logPath", "sequenceId", "message")
_METRIC = ("timestamp", "trialJobId", "parameterId", "type", "sequence", "data")
_PROFILE = (
    "params",
    "id",
    "execDuration",
    "startTime",
    "endTime",
    "logDir",
    "nextSequenceId",
    "revision",
)


class Database:
    """One experiment's `nni.sqlite`; callers hold the manager's lock."""

    def __init__(self, path: Path, *, has_environment: bool) -> None:
        is_new = not path.exists()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        # A fake need not survive a power cut, and waiting for the disk costs milliseconds.
        self._connection.execute("pragma synchronous = off")
        self._event_columns = (*_EVENT, "environmentId") if has_environment else _EVENT
        if is_new:
            environment = ", environmentId text" if has_environment else ""
            self._connection.executescript(_TABLES.format(environment=environment))

    def add_event(self, row: Row) -> None:
        """Append to the log of trial events."""
        self._insert("TrialJobEvent", self._event_columns, row)

    def add_metric(self, row: Row) -> None:
        """Append a reported metric."""
        self._insert("MetricData", _METRIC, row)

    def add_profile(self, profile: Row) -> None:
        """Append a revision of the experiment's profile."""
        params = json.dumps(profile["params"], separators=(",", ":"))
        self._insert("ExperimentProfile", _PROFILE, {**profile, "params": params})

    def newest_profile(self) -> Row | None:
        """Return the profile with the highest revision, None in a new database."""
        query = "select * from ExperimentProfile order by revision desc limit 1"
        row = self._connection.execute(query).fetchone()
        return None if row is None else {**dict(row), "params": json.loads(row["params"])}

    def events(self) -> Iterator[Row]:
        """Yield all trial events in order."""
        return map(dict, self._connection.execute("select * from TrialJobEvent order by rowid"))

    def metrics(self) -> Iterator[Row]:
        """Yield all metrics in order."""
        return map(dict, self._connection.execute("select * from MetricData order by rowid"))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _insert(self, table: str, columns: tuple[str, ...], row: Row) -> None:
        marks = ", ".join("?" * len(columns))
        # The table name is one of the three above.
        self._connection.execute(
            f"insert into {table} values ({marks})",  # noqa: S608
            [row.get(column) for column in columns],
        )
