"""Timeouts, deadlines and polling."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

# A probe that begins when the time is up gets this long, so that a wait of 0 s asks once.
_LAST_PROBE_S = 1.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds for everything that nnicli waits for.

    A limit applies to a whole request: connection, all tries, pauses between them, and the answer
    to its last byte. A call of several requests ends with the first that fails, so a manager that
    hangs costs one limit; an update, whose lost answer is settled by reading back, costs two. In
    `wait(timeout=...)` and other calls with their own limit no request lasts longer than that.

    Attributes:
        connect_s: TCP connection to the manager.
        read_s: A regular request.
        scan_s: A request for which the manager scans its whole database, such as
            `list_trial_jobs()`; at 100,000 trials the first byte takes 6 to 9 s.
        start_s: From the spawn until the manager is ready; a cold disk takes over 4 s.
        tuner_s: From the start of the experiment until its tuner has connected; 3.0 itself gives
            up after 10 s.
        stop_s: From asking the manager to stop until SIGKILL; it allows itself 60 s.
        kill_s: From the first request to cancel a trial until it has ended; before 3.0 a manager
            polls its trials every 5 s, and over SSH it cannot reach them in their first seconds.
        trial_s: From the moment when a trial could run until one does; after that a warning with
            the known facts is logged.
    """

    connect_s: float = 5.0
    read_s: float = 20.0
    scan_s: float = 300.0
    start_s: float = 60.0
    tuner_s: float = 30.0
    stop_s: float = 65.0
    kill_s: float = 60.0
    trial_s: float = 120.0


class Deadline:
    """A point in time on the monotonic clock."""

    def __init__(self, timeout_s: float | None) -> None:
        """Start the clock; None never expires."""
        self._started = time.monotonic()
        self._timeout_s = timeout_s

    @property
    def waited_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    @property
    def remaining_s(self) -> float:
        """Seconds left, never below zero; infinite without a limit."""
        if self._timeout_s is None:
            return float("inf")
        return max(0.0, self._timeout_s - self.waited_s)

    @property
    def expired(self) -> bool:
        """Whether the time is up."""
        return self.remaining_s <= 0

    def sleep(self, seconds: float) -> None:
        """Sleep that long, or for the time left if that is shorter."""
        time.sleep(min(seconds, self.remaining_s))


_enclosing: ContextVar[Deadline | None] = ContextVar("enclosing", default=None)


@contextmanager
def within(deadline: Deadline) -> Iterator[None]:
    """Bound every request in the block by a deadline, in addition to the request's limit.

    Even when the time is up a second is left, so that a wait of 0 s can ask once.
    """
    token = _enclosing.set(bounded(max(deadline.remaining_s, _LAST_PROBE_S)))
    try:
        yield
    finally:
        _enclosing.reset(token)


def bounded(limit_s: float) -> Deadline:
    """Return the deadline for an operation that starts now and may take this long.

    In a block of `within()` it is that block's deadline if that comes first.
    """
    enclosing = _enclosing.get()
    return Deadline(limit_s if enclosing is None else min(limit_s, enclosing.remaining_s))


def poll_until(probe: Callable[[], T | None], *, deadline: Deadline, interval_s: float) -> T | None:
    """Return the first answer of `probe` that is not None, or None when the time is up.

    The probe is called at least once, and once more at the very end. Its requests are bounded by
    the deadline.
    """
    while True:
        last_chance = deadline.expired
        with within(deadline):
            answer = probe()
        if answer is not None or last_chance:
            return answer
        deadline.sleep(interval_s)
