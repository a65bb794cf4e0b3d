"""JSON texts as they come out of a manager, which reads and writes them anew in JavaScript."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NoReturn

# Between these, JavaScript writes a number without an exponent.
_SMALLEST_PLAIN, _LARGEST_PLAIN = 1e-6, 1e21
# Keys that are array indices come first, by their size, whatever the order in the text.
_INDEX = re.compile(r"0|[1-9]\d{0,9}", re.ASCII)
_INDEX_LIMIT = 2**32 - 1
# A pair of them is one character by now, so what is left is half a character.
_SURROGATE = re.compile("[\ud800-\udfff]")
# What Python may write otherwise: floats that are whole or have an exponent, long integers, keys
# that are array indices, half characters. A search for each is faster than one expression for all.
_MARKS = (".0,", ".0}", ".0]", "e-", "e+", "Infinity", "NaN")
_INDEX_KEY = re.compile(r'"[0-9]+":')
# A whole number that may be beyond what a double holds exactly.
_LONG_NUMBER = re.compile(r"(?<![.\d])\d{16}")
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))
# Fewer digits are exact in a double.
_EXACT_DIGITS = 15


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _to_number(digits: str) -> float:
    return int(digits) if len(digits) <= _EXACT_DIGITS else float(digits)


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_int=_to_number)


def parse(text: str) -> Any:
    """Return the value of a JSON text; as in JavaScript, a bare NaN or Infinity is none.

    A number that no double holds exactly is the double beside it.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deeply.
    """
    return _DECODER.decode(text)


def stringify(value: Any) -> str:
    """Return the JSON text that JavaScript makes of a value.

    There all numbers are doubles: `5.0`, of a `quniform`, becomes `5`, and `1e-05` `0.00001`.

    Raises:
        RecursionError: It is nested too deeply.
    """
    # Most texts are alike in both languages, and Python's own encoder is ten times faster.
    text = _ENCODER.encode(value)
    return _stringify(value) if _may_differ(text) else text


def _may_differ(text: str) -> bool:
    return (
        any(mark in text for mark in _MARKS)
        or text.endswith(".0")
        or _INDEX_KEY.search(text) is not None
        or _LONG_NUMBER.search(text) is not None
        or not (text.isascii() or _SURROGATE.search(text) is None)
    )


def _stringify(value: Any) -> str:
    if isinstance(value, dict):
        members = (f"{_quote(key)}:{_stringify(value[key])}" for key in _in_order(value))
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_stringify(item) for item in value) + "]"
    if isinstance(value, str):
        return _quote(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return _number(value)


def _in_order(keys: Iterable[str]) -> list[str]:
    indices = {key for key in keys if _INDEX.fullmatch(key) and int(key) < _INDEX_LIMIT}
    return sorted(indices, key=int) + [key for key in keys if key not in indices]


def _quote(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)


def _number(value: float) -> str:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        return "null"
    # Both languages write the fewest digits that tell a double from its neighbours. Minus zero
    # loses its sign.
    text = repr(number or 0.0)
    if "e" in text:
        is_plain = _SMALLEST_PLAIN <= abs(number) < _LARGEST_PLAIN
        text = format(Decimal(text), "f") if is_plain else text.replace("e-0", "e-")
    return text.removesuffix(".0")
