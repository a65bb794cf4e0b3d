"""Durations, points in time and sizes, converted between text and numbers."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone

from nnicli.errors import InvalidValueError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(
    r"\s*\+?((?:\d+\.?\d*|\.\d+)(?:e[-+]?\d{1,3})?)\s*([smhd])\s*", re.ASCII | re.IGNORECASE
)
_DIGITS = re.compile(r"\d{1,16}", re.ASCII)
_LONGEST_S = 36_525 * _SECONDS["d"]
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?B?)\s*", re.ASCII | re.IGNORECASE)
_ALLOWED = "allowed: a number with a unit, such as '90s', '30m', '2h' or '1d', above zero"


def to_whole(value: object) -> int | None:
    """Return an integer, also from text of ASCII digits, as NNI's own nnicli does.

    None for everything else, and for text longer than any number that is sent.
    """
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def parse_duration(value: object, *, field: str = "duration") -> int:
    """Return a duration in whole seconds, rounded up as NNI does.

    Args:
        value: Text such as `90s`, `30m`, `1.5h` or `2d`, a timedelta, or a number of seconds.
        field: The name of the value in an error.

    Raises:
        InvalidValueError: It is none of these, not above zero, or over a hundred years.
    """
    seconds = _to_seconds(value)
    if seconds is None or not 0 < seconds <= _LONGEST_S:
        raise InvalidValueError(
            f"{field}: {value!r} is not a duration; {_ALLOWED}", field=field, value=value
        )
    return math.ceil(seconds)


def _to_seconds(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, int | float):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return float(match[1]) * _SECONDS[match[2].lower()] if match else None


_MEGABYTES = {"tb": 2**20, "gb": 2**10, "mb": 1, "kb": 2**-10, "b": 2**-20}
_MEMORY = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([tgmk]?b)\s*", re.ASCII | re.IGNORECASE)


def parse_memory(value: object) -> int:
    """Return a size of memory in whole MB (of 2^20 bytes), rounded up.

    Args:
        value: Text such as `8gb` or `512mb`, or a number of MB.

    Raises:
        InvalidValueError: It is neither, or not above zero.
    """
    size: float = 0
    if isinstance(value, str) and (match := _MEMORY.fullmatch(value)):
        size = float(match[1]) * _MEGABYTES[match[2].lower()]
    elif isinstance(value, int) and not isinstance(value, bool):
        size = value
    if not 0 < size < math.inf:
        raise InvalidValueError(
            f"{value!r} is not a size of memory; allowed: a number with a unit, such as '8gb' or "
            "'512mb', or a number of MB",
            field="memory",
            value=value,
        )
    return math.ceil(size)


def format_duration(seconds: float) -> str:
    """Return a duration for people: `42s`, `3m 05s`, `2h 00m`, `1d 03h`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d {whole % 86_400 // 3600:02d}h"


def parse_size(value: str, *, field: str = "size") -> int:
    """Return the size in bytes of text such as `500MB`, `1.5 GB` or `1000`; 1 MB is 10^6 bytes.

    Raises:
        InvalidValueError: It is not a size.
    """
    match = _SIZE.fullmatch(value)
    if match is None:
        raise InvalidValueError(
            f"{field}: {value!r} is not a size; allowed: a number with a unit, such as '500MB' or "
            "'1.5GB'",
            field=field,
            value=value,
        )
    return math.ceil(float(match[1]) * _BYTES[match[2].upper().removesuffix("B") + "B"])


def format_size(size: int) -> str:
    """Return a size in bytes for people: `0 B`, `12.3 kB`, `1.7 GB`."""
    if size < _BYTES["KB"]:
        return f"{size} B"
    unit = next(name for name in reversed(_BYTES) if size >= _BYTES[name])
    return f"{size / _BYTES[unit]:.1f} {unit.replace('K', 'k')}"


def from_epoch_ms(milliseconds: int | None) -> datetime | None:
    """Return a manager's timestamp as an aware UTC datetime, None if absent or out of range."""
    if milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, tz=timezone.utc)
    except (OverflowError, OSError, ValueError):
        # Which of them depends on the C library, as does the last year that it knows.
        return None
