from __future__ import annotations

import contextlib
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, strategies as st

from nnicli import units
from nnicli.errors import InvalidValueError
from nnicli.units import (
    format_duration,
    format_size,
    from_epoch_ms,
    parse_duration,
    parse_size,
)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("2h", 7200),
        ("1d", 86_400),
        ("1.5h", 5400),
        (".5d", 43_200),
        (" 5 M ", 300),
        ("+5m", 300),
        ("0.5s", 1),
        (timedelta(minutes=1), 60),
        (3600, 3600),
        (0.2, 1),
    ],
)
def test_durations_are_whole_seconds_rounded_up(value: Any, seconds: int) -> None:
    assert parse_duration(value) == seconds


@pytest.mark.parametrize(
    "value",
    ["", "soon", "10", "1h30m", "5ms", "0s", "-5m", "1_0s", "٣m", True, False, None, 0, -1, [],
     float("nan"), float("inf"), "99999999999d", timedelta(0)],
)  # fmt: skip
def test_anything_else_is_refused_with_what_is_allowed(value: Any) -> None:
    """NNI itself accepts `1_0s` and digits of other scripts, which its manager cannot read."""
    with pytest.raises(
        InvalidValueError, match=r"limit: .* is not a duration; allowed: "
    ) as caught:
        parse_duration(value, field="limit")

    assert caught.value.field == "limit"


@given(st.integers(1, 10**6), st.sampled_from("smhd"))
def test_units_are_in_proportion(number: int, unit: str) -> None:
    factor = {"s": 1, "m": 60, "h": 3600, "d": 86_400}[unit]
    if number * factor > 36_525 * 86_400:
        return

    assert parse_duration(f"{number}{unit}") == number * factor


@given(st.text())
def test_any_text_is_a_duration_or_invalid(text: str) -> None:
    with contextlib.suppress(InvalidValueError):
        assert parse_duration(text) > 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.9, "59s"), (185, "3m 05s"), (7200, "2h 00m"), (97_200, "1d 03h")],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_a_manager_s_time_is_aware() -> None:
    assert from_epoch_ms(1_700_000_000_500) == datetime(
        2023, 11, 14, 22, 13, 20, 500_000, tzinfo=timezone.utc
    )
    assert from_epoch_ms(None) is None


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1000", 1000),
        ("1B", 1),
        ("2k", 2000),
        ("500MB", 5 * 10**8),
        ("1.5 gb", 15 * 10**8),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1", "1 PB", "1e3", "1MiB", "a lot"])
def test_text_that_is_not_a_size_is_refused(text: str) -> None:
    with pytest.raises(
        InvalidValueError, match=r"larger_than: .* is not a size; allowed: a number"
    ):
        parse_size(text, field="larger_than")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12_345, "12.3 kB"), (1_678_812_524, "1.7 GB")],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *((0, 0), (7, 7), ("7", 7), ("0", 0), ("007", 7), (-3, -3)),
        *((True, None), (2.0, None), ("2.5", None), (" 2 ", None), ("2\n", None), ("", None)),
        *(("-4", None), ("+4", None), ("1e3", None), ("0x1f", None), ("1_000", None)),
        # Arabic and superscript digits, which int() or str.isdigit() take.
        *(("\u0664", None), ("\u00b2", None), ("9" * 5_000, None), (None, None), (b"2", None)),
    ],
)
def test_only_integers_and_text_of_ascii_digits_are_whole_numbers(
    value: object, number: int | None
) -> None:
    assert units.to_whole(value) == number
