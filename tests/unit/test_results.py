from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import pytest

from nnicli import InvalidValueError, NoTrialSucceededError, TrialJob
from nnicli.models import ExperimentProfile
from nnicli.results import best_trial, optimize_mode, rank_trials


def _trial(name: str, metric: Any) -> TrialJob:
    final = {
        "timestamp": 1,
        "trialJobId": name,
        "parameterId": "0",
        "type": "FINAL",
        "sequence": 0,
        "data": json.dumps(json.dumps(metric)),
    }
    return TrialJob({"trialJobId": name, "status": "SUCCEEDED", "finalMetricData": [final]})


def _profile(**params: Any) -> ExperimentProfile:
    return {
        "id": "x",
        "revision": 1,
        "execDuration": 0,
        "logDir": "/x",
        "nextSequenceId": 0,
        "params": params,
    }


@dataclass
class Source:
    """The part of a TrialSource that the best trial needs."""

    trials: list[TrialJob]
    params: dict[str, Any] = field(default_factory=dict)

    def get_experiment_profile(self) -> ExperimentProfile:
        return _profile(**self.params)

    def list_trial_jobs(self) -> list[TrialJob]:
        return self.trials


TRIALS = [
    _trial("low", 1),
    _trial("high", {"default": 3.5, "loss": 0.1}),
    _trial("nan", math.nan),
    _trial("text", "no number"),
    TrialJob({"trialJobId": "failed", "status": "FAILED"}),
]


@pytest.mark.parametrize(
    ("params", "mode"),
    [
        ({"tuner": {"name": "TPE", "classArgs": {"optimize_mode": "minimize"}}}, "minimize"),
        ({"advisor": {"classArgs": {"optimize_mode": "maximize"}}}, "maximize"),
        ({"tuner": {"name": "Random"}}, None),
        ({"tuner": {"classArgs": {"optimize_mode": "sideways"}}}, None),
        ({"tuner": {"classArgs": None}}, None),
        ({"tuner": None}, None),
        ({}, None),
    ],
)
def test_the_direction_comes_from_the_config_and_is_never_guessed(
    params: dict[str, Any], mode: str | None
) -> None:
    """TPE minimises by default since 2.6, and maximises before."""
    assert optimize_mode(_profile(**params)) == mode


def test_only_numbers_are_ranked_best_first() -> None:
    up = [(trial.trialJobId, value) for trial, value in rank_trials(TRIALS, mode="maximize")]
    down = [trial.trialJobId for trial, _ in rank_trials(TRIALS, mode="minimize")]

    assert up == [("high", 3.5), ("low", 1)]
    assert down == ["low", "high"]


def test_another_metric_of_a_dict_can_be_ranked() -> None:
    ranked = rank_trials(TRIALS, mode="minimize", metric="loss")

    assert [(trial.trialJobId, value) for trial, value in ranked] == [("high", 0.1)]


def test_the_best_trial_follows_the_tuner_s_direction() -> None:
    params = {"tuner": {"classArgs": {"optimize_mode": "maximize"}}}

    assert best_trial(Source(TRIALS, params)).trialJobId == "high"  # type: ignore[arg-type]  # has enough of it
    assert best_trial(Source(TRIALS, params), mode="minimize").trialJobId == "low"  # type: ignore[arg-type]  # has enough of it


def test_a_missing_direction_is_an_error() -> None:
    with pytest.raises(InvalidValueError, match="pass mode='maximize' or mode='minimize'"):
        best_trial(Source(TRIALS))  # type: ignore[arg-type]  # has enough of it


@pytest.mark.parametrize(("mode", "meant"), [("max", "maximize"), ("MINIMIZE", "minimize")])
def test_a_misspelt_direction_gets_a_suggestion(mode: Any, meant: str) -> None:
    """It used to report a missing optimize_mode, although the config had one."""
    params = {"tuner": {"classArgs": {"optimize_mode": "maximize"}}}

    with pytest.raises(InvalidValueError) as caught:
        best_trial(Source(TRIALS, params), mode=mode)  # type: ignore[arg-type]  # has enough of it

    assert str(caught.value) == (
        f"mode: {mode!r} is not allowed; did you mean {meant!r}? allowed: maximize, minimize"
    )


def test_without_a_number_there_is_no_best_trial() -> None:
    with pytest.raises(NoTrialSucceededError, match="none of the 1 trials has a number"):
        best_trial(Source(TRIALS[-1:]), mode="maximize")  # type: ignore[arg-type]  # has enough of it
