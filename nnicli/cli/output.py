"""Output of the commands: results, data, JSON documents, messages and errors."""

from __future__ import annotations

import functools
import json
import math
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click

from nnicli.cli.exits import Exit, code_for
from nnicli.cli.streams import write_bytes
from nnicli.errors import NnicliError
from nnicli.printable import printable
from nnicli.redaction import redact

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
"""The option of every command that can print a JSON document."""


def print_result(text: str) -> None:
    """Print lines of a result on standard output."""
    _write_line(printable(text))


def print_message(text: str) -> None:
    """Print a message on standard error."""
    sys.stderr.write(f"{printable(text)}\n")
    sys.stderr.flush()


def print_error(text: str) -> None:
    """Print on standard error why a command failed."""
    print_message(f"nnicli: {text}")


def write_data(text: str) -> None:
    """Write data for a file or another program, such as an export.

    Control characters are removed only on a terminal, as `git` and `journalctl` do. Otherwise the
    data is written unchanged, as UTF-8 in every locale.
    """
    if sys.stdout.isatty():
        sys.stdout.write(printable(text))
        sys.stdout.flush()
    else:
        # JSON may contain a lone surrogate, which UTF-8 cannot encode.
        write_bytes(text.encode("utf-8", "backslashreplace"))


# An unfinished line is kept up to this length, then shown.
_LONGEST_LINE = 1 << 20


class LogWriter:
    """Writes a log unchanged, except on a terminal: there by lines, sanitised and redacted."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._line = ""
        self._ends_line = True

    def write(self, piece: str) -> None:
        """Write the next piece; on a terminal, lines are shown once they are complete."""
        if not piece:
            return
        self._ends_line = piece.endswith("\n")
        if not self._is_terminal:
            write_data(piece)
            return
        # Progress bars end their lines with a carriage return.
        end = max(piece.rfind("\n"), piece.rfind("\r")) + 1
        if end:
            write_data(redact(self._line + piece[:end]))
            self._line = ""
        self._line += piece[end:]
        if len(self._line) > _LONGEST_LINE:
            write_data(redact(self._line))
            self._line = ""

    def close(self) -> None:
        """Write the rest, and end its line."""
        if self._line:
            write_data(redact(self._line))
            self._line = ""
        if not self._ends_line:
            write_data("\n")
        self._ends_line = True


def print_json(document: Any) -> None:
    """Print one strict JSON document; NaN and the infinities become text."""
    text = json.dumps(strict(document), indent=2, allow_nan=False)
    # The only ASCII control character that JSON does not escape.
    _write_line(text.replace("\x7f", "\\u007f"))


def _write_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def format_time(moment: datetime | None) -> str:
    """Return a moment in the local time zone, for people; empty for None."""
    return "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def reporting_errors(command: F) -> F:
    """Make a command print its errors on standard error and exit with their exit code."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except NnicliError as error:
            print_error(error.text_for("shell"))
            raise SystemExit(code_for(error)) from error
        except OSError as error:
            if error.filename is None:
                raise
            print_error(f"{error.filename}: {error.strerror}")
            raise SystemExit(Exit.FAILED) from error

    return run  # type: ignore[return-value]  # it has the command's own signature


def strict(value: Any) -> Any:
    """Return strict JSON values; NaN and the infinities become text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    return value
