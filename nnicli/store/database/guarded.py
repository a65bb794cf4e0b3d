"""SQLite connections that keep a hostile file from running code, hanging, or filling the disk.

Memory is limited, too. Anybody may have written a database: SQLite runs its views and triggers, and
a journal next to it names the file to be deleted after it was played back.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from random import randrange
from typing import Any

from nnicli.regular_files import check_regular, open_regular
from nnicli.store.paths import SIDE_FILES
from nnicli.waiting import Deadline

_BUSY_TIMEOUT_S = 10.0
_READING_S = 20.0
# For changing all rows at once; the largest experiments take seconds.
_WRITING_S = 300.0
# SQLite's instructions between two checks of the clock: less than a millisecond.
_INSTRUCTIONS = 20_000
# For a row or a value; the longest that NNI writes is a config with its search space.
_LONGEST_VALUE = 64 << 20
_MOST_OBJECTS = 1_000
# How SQLite stores the statements for what NNI creates, whatever type a file claims for it.
_PLAIN = ("CREATE TABLE ", "CREATE INDEX ", "CREATE UNIQUE INDEX ")
# The end of a journal that names another one, in a transaction over several databases.
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
# Python objects take up to this many times the bytes of a file.
_EXPANSION = 16
_LEAST_EXPANDED = 16 << 20
# Measuring every row would add a tenth to the time.
_SAMPLED = 16
_GROWTH = 4
_FEW_PAGES = 1_000


class GuardedConnection(sqlite3.Connection):
    """A connection whose every statement has a deadline."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.limit_s = _READING_S
        self.most_expanded = 0
        self._expanded = 0
        self._deadline = Deadline(None)
        self.set_progress_handler(lambda: self._deadline.expired, _INSTRUCTIONS)

    @property
    def is_late(self) -> bool:
        """Whether the last statement took too long."""
        return self._deadline.expired

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Execute a statement; it ends with sqlite3.OperationalError if it takes too long."""
        self._deadline = Deadline(self.limit_s)
        return super().execute(sql, parameters)

    def check_expanded(self, rows: Sequence[Iterable[object]]) -> None:
        """Refuse rows with more data than the file can hold, as when they share pages.

        Raises:
            sqlite3.DatabaseError: All that was read so far is too much.
        """
        some = rows[randrange(_SAMPLED) :: _SAMPLED]  # noqa: S311 - nobody gains by guessing it
        self._expanded += _SAMPLED * sum(map(sys.getsizeof, chain.from_iterable(some)))
        if self._expanded > self.most_expanded:
            raise sqlite3.DatabaseError("its rows have more data than the whole file")


def connect(path: Path, target: str, *, is_written: bool = False) -> GuardedConnection:
    """Open a database that has only plain tables, and no harmful files next to it.

    Args:
        path: The file.
        target: Its name for SQLite, as a URI.
        is_written: Whether it will be changed. If so, what SQLite would compute meanwhile is also
            refused, and it cannot grow to more than a few times its size.

    Raises:
        sqlite3.Error: It is not such a database, or is locked for longer than 10 s.
        OSError: It, or a file next to it, is not a regular file or cannot be read.
    """
    check_side_files(path)
    status = path.stat()
    connection = sqlite3.connect(
        target,
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        # Writers begin a transaction, or set a journal mode, with a statement.
        isolation_level=None,
        factory=GuardedConnection,
    )
    try:
        if sys.version_info >= (3, 11):
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
        connection.execute("pragma trusted_schema = off")
        connection.most_expanded = _EXPANSION * _size_of(status) + _LEAST_EXPANDED
        _check_schema(connection)
        if is_written:
            connection.limit_s = _WRITING_S
            _prepare_change(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def check_side_files(path: Path) -> None:
    """Refuse files next to a database on which SQLite would block, or with which it would do harm.

    Raises:
        OSError: One of them is not a regular file.
        sqlite3.DatabaseError: A journal names another file, which SQLite would delete.
    """
    for side_file in (path.with_name(path.name + suffix) for suffix in SIDE_FILES):
        if not os.path.lexists(side_file):
            continue
        check_regular(side_file.lstat().st_mode, side_file)
        if side_file.name.endswith("-journal"):
            with open_regular(side_file) as journal:
                journal.seek(max(0, side_file.stat().st_size - len(_JOURNAL_MAGIC)))
                if journal.read() == _JOURNAL_MAGIC:
                    raise sqlite3.DatabaseError(
                        "the journal next to it names another file, which NNI never writes"
                    )


def _size_of(status: os.stat_result) -> int:
    """Return a file's size; for a file with holes, at most a few times its size on disk."""
    on_disk = getattr(status, "st_blocks", status.st_size) * 512
    return min(status.st_size, _EXPANSION * on_disk + _LEAST_EXPANDED)


def _check_schema(connection: sqlite3.Connection) -> None:
    """Refuse everything but plain tables and their indices; the column `type` cannot be trusted."""
    rows = connection.execute(
        f"select name, sql from sqlite_master limit {_MOST_OBJECTS + 1}"  # noqa: S608 - a constant
    ).fetchall()
    if len(rows) > _MOST_OBJECTS:
        raise sqlite3.DatabaseError(f"it has more than {_MOST_OBJECTS} tables")
    for name, sql in rows:
        # An index that SQLite creates itself has no statement.
        if sql is not None and not (isinstance(sql, str) and sql.startswith(_PLAIN)):
            raise sqlite3.DatabaseError(
                f"its {str(name)[:80]!r} is not a plain table, as NNI creates, but a view, a "
                "trigger or the like"
            )
    for name, sql in rows:
        if sql is None or not sql.startswith("CREATE TABLE "):
            continue
        columns = connection.execute(
            "select name, hidden from pragma_table_xinfo(?)", (name,)
        ).fetchall()
        for column, hidden in columns:
            if hidden or str(column).lower() in ("rowid", "oid", "_rowid_"):
                raise sqlite3.DatabaseError(
                    f"the column {str(column)[:80]!r} of its table {str(name)[:80]!r} is computed, "
                    "or has a name reserved by SQLite"
                )


def _prepare_change(connection: sqlite3.Connection) -> None:
    computed = connection.execute(
        "select list.name from sqlite_master as list, pragma_index_xinfo(list.name) as part"
        " where list.type = 'index' and part.cid = -2 limit 1"
    ).fetchone()
    if computed is not None:
        raise sqlite3.DatabaseError(f"its index {str(computed[0])[:80]!r} is computed")
    connection.execute("pragma ignore_check_constraints = on")
    (pages,) = connection.execute("pragma page_count").fetchone()
    connection.execute(f"pragma max_page_count = {pages * _GROWTH + _FEW_PAGES}").fetchone()
