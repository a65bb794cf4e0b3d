"""Checks of what callers pass to an Experiment, before anything is started or sent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from nnicli.choices import check_choice
from nnicli.config import find_mismatch, load_search_space
from nnicli.errors import InvalidValueError
from nnicli.launcher import check_port
from nnicli.models import ExperimentStatus
from nnicli.units import parse_duration, to_whole

# NNI's own limit in its documented formats.
_MOST_CONCURRENT = 99_999
# The largest integer that a JavaScript number holds exactly.
_MOST_TRIALS = 2**53 - 1


def to_port(port: object) -> int:
    """Return a port as a number; None is 0, for the first free one."""
    return 0 if port is None else check_port(port)


def check_given(value: Any, field: str) -> Any:
    """Return the value unless it is None, which means "no change" to update()."""
    if value is None:
        raise InvalidValueError(f"{field}: None is not allowed", field=field, value=value)
    return value


def _check_whole(value: object, *, field: str, least: int, most: int) -> int:
    number = to_whole(value)
    if number is None or not least <= number <= most:
        raise InvalidValueError(
            f"{field}: {value!r} is not allowed; allowed: an integer from {least} to {most}",
            field=field,
            value=value,
        )
    return number


# Field of an update -> returns the value to send, or raises.
UPDATE_CHECKS: dict[str, Callable[[Any], Any]] = {
    "trial_concurrency": partial(
        _check_whole, field="trial_concurrency", least=0, most=_MOST_CONCURRENT
    ),
    "max_experiment_duration": partial(parse_duration, field="max_experiment_duration"),
    "max_trial_number": partial(_check_whole, field="max_trial_number", least=1, most=_MOST_TRIALS),
    "search_space": load_search_space,
}


def check_statuses(until: str | Collection[str] | None) -> set[str]:
    """Return the further statuses that end a wait."""
    wanted = {until} if isinstance(until, str) else set(until or ())
    for status in wanted:
        check_choice(status, list(map(str, ExperimentStatus)), field="until")
    return {ExperimentStatus(status).value for status in wanted}


def to_timeout(timeout: str | float | timedelta | None, *, field: str = "timeout") -> float | None:
    """Return a timeout in seconds, None for no limit; 0 checks once."""
    if timeout is None:
        return None
    if isinstance(timeout, int | float) and not isinstance(timeout, bool) and timeout >= 0:
        return float(timeout)
    return float(parse_duration(timeout, field=field))


def check_row(row: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Return one known result in the form for the import."""
    parameter, value = row.get("parameter"), row.get("value")
    number = value.get("default") if isinstance(value, Mapping) else value
    if (
        not isinstance(parameter, Mapping)
        or isinstance(number, bool)
        or not isinstance(number, int | float)
    ):
        raise InvalidValueError(
            f"rows[{index}]: {dict(row)!r} is not allowed; allowed: {{'parameter': {{...}}, "
            "'value': a number, or a dict with a number as 'default'}",
            field=f"rows[{index}]",
            value=row,
        )
    return {"parameter": dict(parameter), "value": value}


def check_is_in_space(parameters: object, space: Mapping[str, Any], *, field: str) -> None:
    """Refuse hyper-parameters that are not a point of the search space.

    Args:
        parameters: Name -> value.
        space: The experiment's search space; empty if there is none to compare with.
        field: What the error calls the hyper-parameters.
    """
    if not isinstance(parameters, Mapping):
        mismatch: str | None = "is not a mapping"
    else:
        mismatch = find_mismatch(parameters, space) if space else None
    if mismatch is not None:
        raise InvalidValueError(
            f"{field}: {parameters!r} {mismatch}; allowed: a point of the experiment's search "
            "space",
            field=field,
            value=parameters,
        ).with_advice("update_searchspace() changes it", shell="")
