"""Values from managers and databases, decoded to the plain form that models take.

Only this module knows that a trial's id was called `id` in 1.x, that hyper-parameters are JSON
texts, that metrics are JSON inside JSON since 1.4, and that numeric ids are sent as text.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

from nnicli.bulk import scan_json
from nnicli.errors import DecodingError

_BODY_START = 200
# JavaScript has no larger exact integers.
_LARGEST = 2**53
_DEEPEST = 100
_NUMBERS = frozenset((int, float))
# A tuner counts its ids from 0, so anything longer is not a number of a tuner.
_MOST_ID_DIGITS = 15

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _BODY_START


def brief(value: object) -> str:
    """Return the start of a value for an error message, for values of any size and depth."""
    return _SHORT.repr(value)[:_BODY_START]


def decode_json(text: str) -> Any:
    """Return the value of a JSON text; NaN and Infinity are accepted, as Python writes them.

    Raises:
        DecodingError: The text is not JSON, or is nested too deeply.
    """
    try:
        value, end = scan_json(text)
        if end == len(text):
            return value
    except (TypeError, ValueError, RecursionError):
        # It begins with a space, or json.loads reports the error.
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DecodingError(
            f"expected JSON, found {text[:_BODY_START]!r}: {error}", body_start=text[:_BODY_START]
        ) from error


def is_finite(value: float) -> bool:
    """Return whether a number is finite in JavaScript; an integer of 400 digits is not."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def is_shallow(value: object) -> bool:
    """Return whether a JSON value is not nested too deep for recursive functions."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [item for one in level for item in _items(one)]
        if not level:
            return True
    return False


def _items(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def decode_trial(raw: object) -> tuple[Any, ...]:
    """Return the fields of a trial from `/trial-jobs`.

    Returns:
        trialJobId, status, hyperParameters, logPath, startTime, endTime (ms since 1970),
        finalMetricData, sequenceId, stderrPath and message, each None if it was not sent. The
        items of the two lists are still encoded; the two functions below decode them.

    Raises:
        DecodingError: It is not a trial.
    """
    get = _mapping(raw, "a trial").get
    return (
        _text(get("trialJobId", get("id")), "trialJobId"),
        _text(get("status"), "status"),
        _list(get("hyperParameters"), "hyperParameters"),
        _text_or_none(get("logPath"), "logPath"),
        _whole(get("startTime"), "startTime"),
        _whole(get("endTime"), "endTime"),
        _list(get("finalMetricData"), "finalMetricData"),
        _whole(get("sequenceId"), "sequenceId"),
        _text_or_none(get("stderrPath"), "stderrPath"),
        _text_or_none(get("message"), "message"),
    )


def decode_hyper_parameters(raw: object) -> tuple[Any, ...]:
    """Return hyper-parameters: parameter_id, parameter_source, parameters, parameter_index.

    Custom trials have no index, and None as their id (3.0, seen live).

    Raises:
        DecodingError: They are not hyper-parameters.
    """
    get = _mapping(decode_json(raw) if isinstance(raw, str) else raw, "hyper-parameters").get
    return (
        _parameter_id(get("parameter_id"), "parameter_id"),
        _text_or_none(get("parameter_source"), "parameter_source"),
        get("parameters"),
        _whole(get("parameter_index"), "parameter_index"),
    )


def decode_metric(raw: object) -> tuple[Any, ...]:
    """Return a metric: timestamp (ms), trialJobId, parameterId, type, sequence, data (decoded).

    Raises:
        DecodingError: It is not a metric.
    """
    get = _mapping(raw, "a metric").get
    return (
        _number(get("timestamp"), "timestamp"),
        _text(get("trialJobId", get("id")), "trialJobId"),
        _parameter_id(get("parameterId"), "parameterId"),
        _text(get("type"), "type"),
        _whole(get("sequence"), "sequence"),
        _decode_twice(get("data")),
    )


def decode_result(raw: object) -> tuple[Any, ...]:
    """Return a row of `/export-data`: parameter, value (decoded), trialJobId.

    Raises:
        DecodingError: It is not such a row.
    """
    get = _mapping(raw, "an exported result").get
    return (
        get("parameter"),
        decode_nested(get("value")),
        _text(get("trialJobId", get("id")), "trialJobId"),
    )


def decode_profile(raw: object) -> dict[str, Any]:
    """Return a profile from `/experiment`, with fields of the right types.

    Raises:
        DecodingError: It is not a profile.
    """
    profile = dict(_mapping(raw, "a profile"))
    for key in ("id", "logDir"):
        _text(profile.get(key), key)
    _mapping(profile.get("params"), "params to be an object")
    for key in ("execDuration", "nextSequenceId"):
        _number(profile.get(key), key)
    for key in ("revision", "startTime", "endTime"):
        _whole(profile.get(key), key)
    return profile


def decode_statistics(raw: object) -> dict[str, Any]:
    """Return a row of `/job-statistics`: trialJobStatus, trialJobNumber.

    Raises:
        DecodingError: It is not such a row.
    """
    row = dict(_mapping(raw, "a row of statistics"))
    _text(row.get("trialJobStatus"), "trialJobStatus")
    _number(row.get("trialJobNumber"), "trialJobNumber")
    return row


def decode_object(raw: object) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        DecodingError: It is something else.
    """
    return dict(_mapping(raw, "an object"))


def decode_whole(raw: object, key: str) -> int | None:
    """Return an integer or None.

    Raises:
        DecodingError: It is something else, or too large for an exact JavaScript number.
    """
    return _whole(raw, key)


def _mapping(raw: object, what: str) -> Mapping[str, Any]:
    # The first test is ten times faster than the second.
    if type(raw) is not dict and not isinstance(raw, Mapping):
        raise DecodingError(f"expected {what}, found {brief(raw)}")
    return raw


def _list(value: object, key: str) -> list[Any]:
    if isinstance(value, list):
        return value
    if value:
        raise DecodingError(f"{key}: expected a list, found {brief(value)}")
    return []


def _text(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise DecodingError(f"{key}: expected text, found {brief(value)}")
    return value


def _text_or_none(value: object, key: str) -> str | None:
    return value if value is None else _text(value, key)


def _number(value: object, key: str) -> float:
    if type(value) in _NUMBERS and is_finite(value):  # type: ignore[arg-type]  # it is one of them
        return value  # type: ignore[return-value]  # likewise
    raise DecodingError(f"{key}: expected a number, found {brief(value)}")


def _whole(value: object, key: str) -> int | None:
    # A bool is an int, but of another type.
    if value is None or (type(value) is int and -_LARGEST <= value <= _LARGEST):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) <= _LARGEST:
        return int(value)
    raise DecodingError(f"{key}: expected an integer, found {brief(value)}")


def _decode_twice(value: object) -> Any:
    """Return the value of a JSON text inside a JSON text; there is a fast path for numbers."""
    if isinstance(value, str) and value[:1] == '"':
        try:
            number, end = scan_json(value, 1)
            if end == len(value) - 1 and value[-1] == '"' and type(number) in _NUMBERS:
                return number
        except (ValueError, RecursionError):
            pass
    return decode_nested(decode_nested(value))


def decode_text(value: object) -> Any:
    """Return the value of a JSON text; what is not text is returned unchanged.

    Raises:
        DecodingError: The text is not JSON.
    """
    return decode_json(value) if isinstance(value, str) else value


def decode_nested(value: object) -> Any:
    """Return the value of a JSON text; other text is returned unchanged, as 1.0 to 1.3 sent it."""
    if not isinstance(value, str):
        return value
    try:
        return decode_json(value)
    except DecodingError:
        return value


def _parameter_id(value: object, key: str) -> Any:
    # Hyperband and BOHB generate ids such as "2_0_5_abcde".
    if isinstance(value, str):
        is_number = value.isascii() and value.isdigit() and len(value) <= _MOST_ID_DIGITS
        return int(value) if is_number else value
    return _whole(value, key)
