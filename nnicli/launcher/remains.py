"""Finding and ending processes that outlive the manager of an experiment."""

from __future__ import annotations

import os
from collections.abc import Iterable

import psutil

from nnicli.errors import ManagerStillAliveError, ProcessIdentity
from nnicli.launcher.marks import ProcessMarks
from nnicli.launcher.process import end_processes, find_process, identify, is_alive

# A trial that outlived its manager may want to save something; its deaf children do not.
_GRACE_S = 1.0
# A process may start others before it ends, so the search is repeated.
_SWEEPS = 10


def reap(
    marks: ProcessMarks, *, below: Iterable[psutil.Process] = ()
) -> tuple[ProcessIdentity, ...]:
    """End the processes that outlived their manager; return them.

    Args:
        marks: How the processes are recognized.
        below: Descendants of the manager that were seen while it was alive.

    Raises:
        ManagerStillAliveError: A process is alive even after SIGKILL.
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
                raise still_alive(identity, f"a process of experiment {marks.exp_id}")
    raise still_alive(
        next(reversed(ended.values())),
        f"experiment {marks.exp_id} keeps starting new processes; one",
    )


def still_alive(identity: ProcessIdentity, what: str) -> ManagerStillAliveError:
    """Return the error for a process that SIGKILL did not end."""
    return ManagerStillAliveError(
        f"{what}, {identity}, is still alive after SIGKILL; it may hang in the kernel, for example "
        "on a network file system that is gone",
        identity=identity,
    )


def _find_remains(marks: ProcessMarks, known: Iterable[psutil.Process]) -> set[psutil.Process]:
    """Return the living processes of an experiment, with their descendants."""
    remains = {process for process in known if is_alive(process)}
    group = None if marks.manager is None else _group_of(marks.manager)
    for process in psutil.process_iter():
        if _is_in_group(process, group) or _has_marks(process, marks):
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
    """Return the leader of the group, None if its number may have been reused."""
    current = identify(manager.pid)
    return manager if current is None or find_process(manager) is not None else None


def _is_in_group(process: psutil.Process, leader: ProcessIdentity | None) -> bool:
    try:
        # No process gets the number of an existing group as its pid, so the members of this one are
        # younger than its leader.
        return (
            leader is not None
            and os.getpgid(process.pid) == leader.pid
            and process.create_time() >= leader.create_time
        )
    except (psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError, PermissionError):
        return False


def _has_marks(process: psutil.Process, marks: ProcessMarks) -> bool:
    """Return whether the environment of a process names the experiment, as far as it is visible."""
    try:
        return marks.are_in(process.environ())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
