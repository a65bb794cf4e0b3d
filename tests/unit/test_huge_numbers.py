"""Integers too large for a float are reported or treated as infinite, and never crash."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from nnicli.config import check_config
from nnicli.decoding import decode_profile, decode_statistics
from nnicli.errors import DecodingError, InvalidValueError
from nnicli.models import TrialJob
from nnicli.session import validation

HUGE = 10**400


def test_an_answer_with_a_huge_number_is_refused() -> None:
    profile = {"id": "aBcD", "logDir": "/x", "params": {}, "execDuration": HUGE}

    with pytest.raises(DecodingError, match="trialJobNumber: expected a number"):
        decode_statistics({"trialJobStatus": "RUNNING", "trialJobNumber": HUGE})
    with pytest.raises(DecodingError, match="execDuration: expected a number"):
        decode_profile({**profile, "nextSequenceId": 1})


@pytest.mark.parametrize(
    ("number", "value"),
    [(HUGE, math.inf), (-HUGE, -math.inf), (3, 3)],
    ids=["huge", "least", "small"],
)
def test_a_final_metric_is_infinite_as_the_manager_reads_it(number: int, value: float) -> None:
    metric = {
        "timestamp": 1,
        "trialJobId": "a",
        "parameterId": "1",
        "type": "FINAL",
        "sequence": 0,
        "data": str(number),
    }
    raw = {"trialJobId": "a", "status": "SUCCEEDED", "hyperParameters": []}

    assert TrialJob({**raw, "finalMetricData": [metric]}).final_value == value


def test_submitted_hyper_parameters_are_refused() -> None:
    space = {"x": {"_type": "uniform", "_value": [0, 1]}}

    with pytest.raises(InvalidValueError, match="allowed: a point of the experiment's search"):
        validation.check_is_in_space({"x": HUGE}, space, field="parameters")


@pytest.mark.parametrize("bounds", [[0, HUGE], [0.5, HUGE], [-HUGE, HUGE]])
def test_a_range_of_a_search_space_is_too_wide(bounds: list[float], tmp_path: Path) -> None:
    config = {
        "trialConcurrency": 1,
        "trialCommand": "echo",
        "trialCodeDirectory": str(tmp_path),
        "tuner": {"name": "Random"},
        "trainingService": {"platform": "local"},
        "searchSpace": {"x": {"_type": "uniform", "_value": bounds}},
    }

    (found,) = [one for one in check_config(config) if one.severity == "error"]

    assert found.location == "searchSpace.x._value"
