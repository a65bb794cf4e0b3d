"""SIGINT, SIGTERM and SIGHUP, raised as one exception where that leaves nothing behind."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal ended the command; not an Exception, so that nothing handles it as a failure.

    Attributes:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Interrupts:
    """Raises the first signal as Interrupted where that is allowed, and reports later ones."""

    def __init__(self, on_held_back: Callable[[], None]) -> None:
        self._on_held_back = on_held_back
        self._is_raising = False
        self.received: int | None = None

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        is_first = self.received is None
        self.received = self.received or number
        if not is_first:
            self._on_held_back()
        elif self._is_raising:
            raise Interrupted(number)

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Let the first signal interrupt the block; it is raised once, and never outside."""
        self._is_raising = True
        try:
            self.check()
            yield
        finally:
            self._is_raising = False

    def check(self) -> None:
        """Raise the signal received, if any; loops call this in each round.

        The interpreter swallows an exception that a handler raises while a destructor runs.
        """
        if self.received is not None:
            raise Interrupted(self.received)


@contextmanager
def interruptible(on_held_back: Callable[[], None]) -> Iterator[Interrupts]:
    """Handle SIGINT, SIGTERM and SIGHUP in the block, and restore the old handlers after it."""
    interrupts = Interrupts(on_held_back)
    # nohup makes the process ignore SIGHUP, which must stay so.
    previous = {
        number: handler
        for number in _SIGNALS
        if (handler := signal.getsignal(number)) is not signal.SIG_IGN
    }
    for number in previous:
        signal.signal(number, interrupts.handle)
    try:
        yield interrupts
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
