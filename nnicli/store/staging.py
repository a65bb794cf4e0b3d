"""Folders in which something is made or taken apart, and that do not outlive their process."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from nnicli.removal import empty_folder, open_folder, remove_tree
from nnicli.safe_logging import get_logger

try:
    import fcntl
except ImportError:  # Windows: what a killed process leaves stays there.
    fcntl = None  # type: ignore[assignment]  # tested before each use

logger = get_logger(__name__)

STAGING_PREFIX = ".nnicli-staging-"
"""How the names of these folders begin."""

_LOCK = ".lock"
# A link or a pipe that somebody put in the lock's place is neither followed nor waited for.
_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@contextmanager
def staging_directory(parent: Path) -> Iterator[Path]:
    """Make a folder for the owner only; it is gone in the end, with all that is in it.

    A process that is killed leaves its folder behind; the next one that works in the same parent
    takes it away. A lock, which the kernel drops with its process, tells the living from the dead.

    Args:
        parent: An existing folder. What is made can be renamed into it in one step.

    Raises:
        OSError: The folder cannot be made or emptied.
    """
    # One may write to a folder and not list it.
    with suppress(PermissionError):
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
    """Take away what processes of this user that were killed have left there.

    What cannot be taken away, such as a folder in which something is mounted, is logged.

    Raises:
        OSError: The parent cannot be read.
    """
    for folder in _own_folders(parent):
        with _abandoned(folder) as handle:
            if handle is None:
                continue
            try:
                empty_folder(handle, folder)
                folder.rmdir()
            except OSError as error:
                logger.warning("what a killed nnicli left cannot be deleted: %s", error)


def find_abandoned(parent: Path) -> list[Path]:
    """Return the folders that processes of this user that were killed have left there.

    Raises:
        OSError: The parent cannot be read.
    """
    found = []
    for folder in _own_folders(parent):
        with _abandoned(folder) as handle:
            if handle is not None:
                found.append(folder)
    return found


def _own_folders(parent: Path) -> list[Path]:
    if fcntl is None:
        return []
    with os.scandir(parent) as entries:
        return [
            parent / entry.name
            for entry in entries
            if entry.name.startswith(STAGING_PREFIX) and entry.is_dir(follow_symlinks=False)
        ]


@contextmanager
def _abandoned(folder: Path) -> Iterator[int | None]:
    """Open a folder whose process is dead, and keep others out; None for any other.

    One that lives holds the lock in it, as does one that is taking it away. Another user's may have
    links in it that lead anywhere, and stays.
    """
    with ExitStack() as stack:
        try:
            handle = stack.enter_context(_opened(open_folder(folder)))
            if os.fstat(handle).st_uid != os.geteuid():
                raise PermissionError
            # One that was killed in here may have deleted the lock already, and not yet the rest.
            lock = os.open(_LOCK, _LOCK_FLAGS, 0o600, dir_fd=handle)
            fcntl.flock(stack.enter_context(_opened(lock)), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle = None
        yield handle


@contextmanager
def _opened(handle: int) -> Iterator[int]:
    try:
        yield handle
    finally:
        os.close(handle)


def _make(parent: Path) -> tuple[Path, int]:
    """Return a new folder, and the open file that holds its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=parent))
        with suppress(FileNotFoundError, FileExistsError):
            # Until the lock is held, others take the folder for an abandoned one.
            lock = os.open(folder / _LOCK, _LOCK_FLAGS | os.O_EXCL, 0o600)
            if _is_ours(lock, folder):
                return folder, lock
            os.close(lock)


def _is_ours(lock: int, folder: Path) -> bool:
    """Lock a new folder; return whether nobody has taken it for an abandoned one before."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # Where nothing can be locked, as on Lustre without `flock`, nobody takes it away either.
        return True
    try:
        return os.path.samestat(os.fstat(lock), (folder / _LOCK).lstat())
    except OSError:
        return False
