"""Processes, identified before they are signalled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil

from nnicli.errors import ProcessIdentity, UnsupportedPlatformError
from nnicli.launcher.marks import is_tuner
from nnicli.waiting import Deadline, poll_until

# The kernel counts creation times in hundredths of a second, and psutil keeps the boot time that
# they are relative to, so within one process they are exact.
_CREATE_TIME_TOLERANCE_S = 0.001
# How long the kernel may take to end a process after SIGKILL.
_KILL_TIMEOUT_S = 5.0


def check_processes() -> None:
    """Refuse a machine whose processes are not visible.

    Raises:
        UnsupportedPlatformError: /proc is not mounted.
    """
    if sys.platform == "linux" and not Path(psutil.PROCFS_PATH, "self").exists():
        raise UnsupportedPlatformError(
            f"{psutil.PROCFS_PATH} is not mounted, so nnicli cannot see which managers are "
            f"running; mount it: mount -t proc proc {psutil.PROCFS_PATH}"
        )


def identify(pid: int) -> ProcessIdentity | None:
    """Return the identity of the process with this pid, None if there is none or it is a zombie."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return ProcessIdentity(pid, process.create_time(), _read_argv(process))
    except psutil.NoSuchProcess:
        return None


def _read_argv(process: psutil.Process) -> tuple[str, ...]:
    try:
        return tuple(process.cmdline())
    except psutil.AccessDenied:
        return ()


def find_process(identity: ProcessIdentity) -> psutil.Process | None:
    """Return the live process of this identity, None when it is gone or the pid was reused.

    A pid counts only with the same creation time, or with the same command line: the clock may
    have been set between the two readings.
    """
    found = identify(identity.pid)
    if found is None:
        return None
    same_time = abs(found.create_time - identity.create_time) <= _CREATE_TIME_TOLERANCE_S
    same_argv = bool(identity.argv) and found.argv == identity.argv
    if not (same_time or same_argv):
        return None
    try:
        return psutil.Process(identity.pid)
    except psutil.NoSuchProcess:
        return None


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C and the like, as while a process is spawned and its undo is not set up yet.

    The Python handlers are swapped instead of blocking the signals: a blocked signal would stay
    blocked in the child, which then could never be asked to end.
    """
    if threading.current_thread() is not threading.main_thread():
        # Python runs its handlers in the main thread only.
        yield
        return
    held: list[int] = []
    handlers = {
        number: handler
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if callable(handler := signal.getsignal(number))
    }
    for number in handlers:
        signal.signal(number, lambda number, _frame: held.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for received in held:
        signal.raise_signal(received)


class _DetachablePopen(subprocess.Popen[bytes]):
    def __del__(self) -> None:
        """Do not warn: an experiment may outlive the object that started it."""


class ManagerProcess:
    """A manager on this machine, started by us or found by its identity."""

    def __init__(
        self, identity: ProcessIdentity, *, child: subprocess.Popen[bytes] | None = None
    ) -> None:
        self.identity = identity
        self._popen = child
        self._parent_pid = os.getpid()

    def __repr__(self) -> str:
        return f"ManagerProcess(pid={self.identity.pid})"

    @classmethod
    def spawn(
        cls,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdout: IO[bytes],
        stderr: IO[bytes],
    ) -> ManagerProcess:
        """Start a manager as the leader of a new session.

        The tuner and local trials stay in its process group in every release, so the group shows
        what belongs to it; and a Ctrl-C in the caller's terminal does not reach it.
        """
        child = _DetachablePopen(
            list(argv),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        # Even a dead child keeps its pid, as a zombie, until it is waited for.
        create_time = psutil.Process(child.pid).create_time()
        return cls(ProcessIdentity(child.pid, create_time, tuple(argv)), child=child)

    @classmethod
    def find(cls, identity: ProcessIdentity) -> ManagerProcess | None:
        """Return the manager of this identity, None when it is gone."""
        return cls(identity) if find_process(identity) is not None else None

    @property
    def _child(self) -> subprocess.Popen[bytes] | None:
        # In a forked copy of this process the manager is not a child, so waitpid() would report it
        # as dead.
        return self._popen if self._parent_pid == os.getpid() else None

    @property
    def returncode(self) -> int | None:
        """Exit code, None while it runs or if it is not a child of this process."""
        return self._child.poll() if self._child is not None else None

    def is_running(self) -> bool:
        """Return whether it is alive; a zombie is not."""
        if self._child is not None:
            return self._child.poll() is None
        return find_process(self.identity) is not None

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; return whether it ended in time."""
        if self._child is not None:
            try:
                self._child.wait(timeout_s)
            except subprocess.TimeoutExpired:
                return False
            return True
        process = find_process(self.identity)
        return process is None or not wait_for_end([process], timeout_s)

    def terminate(self) -> None:
        """Ask it to end, with SIGTERM."""
        if (process := self._find()) is not None:
            _signal(process.terminate)

    def kill(self) -> None:
        """End it with SIGKILL."""
        if (process := self._find()) is not None:
            _signal(process.kill)

    def tuner(self) -> ProcessIdentity | None:
        """Return the tuner's process, None while there is none.

        NNI runs it below a shell (1.3 to 3.0).
        """
        process = self._find()
        if process is None:
            return None
        for descendant in _descendants(process):
            identity = identify(descendant.pid)
            if identity is not None and is_tuner(identity.argv):
                return identity
        return None

    def descendants(self) -> list[psutil.Process]:
        """Return its living descendants."""
        process = self._find()
        return _descendants(process) if process is not None else []

    def _find(self) -> psutil.Process | None:
        return find_process(self.identity) if self.is_running() else None


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def end_processes(processes: Iterable[psutil.Process], *, grace_s: float) -> list[psutil.Process]:
    """End processes with SIGTERM, then SIGKILL; return those that are still alive."""
    alive = list(processes)
    for process in alive:
        _signal(process.terminate)
    alive = wait_for_end(alive, grace_s)
    for process in alive:
        _signal(process.kill)
    return wait_for_end(alive, _KILL_TIMEOUT_S)


def wait_for_end(processes: Iterable[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Wait until all of them are gone; return those still alive when the time is up."""
    alive = list(processes)

    def all_gone() -> bool | None:
        alive[:] = [process for process in alive if is_alive(process)]
        return None if alive else True

    poll_until(all_gone, deadline=Deadline(timeout_s), interval_s=0.01)
    return alive


def is_alive(process: psutil.Process) -> bool:
    """Return whether this process is running; one that waits to be reaped is not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _signal(send: Callable[[], None]) -> None:
    # psutil compares the creation time before it signals, so a reused pid gets nothing.
    with suppress(psutil.NoSuchProcess):
        send()
