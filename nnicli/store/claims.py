"""The lock on an experiment directory while its experiment is started or deleted."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnicli.errors import StateError

try:
    import fcntl
except ImportError:  # Windows, where no manager is started.
    fcntl = None  # type: ignore[assignment]  # tested before each use

# Used only if the directory itself cannot be locked, which NFS refuses.
_LOCK_FILE = ".nnicli-claim"


@contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Keep other processes and threads of nnicli from starting or deleting an experiment.

    The kernel holds the lock on the directory itself, so it is the same for every user and HOME,
    leaves no file, and is released when its process ends, however that happens.

    Args:
        directory: The experiment directory, or the launcher directory.

    Raises:
        StateError: Another process or thread has claimed it, or it cannot be opened or locked.
    """
    if fcntl is None:
        yield
        return
    try:
        handle = _lock(directory)
    except OSError as error:
        raise StateError(f"{directory} cannot be locked: {error.strerror or error}") from error
    if handle is None:
        raise StateError(
            f"the experiment in {directory} is being started, resumed, viewed or deleted by "
            "another process or thread; try again when that has finished"
        )
    try:
        yield
    finally:
        _unlock(handle)


def is_claimed(directory: Path) -> bool:
    """Return whether an experiment is just being started or deleted by nnicli."""
    if fcntl is None:
        return False
    try:
        handle = _lock(directory)
    except OSError:
        return False
    if handle is not None:
        _unlock(handle)
    return handle is None


def _lock(directory: Path) -> int | None:
    """Return the open file that holds the lock, None while another process has it."""
    real = os.path.realpath(directory)
    for path, flags in (
        (real, os.O_RDONLY | os.O_DIRECTORY),
        (os.path.join(real, _LOCK_FILE), os.O_RDWR | os.O_CREAT),  # noqa: PTH118 - both are text
    ):
        handle = os.open(path, flags | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError:
            os.close(handle)
            continue
        return handle
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK), real)


def _unlock(handle: int) -> None:
    # A child that another thread forked meanwhile also has the file open, and would keep the lock.
    fcntl.flock(handle, fcntl.LOCK_UN)
    os.close(handle)
