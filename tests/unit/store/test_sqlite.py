"""Databases that another process writes to, or died while writing to."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from nnicli import StateError
from nnicli.store.database import guarded, sqlite
from nnicli.store.database.sqlite import (
    access_problem,
    copy_database,
    last_rowids,
    open_read_only,
    read_rows,
)
from tests.unit.store.recordings import load_recording

# Ends in the middle of a transaction that has already reached the file.
DIES_WHILE_WRITING = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("pragma cache_size = 1")
connection.execute("update Log set text = 'half done'")
connection.executemany("insert into Log values (?)", [("half done" * 100,)] * 2000)
os._exit(0)
"""
DIES_WITH_A_LOG = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("insert into Log values ('only in the log')")
os._exit(0)
"""


COLUMNS = ("text",)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a database whose table Log has seven rows."""
    path = tmp_path / "db" / "nni.sqlite"
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("create table Log (text text)")
        for number in range(7):
            connection.execute("insert into Log values (?)", (str(number),))
    return path


@pytest.fixture
def writer(path: Path) -> Iterator[sqlite3.Connection]:
    """Return a connection that fails at once if it would have to wait."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
        yield connection


def texts(path: Path) -> list[str]:
    """Return the rows as nnicli reads them."""
    with open_read_only(path) as connection:
        (last,) = last_rowids(connection, "Log")
        return [text for text, _ in read_rows(connection, "Log", COLUMNS, until=last)]


def contents(path: Path) -> dict[str, bytes]:
    """Return the bytes of everything in the database's directory."""
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}


@pytest.mark.parametrize("portion", [1, 3, 6, 7, 8])
def test_rows_come_in_order_in_portions_of_any_size(
    path: Path, monkeypatch: pytest.MonkeyPatch, portion: int
) -> None:
    monkeypatch.setattr("nnicli.store.database.sqlite._ROWS_AT_A_TIME", portion)

    assert texts(path) == ["0", "1", "2", "3", "4", "5", "6"]


def test_a_reader_in_the_middle_does_not_keep_the_manager_from_writing(
    path: Path, writer: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manager whose write waits for longer than a second ends in ERROR (3.0, seen live)."""
    monkeypatch.setattr("nnicli.store.database.sqlite._ROWS_AT_A_TIME", 3)
    with open_read_only(path) as connection:
        (last,) = last_rowids(connection, "Log")
        rows = read_rows(connection, "Log", COLUMNS, until=last)
        first = next(rows)

        writer.execute("insert into Log values ('new')")

        assert [first[0], *(text for text, _ in rows)] == list("0123456")
    assert texts(path)[-1] == "new"


def test_several_tables_are_read_as_of_one_moment(path: Path, writer: sqlite3.Connection) -> None:
    writer.execute("create table Other (text text)")
    with open_read_only(path) as connection:
        last_log, last_other = last_rowids(connection, "Log", "Other")
        writer.execute("insert into Log values ('new')")
        writer.execute("insert into Other values ('new')")

        assert len(list(read_rows(connection, "Log", COLUMNS, until=last_log))) == 7
        assert list(read_rows(connection, "Other", COLUMNS, until=last_other)) == []


def test_only_rows_with_the_value_are_read(path: Path) -> None:
    with open_read_only(path) as connection:
        for column in ("text", "+text"):

            def read(*values: str, column: str = column) -> list[tuple[Any, ...]]:
                matching = {column: values}
                return list(read_rows(connection, "Log", COLUMNS, until=7, matching=matching))

            assert read("3' or 1=1 --") == []
            assert read("3") == [("3", 4)]
            assert read("5", "7", "3") == [("3", 4), ("5", 6)]


def test_a_column_that_a_release_lacks_is_empty(path: Path) -> None:
    with open_read_only(path) as connection:
        rows = list(read_rows(connection, "Log", COLUMNS, until=1, optional=("message",)))

    assert rows == [("0", None, 1)]


def test_nothing_can_be_written(path: Path) -> None:
    with (
        open_read_only(path) as connection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        connection.execute("insert into Log values ('ours')")


def test_uncommitted_rows_are_not_seen(path: Path, writer: sqlite3.Connection) -> None:
    writer.execute("begin immediate")
    writer.execute("insert into Log values ('not yet')")

    assert texts(path) == list("0123456")
    writer.execute("commit")
    assert texts(path)[-1] == "not yet"


def test_a_database_that_stays_locked_is_an_error(
    path: Path, writer: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnicli.store.database.guarded._BUSY_TIMEOUT_S", 0.05)
    writer.execute("begin exclusive")

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        texts(path)


def test_an_unfinished_change_of_a_dead_writer_is_undone_in_a_copy(path: Path) -> None:
    """A manager killed in a transaction leaves a journal, which only a writer may play back."""
    subprocess.run([sys.executable, "-c", DIES_WHILE_WRITING, path], check=True)
    before = contents(path)
    assert set(before) == {"nni.sqlite", "nni.sqlite-journal"}

    assert texts(path) == list("0123456")
    assert contents(path) == before


def test_an_idle_write_ahead_database_gets_no_files(path: Path, writer: sqlite3.Connection) -> None:
    """SQLite itself would leave two files there, even when it only reads."""
    writer.execute("pragma journal_mode = wal")
    writer.execute("insert into Log values ('new')")
    writer.close()
    before = contents(path)
    assert set(before) == {"nni.sqlite"}

    assert texts(path) == [*"0123456", "new"]
    assert contents(path) == before


def test_a_damaged_write_ahead_mark_leaves_no_files(path: Path) -> None:
    """SQLite decides by the mark for readers only."""
    content = bytearray(path.read_bytes())
    content[19] = 2
    path.write_bytes(content)
    before = contents(path)

    assert texts(path) == list("0123456")
    assert contents(path) == before


def test_a_write_ahead_log_that_is_in_use_is_read(path: Path, writer: sqlite3.Connection) -> None:
    writer.execute("pragma journal_mode = wal")
    writer.execute("insert into Log values ('new')")
    names = set(contents(path))

    assert texts(path) == [*"0123456", "new"]
    assert set(contents(path)) == names


def test_a_write_ahead_log_that_a_dead_writer_left_is_read(
    path: Path, writer: sqlite3.Connection
) -> None:
    writer.execute("pragma journal_mode = wal")
    writer.close()
    subprocess.run([sys.executable, "-c", DIES_WITH_A_LOG, path], check=True)
    before = contents(path)

    assert texts(path) == [*"0123456", "only in the log"]
    after = contents(path)
    assert set(after) == set(before)
    for name in ("nni.sqlite", "nni.sqlite-wal"):
        assert after[name] == before[name]


@pytest.fixture
def left_log(path: Path, writer: sqlite3.Connection) -> Path:
    """Return a database with the log of a dead writer, as it is after it was copied or moved."""
    writer.execute("pragma journal_mode = wal")
    writer.close()
    subprocess.run([sys.executable, "-c", DIES_WITH_A_LOG, path], check=True)
    path.with_name("nni.sqlite-shm").unlink()
    return path


def test_a_write_ahead_log_without_its_index_gets_none(left_log: Path) -> None:
    before = contents(left_log)
    assert set(before) == {"nni.sqlite", "nni.sqlite-wal"}

    assert texts(left_log) == [*"0123456", "only in the log"]
    assert contents(left_log) == before


def test_a_log_next_to_a_linked_database_is_read(left_log: Path, tmp_path: Path) -> None:
    link = tmp_path / "links" / "nni.sqlite"
    link.parent.mkdir()
    link.symlink_to(left_log)
    before = contents(left_log)

    assert texts(link) == [*"0123456", "only in the log"]
    assert contents(left_log) == before
    assert list(link.parent.iterdir()) == [link]


def test_a_database_that_sqlite_cannot_open_in_place_is_read_from_a_copy(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with an index that only its owner may open."""

    def refuse(file: Path, target: str) -> sqlite3.Connection:
        if file == path:
            raise sqlite3.OperationalError("unable to open database file")
        return guarded.connect(file, target)

    monkeypatch.setattr(sqlite, "connect", refuse)

    assert texts(path) == list("0123456")


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EACCES, "Permission denied"),
        (errno.ESTALE, os.strerror(errno.ESTALE)),
        (errno.ENOENT, None),
        (errno.ENOTDIR, None),
    ],
)
def test_why_permission_is_denied_is_reported(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str | None
) -> None:
    assert access_problem(path) is None

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "stat", refuse)

    assert access_problem(path) == reason


_WRITE_PAIRS = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=60)
connection.execute("create table left_table (value)")
connection.execute("create table right_table (value)")
print("ready", flush=True)
for number in range(10**9):
    with connection:
        connection.execute("insert into left_table values (?)", (number,))
        connection.execute("insert into right_table values (?)", (number,))
    time.sleep(0.01)
"""


def test_a_copy_is_consistent_while_a_manager_writes(path: Path, tmp_path: Path) -> None:
    """Half of a transaction would be a state that never existed."""
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITE_PAIRS, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        for number in range(10):
            copy_database(path, tmp_path / f"copy{number}", timeout_s=60)
    finally:
        writer.kill()
        writer.communicate()

    for number in range(10):
        with closing(sqlite3.connect(tmp_path / f"copy{number}")) as connection:
            (left,) = connection.execute("select count(*) from left_table").fetchone()
            (right,) = connection.execute("select count(*) from right_table").fetchone()
            (verdict,) = connection.execute("pragma integrity_check").fetchone()
        assert (left, verdict) == (right, "ok")


def test_a_database_that_is_never_free_does_not_block_forever(
    path: Path, writer: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "_BUSY_TIMEOUT_S", 0.01)
    open_as_ever = sqlite.open_read_only

    @contextmanager
    def open_and_lock(source: Path) -> Iterator[sqlite3.Connection]:
        with open_as_ever(source) as connection:
            writer.execute("begin exclusive")
            yield connection

    monkeypatch.setattr(sqlite, "open_read_only", open_and_lock)

    with pytest.raises(
        StateError, match=r"consistent copy of .* within 0 s.*; stop the experiment"
    ):
        copy_database(path, tmp_path / "copy", timeout_s=0)


def test_a_copy_leaves_the_original_alone(path: Path, tmp_path: Path) -> None:
    before = path.read_bytes()

    copy_database(path, tmp_path / "copy", timeout_s=60)

    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir() if file.name.startswith(path.name)] == [
        path.name
    ]


@pytest.mark.parametrize("number", [1, 2, 500])
def test_the_rows_of_some_trials_are_found_by_their_index(number: int, tmp_path: Path) -> None:
    """Without it, an export reads all rows again for each portion of trials."""
    database = load_recording("3.0", tmp_path).database
    statements: list[str] = []
    names = [trial.trialJobId for trial in database.list_trial_jobs()]
    wanted = [*names, *(f"t{index}" for index in range(number))][:number]

    with open_read_only(database.path) as connection:
        connection.set_trace_callback(statements.append)
        rows = list(
            read_rows(
                connection,
                "TrialJobEvent",
                ("trialJobId",),
                until=1_000,
                matching={"trialJobId": wanted},
            )
        )
        connection.set_trace_callback(None)
        selects = [one for one in statements if "rowid" in one]
        plans = [connection.execute(f"explain query plan {one}").fetchall() for one in selects]

    assert {row[0] for row in rows} == set(names[:number])
    assert plans
    assert all("TrialJobEvent_trialJobId" in str(plan) for plan in plans)
