"""How an experiment is ended so that nothing of it is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import psutil

from nnicli.errors import ConnectError, ManagerStillAliveError, ProcessIdentity, RestError
from nnicli.launcher.marks import ProcessMarks
from nnicli.launcher.process import (
    ManagerProcess,
    end_processes,
    find_process,
    identify,
    is_alive,
    uninterrupted,
)
from nnicli.printable import printable_line
from nnicli.safe_logging import get_logger
from nnicli.store import Registry
from nnicli.waiting import Deadline

logger = get_logger(__name__)

# A trial that outlived its manager may want to save something; its deaf children want nothing.
_GRACE_S = 1.0
# How long a process that got SIGKILL may still look alive.
_DYING_S = 0.2
# How long the kernel may take to end what got SIGKILL.
_KILL_TIMEOUT_S = 5.0
# A lock of NNI's that a dead process has left counts for 2 s.
_LOCK_TIMEOUT_S = 3.0
# How often the tree below a stopping manager is looked at: parents go, and children lose their
# place in it.
_WATCH_INTERVAL_S = 0.5
# What is ended may have started more in the meantime, so the search is repeated.
_SWEEPS = 10


How = Literal["asked", "killed", "already gone"]


@dataclass(frozen=True, slots=True)
class StopOutcome:
    """How an experiment ended.

    Attributes:
        exp_id: The experiment.
        how: `asked`: the manager ended by itself after it was asked to. `killed`: it did not, and
            got SIGKILL. `already gone`: it had died before.
        returncode: The manager's exit code, None where it is not known. It says nothing about
            success: 2.7 ends with 1 after a stop in good order.
        waited_s: Seconds from the call until nothing was left.
        survivors: What had outlived the manager and was ended: tuner, trials, their children.
    """

    exp_id: str
    how: How
    returncode: int | None
    waited_s: float
    survivors: tuple[ProcessIdentity, ...] = ()

    def __repr__(self) -> str:
        code = "" if self.returncode is None else f", exit code {self.returncode}"
        name = printable_line(self.exp_id, most=60)
        number = len(self.survivors)
        return (
            f"<StopOutcome {name}: {self.how} in {self.waited_s:.1f} s{code}, "
            f"{number} survivor{'' if number == 1 else 's'} ended>"
        )


def stop_manager(
    process: ManagerProcess,
    marks: ProcessMarks,
    *,
    ask: Callable[[], None] | None,
    timeout_s: float,
) -> StopOutcome:
    """End a manager and everything that belongs to its experiment.

    Args:
        process: The manager; it may be dead already.
        marks: What its processes are recognized by.
        ask: Asks the manager to end; when that fails it gets SIGTERM. None: it gets SIGKILL at
            once, as before the start POST, where 2.2 and 2.3 hang on anything softer.
        timeout_s: How long it may take before it gets SIGKILL.

    Raises:
        ManagerStillAliveError: Something lives even after SIGKILL.

    Whatever interrupts it, a second Ctrl-C for instance, makes it end everything at once, and is
    raised after that.
    """
    deadline = Deadline(timeout_s)
    total = Deadline(None)
    below: set[psutil.Process] = set()
    try:
        how = _end_manager(process, ask, below=below, deadline=deadline)
        survivors = reap(marks, below=below)
    except ManagerStillAliveError:
        raise
    except BaseException:
        # A second Ctrl-C, or a caller's log handler that fails: what is left is done at once.
        with uninterrupted():
            _kill(process)
            reap(marks, below=below)
        raise
    return StopOutcome(
        exp_id=marks.exp_id,
        how=how,
        returncode=process.returncode,
        waited_s=total.waited_s,
        survivors=survivors,
    )


def _end_manager(
    process: ManagerProcess,
    ask: Callable[[], None] | None,
    *,
    below: set[psutil.Process],
    deadline: Deadline,
) -> How:
    """End the manager by the ladder; note in `below` what was under it."""
    if not process.is_running():
        return "already gone"
    below.update(process.descendants())
    if ask is not None:
        try:
            ask()
        except RestError as error:
            if _has_just_died(process, error):
                return "already gone"
            logger.debug("the manager could not be asked to stop (%s), so it gets SIGTERM", error)
            process.terminate()
        while not deadline.expired:
            if process.wait(min(_WATCH_INTERVAL_S, deadline.remaining_s)):
                # A signal to what is dying of a kill -9 does not fail.
                was_killed = process.returncode == -signal.SIGKILL
                return "already gone" if was_killed else "asked"
            below.update(process.descendants())
    _kill(process)
    return "killed"


def _kill(process: ManagerProcess) -> None:
    with Registry().undisturbed(_LOCK_TIMEOUT_S):
        process.kill()
        is_gone = process.wait(_KILL_TIMEOUT_S)
    if not is_gone:
        raise _still_alive(process.identity, "the manager")


def _has_just_died(process: ManagerProcess, error: RestError) -> bool:
    """Return whether the manager was dead before it could be asked.

    Right after a kill -9 it still looks alive, and may even take a connection. A lost connection
    alone says nothing: 2.4 to 2.7 drop the one that asks them to stop.
    """
    if not process.wait(_DYING_S):
        return False
    return isinstance(error, ConnectError) or process.returncode == -signal.SIGKILL


def reap(
    marks: ProcessMarks, *, below: Iterable[psutil.Process] = ()
) -> tuple[ProcessIdentity, ...]:
    """End what has outlived its manager; return what that was.

    Args:
        marks: What the processes are recognized by.
        below: What was seen below the manager while it lived.

    Raises:
        ManagerStillAliveError: Something lives even after SIGKILL.
    """
    ended: dict[int, ProcessIdentity] = {}
    known = set(below)
    for _ in range(_SWEEPS):
        found = _find_remains(marks, known)
        if not found:
            return tuple(ended.values())
        ended.update(
            (identity.pid, identity)
            for process in found
            if (identity := identify(process.pid)) is not None
        )
        known |= found
        if alive := end_processes(found, grace_s=_GRACE_S):
            identity = identify(alive[0].pid)
            if identity is not None:
                raise _still_alive(identity, f"a process of experiment {marks.exp_id}")
    raise _still_alive(
        next(reversed(ended.values())), f"experiment {marks.exp_id} starts ever new processes; one"
    )


def _still_alive(identity: ProcessIdentity, what: str) -> ManagerStillAliveError:
    return ManagerStillAliveError(
        f"{what}, {identity}, is still alive after SIGKILL; it may hang in the kernel, on a lost "
        "network disk for instance",
        identity=identity,
    )


def _find_remains(marks: ProcessMarks, known: Iterable[psutil.Process]) -> set[psutil.Process]:
    """Return what lives of an experiment, with everything below it."""
    remains = {process for process in known if is_alive(process)}
    group = None if marks.manager is None else _group_of(marks.manager)
    for process in psutil.process_iter():
        if _is_in_group(process, group) or _carries(process, marks):
            remains.add(process)
    for process in tuple(remains):
        try:
            remains.update(process.children(recursive=True))
        except psutil.NoSuchProcess:
            continue
    # nnicli may itself run in a trial of the experiment that it stops.
    own = psutil.Process()
    return {
        process for process in remains if is_alive(process) and process not in (own, *own.parents())
    }


def _group_of(manager: ProcessIdentity) -> ProcessIdentity | None:
    """Return the leader of the group, None when the group's number may be another's by now."""
    current = identify(manager.pid)
    return manager if current is None or find_process(manager) is not None else None


def _is_in_group(process: psutil.Process, leader: ProcessIdentity | None) -> bool:
    try:
        # No process gets the number of a living group as its pid, so the members of this one are
        # younger than its leader.
        return (
            leader is not None
            and os.getpgid(process.pid) == leader.pid
            and process.create_time() >= leader.create_time
        )
    except (psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError, PermissionError):
        return False


def _carries(process: psutil.Process, marks: ProcessMarks) -> bool:
    """Return whether the environment of a process names the experiment, as far as it is visible."""
    try:
        return marks.are_in(process.environ())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
