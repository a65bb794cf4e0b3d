"""Ctrl-C and its relatives, turned into one exception at a moment that leaves nothing behind."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asked the command to end; not an Exception, so that nothing takes it for a failure.

    Attributes:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Interrupts:
    """Raises the first signal as Interrupted where that is allowed, and notes all others."""

    def __init__(self, on_held_back: Callable[[], None]) -> None:
        self._on_held_back = on_held_back
        self._is_raising = False
        self.received: int | None = None

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal."""
        is_first = self.received is None
        self.received = self.received or number
        if not is_first:
            self._on_held_back()
        elif self._is_raising:
            raise Interrupted(number)

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Let the first signal interrupt what is inside; it is raised once, and never outside."""
        self._is_raising = True
        try:
            self.check()
            yield
        finally:
            self._is_raising = False

    def check(self) -> None:
        """Raise the signal that has come, if one has; loops call it in each round.

        What is raised while a destructor runs is swallowed by the interpreter.
        """
        if self.received is not None:
            raise Interrupted(self.received)


@contextmanager
def interruptible(on_held_back: Callable[[], None]) -> Iterator[Interrupts]:
    """Take SIGINT, SIGTERM and SIGHUP inside; restore the old handlers after."""
    interrupts = Interrupts(on_held_back)
    # nohup sets SIGHUP to be ignored, which has to stay so.
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
