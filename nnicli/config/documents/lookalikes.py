"""Characters that look like the syntax of YAML and JSON, but are text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from nnicli.config.documents.document import Place

_COLONS = "\uff1a\ufe55\ufe30\u2236\u02d0\ua789"
_SPACES = "\xa0\u1680\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff"
_QUOTES = "\u201c\u201d\u201e\u2018\u2019\u201a\uff02\uff07"
_SIGNS = "\uff0c\u3001\uff5b\uff5d\uff3b\uff3d"
# What a character of each class is meant to be.
_MEANT = {_COLONS: "a colon", _QUOTES: "a plain quote"}
_SIGNS_MEANT = dict(zip(_SIGNS, ",,{}[]", strict=True))

# Where they do harm in a line: as indentation, after a key, after a colon or dash, as a quote.
_IN_LINE = tuple(
    re.compile(pattern)
    for pattern in (
        rf"^ *(?:- +)*([\t{_SPACES}])(?=\s*\S)",
        rf"""(?:^\s*(?:- +)*|[{{,]\s*)["']?[\w.-]+["']?[\s{_SPACES}]*([{_COLONS}])""",
        rf"""[\w"']:([{_SPACES}])""",
        rf"^\s*-([{_SPACES}])",
        rf"[:,\[{{-]\s*([{_QUOTES}])",
        rf"""[\w"'\]}}:]\s*([{_SIGNS}])""",
    )
)
_AT_START = re.compile(rf"[{_SPACES}{_QUOTES}]")
_IN_KEY = re.compile(rf"^[{_SPACES}{_QUOTES}]|[{_COLONS}]")


def find_in_lines(lines: Sequence[str], first: int, last: int) -> tuple[Place, str] | None:
    """Return the last place in a range of lines where such a character breaks the syntax, and why.

    Args:
        lines: All lines of a text.
        first: Number of the first line to look at, from 1.
        last: Number of the last one.
    """
    for number in range(min(last, len(lines)), max(first, 1) - 1, -1):
        line = lines[number - 1]
        if line.lstrip().startswith("#"):
            continue
        found = [match.start(1) for match in (p.search(line) for p in _IN_LINE) if match]
        if found:
            column = min(found)
            return (number, column + 1), describe(line[column])
    return None


def find_in_key(key: str, *, has_value: bool) -> int | None:
    """Return the position of such a character in a plain key, None for a valid key."""
    match = _IN_KEY.search(key)
    if match is None or (match[0] in _COLONS and has_value):
        return None
    return match.start()


def find_at_start(text: str) -> str | None:
    """Return such a character at the start of a plain text, None if it starts with another one."""
    return text[0] if _AT_START.match(text) else None


def describe(character: str) -> str:
    """Return what a character is, and what to write instead."""
    if character == "\t":
        return "a tab, which YAML does not allow as indentation; write spaces"
    name = unicodedata.name(character, "").lower() or "unnamed"
    kind = next((meant for signs, meant in _MEANT.items() if character in signs), "a plain space")
    meant = _SIGNS_MEANT.get(character, kind)
    return f"the character U+{ord(character):04X} ({name}), which is text in YAML; write {meant}"
