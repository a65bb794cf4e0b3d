"""Replay an experiment's event log into its trials, as NNI's manager does."""

from __future__ import annotations

import json
import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from nnicli.store.database import javascript
from nnicli.store.tables import METRIC_COLUMNS

_TRIAL = METRIC_COLUMNS.index("trialJobId")
_ENDS = frozenset(("SUCCEEDED", "FAILED", "USER_CANCELED", "SYS_CANCELED", "EARLY_STOPPED"))
_STARTS = frozenset(("WAITING", "RUNNING"))
# Events that are not a status -> the status that they lead to.
_STATUS_OF = {"USER_TO_CANCEL": "USER_CANCELED", "ADD_CUSTOMIZED": "WAITING"}
# All trials share one text per status.
_STATUS_OF.update({status: status for status in _STARTS | _ENDS})
_UNKNOWN = "UNKNOWN"


def replay_trials(
    events: Iterable[tuple[Any, ...]], final_metrics: Iterable[tuple[Any, ...]]
) -> list[dict[str, Any]]:
    """Return trials as the manager's `/trial-jobs` sends them, in the order of their first event.

    Hyper-parameters are the values of the JSON texts that it sends.

    Args:
        events: Rows of TrialJobEvent: EVENT_COLUMNS, LATER_EVENT_COLUMNS and a rowid, in the order
            in which they were written.
        final_metrics: Rows of MetricData of type FINAL: METRIC_COLUMNS and a rowid, in the same
            order. They count only for succeeded trials (1.8 to 3.0, seen live). If there are
            several, the first one counts (2.7 to 3.0, seen live), except in multi-phase trials,
            where each set of hyper-parameters has one (1.8 to 2.0, `nniDataStore.js`).
    """
    trials: dict[Any, dict[str, Any]] = {}
    texts: dict[Any, object] = {}
    shared: dict[Any, Any] = {}
    for moment, name, kind, text, log_path, sequence_id, message, environment, _ in events:
        # Imports and queued custom parameters do not belong to a trial.
        if not name:
            continue
        trial = trials.get(name)
        if trial is None:
            trial = {"trialJobId": name, "status": _UNKNOWN, "hyperParameters": []}
            trials[name] = trial
        _apply_times(trial, kind, moment, log_path)
        if kind != "ADD_HYPERPARAMETER":
            trial["status"] = _STATUS_OF.get(kind, kind)
        if sequence_id is not None:
            trial.setdefault("sequenceId", sequence_id)
        _replace(trial, "message", message)
        if environment:
            trial["envId"] = shared.setdefault(environment, environment)
        # Every event of a trial repeats its text.
        if text and texts.get(name) != text:
            texts[name] = text
            _add_hyper_parameters(trial, text)
    del texts
    _add_final_metrics(trials, final_metrics)
    for trial in trials.values():
        if trial["status"] == "FAILED" and "logPath" in trial:
            # 1.8 to 3.0 send this, though the file has another name in 3.0. The leading file:// of
            # 1.x and 2.x loses a slash, as in a normalised path.
            trial["stderrPath"] = posixpath.normpath(f"{trial['logPath']}/stderr")
    return list(trials.values())


def _apply_times(trial: dict[str, Any], kind: str, moment: int | None, log_path: object) -> None:
    if kind in _ENDS:
        _replace(trial, "endTime", moment)
    elif kind not in _STARTS:
        return
    if log_path is not None:
        trial["logPath"] = log_path
    if moment is not None and (kind == "RUNNING" or "startTime" not in trial):
        trial["startTime"] = moment


def _replace(trial: dict[str, Any], key: str, value: object) -> None:
    """Set a key, or remove it: a later event without a value clears an earlier one."""
    if value is not None:
        trial[key] = value
    elif key in trial:
        del trial[key]


def _add_hyper_parameters(trial: dict[str, Any], text: object) -> None:
    """Add a set of hyper-parameters, unless there already is one with its index."""
    if not isinstance(text, str):
        return
    try:
        parameters = javascript.parse(text)
    except (ValueError, RecursionError):
        return
    if not isinstance(parameters, dict):
        return
    sets = trial["hyperParameters"]
    if sets:
        index = json.dumps(parameters.get("parameter_index"))
        if any(json.dumps(known.get("parameter_index")) == index for known in sets):
            return
    sets.append(parameters)


def _add_final_metrics(
    trials: Mapping[object, dict[str, Any]], final_metrics: Iterable[tuple[Any, ...]]
) -> None:
    for row in final_metrics:
        trial = trials.get(row[_TRIAL])
        if trial is None or trial["status"] != "SUCCEEDED":
            continue
        if "finalMetricData" not in trial:
            trial["finalMetricData"] = [to_metric(row)]
        elif len(trial["hyperParameters"]) > 1:
            trial["finalMetricData"].append(to_metric(row))


def to_metric(row: tuple[Any, ...]) -> dict[str, Any]:
    """Return a metric as the manager's `/metric-data` sends it, from METRIC_COLUMNS and a rowid."""
    moment, trial_id, parameter_id, kind, sequence, data, _ = row
    return {
        "timestamp": moment,
        "trialJobId": trial_id,
        "parameterId": parameter_id,
        "type": kind,
        "sequence": sequence,
        "data": data,
    }


def count_statuses(trials: Iterable[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """Return how many trials are in each status, in the order in which the statuses appear."""
    return list(Counter(trial["status"] for trial in trials).items())
