"""Standard output and standard error that survive a closed terminal, pipe or full disk."""

from __future__ import annotations

import errno
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO, cast

import click

from nnicli.cli.exits import Exit

# How long a reader that does not read, such as a paused `less`, may delay a message.
_PATIENCE_S = 2.0
# A pipe that is ready for writing takes PIPE_BUF bytes (4096) without blocking; a character has
# at most four.
_CHARACTERS_AT_A_TIME = 1_000


class MessageStream:
    """Standard error, for people: what cannot be written is dropped.

    A terminal that was closed answers EIO, a full disk ENOSPC, and a pipe without a reader EPIPE; a
    pipe that nobody reads blocks. None of these may keep a command from stopping what it started.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._patience_s = _PATIENCE_S
        self._descriptor: int | None = None
        # A stream in memory does not have a descriptor, and does not block.
        with suppress(OSError):
            self._descriptor = stream.fileno()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write as much as can be written; return the length of the whole text."""
        # click makes an empty write to find out whether a stream takes bytes.
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
        # Later messages do not wait again for a reader that is not reading.
        self._patience_s = _PATIENCE_S if ready else 0.0
        return not ready


class OutputError(click.ClickException):
    """Standard output could not be written; click prints this and ends the command."""

    exit_code = Exit.FAILED

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write to standard output: {error.strerror}")

    def show(self, file: Any = None) -> None:
        """Print the error as the command prints every other error."""
        click.echo(f"nnicli: {self.message}", file=file or sys.stderr)


class OutputStream:
    """Standard output, for results: what the encoding lacks is written as an escape sequence.

    Nothing is dropped: if a write fails, OutputError is raised at once rather than by the
    interpreter at exit. A reader that has gone away (EPIPE) is left to click.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text."""
        with _raising_output_errors():
            return self._stream.write(text)

    def write_bytes(self, content: bytes) -> None:
        """Write bytes after all text written so far, and flush them."""
        with _raising_output_errors():
            self._stream.flush()
            self._stream.buffer.write(content)
            self._stream.buffer.flush()

    def flush(self) -> None:
        """Flush what was written."""
        with _raising_output_errors():
            self._stream.flush()


@contextmanager
def _raising_output_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # The interpreter would try again at exit to write what is still buffered.
        sys.stdout = _open_nothing()
        if error.errno == errno.EPIPE:
            raise
        raise OutputError(error) from error


def write_bytes(content: bytes) -> None:
    """Write bytes to standard output."""
    cast("OutputStream", sys.stdout).write_bytes(content)


def guard_streams() -> None:
    """Replace the standard streams by an OutputStream and a MessageStream."""
    # Both are None after `>&-` and `2>&-`.
    if not isinstance(sys.stdout, OutputStream):
        sys.stdout = cast("TextIO", OutputStream(sys.stdout or _open_nothing()))
    if not isinstance(sys.stderr, MessageStream):
        sys.stderr = cast("TextIO", MessageStream(sys.stderr or _open_nothing()))


def _open_nothing() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")
