"""Columns and rows from which every output format is made."""

from __future__ import annotations

from typing import Any

import pytest

from nnicli import DecodingError, TrialJob
from nnicli.models import TrialMetricData, make_result
from nnicli.results.table import Table, flatten, results_table, trials_table


def metric(data: str, kind: str = "PERIODICAL") -> TrialMetricData:
    raw = {"timestamp": 1, "trialJobId": "a", "parameterId": "0", "type": kind, "sequence": 0}
    return TrialMetricData({**raw, "data": data})


RESULTS = [
    make_result("a", {"x": 1, "kind": "relu"}, 0.5),
    make_result("b", {"x": 2}, {"default": 1, "loss": 3}, parameters_status="UNKNOWN"),
]


def test_results_are_rows_of_decoded_values() -> None:
    table = results_table(RESULTS)

    assert table.columns == ["parameter", "value", "trialJobId", "parameters_status"]
    assert table.rows == [
        {"parameter": {"x": 1, "kind": "relu"}, "value": 0.5, "trialJobId": "a"},
        {
            "parameter": {"x": 2},
            "value": {"default": 1, "loss": 3},
            "trialJobId": "b",
            "parameters_status": "UNKNOWN",
        },
    ]


def test_intermediate_metrics_are_a_column_without_the_final_one() -> None:
    metrics = {"a": [metric('"0.25"'), metric('"0.5"', "FINAL")]}

    table = results_table(RESULTS, metrics)

    assert [row["intermediate"] for row in table.rows] == [[0.25], []]


def test_a_flat_table_has_a_column_for_each_parameter_and_part_of_a_metric() -> None:
    flat = flatten(results_table(RESULTS))

    assert flat.columns == [
        *("x", "kind", "default", "loss", "reward", "trialJobId", "parameters_status")
    ]
    assert list(flat.lines(absent=None)) == [
        [1, "relu", None, None, 0.5, "a", None],
        [2, None, 1, 3, None, "b", "UNKNOWN"],
    ]


@pytest.mark.parametrize("parameter", [[1, 2], "lr", None])
def test_parameters_that_are_not_a_dict_are_one_column(parameter: Any) -> None:
    flat = flatten(results_table([make_result("a", parameter, 1.5)]))

    assert list(flat.lines(absent="")) == [[parameter, 1.5, "a"]]


def test_without_results_there_are_only_column_names() -> None:
    assert flatten(results_table([])) == Table(["reward", "trialJobId"], [])


def test_a_damaged_intermediate_metric_is_refused() -> None:
    """`get_job_metrics` returns its text; in an export it would look like a value."""
    damaged = metric('"0.')
    assert damaged.is_damaged
    assert not metric('"text"').is_damaged

    with pytest.raises(DecodingError, match=r"trial a: expected JSON, found"):
        results_table(RESULTS, {"a": [damaged]})


def test_trials_are_rows_in_their_order() -> None:
    trial = TrialJob({"trialJobId": "a", "status": "RUNNING", "startTime": 1_000, "endTime": 3_500})

    table = trials_table([trial])

    assert list(table.rows[0]) == list(table.columns)
    assert table.rows == [
        {
            "id": "a",
            "sequence_id": None,
            "status": "RUNNING",
            "parameters": {},
            "parameters_status": "KNOWN",
            "metric": None,
            "duration_s": 2.5,
        }
    ]
