"""What every command prints alike: JSON documents, tables and errors."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nnicli.cli.exits import Exit, code_for
from nnicli.errors import NnicliError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

F = TypeVar("F", bound=Callable[..., Any])

_WIDE = 200

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
"""The option of every command that can print one."""


def print_json(document: Any) -> None:
    """Print one strict JSON document; NaN and the infinities become text."""
    click.echo(json.dumps(strict(document), indent=2, allow_nan=False))


def open_output() -> Console:
    """Return the console on standard output."""
    from rich.console import Console

    # Users' `bs:100:x` is no emoji; in the cells of a table only the console can tell.
    output = Console(emoji=False)
    # The width of a file or a pipe is nobody's screen.
    return output if output.is_terminal else Console(width=_WIDE, emoji=False)


def new_table(*columns: str) -> Table:
    """Return a table whose first columns are never folded."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def format_time(moment: datetime | None) -> str:
    """Return a moment in the local time zone, for people; empty for none."""
    return "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def telling_errors(command: F) -> F:
    """Let a command tell its errors on standard error, and end with their exit code."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except NnicliError as error:
            click.echo(f"nnicli: {error}", err=True)
            raise SystemExit(code_for(error)) from error
        except OSError as error:
            if error.filename is None:
                raise
            click.echo(f"nnicli: {error.filename}: {error.strerror}", err=True)
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
