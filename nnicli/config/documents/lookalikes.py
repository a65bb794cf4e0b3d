"""Characters that look like those of YAML's and JSON's syntax, and are text instead."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from nnicli.config.documents.document import Place

_COLONS = "\uff1a\ufe55\ufe30\u2236\u02d0\ua789"
_BLANKS = "\xa0\u1680\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff"
_QUOTES = "\u201c\u201d\u201e\u2018\u2019\u201a\uff02\uff07"
_SIGNS = "\uff0c\u3001\uff5b\uff5d\uff3b\uff3d"
# What each is meant for, by the class that it is in.
_MEANT = {_COLONS: "a colon", _QUOTES: "a plain quote"}
_SIGNS_MEANT = dict(zip(_SIGNS, ",,{}[]", strict=True))

# Where each does harm in a line: as indentation, behind a key, behind a colon or dash, as a quote.
_IN_LINE = tuple(
    re.compile(pattern)
    for pattern in (
        rf"^ *(?:- +)*([\t{_BLANKS}])(?=\s*\S)",
        rf"""(?:^\s*(?:- +)*|[{{,]\s*)["']?[\w.-]+["']?[\s{_BLANKS}]*([{_COLONS}])""",
        rf"""[\w"']:([{_BLANKS}])""",
        rf"^\s*-([{_BLANKS}])",
        rf"[:,\[{{-]\s*([{_QUOTES}])",
        rf"""[\w"'\]}}:]\s*([{_SIGNS}])""",
    )
)
_AT_START = re.compile(rf"[{_BLANKS}{_QUOTES}]")
_IN_KEY = re.compile(rf"^[{_BLANKS}{_QUOTES}]|[{_COLONS}]")


def find_in_lines(lines: Sequence[str], first: int, last: int) -> tuple[Place, str] | None:
    """Return the last place in some lines where such a character breaks the syntax, and why.

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
    """Return where in a plain key such a character is, None for a sound key."""
    match = _IN_KEY.search(key)
    if match is None or (match[0] in _COLONS and has_value):
        return None
    return match.start()


def find_at_start(text: str) -> str | None:
    """Return such a character at the start of a plain text, None where it begins with another."""
    return text[0] if _AT_START.match(text) else None


def describe(character: str) -> str:
    """Return what a character is, and what to write in its place."""
    if character == "\t":
        return "a tab, which YAML does not allow as indentation; write spaces"
    name = unicodedata.name(character, "").lower() or "unnamed"
    kind = next((meant for signs, meant in _MEANT.items() if character in signs), "a plain space")
    meant = _SIGNS_MEANT.get(character, kind)
    return f"the character U+{ord(character):04X} ({name}), which is text in YAML; write {meant}"
