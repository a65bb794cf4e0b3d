"""Stopping an experiment so that nothing of it is left."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import psutil

from nnicli.errors import (
    ConnectError,
    ConnectionLostError,
    ManagerStillAliveError,
    ProcessIdentity,
    RegistryError,
    RequestTimeoutError,
    RestError,
    StatusError,
    StopError,
    StopNotSupportedError,
)
from nnicli.launcher.marks import ProcessMarks
from nnicli.launcher.ports import listens
from nnicli.launcher.process import (
    ManagerProcess,
    uninterrupted,
)
from nnicli.launcher.remains import reap, still_alive
from nnicli.printable import printable_line
from nnicli.rest import ManagerClient
from nnicli.safe_logging import get_logger
from nnicli.store import Layout, Registry
from nnicli.waiting import Deadline, poll_until, within

logger = get_logger(__name__)

# How long a process that got SIGKILL may still look alive.
_DYING_S = 0.2
# How long the kernel may take to end a process after SIGKILL.
_KILL_TIMEOUT_S = 5.0
# NNI's lock, when a dead process has left it, holds for 2 s.
_LOCK_TIMEOUT_S = 3.0
# How often the process tree below a stopping manager is read: parents end, and their children are
# then no longer in it.
_WATCH_INTERVAL_S = 0.5
_PORT_INTERVAL_S = 0.1
# What a reverse proxy answers for a manager that is gone.
_GATEWAY_ERRORS = (502, 503, 504)

How = Literal["asked", "killed", "already gone"]


@dataclass(frozen=True, slots=True)
class StopOutcome:
    """How an experiment ended.

    Attributes:
        exp_id: The experiment.
        how: `asked`: the manager ended by itself after it was asked to. `killed`: it did not, and
            got SIGKILL. `already gone`: it had died before.
        returncode: The manager's exit code, None if unknown. It says nothing about success: 2.7
            exits with 1 after a regular stop, so the repr leaves it out for a manager that was
            `asked`.
        waited_s: Seconds from the call until nothing was left.
        survivors: Processes that outlived the manager and were ended: tuner, trials, their
            children.
    """

    exp_id: str
    how: How
    returncode: int | None
    waited_s: float
    survivors: tuple[ProcessIdentity, ...] = ()

    def __repr__(self) -> str:
        has_meaning = self.returncode is not None and self.how != "asked"
        code = f", exit code {self.returncode}" if has_meaning else ""
        name = printable_line(self.exp_id, most=60)
        number = len(self.survivors)
        return (
            f"<StopOutcome {name}: {self.how} in {self.waited_s:.1f} s{code}, "
            f"{number} survivor{'' if number == 1 else 's'} ended>"
        )


def stop_experiment(
    client: ManagerClient,
    process: ManagerProcess | None,
    marks: ProcessMarks,
    *,
    layout: Layout,
    timeout_s: float,
) -> StopOutcome:
    """End an experiment and all of its processes, and update NNI's registry.

    Args:
        client: The manager's client.
        process: The manager's process; None if it is on another machine.
        marks: How the experiment's processes are recognized.
        layout: The layout whose registry lists the experiment.
        timeout_s: How long the manager may take before it gets SIGKILL, or on another machine
            before the stop has failed.

    Raises:
        StopError: One of its processes is still alive.
        StopNotSupportedError: It is on another machine, and its release cannot be asked to stop.
    """
    if process is None:
        return _stop_remote(client, marks.exp_id, timeout_s)

    def ask() -> None:
        # A 3.0 manager that is already stopping gives its port up seconds before it ends, and
        # another manager on that port would be stopped in its place.
        port = urlsplit(client.endpoint).port
        is_there = port is None or listens(process.identity.pid, port) is not False
        if client.can_be_stopped and is_there:
            client.stop_experiment()
        else:
            client.close()
            process.terminate()

    with within(Deadline(timeout_s)):
        outcome = stop_manager(process, marks, ask=ask, timeout_s=timeout_s)
    _record_stop(layout, marks.exp_id)
    return outcome


def _record_stop(layout: Layout, exp_id: str) -> None:
    """Record the end in NNI's registry unless the manager has."""
    registry = layout.registry()
    try:
        entry = registry.get(exp_id)
        if entry is None:
            return
        fields = layout.encode_stop(entry, ended_ms=int(time.time() * 1000))
        if not fields.items() <= entry.items():
            registry.update(exp_id, **fields)
    except RegistryError as error:
        # The experiment is stopped nevertheless, as requested.
        logger.warning("experiment %s is stopped, but not recorded as such: %s", exp_id, error)


def _stop_remote(client: ManagerClient, exp_id: str, timeout_s: float) -> StopOutcome:
    """Stop a manager on another machine, which only a request can reach."""
    if not client.can_be_stopped:
        raise StopNotSupportedError(
            f"the manager at {client.endpoint} cannot be stopped from here: NNI before 2.1 does "
            "not have a request for that, and the process is not on this machine; end it there, "
            "with nnicli or with a SIGTERM to its pid"
        )
    deadline = Deadline(timeout_s)
    with suppress(ConnectionLostError, RequestTimeoutError):
        # 2.1 to 2.7 answer late, and 2.4 to 2.7 always drop the connection.
        client.stop_experiment()

    def is_gone() -> bool | None:
        try:
            client.get_version()
        except (ConnectError, ConnectionLostError):
            return True
        except StatusError as error:
            return True if error.status_code in _GATEWAY_ERRORS else None
        except RestError:
            return None
        return None

    if poll_until(is_gone, deadline=deadline, interval_s=_PORT_INTERVAL_S) is None:
        raise StopError(
            f"the manager at {client.endpoint} was asked to stop and still answers after "
            f"{deadline.waited_s:.0f} s; end it on the machine where it runs"
        )
    return StopOutcome(exp_id, "asked", returncode=None, waited_s=deadline.waited_s)


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
        marks: How its processes are recognized.
        ask: Asks the manager to end; if that fails it gets SIGTERM. None: it gets SIGKILL at
            once, as before the start POST, where 2.2 and 2.3 hang on anything softer.
        timeout_s: How long it may take before it gets SIGKILL.

    Raises:
        ManagerStillAliveError: A process is alive even after SIGKILL.

    If it is interrupted, by a second Ctrl-C for instance, it ends everything at once and raises the
    interrupt after that.
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
        # A second Ctrl-C, or a failing log handler of the caller: end the rest at once.
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
    """Ask the manager to end, then kill it; add its descendants to `below`."""
    if not process.is_running():
        return "already gone"
    below.update(process.descendants())
    if ask is not None:
        try:
            ask()
        except RestError as error:
            if _has_just_died(process, error):
                return "already gone"
            logger.debug("could not ask the manager to stop (%s); sending SIGTERM", error)
            process.terminate()
        while not deadline.expired:
            if process.wait(min(_WATCH_INTERVAL_S, deadline.remaining_s)):
                # A signal to a process that is dying of a kill -9 does not fail.
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
        raise still_alive(process.identity, "the manager")


def _has_just_died(process: ManagerProcess, error: RestError) -> bool:
    """Return whether the manager was dead before it could be asked.

    Right after a kill -9 it still looks alive, and may even accept a connection. A lost connection
    alone proves nothing: 2.4 to 2.7 drop the one that asks them to stop.
    """
    if not process.wait(_DYING_S):
        return False
    return isinstance(error, ConnectError) or process.returncode == -signal.SIGKILL
