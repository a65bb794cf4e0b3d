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


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def parse(text: str) -> Any:
    """Return the value of a JSON text; as in JavaScript, a bare NaN or Infinity is none.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deeply.
    """
    return _DECODER.decode(text)


def stringify(value: Any) -> str:
    """Return the JSON text that JavaScript makes of a value that `parse` returned.

    There all numbers are doubles: `5.0`, of a `quniform`, becomes `5`, and `1e-05` `0.00001`.

    Raises:
        RecursionError: It is nested too deeply.
    """
    if isinstance(value, dict):
        members = (f"{_quote(key)}:{stringify(value[key])}" for key in _in_order(value))
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(stringify(item) for item in value) + "]"
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
