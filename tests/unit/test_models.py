"""Decoding and models: what managers of each release send, and what users see."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import pickle
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from nnicli.decoding import (
    decode_hyper_parameters,
    decode_json,
    decode_metric,
    decode_result,
    decode_trial,
)
from nnicli.errors import DecodingError, ProcessIdentity
from nnicli.models import (
    ExperimentRecord,
    ExperimentStatus,
    TrialHyperParameters,
    TrialJob,
    TrialJobStatus,
    TrialMetricData,
    TrialResult,
    group_metrics,
)

RECORDINGS = Path(__file__).parents[1] / "recordings"
HYPER = {
    "parameter_id": 0,
    "parameter_source": "algorithm",
    "parameters": {"lr": 0.1},
    "parameter_index": 0,
}
METRIC = {
    "timestamp": 1_795_514_844_916,
    "trialJobId": "Suqp2",
    "parameterId": "0",
    "type": "FINAL",
    "sequence": 0,
    "data": '"0.25"',
}
TRIAL = {
    "trialJobId": "Suqp2",
    "status": "SUCCEEDED",
    "hyperParameters": [json.dumps(HYPER)],
    "startTime": 1_795_514_843_356,
    "endTime": 1_795_514_845_083,
    "logPath": "/exp/trials/Suqp2",
    "sequenceId": 3,
    "finalMetricData": [METRIC],
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4) | st.sampled_from(list(TRIAL)), inner, max_size=4)
    ),
    max_leaves=12,
)
wire_like = json_values | st.fixed_dictionaries(
    {},
    optional=dict.fromkeys({**TRIAL, **METRIC, **HYPER, "value": 1, "parameter": 1}, json_values),
)


def test_a_trial_of_3_0() -> None:
    trial = TrialJob(TRIAL)

    assert (trial.trialJobId, trial.status, trial.sequenceId) == ("Suqp2", "SUCCEEDED", 3)
    assert trial.hyperParameters == [TrialHyperParameters(HYPER)]
    assert (trial.parameters, trial.parameter_index) == ({"lr": 0.1}, 0)
    assert trial.finalMetricData[0].data == trial.final_value == 0.25
    assert trial.started_at == datetime(2026, 11, 24, 10, 7, 23, 356_000, tzinfo=timezone.utc)
    assert trial.duration == timedelta(milliseconds=1727)
    assert trial.is_finished
    assert trial.raw is TRIAL


def test_a_trial_of_1_x_has_its_id_under_another_name() -> None:
    assert TrialJob({"id": "aBcDe", "status": "WAITING"}).trialJobId == "aBcDe"


def test_missing_fields_are_none_or_empty() -> None:
    trial = TrialJob({"trialJobId": "a", "status": "WAITING"})

    assert (trial.startTime, trial.endTime, trial.logPath, trial.duration) == (None,) * 4
    assert (trial.started_at, trial.ended_at, trial.final_value) == (None,) * 3
    assert (trial.hyperParameters, trial.finalMetricData, trial.parameters) == ([], [], {})
    assert trial.parameter_index is None


def test_a_submitted_point_has_neither_id_nor_index() -> None:
    text = '{"parameter_id":null,"parameter_source":"customized","parameters":{"x":1}}'

    trial = TrialJob({"trialJobId": "a", "status": "WAITING", "hyperParameters": [text]})

    assert trial.hyperParameters[0].parameter_id is None
    assert trial.hyperParameters[0].parameter_source == "customized"
    assert trial.parameter_index is None


def test_the_last_of_several_sets_is_used() -> None:
    sets = [json.dumps({**HYPER, "parameter_index": index}) for index in (0, 1)]

    assert TrialJob({**TRIAL, "hyperParameters": sets}).parameter_index == 1


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ('"0.25"', 0.25),
        ("0.25", 0.25),
        ('"NaN"', math.nan),
        ('"-Infinity"', -math.inf),
        ('"{\\"default\\": 0.5, \\"acc\\": NaN}"', {"default": 0.5, "acc": math.nan}),
        ('"\\"abc\\""', "abc"),
        ('"abc"', "abc"),
        ('"[1, 2]"', [1, 2]),
        ('"null"', None),
        ('"true"', True),
        ('"{\\"__ndarray__\\": [1.5], \\"dtype\\": \\"float64\\", \\"shape\\": [1]}"',
         {"__ndarray__": [1.5], "dtype": "float64", "shape": [1]}),
    ],
)  # fmt: skip
def test_metrics_are_json_inside_json_since_1_4(data: str, value: Any) -> None:
    decoded = TrialMetricData({**METRIC, "data": data}).data

    assert json.dumps(decoded) == json.dumps(value)


def test_metrics_stored_concurrently_are_sorted_in_the_order_reported() -> None:
    reported = [
        (7, "PERIODICAL", 0),
        (7, "PERIODICAL", 1),
        (7, "FINAL", 0),
        (8, "PERIODICAL", 0),
        (9, "PERIODICAL", 1),
    ]
    stored = [reported[number] for number in (4, 2, 1, 3, 0)]

    (group,) = group_metrics(
        TrialMetricData({**METRIC, "timestamp": at, "type": kind, "sequence": number})
        for at, kind, number in stored
    ).values()

    assert [(metric.timestamp, metric.type, metric.sequence) for metric in group] == reported


@pytest.mark.parametrize(
    ("sent", "seen"),
    [("0", 0), ("12", 12), (7, 7), ("2_0_5_abcde", "2_0_5_abcde"), (None, None), ("٣", "٣")],
)
def test_parameter_ids_are_numbers_where_they_can_be(sent: Any, seen: Any) -> None:
    """Hyperband and BOHB generate text."""
    assert TrialMetricData({**METRIC, "parameterId": sent}).parameterId == seen


@pytest.mark.parametrize(
    ("value", "seen"), [("4.5", 4.5), (4.5, 4.5), ('{"default": 1}', {"default": 1}), ('"a"', "a")]
)
def test_exported_values_are_decoded_once(value: Any, seen: Any) -> None:
    result = TrialResult({"parameter": {"x": 1}, "value": value, "trialJobId": "a"})

    assert (result.parameter, result.value, result.trialJobId) == ({"x": 1}, seen, "a")


@pytest.mark.parametrize(
    ("metric", "name", "value"),
    [
        ('"1"', "default", 1),
        ('"1"', "loss", None),
        ('"{\\"default\\": 1, \\"loss\\": 2}"', "loss", 2),
        ('"{\\"loss\\": 2}"', "default", None),
        ('"true"', "default", None),
        ('"\\"abc\\""', "default", None),
    ],
)
def test_one_number_of_a_final_metric(metric: str, name: str, value: float | None) -> None:
    trial = TrialJob({**TRIAL, "finalMetricData": [{**METRIC, "data": metric}]})

    assert trial.final_metric(name) == value


def test_snapshots_compare_copy_and_pickle_and_cannot_be_changed() -> None:
    trial = TrialJob(TRIAL)

    assert trial == TrialJob(copy.deepcopy(TRIAL))
    assert trial != TrialJob({**TRIAL, "status": "FAILED"})
    assert pickle.loads(pickle.dumps(trial)) == copy.deepcopy(trial) == trial
    with pytest.raises(dataclasses.FrozenInstanceError):
        trial.status = "FAILED"  # type: ignore[misc]  # the attempt is the test


def test_a_repr_is_for_people() -> None:
    text = repr(TrialJob(TRIAL))

    assert text.startswith("<TrialJob Suqp2 #3 SUCCEEDED")
    assert "raw" not in text


@pytest.mark.parametrize("status", list(TrialJobStatus))
def test_finished_statuses(status: TrialJobStatus) -> None:
    running = {"UNKNOWN", "WAITING", "RUNNING"}

    assert TrialJob({**TRIAL, "status": status.value}).is_finished == (status not in running)
    assert status.is_finished == (status.value not in running)


def test_an_unknown_status_passes_through_as_not_finished() -> None:
    """2.10 leaks ADD_RESUMED right after a resume (seen live)."""
    trial = TrialJob({**TRIAL, "status": "ADD_RESUMED"})

    assert (trial.status, trial.is_finished) == ("ADD_RESUMED", False)


def test_statuses_are_their_own_text() -> None:
    assert f"{ExperimentStatus.DONE}" == ExperimentStatus.DONE == "DONE"
    assert json.dumps([TrialJobStatus.FAILED]) == '["FAILED"]'


@pytest.mark.parametrize(
    "raw", [None, [], "x", 1, {}, {"trialJobId": "a"}, {"trialJobId": 1, "status": "x"},
            {**TRIAL, "startTime": "soon"}, {**TRIAL, "hyperParameters": "x"},
            {**TRIAL, "hyperParameters": [3]}, {**TRIAL, "hyperParameters": ["{"]},
            {**TRIAL, "finalMetricData": [1]}, {**TRIAL, "startTime": True},
            {**TRIAL, "startTime": 2**60}],
)  # fmt: skip
def test_what_is_not_a_trial_is_a_decoding_error(raw: Any) -> None:
    with pytest.raises(DecodingError):
        TrialJob(raw)


@pytest.mark.parametrize("time", [2**53, -(2**53), 2**52])
def test_times_outside_the_calendar_are_accepted(time: int) -> None:
    trial = TrialJob({**TRIAL, "startTime": time, "endTime": 0})

    assert trial.started_at is None
    assert trial.duration is not None


def test_json_that_is_nested_too_deeply_is_a_decoding_error() -> None:
    with pytest.raises(DecodingError):
        decode_json("[" * 100_000)


@pytest.mark.slow
@given(wire_like)
def test_decoding_is_total(value: Any) -> None:
    """Any value is decoded or refused; no other exception is raised."""
    for decode in (
        decode_trial,
        decode_hyper_parameters,
        decode_metric,
        decode_result,
        TrialJob,
        TrialHyperParameters,
        TrialMetricData,
        TrialResult,
    ):
        try:
            decoded = decode(value)
        except DecodingError:
            continue
        if isinstance(decoded, TrialJob):
            _ = (decoded.parameter_index, decoded.parameters, decoded.final_value, decoded.duration)
            _ = (decoded.started_at, decoded.ended_at, decoded.is_finished, repr(decoded))


@pytest.mark.parametrize("release", ["2.7", "3.0"])
def test_real_answers_are_understood(release: str) -> None:
    """Recorded from real managers."""
    answers = json.loads((RECORDINGS / release / "store-answers.json").read_text("utf-8"))
    trials = [TrialJob(raw) for raw in answers["/trial-jobs"]]

    assert trials
    assert all(trial.trialJobId and trial.status for trial in trials)
    assert all(TrialMetricData(raw).data is not None for raw in answers["/metric-data"])
    assert {TrialResult(raw).trialJobId for raw in answers["/export-data"]} <= {
        trial.trialJobId for trial in trials
    }


HOSTILE_TRIAL = {**TRIAL, "status": "\x1b[2J" * 50, "trialJobId": "x" * 900}


@pytest.mark.parametrize("trial", [TRIAL, HOSTILE_TRIAL])
def test_the_repr_of_a_trial_is_short(trial: dict[str, Any]) -> None:
    """Lists of trials are printed."""
    many = {f"parameter{number}": 0.123456789 for number in range(100)}
    sets = [json.dumps({**HYPER, "parameters": many})]

    for shown in (repr(TrialJob(trial)), repr(TrialJob({**trial, "hyperParameters": sets}))):
        assert len(shown) < 200
        assert shown.isprintable()

    assert repr(TrialJob(TRIAL)) == "<TrialJob Suqp2 #3 SUCCEEDED, final 0.25, {'lr': 0.1}>"


def test_the_repr_of_an_experiment_is_short() -> None:
    record = ExperimentRecord(
        *("aBcD1234", "my experiment " * 20, "RUNNING", "RUNNING", "local", 8080, "http://x"),
        *(None, None, Path("/home/me") / ("deep/" * 80) / "aBcD1234", "3.0"),
        *(ProcessIdentity(1, 2.0, ("node", "x" * 500)), Path("/registry"), {"raw": "x" * 900}),
    )

    assert len(repr(record)) < 200
    assert repr(record).startswith("<ExperimentRecord aBcD1234 RUNNING local 'my experiment my exp")
    assert repr(record).endswith("deep/aBcD1234>")


def test_equal_trials_have_equal_hashes() -> None:
    """Trials are counted and looked up in sets, with parameters of any type."""
    one, same, other = (
        TrialJob(TRIAL),
        TrialJob(dict(TRIAL)),
        TrialJob({**TRIAL, "trialJobId": "b"}),
    )

    assert {one, same, other} == {one, other}
    assert len({TrialMetricData(METRIC), TrialMetricData(dict(METRIC))}) == 1
    assert len({TrialHyperParameters(HYPER), TrialHyperParameters(dict(HYPER))}) == 1
    result = {"parameter": {"x": [1]}, "value": "1", "trialJobId": "a"}
    assert len({TrialResult(result), TrialResult(dict(result))}) == 1
