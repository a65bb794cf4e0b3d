"""What is odd about a parameter of a search space, for every tuner."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from nnicli.config.secrets import Loc
from nnicli.decoding import is_finite

Found = tuple[Loc, str]
"""Loc inside the parameter, and a trait of `nnicli.config.search_space.tuners.TRAITS`."""

Numbers = Sequence[int | float]

NAME = "_name"
TYPE = "_type"

_RANGES = frozenset(("uniform", "quniform", "loguniform", "qloguniform"))
_NORMAL = frozenset(("normal", "qnormal", "lognormal", "qlognormal"))
_WORDS = frozenset(("_name", "_type", "_value", "_index"))
# A million integers keep TPE busy for longer than any manager waits (2.6 and later).
_MANY_INTEGERS = 1_000_000
_TOO_MANY_INTEGERS = 2**32
_LEAST_INTEGER, _MOST_INTEGER = -(2**63), 2**63 - 1
# JavaScript, in which the manager is written, has only these integers.
_EXACT_INTEGER = 2**53
# The logarithm of the largest number.
_MOST_EXPONENT = 709.0
# Hardly any value is further from the mean than this many sigma.
_FAR = 6


def find_traits(kind: str, value: Any, *, is_javascript: bool) -> Iterator[Found]:
    """Yield what is odd about a parameter whose value has the shape that its kind requires.

    Args:
        kind: Its `_type`.
        value: Its `_value`.
        is_javascript: Whether the manager parses the search space and serialises it again, as it
            does since 2.2: JavaScript turns 1.0 into 1.
    """
    if kind == "choice":
        yield from _find_in_options(value, is_javascript=is_javascript)
        return
    numbers = [_as_javascript(number) for number in value] if is_javascript else value
    if kind == "randint":
        yield from _find_in_integers(numbers)
        for index, (number, written) in enumerate(zip(numbers, value, strict=True)):
            if type(number) is not type(written):
                yield (index,), "whole-floats"
    elif kind in _RANGES:
        yield from _find_in_range(kind, numbers)
    elif kind in _NORMAL:
        yield from _find_in_normal(kind, numbers)


def _as_javascript(number: Any) -> Any:
    is_whole = isinstance(number, float) and number.is_integer() and abs(number) < _EXACT_INTEGER
    return int(number) if is_whole else number


def find_name_traits(name: str) -> Iterator[str]:
    """Yield what is odd about the name of a parameter."""
    if name in _WORDS:
        yield name


def is_nested(options: Any) -> bool:
    """Return whether every option has a name, so that parameters may be nested in it."""
    return isinstance(options, list) and all(
        isinstance(option, dict) and NAME in option for option in options
    )


def is_parameter(value: Any) -> bool:
    """Return whether a value inside an option is a parameter."""
    return isinstance(value, dict) and TYPE in value


def _find_in_options(options: list[Any], *, is_javascript: bool) -> Iterator[Found]:
    named = [isinstance(option, dict) and NAME in option for option in options]
    if any(named) and not all(named):
        yield (), "mixed"
    kinds = {type(option) for option in options}
    if str in kinds and kinds & {bool, int, float}:
        yield (), "text-and-others"
    for index, option in enumerate(options):
        for trait in _find_in_option(option, is_javascript=is_javascript):
            yield (index,), trait
    if all(named):
        yield from _find_in_nested(options)


def _find_in_option(option: Any, *, is_javascript: bool) -> Iterator[str]:
    if option is None:
        yield "null"
    elif isinstance(option, list):
        yield "unnamed-in-list" if _holds_unnamed(option) else "list"
    elif isinstance(option, str):
        yield "quoted-number" if _is_number(option) else "not-numeric"
    elif isinstance(option, int) and is_javascript and abs(option) > _EXACT_INTEGER:
        yield "huge-integer"
    elif isinstance(option, dict) and NAME not in option:
        yield "unnamed"
    elif isinstance(option, dict):
        yield "nested"
        if len(option) > 1:
            yield "nested-parameter"


def _find_in_nested(options: list[dict[str, Any]]) -> Iterator[Found]:
    for index, option in enumerate(options):
        for name, value in option.items():
            if name == NAME:
                continue
            if not is_parameter(value):
                yield (index, name), "constant"
            elif len(options) > 1 and _has_parameters_inside(value):
                yield (index, name), "nested-twice"


def _has_parameters_inside(parameter: dict[str, Any]) -> bool:
    options = parameter.get("_value")
    return (
        parameter[TYPE] == "choice"
        and is_nested(options)
        and any(len(option) > 1 for option in options or ())
    )


def _holds_unnamed(option: list[Any]) -> bool:
    return any(
        (isinstance(item, dict) and NAME not in item)
        or (isinstance(item, list) and _holds_unnamed(item))
        for item in option
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _find_in_integers(value: Numbers) -> Iterator[Found]:
    low, high = value[:2]
    if not _LEAST_INTEGER <= min(low, high) <= max(low, high) <= _MOST_INTEGER:
        yield (), "beyond-64-bits"
        return
    yield (), "integers"
    for index, number in enumerate(value):
        if isinstance(number, float):
            yield (index,), "float-bounds"
    number_of = math.ceil(high) - math.ceil(low)
    if number_of < 1:
        yield (), "no-integer"
    elif number_of > _TOO_MANY_INTEGERS:
        yield (), "too-many-integers"
    elif number_of >= _MANY_INTEGERS:
        yield (), "many-integers"


def _find_in_range(kind: str, value: Numbers) -> Iterator[Found]:
    low, high = value[:2]
    if "log" in kind and min(low, high) <= 0:
        yield (0 if low <= 0 else 1,), "not-positive"
    elif low == high:
        yield (), "one-point"
    elif low > high:
        yield (), "reversed-steps" if kind.startswith("q") else "reversed"
    if not (is_finite(low) and is_finite(high) and is_finite(float(high) - float(low))):
        yield (), "too-wide"
    if kind.startswith("q"):
        yield from _find_in_step(kind, value[2])
        if kind == "quniform" and value[2] == 1 and isinstance(low, int):
            yield (), "whole-step"


def _find_in_normal(kind: str, value: Numbers) -> Iterator[Found]:
    mu, sigma = value[:2]
    has_step = kind.startswith("q")
    if sigma == 0:
        yield (1,), "zero-sigma-step" if has_step else "zero-sigma"
    elif sigma < 0:
        yield (1,), "negative-sigma"
    if "log" in kind and mu + _FAR * abs(sigma) > _MOST_EXPONENT:
        yield (), "overflow"
    if has_step:
        yield from _find_in_step(kind, value[2])
        if sigma != 0:
            yield from _find_in_values(kind, mu, sigma, step=abs(value[2]))


def _find_in_values(kind: str, mu: float, sigma: float, *, step: float) -> Iterator[Found]:
    """Yield whether a normal distribution in steps has few values, or may run out of them."""
    reach = _FAR * abs(sigma)
    if kind == "qlognormal":
        if mu + reach <= _MOST_EXPONENT and math.exp(mu + reach) - math.exp(mu) < step:
            yield (), "few-values"
    elif reach < step:
        yield (), "few-values"
    else:
        yield (), "steps"


def _find_in_step(kind: str, step: float) -> Iterator[Found]:
    if step == 0:
        yield (2,), "zero-step-log" if "log" in kind else "zero-step"
    elif step < 0:
        yield (2,), "negative-step"
