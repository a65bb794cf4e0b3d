"""JSON as plain values, with the place of each."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from nnicli.config.documents.document import MOST_DEPTH, MOST_VALUES, Document, Place, TooLargeError
from nnicli.config.secrets import Loc

_ESCAPE = re.compile(r"\\.")
_TOKEN = re.compile(r'"[^"]*"|[{}\[\],]|[^\s{}\[\],:"]+')


_COMMENT = re.compile(r"//|/\*|#")
_WORD = re.compile(r"[A-Za-z_]\w*")
_WORDS = {"True": "true", "False": "false", "None": "null"}


@dataclass(frozen=True, slots=True)
class NotJson:
    """Why a text is not valid JSON.

    Attributes:
        place: Where it stops being valid.
        reason: What was found there.
    """

    place: Place
    reason: str


def read_json(document: Document, text: str) -> NotJson | None:
    """Read a document from a text, or return why it is not valid JSON.

    JSON is tried before YAML, as NNI does for search spaces: YAML 1.1 reads `1e-7` as text, and
    does not allow tabs.

    Raises:
        TooLargeError: It has too many values, or they are nested too deep.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        return _explain(text, error)
    except (ValueError, RecursionError):
        return NotJson((1, 1), "a number is too long, or values are nested too deep")
    _Placing(document).walk(text)
    document.data = data
    return None


def looks_like_json(text: str) -> bool:
    """Return whether a text is probably meant to be JSON."""
    return text.lstrip().startswith(("{", "["))


def _explain(text: str, error: json.JSONDecodeError) -> NotJson:
    here, rest = error.pos, text[error.pos :]
    before = text[:here].rstrip()
    if rest[:1] in {"}", "]"} and before.endswith(","):
        # Python before 3.13 points after the comma.
        here, reason = len(before) - 1, "a comma after the last item"
    elif rest.startswith(",") and rest[1:].lstrip()[:1] in {"}", "]"}:
        reason = "a comma after the last item"
    elif _COMMENT.match(rest):
        reason = "a comment, which JSON does not have"
    elif rest.startswith("'"):
        reason = "single quotes; JSON uses double quotes"
    elif (word := _WORD.match(rest)) and word[0] in _WORDS:
        reason = f"{word[0]}; JSON spells it {_WORDS[word[0]]}"
    elif word:
        reason = "text without quotes"
    else:
        reason = error.msg[:1].lower() + error.msg[1:]
    line_start = text.rfind("\n", 0, here) + 1
    return NotJson((text.count("\n", 0, here) + 1, here - line_start + 1), reason)


class _Placing:
    """Walks over valid JSON and records the place of each key, and of each item of a list."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._keys: list[str | int] = []
        self._wants_key = False

    def walk(self, text: str) -> None:
        """Record all places.

        Raises:
            TooLargeError: The values are too many, or nested too deep.
        """
        # Spaces in place of escapes, which only strings have, keep places and simplify the pattern.
        line, line_start, seen = 1, 0, 0
        for token in _TOKEN.finditer(_ESCAPE.sub("  ", text)):
            start = token.start()
            line += text.count("\n", seen, start)
            line_start = text.rfind("\n", seen, start) + 1 or line_start
            seen = start
            self._take(text[start : token.end()], (line, start - line_start + 1))
            if len(self._keys) > MOST_DEPTH or len(self._document.places) > MOST_VALUES:
                raise TooLargeError

    def _take(self, sign: str, place: Place) -> None:
        if sign in "}]":
            self._keys.pop()
            self._wants_key = False
        elif sign == ",":
            self._next()
        elif self._wants_key:
            self._take_key(str(json.loads(sign)), place)
        else:
            self._document.places.setdefault(tuple(self._keys), place)
            if sign in "{[":
                self._wants_key = sign == "{"
                self._keys.append("" if self._wants_key else 0)

    def _next(self) -> None:
        last = self._keys[-1]
        if isinstance(last, int):
            self._keys[-1] = last + 1
        else:
            self._wants_key = True

    def _take_key(self, key: str, place: Place) -> None:
        self._keys[-1] = key
        self._wants_key = False
        loc: Loc = tuple(self._keys)
        if loc in self._document.places:
            self._document.report_duplicate(loc, place)
        self._document.places.setdefault(loc, place)
