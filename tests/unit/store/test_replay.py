"""The rules for replaying a log of events into trials."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nnicli.store.database.replay import (
    count_statuses,
    replay_trials,
    to_metric,
)
from nnicli.store.tables import EVENT_COLUMNS, LATER_EVENT_COLUMNS

PARAMETERS = (
    '{"parameter_id": 0, "parameter_source": "algorithm", "parameters": {"x": 0.5}, '
    '"parameter_index": 0}'
)


Row = tuple[Any, ...]


def event(kind: str, timestamp: int = 1, **columns: Any) -> Row:
    """Return a row of TrialJobEvent."""
    row = {"timestamp": timestamp, "trialJobId": "trial", "event": kind, **columns}
    return tuple(row.get(name) for name in (*EVENT_COLUMNS, *LATER_EVENT_COLUMNS, "rowid"))


def final(data: str, trial: str = "trial") -> Row:
    """Return a final row of MetricData."""
    return (9, trial, "0", "FINAL", 0, data, 1)


def replay(*events: Row, finals: tuple[Row, ...] = ()) -> dict[str, Any]:
    """Return the one trial of these events."""
    (trial,) = replay_trials(events, finals)
    return trial


RULES: dict[str, tuple[list[Row], dict[str, Any]]] = {
    "waiting counts as the start": ([event("WAITING", 5)], {"status": "WAITING", "startTime": 5}),
    "until it runs": (
        [event("WAITING", 5), event("RUNNING", 8)],
        {"status": "RUNNING", "startTime": 8},
    ),
    "the first event that is an end is also a start": (
        [event("FAILED", 7)],
        {"status": "FAILED", "startTime": 7, "endTime": 7},
    ),
    "a later end counts": (
        [event("RUNNING", 1), event("SUCCEEDED", 2), event("USER_CANCELED", 3)],
        {"status": "USER_CANCELED", "startTime": 1, "endTime": 3},
    ),
    "a cancel shows before the trial has ended": (
        [event("RUNNING", 1), event("USER_TO_CANCEL", 2)],
        {"status": "USER_CANCELED", "startTime": 1},
    ),
    "a resumed trial says so": (
        [event("RUNNING", 1), event("ADD_RESUMED", 2)],
        {"status": "ADD_RESUMED", "startTime": 1},
    ),
    "new hyper-parameters are not a status": (
        [event("RUNNING", 1), event("ADD_HYPERPARAMETER", 2)],
        {"status": "RUNNING", "startTime": 1},
    ),
    "a point of the caller waits": ([event("ADD_CUSTOMIZED", 2)], {"status": "WAITING"}),
    "the first number stays": (
        [event("WAITING", 1, sequenceId=3), event("RUNNING", 2, sequenceId=4)],
        {"status": "RUNNING", "startTime": 2, "sequenceId": 3},
    ),
    "the last directory and environment count": (
        [
            event("WAITING", 1, logPath="/a", environmentId="one"),
            event("RUNNING", 2, logPath="/b", environmentId="two"),
            event("SUCCEEDED", 3),
        ],
        {"status": "SUCCEEDED", "startTime": 2, "endTime": 3, "logPath": "/b", "envId": "two"},
    ),
    "a message lasts until the next event": (
        [event("WAITING", 1, message="no GPU"), event("RUNNING", 2)],
        {"status": "RUNNING", "startTime": 2},
    ),
    "the last message stays": (
        [event("RUNNING", 1), event("FAILED", 2, message="killed")],
        {"status": "FAILED", "startTime": 1, "endTime": 2, "message": "killed"},
    ),
    "a failed trial of 3.0 has an error file": (
        [event("FAILED", 2, logPath="/exp/trials/trial")],
        {
            "status": "FAILED",
            "startTime": 2,
            "endTime": 2,
            "logPath": "/exp/trials/trial",
            "stderrPath": "/exp/trials/trial/stderr",
        },
    ),
    "that of 2.7 is mangled": (
        [event("FAILED", 2, logPath="file://localhost:/exp/trials/trial")],
        {
            "status": "FAILED",
            "startTime": 2,
            "endTime": 2,
            "logPath": "file://localhost:/exp/trials/trial",
            "stderrPath": "file:/localhost:/exp/trials/trial/stderr",
        },
    ),
}


@pytest.mark.parametrize(("events", "expected"), RULES.values(), ids=RULES)
def test_events_make_a_trial(events: list[Row], expected: dict[str, Any]) -> None:
    assert replay(*events) == {"trialJobId": "trial", "hyperParameters": [], **expected}


def test_events_without_a_trial_are_left_out() -> None:
    """Imports and queued custom parameters have no trial id, or an empty one."""
    events = [
        event("IMPORT_DATA", trialJobId="", data="[]"),
        event("ADD_CUSTOMIZED", trialJobId=""),
    ]

    assert replay_trials(events, []) == []


def test_trials_come_in_the_order_of_their_first_event() -> None:
    events = [
        event("WAITING", 1, trialJobId="b"),
        event("WAITING", 2, trialJobId="a"),
        event("RUNNING", 3, trialJobId="b"),
    ]

    assert [trial["trialJobId"] for trial in replay_trials(events, [])] == ["b", "a"]


def test_hyper_parameters_are_kept_once() -> None:
    """Each event of a trial repeats them; only another index is another set."""
    other = PARAMETERS.replace('"parameter_index": 0', '"parameter_index": 1')

    trial = replay(
        event("WAITING", data=PARAMETERS),
        event("RUNNING", data=PARAMETERS),
        event("ADD_HYPERPARAMETER", data=other),
    )

    assert trial["hyperParameters"] == [json.loads(text) for text in (PARAMETERS, other)]


def test_hyper_parameters_have_the_numbers_that_the_manager_sends() -> None:
    """For `quniform` a tuner sends 5.0; the manager's answer and the trial say 5."""
    trial = replay(
        event(
            "SUCCEEDED",
            data='{"parameter_id": 0, "parameters": {"batch": 5.0, "lr": 1e-05}}',
        ),
        finals=(final('"1"'),),
    )

    expected = {"parameter_id": 0, "parameters": {"batch": 5, "lr": 0.00001}}
    assert repr(trial["hyperParameters"]) == repr([expected])


@pytest.mark.parametrize(
    "data",
    ["", "  ", '{"parameter_id": 0, "par', "7", '{"x": NaN}', "[" * 100_000, b"{}"],
    ids=["empty", "blank", "cut", "number", "NaN", "nested too deeply", "bytes"],
)
def test_data_other_than_hyper_parameters_is_left_out(data: object) -> None:
    assert replay(event("WAITING", data=data))["hyperParameters"] == []


def test_the_first_of_several_final_metrics_counts() -> None:
    trial = replay(event("SUCCEEDED"), finals=(final('"0.5"'), final('"0.6"')))

    assert trial["finalMetricData"] == [to_metric(final('"0.5"'))]


def test_every_final_metric_of_a_multi_phase_trial_counts() -> None:
    """There, each set of a trial's hyper-parameters has one."""
    other = PARAMETERS.replace('"parameter_index": 0', '"parameter_index": 1')

    trial = replay(
        event("RUNNING", data=PARAMETERS),
        event("ADD_HYPERPARAMETER", data=other),
        event("SUCCEEDED"),
        finals=(final('"0.5"'), final('"0.6"')),
    )

    assert [metric["data"] for metric in trial["finalMetricData"]] == ['"0.5"', '"0.6"']


@pytest.mark.parametrize("status", ["RUNNING", "FAILED", "USER_CANCELED", "USER_TO_CANCEL"])
def test_a_final_metric_counts_only_for_a_succeeded_trial(status: str) -> None:
    assert "finalMetricData" not in replay(event(status), finals=(final('"0.5"'),))


def test_statuses_are_counted_in_the_order_in_which_they_appear() -> None:
    trials = [{"status": status} for status in ("FAILED", "RUNNING", "FAILED")]

    assert count_statuses(trials) == [("FAILED", 2), ("RUNNING", 1)]
