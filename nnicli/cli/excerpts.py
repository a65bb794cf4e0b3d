"""Lines of configs that are safe to show: short, and without secrets."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from pathlib import Path

from nnicli.config import is_secret, known_fields, names_secret
from nnicli.errors import Problem
from nnicli.redaction import MASK, hide_users

_MOST_SHOWN = 200
# How similar a misspelt key must be to the suggested one to be taken for it.
_LEAST_LIKENESS = 0.75
_WORD = re.compile(r"[A-Z]?[a-z]+")
# Line breaks as YAML 1.1 and libyaml count them, and as JSON does.
_YAML_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_JSON_BREAK = re.compile("\r\n|[\r\n]")
_KEY = re.compile(r"""([\w-]+)["']?\s*(?::|=|$)""")
# A key may be broken by any character.
_AFTER_KEY = re.compile(r"""(([^\s:=,]+)\s*[:=]\s*)(.+)""")
_AROUND_KEY = "\"'{[,-&"
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')


def excerpt(problem: Problem) -> str | None:
    """Return the line of a problem without secrets, or None if there is nothing to show."""
    if problem.file is None or problem.line is None or problem.rule in ("encoding", "file"):
        return None
    is_whole = not problem.location and problem.rule == "type"
    if is_whole or (problem.rule == "required" and "." not in problem.location):
        # A key missing at the top level is reported on the first line, which says nothing of it.
        return None
    lines, hidden = _read(problem.file)
    if not 1 <= problem.line <= len(lines):
        return None
    # An item of a secret list is on a line that does not name the secret.
    names = tuple(re.split(r"[.\[]", problem.location))
    if hidden[problem.line - 1] or is_secret(names):
        return MASK
    line = lines[problem.line - 1][:_MOST_SHOWN].replace("\t", " ")
    line = "".join(character if character.isprintable() else "?" for character in line)
    hides = _may_be_secret(problem)
    return mask(
        _without_comment(line),
        hidden_from=problem.column if hides else None,
        is_broken=problem.rule == "syntax",
    )


def _may_be_secret(problem: Problem) -> bool:
    """Return whether a value may be a secret although the name of its key does not suggest it.

    A misspelt key has the kind of value that the suggested key has; nothing is known about a key
    that resembles no known one.
    """
    if problem.rule != "unknown-key":
        return problem.message.startswith("found text;")
    _, _, meant = (problem.suggestion or "").partition("'")
    meant = meant.partition("'")[0]
    key = re.split(r"[.\[]", problem.location)[-1]
    likeness = difflib.SequenceMatcher(None, key.lower(), meant.lower()).ratio()
    words = (meant, *_WORD.findall(key))
    return likeness < _LEAST_LIKENESS or any(map(names_secret, words))


def mask(line: str, *, hidden_from: int | None = None, is_broken: bool = False) -> str:
    """Return a line of a config with everything after the first secret key hidden.

    Args:
        line: The line.
        hidden_from: Column, from 1, of a key whose value must be hidden too.
        is_broken: Whether the line could not be parsed, so that `"storageAccount"ey"` may be a key
            that names a secret: then only the values of known fields are shown.
    """
    line = hide_users(line)
    position = 0
    while match := _AFTER_KEY.search(line, position):
        must_hide = hidden_from is not None and match.end(1) >= hidden_from
        must_hide |= is_broken and match[2].strip(_AROUND_KEY) not in known_fields()
        if names_secret(re.sub(r"[\W_]", "", match[2])) or must_hide:
            return line[: match.start(3)] + MASK
        position = match.start(3)
    return line


def _without_comment(line: str) -> str:
    """Return a line without its trailing comment, which may contain anything."""
    bare = _QUOTED.sub(lambda match: "_" * len(match[0]), line)
    match = re.search(r"(^|\s)#", bare)
    return line[: match.start()].rstrip() if match else line.rstrip()


@lru_cache(maxsize=8)
def _read(file: Path) -> tuple[list[str], list[bool]]:
    """Return the lines of a file, and for each line whether it may be part of a secret value."""
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return [], []
    is_json = text.lstrip().startswith("{") and '":' in text[:10_000].replace(" ", "")
    lines = (_JSON_BREAK if is_json else _YAML_BREAK).split(text)
    return lines, _find_hidden(lines)


def _find_hidden(lines: list[str]) -> list[bool]:
    hidden: list[bool] = []
    # For each line above that is indented less: its indentation, and whether it names a secret.
    above: list[tuple[float, bool]] = []
    awaits_value = False
    for line in lines:
        stripped = line.strip()
        if not stripped:
            hidden.append(False)
            continue
        # A list item may have the same indentation as the key that it belongs to.
        depth = line.index(stripped[0]) + (0.5 if stripped[0] in "-:" else 0)
        while above and above[-1][0] >= depth:
            above.pop()
        hidden.append(awaits_value or any(names_one for _, names_one in above))
        has_secret_key = any(map(names_secret, _KEY.findall(line[:_MOST_SHOWN])))
        is_open = stripped.endswith(":") or stripped.strip("\"'").isidentifier()
        awaits_value = (has_secret_key or (awaits_value and stripped == ":")) and is_open
        above.append((depth, has_secret_key))
    return hidden
