"""Whether hyper-parameters are a point of a search space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nnicli.config.search_space.traits import NAME, is_parameter
from nnicli.decoding import is_finite


def find_mismatch(parameters: Mapping[str, Any], space: Mapping[str, Any]) -> str | None:
    """Return why hyper-parameters are not a point of a search space, None if they are.

    Parameters of the kinds that NNI's architecture tuners use are not checked.

    Args:
        parameters: Name -> value.
        space: Name -> `{"_type": ..., "_value": ...}`.
    """
    if (sets := _whole_sets(space)) is not None and not parameters.keys() & space.keys():
        # BatchTuner gives trials an option as it is, others give it as the value of its parameter.
        return None if dict(parameters) in sets else "is not one of the sets in the search space"
    for name, parameter in space.items():
        if name not in parameters:
            return f"lacks {name}, which is in the search space"
        kind, bounds, value = parameter.get("_type"), parameter.get("_value"), parameters[name]
        if kind in _CHECKS and not _CHECKS[kind](value, bounds):
            return f"has {name} = {value!r}; the search space has {kind} {bounds!r}"
    if unknown := [name for name in parameters if name not in space]:
        return f"has {unknown[0]}, which is not in the search space"
    return None


def _whole_sets(space: Mapping[str, Any]) -> list[Any] | None:
    """Return the parameter sets of a search space for BatchTuner, None for any other one."""
    if len(space) != 1:
        return None
    (parameter,) = space.values()
    options = parameter.get("_value")
    if parameter.get("_type") != "choice" or not isinstance(options, list) or not options:
        return None
    is_batch = all(isinstance(option, dict) and NAME not in option for option in options)
    return options if is_batch else None


def _is_option(value: Any, options: list[Any]) -> bool:
    # 1 is not True, although Python says that they are equal.
    if any(
        option == value and isinstance(option, bool) == isinstance(value, bool)
        for option in options
    ):
        return True
    if not isinstance(value, Mapping) or NAME not in value:
        return False
    chosen = next(
        (
            option
            for option in options
            if isinstance(option, dict) and option.keys() == value.keys()
            if option[NAME] == value[NAME]
        ),
        None,
    )
    if chosen is None:
        return False
    inside = {name: item for name, item in chosen.items() if is_parameter(item)}
    if any(value[name] != chosen[name] for name in chosen.keys() - inside.keys()):
        return False
    return find_mismatch({name: value[name] for name in inside}, inside) is None


def _is_number(value: Any, _bounds: list[Any]) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and is_finite(value)


def _is_in_range(value: Any, bounds: list[Any]) -> bool:
    return _is_number(value, bounds) and min(bounds[:2]) <= value <= max(bounds[:2])


def _is_whole_in_range(value: Any, bounds: list[Any]) -> bool:
    return _is_in_range(value, bounds) and value == int(value) and value < bounds[1]


_CHECKS: Mapping[str, Callable[[Any, list[Any]], bool]] = {
    "choice": _is_option,
    "randint": _is_whole_in_range,
    "uniform": _is_in_range,
    "quniform": _is_in_range,
    "loguniform": _is_in_range,
    "qloguniform": _is_in_range,
    "normal": _is_number,
    "qnormal": _is_number,
    "lognormal": _is_number,
    "qlognormal": _is_number,
}
