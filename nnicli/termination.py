"""Holding back SIGTERM and SIGHUP in a `with` until its experiment is stopped."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class _Guard:
    """Turns a signal that would end the process into SystemExit, and delivers it at the end.

    There is one per process, as a signal has one handler. It counts the open blocks, so blocks may
    be nested.
    """

    def __init__(self) -> None:
        self._open = 0
        self._stopping = 0
        self._received: int | None = None
        self._is_due = False
        self._pid = os.getpid()

    def enter(self) -> None:
        if self._open == 0:
            self._pid, self._received, self._stopping = os.getpid(), None, 0
            self._is_due = False
            for number in _SIGNALS:
                # A handler that the script has set decides what happens, and nohup's SIG_IGN stays.
                if signal.getsignal(number) is signal.SIG_DFL:
                    signal.signal(number, self._handle)
        self._open += 1

    def leave(self) -> None:
        self._open -= 1
        if self._open > 0 or not _is_main_thread():
            return
        for number in _SIGNALS:
            # Bound methods are equal, but not identical.
            if signal.getsignal(number) == self._handle:
                signal.signal(number, signal.SIG_DFL)
        if self._received is not None and os.getpid() == self._pid:
            signal.raise_signal(self._received)

    @contextmanager
    def stopping(self) -> Iterator[None]:
        self._stopping += 1
        try:
            yield
        finally:
            self._stopping -= 1
        self._raise_due()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._open == 0 or os.getpid() != self._pid:
            # The block was left in another thread, or this is a forked child.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self._received, self._is_due = number, True
        self._raise_due()

    def _raise_due(self) -> None:
        """Unwind the blocks; if one of them is being left, once that is done."""
        if self._is_due and not self._stopping and self._received is not None:
            self._is_due = False
            # asyncio and threads let only this one and KeyboardInterrupt through.
            raise SystemExit(128 + self._received)


_guard = _Guard()


@contextmanager
def termination_held_back() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the block, and end the process as usual after that.

    Only signals that would end the process at once are handled, and only in the main thread, where
    Python runs its handlers. After the block the signal is delivered again.
    """
    if not _is_main_thread():
        yield
        return
    _guard.enter()
    try:
        yield
    finally:
        _guard.leave()


@contextmanager
def stopping() -> Iterator[None]:
    """Hold back signals during a stop: one that is interrupted would leave processes behind.

    Python handles signals in the main thread, so a stop in another one is not interrupted, and need
    not keep the main thread from being unwound.
    """
    with _guard.stopping() if _is_main_thread() else nullcontext():
        yield


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
