"""What an experiment's event log says of its trials, replayed as NNI's manager does."""

from __future__ import annotations

import json
import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from nnicli.decoding import decode_json
from nnicli.store import javascript

_ENDS = frozenset(("SUCCEEDED", "FAILED", "USER_CANCELED", "SYS_CANCELED", "EARLY_STOPPED"))
_STARTS = frozenset(("WAITING", "RUNNING"))
# Events that are no status: what they make of the one before, None for "nothing".
_STATUS_OF = {"USER_TO_CANCEL": "USER_CANCELED", "ADD_CUSTOMIZED": "WAITING"}
_UNKNOWN = "UNKNOWN"

Row = Mapping[str, Any]
"""A row of a table, column name -> value."""


def replay_trials(events: Iterable[Row], final_metrics: Iterable[Row]) -> list[dict[str, Any]]:
    """Return trials as the manager's `/trial-jobs` sends them, in the order of their first event.

    Hyper-parameters are the values of the JSON texts that it sends.

    Args:
        events: Rows of TrialJobEvent in the order in which they were written.
        final_metrics: Rows of MetricData of type FINAL, likewise. One counts for a trial that
            succeeded only (1.8 to 3.0, seen live), and of several the first (2.7 to 3.0, likewise).
    """
    trials: dict[str, dict[str, Any]] = {}
    known: defaultdict[str, set[object]] = defaultdict(set)
    for event in events:
        trial_id = event["trialJobId"]
        # Imports and the queueing of the caller's own points belong to no trial.
        if not trial_id:
            continue
        trial = trials.get(trial_id)
        if trial is None:
            trial = {"trialJobId": trial_id, "status": _UNKNOWN, "hyperParameters": []}
            trials[trial_id] = trial
        _apply(event, trial)
        if event["data"]:
            _add_hyper_parameters(event["data"], trial, known[trial_id])
    finals: dict[str, Row] = {}
    for metric in final_metrics:
        finals.setdefault(metric["trialJobId"], metric)
    for trial in trials.values():
        if trial["status"] == "SUCCEEDED" and trial["trialJobId"] in finals:
            trial["finalMetricData"] = [dict(finals[trial["trialJobId"]])]
        if trial["status"] == "FAILED" and "logPath" in trial:
            # Said by 1.8 to 3.0, though the file has another name in 3.0. The leading file:// of
            # 1.x and 2.x loses a slash, as paths do.
            trial["stderrPath"] = posixpath.normpath(f"{trial['logPath']}/stderr")
    return list(trials.values())


def _apply(event: Row, trial: dict[str, Any]) -> None:
    kind = event["event"]
    if kind in _STARTS or kind in _ENDS:
        _apply_times(event, trial)
    if kind != "ADD_HYPERPARAMETER":
        trial["status"] = _STATUS_OF.get(kind, kind)
    if event["sequenceId"] is not None:
        trial.setdefault("sequenceId", event["sequenceId"])
    _replace(trial, "message", event.get("message"))
    if environment := event.get("environmentId"):
        trial["envId"] = environment


def _apply_times(event: Row, trial: dict[str, Any]) -> None:
    kind, timestamp = event["event"], event["timestamp"]
    if event["logPath"] is not None:
        trial["logPath"] = event["logPath"]
    if kind in _ENDS:
        _replace(trial, "endTime", timestamp)
    if timestamp is not None and (kind == "RUNNING" or "startTime" not in trial):
        trial["startTime"] = timestamp


def _replace(trial: dict[str, Any], key: str, value: Any) -> None:
    """Set a key, or take it away: a later event without a value clears an earlier one."""
    if value is None:
        trial.pop(key, None)
    else:
        trial[key] = value


def _add_hyper_parameters(text: object, trial: dict[str, Any], known: set[object]) -> None:
    """Add a set of hyper-parameters unless one with its index is there already.

    Args:
        text: What the event has of them.
        trial: Gets them.
        known: The trial's texts and indices so far; each event of a trial repeats its text.
    """
    if not isinstance(text, str) or not text.strip() or text in known:
        return
    try:
        parameters = javascript.parse(text)
        if not isinstance(parameters, dict):
            return
        index = ("index", json.dumps(parameters.get("parameter_index")))
        if index not in known:
            trial["hyperParameters"].append(parameters)
    except (ValueError, RecursionError):
        return
    known |= {text, index}


def count_statuses(trials: Iterable[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """Return how many trials are in each status, in the order in which the statuses appear."""
    return list(Counter(trial["status"] for trial in trials).items())


def export_rows(trials: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what the manager's `/export-data` sends for these trials.

    Raises:
        DecodingError: A metric is no JSON.
    """
    return [
        {
            "parameter": trial["hyperParameters"][0].get("parameters"),
            "value": decode_json(trial["finalMetricData"][0]["data"]),
            "trialJobId": trial["trialJobId"],
        }
        for trial in trials
        if trial.get("finalMetricData") and trial["hyperParameters"]
    ]
