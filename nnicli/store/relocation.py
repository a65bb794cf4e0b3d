"""An experiment's records changed to the places where its files have come to lie."""

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
from nnicli.store.logs.paths import is_elsewhere

# The search space, and what is made of it, is the user's own down to the letter.
_KEPT = frozenset(("searchSpace",))
# Another machine's places are what they were, but the key to it is a file of this one.
_MACHINES = "machineList"
# What 1.x keeps of it among its metadata.
_MACHINES_PAIR = "machine_list"
_LOCAL_FILES = frozenset(("sshKeyFile", "sshKeyPath"))
# Before and after a path that stands in a longer text, such as a command.
_BEFORE = r"(?<![\w.~+@-])"
_AFTER = r"""(?=[/\s"':;,)&|<>]|$)"""


class Relocation:
    """Old places and the new ones; whatever lies below an old place has moved with it.

    Args:
        places: Absolute path of a file or folder -> where it is now. Of several that fit the
            longest counts.
        parent: The folder in which the experiment's own now lies.
    """

    def __init__(self, places: Mapping[str, str], *, parent: str) -> None:
        # The root of everything, and nothing at all, are no places.
        self._places = {old.rstrip("/"): new for old, new in places.items() if old.rstrip("/")}
        self._parent = parent
        longest_first = sorted(self._places, key=len, reverse=True)
        alternatives = "|".join(map(re.escape, longest_first)) or r"(?!)"
        self._pattern = re.compile(f"{_BEFORE}(?:{alternatives}){_AFTER}")

    def text(self, text: str) -> str:
        """Return a text, a path or one with paths in it, with the new places."""
        return self._pattern.sub(lambda match: self._places[match[0]], text)

    def log_path(self, log_path: str) -> str:
        """Return where a trial's folder is now; one on another machine stays where it was."""
        return log_path if is_elsewhere(log_path) else self.text(log_path)

    def config(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a config with the new places outside of its search space and other machines."""
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
    """Return every folder that a database names as its experiment's own, the newest first.

    Raises:
        DecodingError: It is no database of an experiment.
    """
    with _opened(path) as connection:
        rows = _run(
            path,
            connection,
            "select logDir from ExperimentProfile where logDir is not null order by revision desc",
        )
        return list(dict.fromkeys(str(logged) for (logged,) in rows))


def relocate_database(path: Path, relocation: Relocation) -> None:
    """Change a copy of an experiment's database, row by row; if that fails, the copy is of no use.

    Raises:
        DecodingError: It is no database of an experiment.
    """
    with _opened(path) as connection:
        connection.create_function("new_text", 1, relocation.text)
        connection.create_function("new_log_path", 1, relocation.log_path)
        connection.create_function("new_config", 1, lambda text: _relocate_json(text, relocation))
        for statement in (
            # The copy is complete or thrown away, so there is nothing to go back to.
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
        raise _not_one_error(path, error) from error
    with closing(connection):
        yield connection


def _relocate_json(text: str, relocation: Relocation) -> str:
    config = decode_json(text)
    if not isinstance(config, dict):
        raise DecodingError(f"a config is an object, not {text[:80]!r}")
    moved = relocation.config(config)
    # A text of another writer's stays that writer's as long as it is true.
    return text if moved == config else json.dumps(moved, separators=(",", ":"))


def _run(path: Path, connection: GuardedConnection, statement: str) -> list[tuple[Any, ...]]:
    try:
        return connection.execute(statement).fetchall()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        reason = "a change took too long" if connection.is_late else error
        raise _not_one_error(path, reason) from error


def _not_one_error(path: Path, reason: object) -> DecodingError:
    return DecodingError(f"{path.name} is no database of an experiment that NNI can open: {reason}")
