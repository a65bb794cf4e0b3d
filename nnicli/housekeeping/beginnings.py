"""What a start has left that was cut short before its experiment had begun."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from nnicli.errors import DecodingError, ExperimentNotFoundError, ResponseError, RestError
from nnicli.launcher import RunningManager
from nnicli.releases import find_release
from nnicli.rest import ManagerClient
from nnicli.store import LAYOUTS, ExperimentDatabase
from nnicli.waiting import Deadline, poll_until

# As NNI and nnicli make them up: eight different ones in all that choose the id before the start.
_ID = re.compile(r"[A-Za-z0-9]{8}")
# What a launcher, and a manager without an experiment, put into the experiment's folder (1.8 to
# 3.0, seen live).
_OWN_FOLDERS = {"log", "db", "checkpoint"}
_OWN_FILES = {
    f"{folder}/{name}"
    for folder, names in {
        "log": ("nnimanager.log", "experiment.log", *LAYOUTS[-1].output_names),
        "db": ("nni.sqlite", "nni.sqlite-journal", "nni.sqlite-wal", "nni.sqlite-shm"),
    }.items()
    for name in names
}
# How long a manager may take until it answers; it is asked at once, and has most often.
_ANSWER_S = 10.0
_ANSWER_INTERVAL_S = 0.1


def waits_for_experiment(manager: RunningManager) -> bool:
    """Return whether a manager never got its experiment, and does whatever a stranger POSTs.

    One that does not answer is judged by its records.
    """
    url = manager.url
    if url is None:
        return False
    client = ManagerClient(url, dialect=find_release(manager.version or "1.8").dialect)
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
        # Up to 2.1 a view says INITIALIZED for ever, and this is empty before the POST; later
        # there is no profile at all (1.9, 2.10.1, 3.0, seen live).
        return "startTime" not in client.get_experiment_profile()
    except ResponseError:
        return True
    except RestError:
        return False
    finally:
        client.close()


def has_no_experiment(directory: Path) -> bool:
    """Return whether the records of an experiment have none, or are not there yet."""
    database = ExperimentDatabase.of(directory)
    try:
        database.get_experiment_profile()
    except ExperimentNotFoundError:
        return True
    except DecodingError:
        # Killed before it made its tables.
        return database.path.stat().st_size == 0
    return False


def is_bare(directory: Path) -> bool:
    """Return whether a folder holds what a start makes before its experiment begins, and no more.

    It is this user's, and no link.
    """
    if directory.is_symlink() or directory.lstat().st_uid != os.getuid():
        return False
    if not _ID.fullmatch(directory.name):
        return False
    found = list(_names_below(directory))
    if not found:
        # Somebody's own folder may be empty and have a name of eight letters, too.
        is_made_up = len(set(directory.name)) == len(directory.name)
        return is_made_up and any(map(str.isdigit, directory.name))
    is_own = all(name in _OWN_FILES or name in _OWN_FOLDERS for name in found)
    return is_own and has_no_experiment(directory)


def find_bare_folders(parents: Iterable[Path]) -> Iterator[Path]:
    """Return the folders of starts that were cut short, in these parents."""
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


def find_launcher_folders() -> Iterator[Path]:
    """Return the launcher's folders, which 1.x has, that belong to no experiment."""
    for layout in LAYOUTS:
        example = layout.separate_folder("_")
        if example is None or not example.parent.is_dir():
            continue
        known = {str(entry.get("fileName")) for entry in layout.registry().read().values()}
        for folder in sorted(example.parent.iterdir()):
            if folder.name not in known and _is_bare_launcher_folder(folder, layout.output_names):
                yield folder


def _is_bare_launcher_folder(folder: Path, names: Iterable[str]) -> bool:
    is_own = _ID.fullmatch(folder.name) and folder.is_dir() and not folder.is_symlink()
    return bool(is_own) and set(_names_below(folder)) <= set(names)


def _names_below(folder: Path) -> Iterator[str]:
    """Return the paths of everything in a folder and its folders, relative to it."""
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield os.path.relpath(os.path.join(place, name), folder)  # noqa: PTH118 - both are text
