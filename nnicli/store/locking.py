"""The locks for changing NNI's registry: NNI's own, and one of nnicli's around it."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from nnicli.errors import RegistryError
from nnicli.regular_files import check_regular, read_regular
from nnicli.waiting import Deadline, poll_until

try:
    import fcntl
except ImportError:  # Windows: NNI's own lock must suffice.
    fcntl = None  # type: ignore[assignment]  # tested before each use

# NNI considers a lock file older than this to be left by a dead process.
_STALE_S = 2.0
# NNI checks for other locks, then makes its own, so two concurrent writers may both get in. A
# writer that checked before our lock existed has made its own after this time.
_HOLE_S = 0.005
_NNI_INTERVAL_S = 0.05
_OWN_INTERVAL_S = 0.02
_OWN_LOCK = ".nnicli.lock"
# In a shared directory somebody may have put a link there, which must not be followed, or a pipe,
# which must not block.
_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
# What nnicli writes into its lock files of NNI's kind; NNI's are empty.
_MARK = b"nnicli\n"


@contextmanager
def locked(path: Path, *, timeout_s: float) -> Iterator[None]:
    """Keep other threads, nnicli processes, nnictl and managers from writing a registry file.

    After 2 s, NNI's processes consider the lock to be left by a dead process.

    Args:
        path: The registry file, in a directory that exists.
        timeout_s: How long to wait for both locks together.

    Raises:
        RegistryError: A lock could not be acquired in time; the message names it.
        OSError: The lock files cannot be made.
    """
    deadline = Deadline(timeout_s)
    with ExitStack() as stack:
        stack.enter_context(_own_lock(path, deadline))
        stack.enter_context(_nni_lock(path, deadline))
        yield


@contextmanager
def _own_lock(path: Path, deadline: Deadline) -> Iterator[None]:
    """Keep other processes and threads of nnicli out reliably.

    The lock file is never deleted, as that would let two in. Its name does not match NNI's pattern.
    A lock on the directory itself would do on a local disk, but not on NFS.
    """
    if fcntl is None:
        yield
        return
    lock = path.with_name(_OWN_LOCK)
    handle = os.open(lock, _LOCK_FLAGS, 0o666)
    try:
        check_regular(os.fstat(handle).st_mode, lock)

        def attempt() -> bool | None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            return True

        if not poll_until(attempt, deadline=deadline, interval_s=_OWN_INTERVAL_S):
            raise RegistryError(
                f"could not acquire the lock {lock} within {deadline.waited_s:.0f} s; it is held "
                "by another nnicli process or thread; try again"
            )
        yield
    finally:
        # A child that another thread forked meanwhile also has the file open, so closing it here
        # would leave the lock with the child.
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


@contextmanager
def _nni_lock(path: Path, deadline: Deadline) -> Iterator[None]:
    """Hold a lock file named after this process, with no other fresh one, as NNI requires."""
    own = path.with_name(f"{path.name}.lock.{os.getpid()}")
    if not poll_until(lambda: _try(path, own), deadline=deadline, interval_s=_NNI_INTERVAL_S):
        held = ", ".join(f"{lock.name} ({age:.1f} s old)" for lock, age in _fresh_locks(path))
        raise RegistryError(
            f"could not acquire the lock of {path} within {deadline.waited_s:.0f} s; it is held by "
            f"{held or 'one process after another'}; if NNI is not running, delete the lock file"
        )
    try:
        _sweep(path)
        yield
    finally:
        own.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    """Remove what killed nnicli processes left; a slow NNI process would miss its own lock."""
    for lock, age in _locks(path):
        with suppress(OSError):
            if age >= _STALE_S and _is_own(lock):
                lock.unlink()


def own_locks(path: Path) -> list[Path]:
    """Return the lock files of NNI's kind that nnicli processes made."""
    found = []
    for lock, _ in _locks(path):
        with suppress(OSError):
            if _is_own(lock):
                found.append(lock)
    return found


def _is_own(lock: Path) -> bool:
    return read_regular(lock, limit=len(_MARK)) == _MARK


def is_locked(path: Path) -> bool:
    """Return whether an nnicli process is changing, or may be changing, a registry file."""
    if fcntl is None:
        return False
    try:
        # NFS locks only files that are open for writing.
        handle = os.open(path.with_name(_OWN_LOCK), _LOCK_FLAGS & ~os.O_CREAT)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _try(path: Path, own: Path) -> bool | None:
    """Return True with the lock taken, None while another process has it."""
    if _fresh_locks(path):
        return None
    # A lock file with this process id was left by an earlier process, and is stale.
    own.unlink(missing_ok=True)
    try:
        handle = os.open(own, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        # A process with the same pid in another container was quicker.
        return None
    is_alone = False
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_MARK)
        time.sleep(_HOLE_S)
        is_alone = all(lock == own for lock, _ in _fresh_locks(path))
    finally:
        if not is_alone:
            own.unlink(missing_ok=True)
    return is_alone or None


def _fresh_locks(path: Path) -> list[tuple[Path, float]]:
    """Return the lock files that count, of any process, with their age in seconds."""
    return [(lock, age) for lock, age in _locks(path) if age < _STALE_S]


def _locks(path: Path) -> list[tuple[Path, float]]:
    found = []
    for lock in path.parent.glob(f"{glob.escape(path.name)}.lock.*"):
        with suppress(FileNotFoundError):
            # Compared with a file's time, so not monotonic.
            found.append((lock, time.time() - lock.lstat().st_mtime))
    return found
