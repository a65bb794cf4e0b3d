"""Lines of configs as they may be shown: short, and without secrets."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from pathlib import Path

from nnicli.config import is_secret, names_secret
from nnicli.errors import Problem
from nnicli.redaction import MASK, hide_users

_MOST_SHOWN = 200
# Of a key to the one that was probably meant, so that its value is one of that key's.
_LEAST_LIKENESS = 0.75
_WORD = re.compile(r"[A-Z]?[a-z]+")
# Line breaks as YAML 1.1 and libyaml count them, and as JSON does.
_YAML_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_JSON_BREAK = re.compile("\r\n|[\r\n]")
_KEY = re.compile(r"""([\w-]+)["']?\s*(?::|=|$)""")
# A key may be broken by any sign.
_AFTER_KEY = re.compile(r"""(([^\s:=,]+)\s*[:=]\s*)(.+)""")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')


def excerpt(problem: Problem) -> str | None:
    """Return the line that a problem stands in, without secrets; None where there is none."""
    if problem.file is None or problem.line is None or problem.rule in ("encoding", "file"):
        return None
    is_whole = not problem.location and problem.rule == "type"
    if is_whole or (problem.rule == "required" and "." not in problem.location):
        # The place of what is missing at the top is the top, whatever stands there.
        return None
    lines, hidden = _read(problem.file)
    if not 1 <= problem.line <= len(lines):
        return None
    # An item of a secret list stands on a line that does not name it.
    names = tuple(re.split(r"[.\[]", problem.location))
    if hidden[problem.line - 1] or is_secret(names):
        return MASK
    line = lines[problem.line - 1][:_MOST_SHOWN].replace("\t", " ")
    line = "".join(character if character.isprintable() else "?" for character in line)
    hides = _may_be_secret(problem)
    return mask(_without_comment(line), hidden_from=problem.column if hides else None)


def _may_be_secret(problem: Problem) -> bool:
    """Return whether the value of a key that tells of no secret may be one all the same.

    A misspelt key has a value like the right one, which the suggestion names; of a key that is
    like none nothing is known.
    """
    if problem.rule != "unknown-key":
        return problem.message.startswith("found text;")
    _, _, meant = (problem.suggestion or "").partition("'")
    meant = meant.partition("'")[0]
    key = re.split(r"[.\[]", problem.location)[-1]
    likeness = difflib.SequenceMatcher(None, key.lower(), meant.lower()).ratio()
    words = (meant, *_WORD.findall(key))
    return likeness < _LEAST_LIKENESS or any(map(names_secret, words))


def mask(line: str, *, hidden_from: int | None = None) -> str:
    """Return a line of a config with everything behind the first secret key hidden.

    Args:
        line: The line.
        hidden_from: Column, from 1, of a key whose value is not to be trusted either.
    """
    line = hide_users(line)
    position = 0
    while match := _AFTER_KEY.search(line, position):
        is_told = hidden_from is not None and match.end(1) >= hidden_from
        if names_secret(re.sub(r"[\W_]", "", match[2])) or is_told:
            return line[: match.start(3)] + MASK
        position = match.start(3)
    return line


def _without_comment(line: str) -> str:
    """Return a line without the comment at its end, which may say anything."""
    bare = _QUOTED.sub(lambda match: "_" * len(match[0]), line)
    match = re.search(r"(^|\s)#", bare)
    return line[: match.start()].rstrip() if match else line.rstrip()


@lru_cache(maxsize=8)
def _read(file: Path) -> tuple[list[str], list[bool]]:
    """Return the lines of a file, and of each whether it may be a part of a secret value."""
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return [], []
    is_json = text.lstrip().startswith("{") and '":' in text[:10_000].replace(" ", "")
    lines = (_JSON_BREAK if is_json else _YAML_BREAK).split(text)
    return lines, _find_hidden(lines)


def _find_hidden(lines: list[str]) -> list[bool]:
    hidden: list[bool] = []
    # Of the lines above that are indented less: how far, and whether they name a secret.
    above: list[tuple[float, bool]] = []
    awaits_value = False
    for line in lines:
        stripped = line.strip()
        if not stripped:
            hidden.append(False)
            continue
        # An item of a list may stand right below the key that it belongs to.
        depth = line.index(stripped[0]) + (0.5 if stripped[0] in "-:" else 0)
        while above and above[-1][0] >= depth:
            above.pop()
        hidden.append(awaits_value or any(tells for _, tells in above))
        tells = any(map(names_secret, _KEY.findall(line[:_MOST_SHOWN])))
        is_open = stripped.endswith(":") or stripped.strip("\"'").isidentifier()
        awaits_value = (tells or (awaits_value and stripped == ":")) and is_open
        above.append((depth, tells))
    return hidden
