"""Configs with one thing changed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Keys = tuple[str | int, ...]

# Sections whose keys are names of the user's own.
_FREE = ("searchSpace",)


@dataclass(frozen=True)
class Mutation:
    """A config in which one thing was changed.

    Attributes:
        kind: What was done, a key of `_CHANGES`.
        keys: The field that was changed, as it was called before.
        document: The changed config.
    """

    kind: str
    keys: Keys
    document: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.kind} {'.'.join(map(str, self.keys))}"


def mutate(document: Mapping[str, Any]) -> Iterator[Mutation]:
    """Yield the config with each of its fields changed in every way, one at a time."""
    for keys in _fields(document):
        for kind, change in _CHANGES.items():
            changed = copy.deepcopy(dict(document))
            part: Any = changed
            for key in keys[:-1]:
                part = part[key]
            if change(part, keys[-1]):
                yield Mutation(kind, keys, changed)


def _fields(value: Any, keys: Keys = ()) -> Iterator[Keys]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*keys, key)
        if isinstance(item, dict | list) and key not in _FREE:
            yield from _fields(item, (*keys, key))


def _misspell(part: Any, key: str | int) -> bool:
    """Write the last letter of a key twice; say whether it is a key."""
    if not isinstance(key, str):
        return False
    part[key + key[-1]] = part.pop(key)
    return True


def _remove(part: Any, key: str | int) -> bool:
    del part[key]
    return True


def _nest(part: Any, key: str | int) -> bool:
    """Put a mapping of an unknown key where no mapping of that key can be."""
    part[key] = {"no such key": [{}]}
    return True


def _negate(part: Any, key: str | int) -> bool:
    value = part[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    part[key] = -1_000_000
    return True


def _to_null(part: Any, key: str | int) -> bool:
    part[key] = None
    return True


_CHANGES: Mapping[str, Callable[[Any, str | int], bool]] = {
    "misspelt": _misspell,
    "removed": _remove,
    "nested": _nest,
    "negative": _negate,
    "null": _to_null,
}
