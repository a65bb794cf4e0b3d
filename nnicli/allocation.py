"""Many objects at once, without the garbage collector looking through them again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

# So many new objects take the collector a tenth of a second or more.
_MANY = 100_000
# Python 3.12 itself freezes some hundreds at its start; a program that does so has thousands.
_FROZEN_BY_PYTHON = 1_000
_FULL_COLLECTION_EVERY = 10
_times = count(1)


@contextmanager
def collection_paused() -> Iterator[None]:
    """Keep Python's cyclic garbage collector from running while snapshots are made.

    They form no cycles, and with a million of them it takes a fifth of the time. Whoever has
    switched it off keeps it off; another thread at the same work may switch it on again early.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if gc.get_count()[0] >= _MANY:
                _take_for_old()
            gc.enable()


def _take_for_old() -> None:
    """Spare the collector, once it goes on, a look at all of the new objects at once.

    What is garbage among those that live in cycles then waits for a full collection. Python puts
    that off as well, so there is one now and then.
    """
    if next(_times) % _FULL_COLLECTION_EVERY == 0:
        gc.collect()
    elif gc.get_freeze_count() < _FROZEN_BY_PYTHON:
        gc.freeze()
        gc.unfreeze()
