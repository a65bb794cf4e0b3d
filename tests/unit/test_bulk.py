"""Reading very many objects does not change the caller's garbage collector."""

from __future__ import annotations

import gc
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from nnicli.bulk import collection_paused, fill, scan_json


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    thresholds = gc.get_threshold()
    gc.enable()
    yield
    gc.enable()
    gc.set_threshold(*thresholds)


def test_the_collector_is_paused_and_enabled_again() -> None:
    with collection_paused():
        assert not gc.isenabled()

    assert gc.isenabled()


def test_the_collector_is_enabled_again_after_an_error() -> None:
    with pytest.raises(ValueError, match="bad"), collection_paused():
        raise ValueError("bad")

    assert gc.isenabled()


def test_a_disabled_collector_stays_disabled() -> None:
    gc.disable()

    with collection_paused():
        pass

    assert not gc.isenabled()


def test_a_nested_pause_does_not_end_the_outer_one() -> None:
    with collection_paused():
        with collection_paused():
            pass

        assert not gc.isenabled()

    assert gc.isenabled()


@pytest.mark.parametrize("is_enabled", [True, False])
def test_overlapping_threads_restore_the_collector(*, is_enabled: bool) -> None:
    """Each used to restore the other's setting, so it could stay off, or resume too early."""
    if not is_enabled:
        gc.disable()
    first_is_in, second_is_in = threading.Event(), threading.Event()
    seen: list[bool] = []

    def first() -> None:
        with collection_paused():
            first_is_in.set()
            assert second_is_in.wait(10)

    def second() -> None:
        assert first_is_in.wait(10)
        with collection_paused():
            second_is_in.set()
            threads[0].join(10)
            seen.append(gc.isenabled())

    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert seen == [False]
    assert gc.isenabled() == is_enabled


def test_many_new_objects_do_not_affect_the_collector() -> None:
    """Now and then all objects of the process used to be frozen or collected."""
    gc.set_threshold(701, 11, 13)
    frozen, collections = gc.get_freeze_count(), gc.get_stats()[2]["collections"]

    with collection_paused():
        objects: list[list[int]] = [[] for _ in range(150_000)]
        paused = gc.get_stats()[2]["collections"]

    assert len(objects) == 150_000
    assert paused == collections
    assert gc.get_freeze_count() == frozen
    assert gc.get_threshold() == (701, 11, 13)
    assert gc.isenabled()


def test_frozen_objects_stay_frozen() -> None:
    witness: list[object] = []
    gc.freeze()
    try:
        with collection_paused():
            objects: list[list[int]] = [[] for _ in range(150_000)]

        assert len(objects) == 150_000
        assert not any(one is witness for one in gc.get_objects())
    finally:
        gc.unfreeze()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_has_its_collector_enabled() -> None:
    """The threads that paused it do not exist there to end the pause."""
    is_in, may_end = threading.Event(), threading.Event()

    def pause() -> None:
        with collection_paused():
            is_in.set()
            assert may_end.wait(10)

    thread = threading.Thread(target=pause)
    thread.start()
    assert is_in.wait(10)
    child = os.fork()
    if child == 0:
        with collection_paused():
            pass
        os._exit(0 if gc.isenabled() else 1)
    may_end.set()
    thread.join(10)

    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert gc.isenabled()


def test_a_value_is_read_inside_a_text() -> None:
    assert scan_json('"0.5"', 1) == (0.5, 4)
    assert scan_json('{"a": [1]} ') == ({"a": [1]}, 10)


@pytest.mark.parametrize("text", ["", " 1", "x"])
def test_a_text_that_does_not_start_with_a_value_is_refused(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        scan_json(text)


@dataclass(frozen=True, slots=True, init=False)
class Point:
    x: int
    y: int

    def __init__(self, x: int, y: int) -> None:
        fill(self, x, y)


def test_fields_are_set_in_their_order() -> None:
    assert (Point(1, 2).x, Point(1, 2).y) == (1, 2)


def test_a_missing_value_is_an_error() -> None:
    """A forgotten one would be an AttributeError much later."""
    with pytest.raises(ValueError, match="shorter"):
        fill(Point(1, 2), 3)
