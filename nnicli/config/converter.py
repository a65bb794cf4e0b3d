"""Fields carried over from one document to another, and the outcome of those that are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from nnicli.config.secrets import Loc
from nnicli.errors import Severity

Outcome = Literal["lost", "dropped", "assumed"]
"""Lost: the experiment changes without it. Dropped: it does not. Assumed: added."""

NO_PLACE_IN_V1 = "has no place in the v1 format"
NO_PLACE_IN_V2 = "has no place in the v2 format"
NOTHING_DEPENDS = f"{NO_PLACE_IN_V2}; nothing of the experiment depends on it"


@dataclass(frozen=True, slots=True)
class Note:
    """A field that was not simply carried over.

    Attributes:
        loc: Its loc in the source; that of an assumed field in the target.
        message: What happened to it, and what to do.
        outcome: What happened to it, in one word.
        severity: `error` if the result cannot be used without editing it.
    """

    loc: Loc
    message: str
    outcome: Outcome
    severity: Severity = "warning"


@dataclass(repr=False)
class Converter:
    """Carries fields of a document over, and records which.

    Attributes:
        source: The document.
        target: The fields carried over.
        notes: The fields that were not.
        moves: Loc in the source and loc in the target of each move, in order.
    """

    source: Mapping[str, Any]
    target: dict[str, Any] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    moves: list[tuple[Loc, Loc]] = field(default_factory=list)
    _taken: set[Loc] = field(default_factory=set)

    def __repr__(self) -> str:
        return f"Converter({len(self.moves)} fields, {len(self.notes)} notes)"

    def origin_of(self, loc: Loc) -> Loc:
        """Return where in the source the value at a loc of the target comes from.

        A value that the source does not have is located next to its siblings, under its target
        name.
        """
        for depth in range(len(loc), 0, -1):
            for old, new in self.moves:
                if new == loc[:depth]:
                    return (*old, *loc[depth:])
        for depth in range(len(loc) - 1, 0, -1):
            for old, new in self.moves:
                if new[:depth] == loc[:depth]:
                    parent = old[: len(old) - len(new) + depth]
                    return (*parent, *loc[depth:]) if parent else old
        return loc

    def get(self, loc: Loc) -> Any:
        """Return a value of the source, None if it is missing."""
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
        """Carry a value over, passed through `change` if given; null means "not set".

        A field that was already left out is not carried over.
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
            self.notes.append(Note(old, "is not valid and cannot be converted", "lost", "error"))
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
            old: Loc of the section in the source.
            new: Loc of the section in the target.
            names: Old name -> new name.
            changes: Old name -> function that converts its value.
        """
        section = self.get(old)
        for name in section if isinstance(section, Mapping) else ():
            if name in names:
                self.move((*old, name), (*new, names[name]), (changes or {}).get(name))

    def put(self, loc: Loc, value: Any) -> None:
        """Set a value of the target, creating the sections above it."""
        place: Any = self.target
        for key, following in pairwise(loc):
            place = _enter(place, key, [] if isinstance(following, int) else {})
        last = loc[-1]
        if isinstance(place, list):
            place.append(value)
        else:
            place[last] = value

    def open_items(self, old: Loc, new: Loc) -> list[tuple[Loc, Loc]]:
        """Create an empty item in the target for each item of a list of the source.

        Returns:
            Loc in the source and loc in the target of each item.
        """
        items = self.get(old)
        if not isinstance(items, list):
            return []
        self.put(new, [{} for _ in items])
        return [((*old, index), (*new, index)) for index in range(len(items))]

    def drop(self, loc: Loc, why: str) -> None:
        """Leave out a field that has no effect on the experiment."""
        self._leave(loc, Note(loc, why, "dropped"))

    def report_loss(self, loc: Loc, why: str, severity: Severity = "error") -> None:
        """Leave out a field whose loss changes the experiment."""
        self._leave(loc, Note(loc, why, "lost", severity))

    def _leave(self, loc: Loc, note: Note) -> None:
        if loc not in self._taken and self.get(loc) is not None:
            self.notes.append(note)
        self._taken.add(loc)

    def skip(self, loc: Loc) -> None:
        """Leave out a field without a note: it is redundant, or was carried over in another way."""
        self._taken.add(loc)

    def assume(self, loc: Loc, value: Any, why: str) -> None:
        """Set a value that the source does not give, unless the target already has one."""
        parent: Any = self.target
        for key in loc[:-1]:
            parent = parent.get(key, {}) if isinstance(parent, dict) else parent[key]
        if loc[-1] not in parent:
            self.put(loc, value)
            self.notes.append(Note(loc, why, "assumed"))

    def report_rest_as_lost(self, why: str) -> None:
        """Report every field that was neither carried over nor left out as lost."""
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
