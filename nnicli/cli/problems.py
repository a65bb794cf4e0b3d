"""Problems in configs as compiler-style messages, workflow annotations or JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from nnicli.cli.excerpts import excerpt
from nnicli.errors import Problem

_STYLES = {"error": "bold red", "warning": "bold yellow"}


def print_problem(console: Console, problem: Problem) -> None:
    """Print a problem, then its line with a caret under its column."""
    head = Text()
    position = ":".join(
        str(part) for part in (problem.file, problem.line, problem.column) if part is not None
    )
    head.append(f"{position}: " if position else "", style="bold")
    head.append(f"{problem.severity}: ", style=_STYLES[problem.severity])
    head.append(f"{problem.location}: " if problem.location else "", style="cyan")
    head.append(problem.message)
    head.append(f" [{problem.rule}]", style="dim")
    console.print(head, soft_wrap=True)
    line = excerpt(problem)
    shows_column = False
    if line is not None and problem.column is not None:
        number = f"{problem.line:>5} | "
        console.print(Text(number, style="dim") + Text(line), soft_wrap=True)
        # The column of a hidden value is not shown.
        shows_column = problem.column <= len(line.rstrip("*"))
    if shows_column and line is not None and problem.column is not None:
        caret = Text(" " * 6 + "| ", style="dim")
        caret.append(" " * _width(line[: problem.column - 1]) + "^", style="bold green")
        caret.append(f" {problem.suggestion}" if problem.suggestion else "", style="green")
        console.print(caret, soft_wrap=True)
    elif problem.suggestion:
        console.print(Text(f"        {problem.suggestion}", style="green"), soft_wrap=True)


def _width(text: str) -> int:
    return Text(text).cell_len


def to_annotation(problem: Problem) -> str:
    """Return a problem as the workflow command by which GitHub annotates a line."""
    properties = {
        "file": problem.file,
        "line": problem.line,
        "col": problem.column,
        "title": f"nnicli: {problem.rule}",
    }
    shown = ",".join(
        f"{name}={_escape(str(value), ':,')}"
        for name, value in properties.items()
        if value is not None
    )
    location = f"{problem.location}: " if problem.location else ""
    hint = f" ({problem.suggestion})" if problem.suggestion else ""
    return f"::{problem.severity} {shown}::{_escape(f'{location}{problem.message}{hint}', '')}"


def _escape(text: str, more: str) -> str:
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def to_document(problem: Problem) -> dict[str, Any]:
    """Return a problem as a JSON object."""
    return {
        "file": None if problem.file is None else str(problem.file),
        "line": problem.line,
        "column": problem.column,
        "location": problem.location,
        "message": problem.message,
        "rule": problem.rule,
        "severity": problem.severity,
        "suggestion": problem.suggestion,
    }
