from __future__ import annotations

from contextlib import ExitStack

import pytest

from nnicli.waiting import Deadline, bounded, poll_until, within


class Clock:
    """A clock that advances only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock.monotonic)
    monkeypatch.setattr("time.sleep", clock.sleep)
    return clock


def test_a_deadline_counts_down(clock: Clock) -> None:
    deadline = Deadline(10)
    clock.now += 4

    assert (deadline.waited_s, deadline.remaining_s, deadline.expired) == (4, 6, False)
    clock.now += 7
    assert (deadline.waited_s, deadline.remaining_s, deadline.expired) == (11, 0, True)


def test_without_a_limit_it_never_expires(clock: Clock) -> None:
    deadline = Deadline(None)
    clock.now += 1e9

    assert not deadline.expired
    assert deadline.remaining_s == float("inf")


def test_a_sleep_ends_with_the_deadline(clock: Clock) -> None:
    deadline = Deadline(3)

    deadline.sleep(2)
    deadline.sleep(2)

    assert clock.slept == [2, 1]


def test_polling_returns_the_first_answer_that_is_not_none(clock: Clock) -> None:
    answers = iter([None, None, False, True])

    assert poll_until(lambda: next(answers), deadline=Deadline(10), interval_s=1) is False
    assert clock.slept == [1, 1]


def test_polling_asks_once_more_at_the_very_end(clock: Clock) -> None:
    """A change during the last sleep is still noticed."""
    asked = []

    def probe() -> bool | None:
        asked.append(clock.now)
        return True if clock.now >= 102.5 else None

    assert poll_until(probe, deadline=Deadline(2.5), interval_s=1) is True
    assert asked == [100, 101, 102, 102.5]


def test_polling_gives_up_when_the_time_is_up(clock: Clock) -> None:
    assert poll_until(lambda: None, deadline=Deadline(2), interval_s=1) is None
    assert poll_until(lambda: None, deadline=Deadline(0), interval_s=1) is None
    assert clock.now == 102


def test_outside_a_block_only_the_request_s_limit_applies(clock: Clock) -> None:
    assert clock.slept == []
    assert bounded(7).remaining_s == 7


@pytest.mark.parametrize(
    ("limits", "own_s", "expected_s"),
    [
        ((5,), 7, 5),
        ((9,), 7, 7),
        ((None,), 7, 7),
        ((5, 9), 7, 5),
        ((9, 5), 7, 5),
        ((0,), 7, 1),
        ((0.5, 0), 7, 1),
    ],
)
@pytest.mark.usefixtures("clock")
def test_the_nearest_enclosing_deadline_applies(
    limits: tuple[float | None, ...], own_s: float, expected_s: float
) -> None:
    with ExitStack() as blocks:
        for limit_s in limits:
            blocks.enter_context(within(Deadline(limit_s)))

        assert bounded(own_s).remaining_s == expected_s

    assert bounded(own_s).remaining_s == own_s


def test_a_probe_is_bounded_by_the_deadline_of_the_polling(clock: Clock) -> None:
    limits: list[float] = []

    poll_until(
        lambda: limits.append(bounded(60).remaining_s), deadline=Deadline(2), interval_s=0.75
    )

    assert limits == [2, 1.25, 1, 1]
    assert sum(clock.slept) == 2
