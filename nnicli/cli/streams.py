"""Standard output and standard error, whatever has become of the terminal."""

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


class OutputError(click.ClickException):
    """Standard output does not take what a command has to say; click ends the command with it."""

    exit_code = Exit.FAILED

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output cannot be written: {error.strerror}")

    def show(self, file: Any = None) -> None:
        """Print it as every other error of this command."""
        click.echo(f"nnicli: {self.message}", file=file or sys.stderr)


class OutputStream:
    """Standard output for results: what the encoding has not is written by its number.

    Nothing is dropped: where it cannot be written, an OutputError is raised at once, and not by the
    interpreter at its end. A reader that has gone away (EPIPE) is left to click.
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
        """Write bytes, after all text that was written before, and flush them."""
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
        # What could not be written would be tried again at the end of the interpreter.
        sys.stdout = _open_nothing()
        if error.errno == errno.EPIPE:
            raise
        raise OutputError(error) from error


def write_bytes(content: bytes) -> None:
    """Write bytes to standard output."""
    cast("OutputStream", sys.stdout).write_bytes(content)


def guard_streams() -> None:
    """Put an OutputStream and a MessageStream in the places of the standard streams."""
    # `>&-` and `2>&-` leave none.
    if not isinstance(sys.stdout, OutputStream):
        sys.stdout = cast("TextIO", OutputStream(sys.stdout or _open_nothing()))
    if not isinstance(sys.stderr, MessageStream):
        sys.stderr = cast("TextIO", MessageStream(sys.stderr or _open_nothing()))


def _open_nothing() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")
