"""What the NNI that will run a config has, beyond what its release implies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["tuner", "assessor", "advisor"]
"""Sections of a config that name an algorithm."""

Modules = Callable[[Iterable[str]], frozenset[str]]
"""Returns which of some top-level modules an environment does not have."""


def _knows_nothing(_modules: Iterable[str]) -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True, slots=True)
class Target:
    """An NNI in its environment.

    Attributes:
        python: The Python that runs its tuners.
        search_path: PATH of its manager, and so of local trials; None if not known.
        registered: Section -> name of an algorithm that a user registered -> its class, as
            `package.module.Class`.
        registers_extras: Whether built-in algorithms with extra requirements have to be registered
            before use (1.8 and 1.9).
        find_missing: Returns which of some modules its Python cannot find.
    """

    python: Path
    search_path: str | None = None
    registered: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    registers_extras: bool = False
    find_missing: Modules = _knows_nothing

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names of the algorithms registered for a section."""
        return tuple(self.registered.get(kind, ()))
