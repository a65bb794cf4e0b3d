"""SQLite files that a manager may be writing, read without changing them or standing in its way."""

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

# A statement holds the file's shared lock while it runs. A manager whose write has to wait for
# longer than a second ends in ERROR, "SQLITE_BUSY: database is locked" (3.0, seen live).
_ROWS_AT_A_TIME = 5_000
# Some 4 MB, which takes milliseconds.
_PAGES_AT_A_TIME = 1_000
_BACKUP_PAUSE_S = 0.02
# For readers, byte 19 of the file says 2 in write-ahead mode, which no NNI chooses itself.
_WAL_MARK = slice(19, 20)
# SQLite rebuilds the index of a write-ahead log.
_COPIED = ("-journal", "-wal")
# What SQLite says of a file that only a writer could make readable, the second over a write-ahead
# log in a folder that is not ours. The codes themselves are told from Python 3.11 on.
_NEEDS_WRITER = ("readonly", "unable to open database file")
# With these there is no file, which is no refusal.
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


@contextmanager
def open_read_only(path: Path) -> Iterator[GuardedConnection]:
    """Open a database that keeps every byte and gets no file beside it.

    What a writer that died left half done is undone in a copy, as only a writer can undo it. A
    database in write-ahead mode that is in use has its `-shm` file touched, as by every reader.

    Raises:
        sqlite3.Error: It is no database, or locked for longer than 10 s.
        OSError: It cannot be read or copied.
    """
    # SQLite looks beside the file itself too, and not beside a link to it.
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
                f"a copy of it is needed to read it, and {target.parent.parent} has {free:,} bytes "
                "left for that; make room there, or set TMPDIR",
                str(source),
            )
        shutil.copyfileobj(original, copy)


def why_closed(path: Path) -> str | None:
    """Return why one may not look at a path; None where one may, be it there or not."""
    try:
        path.stat()
    except OSError as error:
        return None if error.errno in _MISSING else str(error.strerror or error)
    except ValueError:
        # No file has a name with a NUL in it.
        return None
    return None


def copy_database(source: Path, target: Path, *, timeout_s: float) -> None:
    """Copy a database as it is at one moment, also while a manager writes to it.

    The manager is let in between portions; what it changes then makes the copy begin anew.

    Args:
        source: The database.
        target: The copy, which must not exist yet.
        timeout_s: How long the copy may wait and begin anew; the first attempt is not cut off.

    Raises:
        StateError: It is written to so often that there was no copy in time.
        sqlite3.Error: It is no database, or locked for longer than 10 s.
        OSError: It cannot be read or copied.
    """
    deadline = Deadline(timeout_s)
    least = sys.maxsize

    def check(_status: int, remaining: int, _total: int) -> None:
        nonlocal least
        if remaining >= least and deadline.expired:
            raise StateError(
                f"{source} is written to so often that there was no consistent copy within "
                f"{timeout_s:.0f} s; stop the experiment first, or allow more time"
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

    A row is what its columns hold, the optional ones last, and its rowid.

    Args:
        connection: The database; it is unlocked between portions.
        table: Name of the table; like those of columns never one from outside.
        columns: Those that it must have.
        until: The last rowid that counts, of `last_rowids`.
        optional: More columns; None stands for one that the table lacks.
        matching: Column -> values of which it must have one; `+` before its name keeps SQLite from
            its index.

    Raises:
        sqlite3.Error: There is no such table, or it lacks a column.
    """
    known = column_names(connection, table)
    if missing := sorted(set(columns).difference(known)):
        raise sqlite3.DatabaseError(f"table {table} has no column {missing[0]}")
    selected = ", ".join((*columns, *(name if name in known else "null" for name in optional)))
    matching = matching or {}
    conditions = "".join(
        f" and {name} in ({', '.join('?' * len(values))})" for name, values in matching.items()
    )
    # Of several values SQLite would rather look at each row than at the index (3.40, seen live).
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
    """Return a value to look for; None, which nothing equals, for text that SQLite cannot hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value


def column_names(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    """Return the columns of a table, whose name never comes from outside.

    Raises:
        sqlite3.Error: There is no such table.
    """
    cursor = connection.execute(f"select * from {table} limit 0")  # noqa: S608 - a constant
    return tuple(column[0] for column in cursor.description)


def last_rowids(connection: sqlite3.Connection, *tables: str) -> list[int]:
    """Return the newest row of each table at one moment: together a snapshot, as no row changes."""
    newest = "(select coalesce(max(rowid), 0) from {})"
    columns = ", ".join(newest.format(table) for table in tables)
    return list(connection.execute(f"select {columns}").fetchone())


def _connect(path: Path, *, mode: str) -> GuardedConnection:
    # As bytes, since a path may hold some that are no text.
    return connect(path, f"file:{quote(os.fsencode(path.absolute()))}?{mode}")


def _open_original(path: Path) -> GuardedConnection | None:
    """Return a connection to the file itself, None where that takes a writer."""
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
    """Return how a file can be opened without leaving anything beside it, None for not at all."""
    with open_regular(path) as file:
        mark = file.read(_WAL_MARK.stop)[_WAL_MARK]
    if mark != b"\x02":
        return "mode=ro"
    if not path.with_name(path.name + "-wal").exists():
        return "immutable=1"
    # Readers make an index of the log where there is none, as after a crash.
    return "mode=ro" if path.with_name(path.name + "-shm").exists() else None
