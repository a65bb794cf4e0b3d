"""Parse JSON as a manager would send it: read and written again by JavaScript."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NoReturn

from nnicli.bulk import scan_json

# Below this, JavaScript writes a whole number without an exponent.
_LARGEST_PLAIN = 1e21
# Below this, a double holds every whole number.
_EXACT = 2**53
# Fewer digits are exact in a double.
_EXACT_DIGITS = 15
# Keys that are array indices come first, in numeric order, whatever their order in the text.
_INDEX = re.compile(r"0|[1-9]\d{0,9}", re.ASCII)
_INDEX_LIMIT = 2**32 - 1
_MAYBE_INDEX_KEY = re.compile(r'"(?:[0-9]|\\u003)')


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not valid JSON")


def _read_number(digits: str) -> float | None:
    number = float(digits)
    if not math.isfinite(number):
        return None
    if not number.is_integer() or abs(number) >= _LARGEST_PLAIN:
        return number
    # JavaScript writes the fewest digits that distinguish a double from its neighbours, then zeros.
    return int(number) if abs(number) < _EXACT else int(Decimal(repr(number)))


def _read_integer(digits: str) -> float | None:
    return int(digits) if len(digits) <= _EXACT_DIGITS else _read_number(digits)


def _read_object(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(members)
    indices = {key for key in values if _INDEX.fullmatch(key) and int(key) < _INDEX_LIMIT}
    order = sorted(indices, key=int) + [key for key in values if key not in indices]
    return {key: values[key] for key in order}


_DECODER = json.JSONDecoder(
    parse_constant=_refuse, parse_int=_read_integer, parse_float=_read_number
)
_ORDERING_DECODER = json.JSONDecoder(
    parse_constant=_refuse,
    parse_int=_read_integer,
    parse_float=_read_number,
    object_pairs_hook=_read_object,
)


def parse(text: str) -> Any:
    """Return the value of a JSON text after JavaScript has read it and written it again.

    All its numbers are doubles: `5.0`, from a `quniform`, becomes 5, and an integer that a double
    cannot hold becomes the nearest double, or None beyond the largest. As in JavaScript, a bare NaN
    or Infinity is an error.

    Raises:
        ValueError: It is not valid JSON.
        RecursionError: It is nested too deeply.
    """
    try:
        value, end = scan_json(text)
        if end == len(text) and _are_same_in_javascript([value]):
            return value
    except ValueError:
        # It begins with a space, has a number with thousands of digits, or is not valid JSON.
        pass
    decoder = _ORDERING_DECODER if _MAYBE_INDEX_KEY.search(text) else _DECODER
    return decoder.decode(text)


def _are_same_in_javascript(values: Iterable[Any]) -> bool:
    """Return whether JavaScript would write the values of a JSON text as Python has read them."""
    for value in values:
        kind = type(value)
        if kind is float:
            # False for NaN and infinity, which are not less than anything.
            same = abs(value) < _EXACT and not value.is_integer()
        elif kind is int:
            same = -_EXACT < value < _EXACT
        elif kind is dict:
            # Indices consist of digits, and the colon sorts right after these.
            same = min(value, default=":") >= ":" and _are_same_in_javascript(value.values())
        else:
            same = kind is not list or _are_same_in_javascript(value)
        if not same:
            return False
    return True
