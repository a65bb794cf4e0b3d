"""Random points of a search space."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from random import Random
from typing import Any


def sample_space(space: Mapping[str, Any], random: Random) -> dict[str, Any]:
    """Return one point, drawing each parameter independently."""
    return {name: _sample(spec, random) for name, spec in space.items() if name != "_name"}


def _sample(spec: Mapping[str, Any], random: Random) -> Any:
    kind, value = spec["_type"], spec["_value"]
    if kind == "choice":
        chosen = random.choice(value)
        # A nested choice has a name and its own parameters.
        is_nested = isinstance(chosen, dict) and "_name" in chosen
        return {"_name": chosen["_name"], **sample_space(chosen, random)} if is_nested else chosen
    if kind == "randint":
        return random.randrange(*value)
    if kind in _DISTRIBUTIONS:
        return _DISTRIBUTIONS[kind](random, *value)
    low_or_mean, high_or_deviation, step = value
    number = _DISTRIBUTIONS[kind.removeprefix("q")](random, low_or_mean, high_or_deviation)
    rounded = round(number / step) * step
    # Quantised normals are unbounded.
    return rounded if "normal" in kind else min(max(rounded, low_or_mean), high_or_deviation)


_DISTRIBUTIONS: dict[str, Callable[[Random, float, float], float]] = {
    "uniform": lambda random, low, high: random.uniform(low, high),
    "loguniform": lambda random, low, high: math.exp(random.uniform(math.log(low), math.log(high))),
    "normal": lambda random, mean, deviation: random.gauss(mean, deviation),
    "lognormal": lambda random, mean, deviation: math.exp(random.gauss(mean, deviation)),
}
