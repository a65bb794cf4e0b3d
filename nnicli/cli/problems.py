"""Problems of configs as compilers show them, as annotations of a workflow, and as JSON."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from nnicli.config.secrets import is_secret, names_secret
from nnicli.errors import Problem

_STYLES = {"error": "bold red", "warning": "bold yellow"}
# What follows a key with a telling name, and a password inside a URL.
_AFTER_KEY = re.compile(r"""(["']?([\w-]+)["']?\s*:\s*)(.+)""")
_KEY = re.compile(r"""([\w-]+)["']?\s*(?::|$)""")
_IN_URL = re.compile(r"(?<=//)[^/@\s]+(?=@)")
_MOST_SHOWN = 200
_MASK = "***"


def print_problem(console: Console, problem: Problem) -> None:
    """Print a problem, and below it its line with a caret under its place."""
    head = Text()
    place = ":".join(
        str(part) for part in (problem.file, problem.line, problem.column) if part is not None
    )
    head.append(f"{place}: " if place else "", style="bold")
    head.append(f"{problem.severity}: ", style=_STYLES[problem.severity])
    head.append(f"{problem.location}: " if problem.location else "", style="cyan")
    head.append(problem.message)
    head.append(f" [{problem.rule}]", style="dim")
    console.print(head, soft_wrap=True)
    line = excerpt(problem)
    if line is not None and problem.column is not None:
        number = f"{problem.line:>5} | "
        console.print(Text(number, style="dim") + Text(line), soft_wrap=True)
        if line == _MASK or problem.column > len(line):
            return
        caret = Text(" " * (len(number) - 2) + "| ", style="dim")
        caret.append(" " * _width(line[: problem.column - 1]) + "^", style="bold green")
        caret.append(f" {problem.suggestion}" if problem.suggestion else "", style="green")
        console.print(caret, soft_wrap=True)
    elif problem.suggestion:
        console.print(Text(f"        {problem.suggestion}", style="green"), soft_wrap=True)


def _width(text: str) -> int:
    return Text(text).cell_len


def excerpt(problem: Problem) -> str | None:
    """Return the line that a problem stands in, without secrets; None where there is none."""
    if problem.file is None or problem.line is None or problem.rule in ("encoding", "file"):
        return None
    if problem.rule == "required" and "." not in problem.location:
        # The place of what is missing at the top is the top, whatever stands there.
        return None
    lines = _lines_of(problem.file)
    if not 1 <= problem.line <= len(lines):
        return None
    line = lines[problem.line - 1].replace("\t", " ").rstrip()
    line = "".join(character if character.isprintable() else "?" for character in line)
    # An item of a secret list, or a value below its key, stands on lines that do not name it.
    names = tuple(re.split(r"[.\[]", problem.location))
    hides_all = is_secret(names) or _is_below_secret(lines, problem.line - 1)
    return mask(line[:_MOST_SHOWN], hides_all=hides_all)


def _is_below_secret(lines: list[str], index: int) -> bool:
    """Return whether a line is, or may be, a part of the value of a secret key above it."""
    depth = _depth(lines[index])
    above = [line for line in lines[:index] if line.strip()]
    if above and above[-1].rstrip().endswith(":") and _names_secret(above[-1]):
        return True
    for line in reversed(above):
        if _depth(line) < depth:
            depth = _depth(line)
            if _names_secret(line):
                return True
    return False


def _depth(line: str) -> float:
    stripped = line.lstrip()
    # An item of a list may stand right below the key that it belongs to.
    return len(line) - len(stripped) + (0.5 if stripped.startswith(("-", ":")) else 0)


def _names_secret(line: str) -> bool:
    return any(names_secret(name) for name in _KEY.findall(line))


def mask(line: str, *, hides_all: bool = False) -> str:
    """Return a line of a config with everything behind the first secret key hidden."""
    for match in _AFTER_KEY.finditer(line):
        start = match.start(3)
        if names_secret(match[2]):
            return line[:start] + _MASK
        inner = mask(line[start:])
        if inner != line[start:]:
            return line[:start] + inner
    if hides_all:
        return _MASK
    return _IN_URL.sub(_MASK, line)


@cache
def _lines_of(file: Path) -> list[str]:
    try:
        # As YAML counts them; str.splitlines would break at characters inside text, too.
        return re.split(r"\r\n|\r|\n", file.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        return []


def to_annotation(problem: Problem) -> str:
    """Return a problem as a command by which GitHub's workflows annotate a line."""
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
    """Return a problem as JSON values."""
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
