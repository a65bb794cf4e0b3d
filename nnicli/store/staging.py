"""Folders in which something is made or taken apart, and that do not outlive their process."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: what a killed process leaves stays there.
    fcntl = None  # type: ignore[assignment]  # tested before each use

STAGING_PREFIX = ".nnicli-staging-"
"""How the names of these folders begin."""

_LOCK = ".lock"


@contextmanager
def staging(parent: Path) -> Iterator[Path]:
    """Make a folder for the owner only; it is gone in the end, with all that is in it.

    A process that is killed leaves its folder behind; the next one that works in the same parent
    takes it away. A lock, which the kernel drops with its process, tells the living from the dead.

    Args:
        parent: An existing folder. What is made can be renamed into it in one step.

    Raises:
        OSError: The folder cannot be made or emptied.
    """
    remove_abandoned(parent)
    folder, lock = _make(parent)
    try:
        yield folder
    finally:
        try:
            remove_tree(folder)
        finally:
            os.close(lock)


def remove_abandoned(parent: Path) -> None:
    """Take away what processes that were killed have left there."""
    if fcntl is None:
        return
    with os.scandir(parent) as entries:
        names = [
            entry.name
            for entry in entries
            if entry.name.startswith(STAGING_PREFIX) and entry.is_dir(follow_symlinks=False)
        ]
    for name in names:
        # Another user's stays, and so does one that somebody else is taking away.
        with suppress(OSError):
            _remove_if_abandoned(parent / name)


def remove_tree(folder: Path) -> None:
    """Delete a folder with all that is in it, read-only folders included; links are not followed.

    Raises:
        OSError: Something cannot be deleted.
    """
    _open_up(os.fspath(folder))
    for place, names, _ in os.walk(folder):
        for name in names:
            _open_up(os.path.join(place, name))  # noqa: PTH118 - a Path each would double the time
    shutil.rmtree(folder)


def _open_up(path: str) -> None:
    mode = os.lstat(path).st_mode
    if stat.S_ISDIR(mode) and mode & stat.S_IRWXU != stat.S_IRWXU:
        os.chmod(path, stat.S_IRWXU)  # noqa: PTH101 - as above


def _make(parent: Path) -> tuple[Path, int]:
    """Return a new folder, and the open file that holds its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=parent))
        with suppress(FileNotFoundError, FileExistsError):
            # Until the lock is held, others take the folder for an abandoned one.
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            if _is_locked_by_us(lock, folder):
                return folder, lock
            os.close(lock)


def _is_locked_by_us(lock: int, folder: Path) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(lock), os.stat(folder / _LOCK))  # noqa: PTH116
    except OSError:
        return False


def _remove_if_abandoned(folder: Path) -> None:
    """Delete a folder whose process is dead; one that lives holds the lock in it."""
    with suppress(OSError):
        folder.rmdir()
        return
    # One that was killed in here may have deleted the lock already, and not yet the rest.
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove_tree(folder)
    finally:
        os.close(lock)
