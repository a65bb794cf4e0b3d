"""Trials that ran with other hyper-parameters than their manager says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from nnicli import TrialJob
from nnicli.errors import DecodingError
from nnicli.results import PairedTrials
from nnicli.store import ExperimentDatabase
from tests.unit.store.recordings import load_recording

STRAYED_IN_3_0 = {0: 1, 3: 2, 5: None, 6: 4, 8: 6}
"""Sequence id -> the parameter id that its final metric names, in the recording of 3.0."""


def _trial(number: int, told: Any, *, ids: Sequence[Any]) -> TrialJob:
    final = {
        "timestamp": 1,
        "trialJobId": f"t{number}",
        "parameterId": told,
        "type": "FINAL",
        "data": "1",
    }
    return TrialJob(
        {
            "trialJobId": f"t{number}",
            "status": "SUCCEEDED",
            "sequenceId": number,
            "hyperParameters": [
                json.dumps({"parameter_id": one, "parameters": {"x": f"{number}/{one}"}})
                for one in ids
            ],
            "finalMetricData": [] if told == "nothing" else [final],
        }
    )


class Source:
    """As much of a TrialSource as trials need."""

    def __init__(self, *trials: TrialJob) -> None:
        self.trials = list(trials)

    def list_trial_jobs(self) -> list[TrialJob]:
        return self.trials

    def iter_trial_jobs(self) -> Iterator[TrialJob]:
        return iter(self.trials)


def _paired(*trials: TrialJob) -> PairedTrials:
    return PairedTrials(Source(*trials))  # type: ignore[arg-type]  # enough of one


def _xs(*trials: TrialJob) -> list[str]:
    paired = _paired(*trials)
    xs = [trial.parameters["x"] for trial in paired.list_trial_jobs()]
    exported = {result.trialJobId: result.parameter["x"] for result in paired.export_data()}
    assert exported == {
        trial.trialJobId: x for trial, x in zip(trials, xs, strict=True) if trial.finalMetricData
    }
    return xs


@pytest.fixture
def database(tmp_path: Path) -> ExperimentDatabase:
    """Return the recorded experiment of 3.0."""
    return load_recording("3.0", tmp_path).database


def test_a_real_3_0_says_other_hyper_parameters_than_its_trials_reported(
    database: ExperimentDatabase,
) -> None:
    """The trials of the recording report their x where they report a plain number but 0.5."""
    said = {t.sequenceId: (t.parameters["x"], t.final_value) for t in database.list_trial_jobs()}
    paired = PairedTrials(database).list_trial_jobs()
    ran = {t.sequenceId: (t.parameters["x"], t.final_value) for t in paired}

    assert {0, 8} == {n for n in (0, 8) if said[n][0] != said[n][1]}
    assert {0, 8} == {n for n in (0, 8) if ran[n][0] == ran[n][1]}
    strayed = {
        trial.sequenceId: trial.hyperParameters[0].parameter_id
        for trial, before in zip(paired, database.list_trial_jobs(), strict=True)
        if trial.hyperParameters != before.hyperParameters
    }
    assert strayed == STRAYED_IN_3_0


def test_one_trial_and_the_export_are_paired_as_the_list_is(database: ExperimentDatabase) -> None:
    paired = PairedTrials(database)
    trials = {trial.trialJobId: trial for trial in paired.list_trial_jobs()}

    one_by_one = [paired.get_trial_job(name) for name in trials]
    exported = {result.trialJobId: result.parameter for result in paired.export_data()}

    assert repr(one_by_one) == repr(list(trials.values()))
    assert exported == {name: trials[name].parameters for name in exported}
    assert len(exported) == 6


def test_an_older_release_is_left_as_it_is(tmp_path: Path) -> None:
    database = load_recording("2.7", tmp_path).database

    assert repr(PairedTrials(database).list_trial_jobs()) == repr(database.list_trial_jobs())


def test_two_that_started_at_once_are_swapped_back() -> None:
    assert _xs(_trial(0, 1, ids=[0]), _trial(1, 0, ids=[1])) == ["1/1", "0/0"]


def test_hyper_parameters_that_no_trial_read_go_to_the_next() -> None:
    trials = [_trial(0, "nothing", ids=[0]), _trial(1, 0, ids=[1]), _trial(2, 1, ids=[2])]

    assert _xs(*trials) == ["0/0", "0/0", "1/1"]


def test_an_id_that_may_mean_two_sets_changes_nothing() -> None:
    """The caller's own points have none, and a trial that never asked tells none either."""
    own = [_trial(0, 2, ids=[None]), _trial(1, "nothing", ids=[None]), _trial(2, None, ids=[2])]

    assert _xs(*own) == ["2/2", "1/None", "2/2"]


def test_a_trial_that_never_asked_keeps_what_it_was_given() -> None:
    assert _xs(_trial(0, None, ids=[0]), _trial(1, 1, ids=[1])) == ["0/0", "1/1"]


def test_several_sets_of_one_trial_are_left_as_they_are() -> None:
    trial = _trial(0, 1, ids=[0, 1])

    assert _paired(trial).list_trial_jobs() == [trial]


def test_of_several_sets_each_that_has_a_final_metric_is_exported() -> None:
    """Multi-phase, of 1.x and 2.0."""
    (result,) = _paired(_trial(0, 1, ids=[0, 1])).export_data()

    assert result.parameter == {"x": "0/1"}


def _with_final(data: Any) -> TrialJob:
    trial = _trial(0, 0, ids=[0])
    (final,) = trial.raw["finalMetricData"]
    return TrialJob({**trial.raw, "finalMetricData": [{**final, "data": data}]})


@pytest.mark.parametrize(
    ("data", "value"),
    [('"0.5"', "0.5"), ('"NaN"', "NaN"), ('"{\\"default\\": 1}"', '{"default": 1}')],
)
def test_an_exported_result_has_what_the_manager_would_send(data: str, value: str) -> None:
    """It decodes a metric once."""
    (result,) = _paired(_with_final(data)).export_data()

    assert result.raw == {"parameter": {"x": "0/0"}, "value": value, "trialJobId": "t0"}


def test_a_damaged_metric_is_told() -> None:
    with pytest.raises(DecodingError, match=r"expected JSON, found '\"0\.'"):
        _paired(_with_final('"0.')).export_data()
