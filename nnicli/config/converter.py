"""Fields that are carried from one document into another one, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from nnicli.config.secrets import Loc
from nnicli.errors import Severity

Outcome = Literal["lost", "dropped", "assumed"]
"""Lost: the experiment is another one without it. Dropped: it is the same. Assumed: added."""

NO_PLACE_IN_V1 = "has no place in the v1 format"
NO_PLACE_IN_V2 = "has no place in the v2 format"
NOTHING_DEPENDS = f"{NO_PLACE_IN_V2}; nothing of the experiment depends on it"


@dataclass(frozen=True, slots=True)
class Note:
    """A field that was not simply carried over.

    Attributes:
        loc: Where it is: in the source, or to what was assumed in the target.
        message: What became of it, and what to do.
        outcome: What became of it.
        severity: `error` where the result cannot be used without a hand.
    """

    loc: Loc
    message: str
    outcome: Outcome
    severity: Severity = "warning"


@dataclass(repr=False)
class Converter:
    """Carries fields of a document over and remembers which.

    Attributes:
        source: The document.
        target: What has been carried over.
        notes: What has not.
        moves: Loc in the source, loc in the target, in the order in which they were carried.
    """

    source: Mapping[str, Any]
    target: dict[str, Any] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    moves: list[tuple[Loc, Loc]] = field(default_factory=list)
    _taken: set[Loc] = field(default_factory=set)

    def __repr__(self) -> str:
        return f"Carrier({len(self.moves)} fields, {len(self.notes)} notes)"

    def origin_of(self, loc: Loc) -> Loc:
        """Return the loc in the source of what is at a loc in the target.

        What is missing there is placed beside its neighbours, under the target's name.
        """
        for depth in range(len(loc), 0, -1):
            for old, new in self.moves:
                if new == loc[:depth]:
                    return (*old, *loc[depth:])
        for depth in range(len(loc) - 1, 0, -1):
            for old, new in self.moves:
                if new[:depth] == loc[:depth]:
                    beside = old[: len(old) - len(new) + depth]
                    return (*beside, *loc[depth:]) if beside else old
        return loc

    def get(self, loc: Loc) -> Any:
        """Return a value of the source, None when it is missing."""
        value: Any = self.source
        for key in loc:
            if isinstance(value, Mapping):
                value = value.get(key)
            elif isinstance(value, list) and isinstance(key, int):
                value = value[key]
            else:
                return None
        return value

    def move(self, old: Loc, new: Loc, change: Callable[[Any], Any] | None = None) -> None:
        """Carry a value over, changed by a function if one is given; null is "not set".

        What was left out before is not carried.
        """
        if old in self._taken:
            return
        self._taken.add(old)
        value = self.get(old)
        if value is None:
            return
        try:
            changed = value if change is None else change(value)
        except (ValueError, TypeError):
            self.notes.append(Note(old, "is not valid, so it cannot be converted", "lost", "error"))
            return
        self.put(new, changed)
        self.moves.append((old, new))

    def move_all(
        self,
        old: Loc,
        new: Loc,
        names: Mapping[str, str],
        changes: Mapping[str, Callable[[Any], Any]] | None = None,
    ) -> None:
        """Carry the fields of a section over under their new names, in the source's order.

        Args:
            old: Way to the section.
            new: Way to the section that takes them.
            names: Old name -> new name.
            changes: Old name -> what turns its value into the new one.
        """
        section = self.get(old)
        for name in section if isinstance(section, Mapping) else ():
            if name in names:
                self.move((*old, name), (*new, names[name]), (changes or {}).get(name))

    def put(self, loc: Loc, value: Any) -> None:
        """Set a value of the target; sections on its way are made."""
        place: Any = self.target
        for key, following in pairwise(loc):
            place = _enter(place, key, [] if isinstance(following, int) else {})
        last = loc[-1]
        if isinstance(place, list):
            place.append(value)
        else:
            place[last] = value

    def open_items(self, old: Loc, new: Loc) -> list[tuple[Loc, Loc]]:
        """Make as many empty items in a list of the target as a list of the source has.

        Returns:
            Of each item its loc in the source and its loc in the target.
        """
        items = self.get(old)
        if not isinstance(items, list):
            return []
        self.put(new, [{} for _ in items])
        return [((*old, index), (*new, index)) for index in range(len(items))]

    def drop(self, loc: Loc, why: str) -> None:
        """Leave a field out that nothing depends on."""
        self._leave(loc, Note(loc, why, "dropped"))

    def report_loss(self, loc: Loc, why: str, severity: Severity = "error") -> None:
        """Leave a field out without which the experiment is another one."""
        self._leave(loc, Note(loc, why, "lost", severity))

    def _leave(self, loc: Loc, note: Note) -> None:
        if loc not in self._taken and self.get(loc) is not None:
            self.notes.append(note)
        self._taken.add(loc)

    def skip(self, loc: Loc) -> None:
        """Leave a field out that says nothing, or whose content was carried over by hand."""
        self._taken.add(loc)

    def assume(self, loc: Loc, value: Any, why: str) -> None:
        """Set a value that the source leaves open, unless it is there."""
        parent: Any = self.target
        for key in loc[:-1]:
            parent = parent.get(key, {}) if isinstance(parent, dict) else parent[key]
        if loc[-1] not in parent:
            self.put(loc, value)
            self.notes.append(Note(loc, why, "assumed"))

    def report_rest_as_lost(self, why: str) -> None:
        """Note everything that nobody has taken as lost."""
        for loc in self._untaken(self.source, ()):
            self.notes.append(Note(loc, why, "lost", "error"))

    def _untaken(self, value: Any, loc: Loc) -> Iterator[Loc]:
        if loc in self._taken or value is None:
            return
        inner: list[tuple[Loc, Any]] = []
        if isinstance(value, Mapping):
            inner = [((*loc, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            inner = [((*loc, index), item) for index, item in enumerate(value)]
        if loc and not any(taken[: len(loc)] == loc for taken in self._taken):
            yield loc
            return
        for below, item in inner:
            yield from self._untaken(item, below)


def _enter(place: Any, key: str | int, empty: Any) -> Any:
    if isinstance(place, list):
        index = int(key)
        if index == len(place):
            place.append(empty)
        return place[index]
    return place.setdefault(key, empty)
