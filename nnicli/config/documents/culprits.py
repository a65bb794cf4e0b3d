"""What breaks the syntax of a YAML text, where the reader gave up only later."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nnicli.config.documents.document import Place
from nnicli.config.documents.lookalikes import find_in_lines

Culprit = tuple[Place, str]
"""A place, and what is wrong there."""

# Line breaks as YAML 1.1 and libyaml count them.
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_MOST_OF_LINE = 1000
_NO_SPACE = re.compile(r"\s*(?:- +)*[\w-]+(:)[^\s/]")
_KEY = re.compile(r"(?:^|\s|['\"])[^\s]+:(?:\s|$)")


@dataclass(frozen=True, slots=True)
class ParseFailure:
    """Where a reader of YAML gave up.

    Attributes:
        text: The whole text.
        problem: The reader's message.
        place: Where it gave up.
        start: Where the construct that it was reading begins, None if it does not say.
    """

    text: str
    problem: str
    place: Place
    start: Place | None


def find_culprit(failure: ParseFailure) -> Culprit | None:
    """Return what is wrong with the text, None if the reader's own message is the best."""
    # Longer lines are not written by people, and would be slow.
    lines = [line[:_MOST_OF_LINE] for line in _BREAK.split(failure.text)]
    return next((found for find in _FINDERS if (found := find(failure, lines))), None)


def _find_lookalike(failure: ParseFailure, lines: Sequence[str]) -> Culprit | None:
    first = min(_line_above(failure, lines), (failure.start or failure.place)[0])
    return find_in_lines(lines, first, failure.place[0])


def _find_open_quote(failure: ParseFailure, _lines: Sequence[str]) -> Culprit | None:
    if failure.start is None or "end of stream" not in failure.problem:
        return None
    return failure.start, "the quote that begins here is not closed"


def _find_line_without_colon(failure: ParseFailure, lines: Sequence[str]) -> Culprit | None:
    """Find a key without a colon, which the reader notices only at the colon of the next key."""
    if "could not find expected ':'" in failure.problem and failure.start is not None:
        number = failure.start[0]
    elif "mapping values" in failure.problem:
        number = _line_above(failure, lines)
    else:
        return None
    line = lines[number - 1] if number else ""
    if match := _NO_SPACE.match(line):
        return (number, match.start(1) + 1), "missing space after the colon"
    is_plain = line.strip() and not line.lstrip().startswith(("#", "-"))
    if is_plain and not _KEY.search(line):
        column = len(line) - len(line.lstrip()) + 1
        return (number, column), "this line has no colon after its key"
    return None


def _line_above(failure: ParseFailure, lines: Sequence[str]) -> int:
    """Return the number of the last line with content above the place, 0 if there is none."""
    above = failure.place[0] - 1
    while above > 0 and not lines[above - 1].strip():
        above -= 1
    return above


_FINDERS: tuple[Callable[[ParseFailure, Sequence[str]], Culprit | None], ...] = (
    _find_lookalike,
    _find_open_quote,
    _find_line_without_colon,
)
