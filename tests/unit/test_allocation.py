"""The garbage collector rests while many objects are made, and no longer."""

from __future__ import annotations

import gc
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


def test_new_objects_are_not_looked_through_at_once() -> None:
    frozen = gc.get_freeze_count()

    with collection_paused():
        objects: list[list[object]] = [[] for _ in range(10_000)]

    young = [item for item in gc.get_objects(generation=0) if item is objects[0]]
    assert not young
    assert gc.get_freeze_count() == frozen


def test_what_a_program_has_frozen_stays_frozen() -> None:
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()

        with collection_paused():
            pass

        assert gc.get_freeze_count() == frozen
    finally:
        gc.unfreeze()
