"""Trials that ran with other hyper-parameters than their manager reports."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from nnicli import TrialJob
from nnicli.errors import DecodingError
from nnicli.results import PairedTrials
from nnicli.store import ExperimentDatabase
from tests.unit.store.recordings import load_recording

STRAYED_IN_3_0 = {0: 1, 1: 0, 3: 2, 5: None, 6: 4, 8: 6, 9: 7, 10: 8}
"""Sequence id -> the parameter id that its metrics name, in the recording of 3.0."""
SILENT_IN_3_0 = {2, 7}
"""Sequence ids of the trials that reported nothing there."""


_NO_FINAL = object()


def _set(parameter_id: Any, x: str) -> str:
    return json.dumps({"parameter_id": parameter_id, "parameters": {"x": x}})


def _trial(
    name: str,
    sequence_id: int,
    meant: Any,
    reported: Any = _NO_FINAL,
    *,
    status: str | None = None,
    environment: str | None = "local-env",
) -> TrialJob:
    """Return a trial of 3.0, for which its manager intended the set `meant`, named after it."""
    has_final = reported is not _NO_FINAL
    final = {
        "timestamp": 1,
        "trialJobId": name,
        "parameterId": reported,
        "type": "FINAL",
        "data": "1",
    }
    return TrialJob(
        {
            "trialJobId": name,
            "status": status or ("SUCCEEDED" if has_final else "FAILED"),
            "sequenceId": sequence_id,
            "hyperParameters": [_set(meant, f"of {name}")],
            "finalMetricData": [final] if has_final else [],
            "envId": environment,
        }
    )


class Source:
    """The part of a TrialSource that pairing needs."""

    def __init__(self, *trials: TrialJob, last_ids: dict[str, Any] | None = None) -> None:
        self.trials = list(trials)
        self._last_ids = last_ids or {}

    def list_trial_jobs(self) -> list[TrialJob]:
        return list(self.trials)

    def iter_trial_jobs(self) -> Iterator[TrialJob]:
        return iter(self.trials)

    def get_trial_job(self, name: str) -> TrialJob:
        return next(trial for trial in self.trials if trial.trialJobId == name)

    def last_parameter_ids(self, names: Collection[str]) -> dict[str, Any]:
        return {name: one for name, one in self._last_ids.items() if name in names}


class Log:
    """A manager's log."""

    def __init__(self, texts: dict[str, str | None]) -> None:
        self._texts = texts

    def find(self, names: Collection[str]) -> dict[str, str | None]:
        return {name: text for name, text in self._texts.items() if name in names}


def _pairs(
    *trials: TrialJob,
    assigned: dict[str, str | None] | None = None,
    last_ids: dict[str, Any] | None = None,
) -> dict[str, tuple[str, str]]:
    """Return for each trial the set that it ran with, and whether that is known.

    The list, one trial at a time and the export must say the same.
    """
    log = None if assigned is None else Log(assigned)
    paired = PairedTrials(Source(*trials, last_ids=last_ids), log)  # type: ignore[arg-type]
    listed = {
        trial.trialJobId: (trial.parameters["x"].removeprefix("of "), trial.parameters_status)
        for trial in paired.list_trial_jobs()
    }
    one_by_one = [paired.get_trial_job(trial.trialJobId) for trial in trials]
    assert one_by_one == paired.list_trial_jobs()
    exported = {
        result.trialJobId: (result.parameter["x"].removeprefix("of "), result.parameters_status)
        for result in paired.export_data()
    }
    assert exported == {t.trialJobId: listed[t.trialJobId] for t in trials if t.finalMetricData}
    return listed


@pytest.fixture
def database(tmp_path: Path) -> ExperimentDatabase:
    """Return the recorded experiment of 3.0."""
    return load_recording("3.0", tmp_path).database


def test_a_real_3_0_shows_other_hyper_parameters_than_its_trials_reported(
    database: ExperimentDatabase,
) -> None:
    """The recorded trials report their x whenever they report a plain number other than 0.5."""
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
    assert {t.sequenceId for t in paired if t.parameters_status == "UNKNOWN"} == SILENT_IN_3_0


def test_one_trial_and_the_export_are_paired_like_the_list(database: ExperimentDatabase) -> None:
    paired = PairedTrials(database)
    trials = {trial.trialJobId: trial for trial in paired.list_trial_jobs()}

    one_by_one = [paired.get_trial_job(name) for name in trials]
    exported = {result.trialJobId: result.parameter for result in paired.export_data()}

    assert repr(one_by_one) == repr(list(trials.values()))
    assert exported == {name: trials[name].parameters for name in exported}
    assert len(exported) == 6


def test_trials_of_an_older_release_are_not_changed(tmp_path: Path) -> None:
    database = load_recording("2.7", tmp_path).database

    assert repr(PairedTrials(database).list_trial_jobs()) == repr(database.list_trial_jobs())


def test_two_trials_that_started_at_once_are_swapped_back() -> None:
    pairs = _pairs(_trial("a", 0, 0, 1), _trial("b", 1, 1, 0))

    assert pairs == {"a": ("b", "KNOWN"), "b": ("a", "KNOWN")}


def test_a_final_metric_is_valid_in_its_own_run_of_the_manager() -> None:
    """After a resume the tuner's ids start again from 1, and so do the sequence ids."""
    first = [_trial("a", 0, 0, 0), _trial("b", 1, 1, 2), _trial("c", 2, 2, 1)]
    second = [_trial("d", 1, 1, 2), _trial("e", 2, 2, 1), _trial("f", 3, 3, 3)]
    third = [_trial("g", 1, 1, 1), _trial("h", 2, 2, 3), _trial("i", 3, 3, 2)]

    pairs = _pairs(*first, *second, *third)

    assert {name: ran for name, (ran, _) in pairs.items()} == dict(
        zip("abcdefghi", "acbedfgih", strict=True)
    )
    assert {status for _, status in pairs.values()} == {"KNOWN"}


def test_a_run_that_continues_sequence_ids_is_recognised_by_its_parameter_ids() -> None:
    """A submitted point that is submitted again advances the sequence ids, but not the others."""
    first = [_trial("a", 0, 0, 0), _trial("b", 1, 1, 1), _trial("own", 2, None, None)]
    second = [_trial("c", 3, 1, 2), _trial("d", 4, 2, 1)]

    pairs = _pairs(*first, *second)

    assert (pairs["c"], pairs["d"]) == (("d", "KNOWN"), ("c", "KNOWN"))


def test_a_set_is_found_although_its_own_trial_read_it_in_a_later_run() -> None:
    """A trial that is submitted again gets its own set; the one it read before was another's."""
    pairs = _pairs(_trial("a", 0, 0, 0), _trial("b", 1, 1, 0), _trial("c", 1, 1, 1))

    assert pairs == {"a": ("a", "KNOWN"), "b": ("a", "KNOWN"), "c": ("c", "KNOWN")}


def test_sets_of_another_run_are_never_used() -> None:
    """A set of another run would be wrong, unlike one that is marked."""
    pairs = _pairs(_trial("a", 0, 0, 0), _trial("b", 1, 5, 5), _trial("c", 1, 1, 5))

    assert pairs["c"] == ("c", "UNKNOWN")


def test_a_trial_without_a_final_metric_is_paired_by_the_log() -> None:
    pairs = _pairs(
        _trial("a", 0, 0),
        _trial("b", 1, 1, 0),
        _trial("c", 2, 2, status="RUNNING"),
        assigned={"a": _set(1, "of b"), "c": _set(2, "of c")},
    )

    assert pairs == {"a": ("b", "KNOWN"), "b": ("a", "KNOWN"), "c": ("c", "KNOWN")}


@pytest.mark.parametrize(
    ("status", "known"),
    [("FAILED", "NOT_READ"), ("USER_CANCELED", "NOT_READ"), ("RUNNING", "UNKNOWN")],
)
def test_a_trial_that_was_never_assigned_a_set_keeps_its_own_and_is_marked(
    status: str, known: str
) -> None:
    """A trial that has not ended may still ask."""
    pairs = _pairs(_trial("a", 0, 0, status=status), _trial("b", 1, 1, 0), assigned={"a": None})

    assert pairs == {"a": ("a", known), "b": ("a", "KNOWN")}


def test_without_the_log_the_last_intermediate_metric_is_used() -> None:
    pairs = _pairs(_trial("a", 0, 0), _trial("b", 1, 1), _trial("c", 2, 2), last_ids={"a": 1})

    assert pairs == {"a": ("b", "KNOWN"), "b": ("b", "UNKNOWN"), "c": ("c", "UNKNOWN")}


def test_a_single_submitted_point_does_not_need_the_log() -> None:
    """It is the only one without an id."""
    pairs = _pairs(_trial("a", 0, 0, None), _trial("own", 1, None, 0))

    assert pairs == {"a": ("own", "KNOWN"), "own": ("a", "KNOWN")}


@pytest.mark.parametrize("is_logged", [True, False])
def test_several_submitted_points_need_the_log(*, is_logged: bool) -> None:
    own = [_trial("a", 0, None, None), _trial("b", 1, None, None)]
    log: dict[str, str | None] = {"a": _set(None, "of b"), "b": _set(None, "of a")}

    assert _pairs(*own, assigned=log if is_logged else None) == (
        {"a": ("b", "KNOWN"), "b": ("a", "KNOWN")}
        if is_logged
        else {"a": ("a", "UNKNOWN"), "b": ("b", "UNKNOWN")}
    )


@pytest.mark.parametrize("text", [_set(3, "of another"), "{"])
def test_a_log_that_contradicts_the_final_metric_is_ignored(text: str) -> None:
    assert _pairs(_trial("a", 0, 0, 7), assigned={"a": text}) == {"a": ("a", "UNKNOWN")}


@pytest.mark.parametrize(("reported", "known"), [(0, "KNOWN"), (None, "NOT_READ")])
def test_a_release_without_a_queue_gives_each_trial_its_own(reported: object, known: str) -> None:
    """Up to 2.10.1 a trial may report without having asked; the id is then None."""
    trials = [_trial("a", 0, 0, reported, environment=None), _trial("b", 1, 1, environment=None)]

    assert _pairs(*trials, assigned={"b": _set(0, "of a")}) == {
        "a": ("a", known),
        "b": ("b", "KNOWN"),
    }


def test_nothing_more_is_read_if_every_trial_has_its_own_set() -> None:
    """The log of 100,000 trials takes longer to read than the trials."""

    class Unread(Log):
        def find(self, names: Collection[str]) -> dict[str, str | None]:
            raise AssertionError(f"the log is read for {names}")

    trials = [
        _trial("a", 0, 0, 0),
        _trial("b", 1, 1, 1),
        _trial("c", 2, 3, 2),
        _trial("d", 3, 2, 3),
    ]
    paired = PairedTrials(Source(*trials), Unread({}))  # type: ignore[arg-type]

    assert len(paired.list_trial_jobs()) == len(paired.export_data()) == 4


def _multi_phase() -> TrialJob:
    trial = _trial("a", 0, 0, 1, environment=None)
    return TrialJob({**trial.raw, "hyperParameters": [_set(0, "of a"), _set(1, "of b")]})


def test_several_sets_of_one_trial_are_not_changed() -> None:
    trial = _multi_phase()

    assert PairedTrials(Source(trial)).list_trial_jobs() == [trial]  # type: ignore[arg-type]


def test_of_several_sets_each_that_has_a_final_metric_is_exported() -> None:
    """Multi-phase, of 1.x and 2.0."""
    (result,) = PairedTrials(Source(_multi_phase())).export_data()  # type: ignore[arg-type]

    assert result.parameter == {"x": "of b"}


def _with_final(data: Any) -> TrialJob:
    trial = _trial("a", 0, 0, 0)
    (final,) = trial.raw["finalMetricData"]
    return TrialJob({**trial.raw, "finalMetricData": [{**final, "data": data}]})


@pytest.mark.parametrize(
    ("data", "value"),
    [('"0.5"', "0.5"), ('"NaN"', "NaN"), ('"{\\"default\\": 1}"', '{"default": 1}')],
)
def test_an_exported_result_has_what_the_manager_would_send(data: str, value: str) -> None:
    """It decodes a metric once."""
    (result,) = PairedTrials(Source(_with_final(data))).export_data()  # type: ignore[arg-type]

    assert result.raw == {"parameter": {"x": "of a"}, "value": value, "trialJobId": "a"}


def test_a_damaged_metric_is_an_error() -> None:
    paired = PairedTrials(Source(_with_final('"0.')))  # type: ignore[arg-type]

    with pytest.raises(DecodingError, match=r"expected JSON, found '\"0\.'"):
        paired.export_data()
