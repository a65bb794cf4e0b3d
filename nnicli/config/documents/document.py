"""Plain values with their places, and the problems found in them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnicli.config.ignoring import is_ignored
from nnicli.config.secrets import Loc, show_key
from nnicli.errors import Problem, Severity

Place = tuple[int, int]
"""Line and column in a file, from 1."""

# Far more than any config needs, and few enough for the recursion of Python and libyaml.
MOST_DEPTH = 60
# An alias repeats a value, so values are counted with aliases expanded, against bombs. A quarter
# of a million values take some 300 MB and two seconds as YAML.
MOST_VALUES = 250_000


class TooLargeError(Exception):
    """A document has too many values, or they are nested too deep."""


@dataclass(repr=False)
class Document:
    """Plain values and their places.

    Attributes:
        file: The file, None for a mapping.
        data: The top-level value; None if it could not be read.
        places: Loc of a value -> place of its key, or of the value itself in a list.
        surprises: Loc of a value -> its text, if YAML 1.1 reads that differently from people and
            from YAML 1.2.
        reported: The problems found so far, each with the loc of its value.
        within: Field of the config whose value is the whole document; empty for a config.
        ignored: Rules whose problems are not reported.
    """

    file: Path | None
    data: Any = None
    places: dict[Loc, Place] = field(default_factory=dict)
    surprises: dict[Loc, str] = field(default_factory=dict)
    reported: list[tuple[Loc, Problem]] = field(default_factory=list)
    within: str = ""
    ignored: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"Document({self.file}, {len(self.reported)} problems)"

    def report(
        self,
        loc: Loc,
        message: str,
        *,
        rule: str,
        severity: Severity = "error",
        suggestion: str | None = None,
        place: Place | None = None,
    ) -> None:
        """Report a problem with a value; a missing value gets the place of its parent."""
        if self.ignored and is_ignored((self.within, *loc), rule, self.ignored):
            return
        known = loc
        while place is None and known not in self.places and known:
            known = known[:-1]
        line, column = place or self.places.get(known) or (None, None)
        # A line break, as a path may have one, must not break the line of its problem.
        message = message.replace("\n", "\\n")
        problem = Problem(
            self.file, line, column, self.locate(loc), message, rule, severity, suggestion
        )
        self.reported.append((loc, problem))

    @property
    def problems(self) -> list[Problem]:
        """The problems found so far."""
        return [problem for _, problem in self.reported]

    def locate(self, loc: Loc) -> str:
        """Return the loc of a value in the form in which its problem shows it."""
        return to_location((self.within, *loc) if self.within else loc)

    def move_places(self, moves: Mapping[Loc, Loc]) -> None:
        """Record that values, with everything inside them, have moved: old loc -> new loc."""
        lengths = sorted({len(old) for old in moves}, reverse=True)
        every: tuple[dict[Loc, Any], ...] = (self.places, self.surprises)
        for notes in every:
            for loc in list(notes):
                old = next((loc[:length] for length in lengths if loc[:length] in moves), None)
                if old is not None:
                    notes[moves[old] + loc[len(old) :]] = notes.pop(loc)

    def report_duplicate(self, loc: Loc, place: Place) -> None:
        """Report a key that its mapping already has."""
        line = self.places[loc][0]
        message = f"duplicate key, first on line {line}; NNI would use the last one"
        self.report(loc, message, rule="duplicate-key", place=place)


def sort_problems(problems: Iterable[Problem], *, first: Path | None = None) -> list[Problem]:
    """Return each problem once, sorted by place; those of the file `first` come first."""
    return sorted(
        dict.fromkeys(problems),
        key=lambda problem: (
            problem.file != first,
            str(problem.file),
            problem.line or 0,
            problem.column or 0,
            problem.location,
        ),
    )


def summarise(title: str, errors: Sequence[Problem], *, consequence: str) -> str:
    """Return the text of an error that lists problems, one per line."""
    number = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    return "\n".join((f"{title} has {number}; {consequence}:", *map(str, errors)))


def to_location(loc: Loc) -> str:
    """Return the loc of a value as text: `tuner.classArgs.sizes[1]`."""
    text = ""
    for key in loc:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            # A line break in a key must not break the line of its problem.
            name = show_key(key if key.isprintable() else json.dumps(key)[1:-1])
            text += f".{name}" if text else name
    return text


def cut_depth(value: Any, *, most: int = MOST_DEPTH) -> Any:
    """Return JSON values with `...` in place of those nested too deep to show."""
    if not isinstance(value, dict | list):
        return value
    if most == 0:
        return "..."
    if isinstance(value, list):
        return [cut_depth(item, most=most - 1) for item in value]
    return {key: cut_depth(item, most=most - 1) for key, item in value.items()}


def find_non_finite(value: Any, loc: Loc = ()) -> Iterator[Loc]:
    """Yield the loc of every NaN and infinity, which JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        yield loc
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from find_non_finite(item, (*loc, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from find_non_finite(item, (*loc, index))
