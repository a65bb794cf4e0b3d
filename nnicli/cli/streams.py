"""A standard error that neither fails nor blocks, whatever has become of the terminal."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, cast

# How long a reader that does not read, such as a paused `less`, may hold up a message.
_PATIENCE_S = 2.0
# A pipe that is ready to be written to takes as many bytes at once (PIPE_BUF); a character has
# four at most.
_CHARACTERS_AT_A_TIME = 1_000


class MessageStream:
    """Standard error for people's eyes: what cannot be written is dropped.

    A terminal that was closed answers EIO, a full disk ENOSPC, and a pipe without a reader EPIPE; a
    pipe that nobody reads blocks. None of these may keep a command from stopping what it started.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._patience_s = _PATIENCE_S
        self._descriptor: int | None = None
        # A stream in memory has none, and does not block.
        with suppress(OSError):
            self._descriptor = stream.fileno()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write as much as can be written; return the length of the whole text."""
        # click finds out by an empty write whether a stream takes bytes.
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        # ValueError: the stream is closed.
        with suppress(OSError, ValueError):
            for start in range(0, len(text), _CHARACTERS_AT_A_TIME):
                if self._is_blocked():
                    break
                self._stream.write(text[start : start + _CHARACTERS_AT_A_TIME])
                self._stream.flush()
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with suppress(OSError, ValueError):
            if not self._is_blocked():
                self._stream.flush()

    def _is_blocked(self) -> bool:
        if self._descriptor is None:
            return False
        _, ready, _ = select.select([], [self._descriptor], [], self._patience_s)
        # The next messages do not wait once more for a reader that is away.
        self._patience_s = _PATIENCE_S if ready else 0.0
        return not ready


def guard_messages() -> None:
    """Put a MessageStream in the place of standard error, for everything that writes there."""
    # `2>&-` leaves none.
    stream = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
    if not isinstance(stream, MessageStream):
        sys.stderr = cast("TextIO", MessageStream(stream))
