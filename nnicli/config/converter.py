"""Fields that are carried from one document into another one, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from nnicli.config.documents.document import Keys
from nnicli.errors import Severity

Fate = Literal["lost", "dropped", "assumed"]
"""Lost: the experiment is another one without it. Dropped: it is the same. Assumed: added."""


@dataclass(frozen=True, slots=True)
class Note:
    """A field that was not simply carried over.

    Attributes:
        keys: Way to it: in the source, or to what was assumed in the target.
        message: What became of it, and what to do.
        fate: What became of it.
        severity: `error` where the result cannot be used without a hand.
    """

    keys: Keys
    message: str
    fate: Fate
    severity: Severity = "warning"


@dataclass(repr=False)
class Carrier:
    """Carries fields of a document over and remembers which.

    Attributes:
        source: The document.
        target: What has been carried over.
        notes: What has not.
        moves: Way in the source, way in the target, in the order in which they were carried.
    """

    source: Mapping[str, Any]
    target: dict[str, Any] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    moves: list[tuple[Keys, Keys]] = field(default_factory=list)
    _taken: set[Keys] = field(default_factory=set)

    def __repr__(self) -> str:
        return f"Carrier({len(self.moves)} fields, {len(self.notes)} notes)"

    def origin_of(self, keys: Keys) -> Keys:
        """Return the way in the source to what stands at a way in the target.

        What is missing there is placed beside its neighbours, under the target's name.
        """
        for depth in range(len(keys), 0, -1):
            for old, new in self.moves:
                if new == keys[:depth]:
                    return (*old, *keys[depth:])
        for depth in range(len(keys) - 1, 0, -1):
            for old, new in self.moves:
                if new[:depth] == keys[:depth]:
                    beside = old[: len(old) - len(new) + depth]
                    return (*beside, *keys[depth:]) if beside else old
        return keys

    def get(self, keys: Keys) -> Any:
        """Return a value of the source, None when it is missing."""
        value: Any = self.source
        for key in keys:
            if isinstance(value, Mapping):
                value = value.get(key)
            elif isinstance(value, list) and isinstance(key, int):
                value = value[key]
            else:
                return None
        return value

    def move(self, old: Keys, new: Keys, change: Callable[[Any], Any] | None = None) -> None:
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
        old: Keys,
        new: Keys,
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

    def put(self, keys: Keys, value: Any) -> None:
        """Set a value of the target; sections on its way are made."""
        place: Any = self.target
        for key, following in pairwise(keys):
            place = _enter(place, key, [] if isinstance(following, int) else {})
        last = keys[-1]
        if isinstance(place, list):
            place.append(value)
        else:
            place[last] = value

    def open_items(self, old: Keys, new: Keys) -> list[tuple[Keys, Keys]]:
        """Make as many empty items in a list of the target as a list of the source has.

        Returns:
            Of each item the way in the source and the way in the target.
        """
        items = self.get(old)
        if not isinstance(items, list):
            return []
        self.put(new, [{} for _ in items])
        return [((*old, index), (*new, index)) for index in range(len(items))]

    def drop(self, keys: Keys, why: str) -> None:
        """Leave a field out that nothing depends on."""
        self._leave(keys, Note(keys, why, "dropped"))

    def lose(self, keys: Keys, why: str, severity: Severity = "error") -> None:
        """Leave a field out without which the experiment is another one."""
        self._leave(keys, Note(keys, why, "lost", severity))

    def _leave(self, keys: Keys, note: Note) -> None:
        if keys not in self._taken and self.get(keys) is not None:
            self.notes.append(note)
        self._taken.add(keys)

    def skip(self, keys: Keys) -> None:
        """Leave a field out that says nothing, or whose content was carried over by hand."""
        self._taken.add(keys)

    def assume(self, keys: Keys, value: Any, why: str) -> None:
        """Set a value that the source leaves open, unless it is there."""
        parent: Any = self.target
        for key in keys[:-1]:
            parent = parent.get(key, {}) if isinstance(parent, dict) else parent[key]
        if keys[-1] not in parent:
            self.put(keys, value)
            self.notes.append(Note(keys, why, "assumed"))

    def lose_the_rest(self, why: str) -> None:
        """Note everything that nobody has taken as lost."""
        for keys in self._untaken(self.source, ()):
            self.notes.append(Note(keys, why, "lost", "error"))

    def _untaken(self, value: Any, keys: Keys) -> Iterator[Keys]:
        if keys in self._taken or value is None:
            return
        inner: list[tuple[Keys, Any]] = []
        if isinstance(value, Mapping):
            inner = [((*keys, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            inner = [((*keys, index), item) for index, item in enumerate(value)]
        if keys and not any(taken[: len(keys)] == keys for taken in self._taken):
            yield keys
            return
        for way, item in inner:
            yield from self._untaken(item, way)


def _enter(place: Any, key: str | int, empty: Any) -> Any:
    if isinstance(place, list):
        index = int(key)
        if index == len(place):
            place.append(empty)
        return place[index]
    return place.setdefault(key, empty)
