"""Shortcuts for reading very many objects, each with the gain that was measured.

All code of nnicli that is optimised for speed is here. The figures are for 100,000 recorded trials
with eleven metrics each, in Python 3.11 (`python -m benchmarks --only records`,
`docs/decisions/0011-one-table-and-fenced-short-cuts.md`).
"""

from __future__ import annotations

import gc
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from typing import Any

_DECODER = json.JSONDecoder()


def scan_json(text: str, start: int = 0) -> tuple[Any, int]:
    """Return the JSON value that starts at a position of a text, and the position where it ends.

    `json.loads` takes twice as long for a short text, as it looks for spaces around the value.

    Raises:
        ValueError: No JSON value starts there, or it has a number of thousands of digits.
        RecursionError: It is nested too deeply.
    """
    return _DECODER.raw_decode(text, start)


@cache
def _setters(model: type) -> tuple[Any, ...]:
    return tuple(getattr(model, attribute.name).__set__ for attribute in fields(model))


def fill(instance: object, *values: object) -> None:
    """Set the fields of a new instance of a frozen dataclass with slots, in their order.

    For classes with a constructor of their own. It takes two thirds of the time of calling
    `object.__setattr__` for each name.
    """
    model: Any = type(instance)
    for put, value in zip(_setters(model), values, strict=True):
        put(instance, value)


class _Pause:
    """A pause of the collector, which threads may share.

    Attributes:
        depth: How many of them need it.
        was_enabled: Whether the collector was enabled before the first of them.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.depth = 0
        self.was_enabled = False

    def begin(self) -> None:
        with self.lock:
            if self.depth == 0:
                self.was_enabled = gc.isenabled()
                gc.disable()
            self.depth += 1

    def end(self) -> None:
        with self.lock:
            self.depth -= 1
            if self.depth == 0 and self.was_enabled:
                gc.enable()

    def end_in_child(self) -> None:
        """End it in a forked process, which does not have the threads that needed it."""
        if self.depth and self.was_enabled:
            gc.enable()
        # A thread that is not in the child may hold the lock.
        self.lock, self.depth, self.was_enabled = threading.Lock(), 0, False


_pause = _Pause()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pause.end_in_child)


@contextmanager
def collection_paused() -> Iterator[None]:
    """Keep Python's cyclic garbage collector from running while snapshots are created.

    They do not form cycles, and the collector would traverse all of them again and again.
    Afterwards the collector is in its previous state: enabled or disabled, with the same
    thresholds, and nothing frozen or collected.
    """
    _pause.begin()
    try:
        yield
    finally:
        _pause.end()
