"""Change the paths in an experiment's records after its files have moved."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from nnicli.config import with_experiments_directory
from nnicli.decoding import decode_json
from nnicli.errors import DecodingError
from nnicli.store.database.guarded import GuardedConnection, connect
from nnicli.store.logs.paths import is_on_another_machine

# The search space belongs to the user, and is not changed by a letter.
_KEPT = frozenset(("searchSpace",))
# Paths on another machine have not changed, but the key for it is a file on this one.
_MACHINES = "machineList"
# The same in the metadata of 1.x.
_MACHINES_PAIR = "machine_list"
_LOCAL_FILES = frozenset(("sshKeyFile", "sshKeyPath"))
# What may precede and follow a path inside a longer text, such as a command.
_BEFORE = r"(?<![\w.~+@-])"
_AFTER = r"""(?=[/\s"':;,)&|<>]|$)"""


class Relocation:
    """Old paths and the new ones; everything below an old path has moved with it.

    Args:
        paths: Absolute path of a file or directory -> where it is now. The longest match counts.
        parent: The parent of the experiment directory now.
    """

    def __init__(self, paths: Mapping[str, str], *, parent: str) -> None:
        # The root directory and an empty path would match everything.
        self._paths = {old.rstrip("/"): new for old, new in paths.items() if old.rstrip("/")}
        self._parent = parent
        longest_first = sorted(self._paths, key=len, reverse=True)
        alternatives = "|".join(map(re.escape, longest_first)) or r"(?!)"
        self._pattern = re.compile(f"{_BEFORE}(?:{alternatives}){_AFTER}")

    def text(self, text: str) -> str:
        """Return a text, which is a path or contains some, with the new paths."""
        return self._pattern.sub(lambda match: self._paths[match[0]], text)

    def log_path(self, log_path: str) -> str:
        """Return where a trial's directory is now; on another machine, it has not moved."""
        return log_path if is_on_another_machine(log_path) else self.text(log_path)

    def config(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a config with the new paths, except in its search space and other machines."""
        moved = {
            key: value if key in _KEPT else self._item(key, value) for key, value in config.items()
        }
        return with_experiments_directory(moved, self._parent)

    def _item(self, key: str, value: Any) -> Any:
        return self._machines(value) if key == _MACHINES else self._value(value)

    def _machines(self, machines: Any) -> Any:
        if not isinstance(machines, list):
            return machines
        return [
            {
                key: self._value(value) if key in _LOCAL_FILES else value
                for key, value in machine.items()
            }
            if isinstance(machine, dict)
            else machine
            for machine in machines
        ]

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if isinstance(value, dict):
            if value.get("key") == _MACHINES_PAIR:
                return {**value, "value": self._machines(value.get("value"))}
            return {key: self._item(key, item) for key, item in value.items()}
        return value


def recorded_directories(path: Path) -> list[str]:
    """Return every path that a database records for its experiment directory, the newest first.

    Raises:
        DecodingError: It is not the database of an experiment.
    """
    with _opened(path) as connection:
        rows = _run(
            path,
            connection,
            "select logDir from ExperimentProfile where logDir is not null order by revision desc",
        )
        return list(dict.fromkeys(str(logged) for (logged,) in rows))


def relocate_database(path: Path, relocation: Relocation) -> None:
    """Change a copy of an experiment's database, row by row; if that fails, discard the copy.

    Raises:
        DecodingError: It is not the database of an experiment.
    """
    with _opened(path) as connection:
        connection.create_function("new_text", 1, relocation.text)
        connection.create_function("new_log_path", 1, relocation.log_path)
        connection.create_function("new_config", 1, lambda text: _relocate_json(text, relocation))
        for statement in (
            # The copy is completed or discarded, so a journal is not needed.
            "pragma journal_mode = delete",
            "pragma journal_mode = off",
            "pragma synchronous = off",
            "update TrialJobEvent set logPath = new_log_path(logPath) where logPath is not null",
            "update ExperimentProfile set params = new_config(params) where params is not null",
            "update ExperimentProfile set logDir = new_text(logDir) where logDir is not null",
        ):
            _run(path, connection, statement)


@contextmanager
def _opened(path: Path) -> Iterator[GuardedConnection]:
    try:
        connection = connect(path, path.absolute().as_uri(), is_written=True)
    except (sqlite3.Error, UnicodeDecodeError, OSError) as error:
        raise _decoding_error(path, error) from error
    with closing(connection):
        yield connection


def _relocate_json(text: str, relocation: Relocation) -> str:
    config = decode_json(text)
    if not isinstance(config, dict):
        raise DecodingError(f"expected an object as the config, got {text[:80]!r}")
    moved = relocation.config(config)
    # An unchanged config keeps its original text.
    return text if moved == config else json.dumps(moved, separators=(",", ":"))


def _run(path: Path, connection: GuardedConnection, statement: str) -> list[tuple[Any, ...]]:
    try:
        return connection.execute(statement).fetchall()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        reason = "a change took too long" if connection.is_late else error
        raise _decoding_error(path, reason) from error


def _decoding_error(path: Path, reason: object) -> DecodingError:
    return DecodingError(
        f"{path.name} is not the database of an experiment, or is damaged: {reason}"
    )
