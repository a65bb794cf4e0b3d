"""What managers send and databases hold, turned into the one plain form that models take.

Known only here: trials were called `id` in 1.x; hyper-parameters are JSON texts; metrics are JSON
inside JSON since 1.4; ids that are numbers travel as text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nnicli.errors import DecodingError

_BODY_START = 200
# A JavaScript number holds no larger integer exactly.
_LARGEST = 2**53
_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # its constructor sets it


def decode_json(text: str) -> Any:
    """Return the value of a JSON text; NaN and Infinity may stand bare, as Python writes them.

    Raises:
        DecodingError: The text is no JSON, or nested too deeply.
    """
    try:
        # Without json.loads, which looks for blanks around the value first and takes twice as long.
        value, end = _scan(text, 0)
        if end == len(text):
            return value
    except (StopIteration, TypeError, ValueError, RecursionError):
        # It begins with a blank, or json.loads says what is wrong.
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DecodingError(
            f"expected JSON, found {text[:_BODY_START]!r}: {error}", body_start=text[:_BODY_START]
        ) from error


def decode_trial(raw: object) -> dict[str, Any]:
    """Return a trial as `/trial-jobs` sends it.

    Keys: trialJobId, status, hyperParameters and finalMetricData (lists, still encoded, for the
    two functions below), and startTime, endTime (ms since 1970), logPath, stderrPath, sequenceId,
    message, each None where it was not sent.

    Raises:
        DecodingError: It is no trial.
    """
    trial = _mapping(raw, "a trial")
    return {
        "trialJobId": _text(_trial_id(trial), "trialJobId"),
        "status": _text(trial.get("status"), "status"),
        "hyperParameters": _list(trial, "hyperParameters"),
        "finalMetricData": _list(trial, "finalMetricData"),
        "startTime": _whole(trial, "startTime"),
        "endTime": _whole(trial, "endTime"),
        "sequenceId": _whole(trial, "sequenceId"),
        "logPath": trial.get("logPath"),
        "stderrPath": trial.get("stderrPath"),
        "message": trial.get("message"),
    }


def decode_hyper_parameters(raw: object) -> dict[str, Any]:
    """Return hyper-parameters: parameter_id, parameter_source, parameters, parameter_index.

    Custom trials have no index, and None as their id (3.0, seen live).

    Raises:
        DecodingError: They are none.
    """
    values = _mapping(decode_json(raw) if isinstance(raw, str) else raw, "hyper-parameters")
    return {
        "parameter_id": _number_where_possible(values.get("parameter_id")),
        "parameter_source": values.get("parameter_source"),
        "parameters": values.get("parameters"),
        "parameter_index": _whole(values, "parameter_index"),
    }


def decode_metric(raw: object) -> dict[str, Any]:
    """Return a metric: timestamp (ms), trialJobId, parameterId, type, sequence, data (decoded).

    Raises:
        DecodingError: It is no metric.
    """
    metric = _mapping(raw, "a metric")
    return {
        "timestamp": _whole(metric, "timestamp"),
        "trialJobId": _text(_trial_id(metric), "trialJobId"),
        "parameterId": _number_where_possible(metric.get("parameterId")),
        "type": _text(metric.get("type"), "type"),
        "sequence": _whole(metric, "sequence"),
        "data": decode_nested(decode_nested(metric.get("data"))),
    }


def decode_result(raw: object) -> dict[str, Any]:
    """Return a row of `/export-data`: parameter, value (decoded), trialJobId.

    Raises:
        DecodingError: It is no such row.
    """
    row = _mapping(raw, "an exported result")
    return {
        "parameter": row.get("parameter"),
        "value": decode_nested(row.get("value")),
        "trialJobId": _text(_trial_id(row), "trialJobId"),
    }


def _trial_id(raw: Mapping[str, Any]) -> Any:
    return raw.get("trialJobId", raw.get("id"))


def _mapping(raw: object, what: str) -> Mapping[str, Any]:
    # The first question is answered ten times faster than the second.
    if type(raw) is not dict and not isinstance(raw, Mapping):
        raise DecodingError(f"expected {what}, found {raw!r:.{_BODY_START}}")
    return raw


def _list(raw: Mapping[str, Any], key: str) -> list[Any]:
    value = raw.get(key) or []
    if not isinstance(value, list):
        raise DecodingError(f"{key}: expected a list, found {value!r:.{_BODY_START}}")
    return value


def _text(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise DecodingError(f"{key}: expected text, found {value!r:.{_BODY_START}}")
    return value


def _whole(raw: Mapping[str, Any], key: str) -> int | None:
    value = raw.get(key)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    # A bool is an int of another type.
    if type(value) is int and -_LARGEST <= value <= _LARGEST:
        return value
    raise DecodingError(f"{key}: expected an integer, found {value!r:.{_BODY_START}}")


def decode_nested(value: object) -> Any:
    """Return what a text holds; one that is no JSON is the value itself, as 1.0 to 1.3 sent it."""
    if not isinstance(value, str):
        return value
    try:
        return decode_json(value)
    except DecodingError:
        return value


def _number_where_possible(value: object) -> Any:
    # Hyperband and BOHB make ids such as "2_0_5_abcde".
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value
