"""The garbage collector rests while many objects are made, and no longer."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from nnicli.allocation import collection_paused


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    gc.enable()
    yield
    gc.enable()


def test_the_collector_rests_and_goes_on() -> None:
    with collection_paused():
        assert not gc.isenabled()

    assert gc.isenabled()


def test_the_collector_goes_on_after_an_error() -> None:
    with pytest.raises(ValueError, match="bad"), collection_paused():
        raise ValueError("bad")

    assert gc.isenabled()


def test_a_collector_that_was_switched_off_stays_off() -> None:
    gc.disable()

    with collection_paused():
        pass

    assert not gc.isenabled()


class Cycle:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


def make_many() -> list[list[int]]:
    with collection_paused():
        return [[] for _ in range(150_000)]


def is_young(item: object) -> bool:
    return any(one is item for one in gc.get_objects(generation=0))


def test_many_new_objects_are_not_looked_through_at_once() -> None:
    frozen = gc.get_freeze_count()
    make_many()
    objects = make_many()

    assert not is_young(objects[0])
    assert gc.get_freeze_count() in {0, frozen}


def test_a_few_new_objects_are_left_to_the_collector() -> None:
    gc.collect()

    with collection_paused():
        objects: list[list[int]] = [[] for _ in range(100)]

    assert is_young(objects[0])


def test_garbage_is_found_even_if_there_are_ever_many_new_objects() -> None:
    garbage = weakref.ref(Cycle())

    for _ in range(10):
        make_many()

    assert garbage() is None


def test_what_a_program_has_frozen_stays_frozen() -> None:
    """The number of frozen objects changes by itself, as those nobody uses any more go."""
    witness: list[object] = []
    gc.freeze()
    try:
        assert is_frozen(witness)

        make_many()

        assert is_frozen(witness)
    finally:
        gc.unfreeze()
    assert not is_frozen(witness)


def is_frozen(thing: object) -> bool:
    return not any(one is thing for one in gc.get_objects())
