"""Find what is left of starts that were interrupted before their experiment began."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from nnicli.errors import DecodingError, ExperimentNotFoundError, ResponseError, RestError
from nnicli.launcher import RunningManager
from nnicli.releases import find_release
from nnicli.rest import Connection, ManagerClient
from nnicli.store import LAYOUTS, ExperimentDatabase, ExperimentPaths
from nnicli.user_home import user_home
from nnicli.waiting import Deadline, poll_until

# As NNI and nnicli generate them; without repetition wherever the id is chosen before the start.
_ID = re.compile(r"[A-Za-z0-9]{8}")
# What a launcher, and a manager without an experiment, put into the experiment directory (1.8 to
# 3.0, seen live).
_PATHS = ExperimentPaths(Path())
_OWN_DIRECTORIES = {
    str(path) for path in (_PATHS.log_directory, _PATHS.database.parent, _PATHS.checkpoint)
}
_OWN_FILES = {
    str(path)
    for path in (
        _PATHS.manager_log,
        _PATHS.log_directory / "experiment.log",
        _PATHS.output(LAYOUTS[-1]),
        _PATHS.errors(LAYOUTS[-1]),
        *_PATHS.database_files,
    )
}
# How long to wait for a manager's answer; most answer at once.
_ANSWER_S = 10.0
_ANSWER_INTERVAL_S = 0.1


def waits_for_experiment(manager: RunningManager, connection: Connection) -> bool:
    """Return whether a manager never got its experiment, and would run what any stranger POSTs.

    A manager that does not answer is judged by its records.

    Args:
        manager: The manager.
        connection: How to connect to managers, each at its own endpoint.
    """
    url = manager.url
    if url is None:
        return False
    dialect = find_release(manager.version or "1.8").dialect
    client = ManagerClient(connection.at(url), dialect=dialect)
    try:
        status = poll_until(
            lambda: client.poll_status(_ANSWER_S),
            deadline=Deadline(_ANSWER_S),
            interval_s=_ANSWER_INTERVAL_S,
        )
        if status is None:
            return manager.directory is None or has_no_experiment(manager.directory)
        if status["status"] != "INITIALIZED":
            return False
        # Up to 2.1 a view says INITIALIZED for ever, and the profile is empty before the POST;
        # later releases do not have a profile by then (1.9, 2.10.1, 3.0, seen live).
        return "startTime" not in client.get_experiment_profile()
    except ResponseError:
        return True
    except RestError:
        return False
    finally:
        client.close()


def has_no_experiment(directory: Path) -> bool:
    """Return whether an experiment directory has no experiment in its database, or no database."""
    database = ExperimentDatabase.of(directory)
    try:
        database.get_experiment_profile()
    except ExperimentNotFoundError:
        return True
    except DecodingError:
        # The manager was killed before it made its tables.
        return database.path.stat().st_size == 0
    return False


def is_bare(directory: Path) -> bool:
    """Return whether a directory has only what a start makes before its experiment begins.

    It must belong to this user, and must not be a link.
    """
    if directory.is_symlink() or directory.lstat().st_uid != os.getuid():
        return False
    if not _ID.fullmatch(directory.name):
        return False
    found = list(_names_below(directory))
    if not found:
        # A directory of the user's may be empty and have a name of eight letters, too.
        is_generated = len(set(directory.name)) == len(directory.name)
        return is_generated and any(map(str.isdigit, directory.name))
    is_own = all(name in _OWN_FILES or name in _OWN_DIRECTORIES for name in found)
    return is_own and has_no_experiment(directory)


def find_bare_directories(parents: Iterable[Path]) -> Iterator[Path]:
    """Return the experiment directories of interrupted starts in these parents."""
    for parent in parents:
        try:
            children = sorted(parent.iterdir())
        except OSError:
            continue
        for child in children:
            try:
                if child.is_dir() and is_bare(child):
                    yield child
            except OSError:
                continue


def find_bare_launcher_directories() -> Iterator[Path]:
    """Return the launcher directories without an experiment and without a config."""
    for layout in LAYOUTS:
        parent = user_home() / layout.launcher_parent
        if not layout.launcher_parent or not parent.is_dir():
            continue
        known = {str(entry.get("fileName")) for entry in layout.registry().read().values()}
        for child in sorted(parent.iterdir()):
            if child.name not in known and _is_bare_launcher_directory(child, layout.output_names):
                yield child


def _is_bare_launcher_directory(path: Path, names: Iterable[str]) -> bool:
    is_own = _ID.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
    return bool(is_own) and set(_names_below(path)) <= set(names)


def _names_below(directory: Path) -> Iterator[str]:
    """Return the paths of everything below a directory, relative to it."""
    for path, directories, files in os.walk(directory):
        for name in (*directories, *files):
            yield os.path.relpath(os.path.join(path, name), directory)  # noqa: PTH118 - both are text
