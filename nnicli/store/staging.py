"""Temporary directories that are swept even if their process is killed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from nnicli.removal import empty_directory, open_directory, remove_tree
from nnicli.safe_logging import get_logger

try:
    import fcntl
except ImportError:  # Windows: what a killed process leaves is not swept.
    fcntl = None  # type: ignore[assignment]  # tested before each use

logger = get_logger(__name__)

STAGING_PREFIX = ".nnicli-staging-"
"""The prefix of their names."""

_LOCK = ".lock"
# Somebody may have put a link there, which must not be followed, or a pipe, which must not block.
_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@contextmanager
def staging_directory(parent: Path) -> Iterator[Path]:
    """Make a directory for the owner only, and delete it with all its content in the end.

    A killed process leaves its directory behind; the next process that works in the same parent
    removes it. A lock shows which processes are alive, as the kernel releases it with its process.

    Args:
        parent: An existing directory. Files can be renamed into it in one step.

    Raises:
        OSError: The directory cannot be made or emptied.
    """
    # A directory may be writable without being readable.
    with suppress(PermissionError):
        remove_abandoned(parent)
    directory, lock = _make(parent)
    try:
        yield directory
    finally:
        try:
            remove_tree(directory)
        finally:
            os.close(lock)


def remove_abandoned(parent: Path) -> None:
    """Remove the staging directories that killed processes of this user left in a directory.

    What cannot be removed, such as a directory with a mount in it, is logged.

    Raises:
        OSError: The parent cannot be read.
    """
    for directory in _staging_directories(parent):
        with _abandoned(directory) as handle:
            if handle is None:
                continue
            try:
                empty_directory(handle, directory)
                directory.rmdir()
            except OSError as error:
                logger.warning("could not delete what a killed nnicli process left: %s", error)


def find_abandoned(parent: Path) -> list[Path]:
    """Return the staging directories that killed processes of this user left in a directory.

    Raises:
        OSError: The parent cannot be read.
    """
    found = []
    for directory in _staging_directories(parent):
        with _abandoned(directory) as handle:
            if handle is not None:
                found.append(directory)
    return found


def _staging_directories(parent: Path) -> list[Path]:
    if fcntl is None:
        return []
    with os.scandir(parent) as entries:
        return [
            parent / entry.name
            for entry in entries
            if entry.name.startswith(STAGING_PREFIX) and entry.is_dir(follow_symlinks=False)
        ]


@contextmanager
def _abandoned(directory: Path) -> Iterator[int | None]:
    """Open a directory whose process is dead, and keep others out; None for any other.

    A live process holds the lock in it, as does one that is removing it. Another user's directory
    is left alone, as it may contain links that lead anywhere.
    """
    with ExitStack() as stack:
        try:
            handle = stack.enter_context(_opened(open_directory(directory)))
            if os.fstat(handle).st_uid != os.geteuid():
                raise PermissionError
            # A process killed while removing it may have deleted the lock, but not the rest.
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
    """Return a new directory, and the open file that holds its lock."""
    while True:
        directory = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=parent))
        with suppress(FileNotFoundError, FileExistsError):
            # Until the lock is held, other processes may remove it as abandoned.
            lock = os.open(directory / _LOCK, _LOCK_FLAGS | os.O_EXCL, 0o600)
            if _is_ours(lock, directory):
                return directory, lock
            os.close(lock)


def _is_ours(lock: int, directory: Path) -> bool:
    """Lock a new directory; return whether no other process removed it as abandoned before."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # If locking does not work, as on Lustre without `flock`, no process removes it either.
        return True
    try:
        return os.path.samestat(os.fstat(lock), (directory / _LOCK).lstat())
    except OSError:
        return False
