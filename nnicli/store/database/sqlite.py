"""Read SQLite files without changing them, and without blocking a manager that writes to them."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nnicli.errors import StateError
from nnicli.regular_files import open_regular
from nnicli.store.database.guarded import GuardedConnection, check_side_files, connect
from nnicli.store.staging import staging_directory
from nnicli.waiting import Deadline

# A statement holds the file's shared lock while it runs. A manager that has to wait for longer than
# a second to write ends in ERROR, "SQLITE_BUSY: database is locked" (3.0, seen live).
_ROWS_AT_A_TIME = 5_000
# About 4 MB, which take milliseconds.
_PAGES_AT_A_TIME = 1_000
_BACKUP_PAUSE_S = 0.02
# For readers: byte 19 of the file is 2 in write-ahead mode, which NNI never chooses itself.
_WAL_MARK = slice(19, 20)
# SQLite rebuilds the index of a write-ahead log.
_COPIED = ("-journal", "-wal")
# SQLite's messages for a file that only a writer can make readable; the second is for a write-ahead
# log in another user's directory. The error codes are available only from Python 3.11 on.
_NEEDS_WRITER = ("readonly", "unable to open database file")
# With these the file does not exist, so permission is not the problem.
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


@contextmanager
def open_read_only(path: Path) -> Iterator[GuardedConnection]:
    """Open a database without changing a byte of it or making a file next to it.

    If a writer died in the middle of a change, the change is undone in a copy, as only a writer can
    undo it. A database in write-ahead mode that is in use has its `-shm` file touched, as by every
    reader.

    Raises:
        sqlite3.Error: It is not a database, or is locked for longer than 10 s.
        OSError: It cannot be read or copied.
    """
    # Like SQLite, look for files next to the file itself, not next to a link to it.
    path = path.resolve()
    original = _open_original(path)
    if original is not None:
        with closing(original):
            yield original
        return
    check_side_files(path)
    with staging_directory(Path(tempfile.gettempdir())) as directory:
        copy = directory / path.name
        for name in (path.name, *(path.name + suffix for suffix in _COPIED)):
            if path.with_name(name).exists():
                _copy(path.with_name(name), directory / name)
        with closing(_connect(copy, mode="mode=rw")) as ours:
            yield ours


def _copy(source: Path, target: Path) -> None:
    with open_regular(source) as original, target.open("xb") as copy:
        free = shutil.disk_usage(target.parent).free
        if os.fstat(original.fileno()).st_size > free:
            raise OSError(
                errno.ENOSPC,
                f"reading it requires a copy, but only {free:,} bytes are free in "
                f"{target.parent.parent}; free some space there, or set TMPDIR",
                str(source),
            )
        shutil.copyfileobj(original, copy)


def access_problem(path: Path) -> str | None:
    """Return why permission to look at a path is denied, else None, even if it does not exist."""
    try:
        path.stat()
    except OSError as error:
        return None if error.errno in _MISSING else str(error.strerror or error)
    except ValueError:
        # A path with a NUL cannot exist.
        return None
    return None


def copy_database(source: Path, target: Path, *, timeout_s: float) -> None:
    """Copy a consistent state of a database, even while a manager writes to it.

    The manager may write between portions; if it does, the copy starts again.

    Args:
        source: The database.
        target: The copy, which must not exist yet.
        timeout_s: How long the copy may wait and start again; the first attempt is not cut off.

    Raises:
        StateError: It is written to too often for a consistent copy in time.
        sqlite3.Error: It is not a database, or is locked for longer than 10 s.
        OSError: It cannot be read or copied.
    """
    deadline = Deadline(timeout_s)
    least = sys.maxsize

    def check(_status: int, remaining: int, _total: int) -> None:
        nonlocal least
        if remaining >= least and deadline.expired:
            raise StateError(
                f"could not make a consistent copy of {source} within {timeout_s:.0f} s, as it is "
                "written to too often; stop the experiment first, or allow more time"
            )
        least = min(least, remaining)

    with open_read_only(source) as original, closing(sqlite3.connect(target)) as copy:
        original.backup(copy, pages=_PAGES_AT_A_TIME, progress=check, sleep=_BACKUP_PAUSE_S)


def read_rows(
    connection: GuardedConnection,
    table: str,
    columns: Sequence[str],
    *,
    until: int,
    optional: Sequence[str] = (),
    matching: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[tuple[Any, ...]]:
    """Return rows of an append-only table in the order in which they were written.

    A row has the values of its columns, the optional ones last, and its rowid.

    Args:
        connection: The database; it is unlocked between portions.
        table: Name of the table; like column names, never from outside.
        columns: Columns that it must have.
        until: The last rowid to read, from `last_rowids`.
        optional: More columns; the value is None if the table does not have one.
        matching: Column -> allowed values; `+` before its name keeps SQLite from using its index.

    Raises:
        sqlite3.Error: The table does not exist, or lacks a column.
    """
    known = column_names(connection, table)
    if missing := sorted(set(columns).difference(known)):
        raise sqlite3.DatabaseError(f"table {table} has no column {missing[0]}")
    selected = ", ".join((*columns, *(name if name in known else "null" for name in optional)))
    matching = matching or {}
    conditions = "".join(
        f" and {name} in ({', '.join('?' * len(values))})" for name, values in matching.items()
    )
    # With several values SQLite would scan all rows and ignore the index (3.40, seen live).
    rowid = "+rowid" if any(len(values) > 1 for values in matching.values()) else "rowid"
    statement = (
        f"select {selected}, rowid from {table}"  # noqa: S608 - names are constants
        f" where {rowid} > ? and {rowid} <= ?{conditions} order by rowid limit {_ROWS_AT_A_TIME}"
    )
    wanted = [_to_bind(value) for values in matching.values() for value in values]

    def portions() -> Iterator[list[tuple[Any, ...]]]:
        last = 0
        while rows := connection.execute(statement, (last, until, *wanted)).fetchall():
            connection.check_expanded(rows)
            if rows[-1][-1] <= last:
                raise sqlite3.DatabaseError(f"the rows of table {table} are out of order")
            last = rows[-1][-1]
            yield rows

    return chain.from_iterable(portions())


def _to_bind(value: str) -> str | None:
    """Return a value to match; None, which nothing equals, for text that SQLite cannot hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value


def column_names(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    """Return the columns of a table, whose name never comes from outside.

    Raises:
        sqlite3.Error: The table does not exist.
    """
    cursor = connection.execute(f"select * from {table} limit 0")  # noqa: S608 - a constant
    return tuple(column[0] for column in cursor.description)


def last_rowids(connection: sqlite3.Connection, *tables: str) -> list[int]:
    """Return the last rowid of each table at one moment: a snapshot, as rows never change."""
    newest = "(select coalesce(max(rowid), 0) from {})"
    columns = ", ".join(newest.format(table) for table in tables)
    return list(connection.execute(f"select {columns}").fetchone())


def _connect(path: Path, *, mode: str) -> GuardedConnection:
    # As bytes, since a path need not be valid text.
    return connect(path, f"file:{quote(os.fsencode(path.absolute()))}?{mode}")


def _open_original(path: Path) -> GuardedConnection | None:
    """Return a connection to the file itself, None if only a writer can open it."""
    mode = _mode_for(path)
    if mode is None:
        return None
    with ExitStack() as unfit:
        try:
            ours = unfit.enter_context(closing(_connect(path, mode=mode)))
        except sqlite3.OperationalError as error:
            if not any(text in str(error) for text in _NEEDS_WRITER):
                raise
            return None
        unfit.pop_all()
    return ours


def _mode_for(path: Path) -> str | None:
    """Return how to open a file without leaving another next to it, None if that is impossible."""
    with open_regular(path) as file:
        mark = file.read(_WAL_MARK.stop)[_WAL_MARK]
    if mark != b"\x02":
        return "mode=ro"
    if not path.with_name(path.name + "-wal").exists():
        return "immutable=1"
    # Readers create an index of the log if there is none, as after a crash.
    return "mode=ro" if path.with_name(path.name + "-shm").exists() else None
