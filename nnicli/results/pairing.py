"""Trials with the hyper-parameters that they really ran with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from nnicli.bulk import collection_paused
from nnicli.errors import DecodingError
from nnicli.models import (
    ExperimentProfile,
    ParametersStatus,
    TrialHyperParameters,
    TrialJob,
    TrialJobStatistics,
    TrialMetricData,
    TrialResult,
    TrialSource,
    make_result,
)
from nnicli.results.table import metric_value

_ParameterId: TypeAlias = int | str | None
_Keep: TypeAlias = Callable[[TrialHyperParameters], Any]


class HandedSets(Protocol):
    """What is known of the moment when trials asked for their hyper-parameters."""

    def find(self, trial_job_ids: Collection[str]) -> dict[str, str | None]:
        """Return the set that each of these trials was handed last, as JSON text.

        None stands for a trial that was created and has not asked; unknown trials are absent.
        """


class PairedTrials:
    """Reads a TrialSource; its trials name the hyper-parameters that they ran with.

    It is not a TrialSource itself: it has only what is read through it, and `export_data`, which
    needs all of the trials.

    On a local machine and over SSH the 3.0 manager notes which hyper-parameters a trial shall get,
    then hands out the oldest of a queue to whichever trial asks first (`v3/compat.js`). So trials
    that start at one moment run with each other's, and after a trial that never asked every later
    one runs with those of the trial before. The tuner learns the truth, but `/trial-jobs` and
    `/export-data` do not say it. Who does, in this order:

    1. The final metric: its `parameterId` is what the trial read. After a resume the ids begin
       again, and so do the queue and the sequence ids, so it counts in its own run of the manager.
    2. The manager's log, for trials without a final metric and for the caller's own points, which
       all have None as their id.
    3. The last metric on the way, where the log is not at hand.

    A trial of which none of them knows keeps what the manager says and is marked, as is one that
    ended without asking: `TrialJob.parameters_status`. Trials of other releases and services are
    left as they are.

    Args:
        source: The manager or the files.
        handed: What the manager's log says; None where it is not at hand.
    """

    def __init__(self, source: TrialSource, handed: HandedSets | None = None) -> None:
        self._source = source
        self._handed = handed

    def get_experiment_profile(self) -> ExperimentProfile:
        """Return the experiment's profile."""
        return self._source.get_experiment_profile()

    def get_job_statistics(self) -> list[TrialJobStatistics]:
        """Return how many trials are in each status."""
        return self._source.get_job_statistics()

    def list_trial_jobs(self) -> list[TrialJob]:
        """Return all trials in the order in which they were made."""
        with collection_paused():
            return self._settle(self._source.list_trial_jobs())

    def get_trial_job(self, trial_job_id: str) -> TrialJob:
        """Return one trial.

        Raises:
            TrialJobNotFoundError: There is none of that id.
        """
        trial = self._source.get_trial_job(trial_job_id)
        if _is_settled(trial):
            return trial
        # The log needs none of the other trials.
        for _, answer in self._by_log([_Question.about(trial, _Run(_whole_set))]):
            return _settled(trial, answer)
        return next(one for one in self.list_trial_jobs() if one.trialJobId == trial_job_id)

    def get_job_metrics(self, trial_job_id: str | None = None) -> dict[str, list[TrialMetricData]]:
        """Return metrics by trial job id, of one trial or of all."""
        return self._source.get_job_metrics(trial_job_id)

    def export_data(self) -> list[TrialResult]:
        """Return parameters and final metrics of the trials that succeeded with one.

        Raises:
            DecodingError: A metric is no JSON.
        """
        results: list[TrialResult] = []
        # In little memory: results have the parameters as well.
        runs = _Runs(_parameters)
        questions: list[_Question] = []
        with collection_paused():
            for trial, run in map(runs.add, self._source.iter_trial_jobs()):
                if trial.finalMetricData and not _is_settled(trial):
                    questions.append(_Question.about(trial, run))
                results += _results_of(trial)
        answers = self._answers(questions)
        return [_corrected(result, answers.get(result.trialJobId)) for result in results]

    def _settle(self, trials: list[TrialJob]) -> list[TrialJob]:
        if all(map(_is_settled, trials)):
            return trials
        runs = _Runs(_whole_set)
        # Every trial is added, as the set of a settled one may have gone to another, too.
        added = list(map(runs.add, trials))
        answers = self._answers(
            [_Question.about(trial, run) for trial, run in added if not _is_settled(trial)]
        )
        return [_settled(trial, answers.get(trial.trialJobId)) for trial in trials]

    def _answers(self, questions: list[_Question]) -> dict[str, _Answer]:
        """Return what is known of each trial, by its id, asking as few sources as possible."""
        answers = {one.trial_job_id: _Answer(ParametersStatus.UNKNOWN) for one in questions}
        for source in (_by_final_metric, self._by_log, self._by_last_metric):
            if questions:
                answers.update(source(questions))
                questions = [
                    one
                    for one in questions
                    if answers[one.trial_job_id].status == ParametersStatus.UNKNOWN
                ]
        return answers

    def _by_log(self, questions: list[_Question]) -> _Answers:
        if self._handed is None:
            return
        texts = self._handed.find([one.trial_job_id for one in questions])
        for one in questions:
            if one.trial_job_id in texts and (answer := one.by_log(texts[one.trial_job_id])):
                yield one.trial_job_id, answer

    def _by_last_metric(self, questions: list[_Question]) -> _Answers:
        without_final = {one.trial_job_id: one.run for one in questions if not one.has_final}
        if without_final:
            for name, parameter_id in self._source.last_parameter_ids(without_final).items():
                if answer := without_final[name].answer(parameter_id):
                    yield name, answer


@dataclass(frozen=True, slots=True)
class _Answer:
    """How far it is known which hyper-parameters a trial ran with, and what is kept of them.

    Unless they are KNOWN, those that the trial has stay.
    """

    status: ParametersStatus
    ran: Any = None


_Answers: TypeAlias = Iterator[tuple[str, _Answer]]
"""Ids of trials, each with what is known of it."""


@dataclass(slots=True)
class _Run:
    """The hyper-parameters that one run of the manager queued, by id.

    Attributes:
        keep: Returns what is kept of them.
        sets: Id -> what is kept of the set.
        doubled: Ids of several sets.
        last_sequence_id: The largest of the trials for which they were meant.
    """

    keep: _Keep
    sets: dict[_ParameterId, Any] = field(default_factory=dict)
    doubled: set[_ParameterId] = field(default_factory=set)
    last_sequence_id: int = -1

    def add(self, one: TrialHyperParameters) -> None:
        """Add a set; of two with one id neither is told from the other."""
        if one.parameter_id in self.sets:
            self.doubled.add(one.parameter_id)
        else:
            self.sets[one.parameter_id] = self.keep(one)

    def answer(self, parameter_id: _ParameterId) -> _Answer | None:
        """Return the set of this id, None without one or with several."""
        if parameter_id not in self.sets or parameter_id in self.doubled:
            return None
        return _Answer(ParametersStatus.KNOWN, self.sets[parameter_id])


class _Runs:
    """Tells the runs of the manager apart, from trials in the order in which they were made.

    With each run the manager counts sequence ids on from the largest that it submits again, else
    from 1, and its tuner likewise the ids of hyper-parameters (2.10 to 3.0, `nnimanager.js` and
    `recoverable.py`). A trial that is submitted again gets its own set and does not queue.
    """

    def __init__(self, keep: _Keep) -> None:
        self._run = _Run(keep)

    def add(self, trial: TrialJob) -> tuple[TrialJob, _Run]:
        """Return the trial and the run in which it was made."""
        if not trial.draws_from_queue:
            return trial, self._run
        one = trial.hyperParameters[0]
        number = trial.sequenceId if trial.sequenceId is not None else -1
        is_known_id = one.parameter_id is not None and one.parameter_id in self._run.sets
        if is_known_id or 0 <= number <= self._run.last_sequence_id:
            self._run = _Run(self._run.keep)
        self._run.add(one)
        self._run.last_sequence_id = max(number, self._run.last_sequence_id)
        return trial, self._run


@dataclass(frozen=True, slots=True)
class _Question:
    """As much of a trial as it takes to find out which hyper-parameters it ran with."""

    trial_job_id: str
    run: _Run
    has_final: bool
    parameter_id: _ParameterId
    has_ended: bool

    @classmethod
    def about(cls, trial: TrialJob, run: _Run) -> _Question:
        finals = trial.finalMetricData
        return cls(
            trial.trialJobId,
            run,
            has_final=bool(finals),
            parameter_id=finals[0].parameterId if finals else None,
            # Until its end it may still ask.
            has_ended=trial.is_finished,
        )

    def by_log(self, text: str | None) -> _Answer | None:
        """Return what the manager's log says, None if the final metric says something else.

        Args:
            text: The set that the trial was handed last, None if it has not asked.
        """
        if text is None:
            return (
                _Answer(ParametersStatus.NOT_READ)
                if self.has_ended and not self.has_final
                else None
            )
        try:
            ran = TrialHyperParameters(text)
        except DecodingError:
            return None
        if self.has_final and ran.parameter_id != self.parameter_id:
            return None
        return _Answer(ParametersStatus.KNOWN, self.run.keep(ran))


def _whole_set(one: TrialHyperParameters) -> TrialHyperParameters:
    return one


def _parameters(one: TrialHyperParameters) -> Any:
    return one.parameters


def _by_final_metric(questions: list[_Question]) -> _Answers:
    for one in questions:
        if one.has_final and (answer := one.run.answer(one.parameter_id)):
            yield one.trial_job_id, answer


def _is_settled(trial: TrialJob) -> bool:
    return trial.parameters_status != ParametersStatus.UNKNOWN


def _settled(trial: TrialJob, answer: _Answer | None) -> TrialJob:
    if answer is None or _is_settled(trial):
        return trial
    is_known = answer.status == ParametersStatus.KNOWN
    sets = [answer.ran] if is_known else trial.hyperParameters
    return trial.with_hyper_parameters(sets, parameters_status=answer.status)


def _corrected(result: TrialResult, answer: _Answer | None) -> TrialResult:
    if answer is None:
        return result
    is_known = answer.status == ParametersStatus.KNOWN
    parameter = answer.ran if is_known else result.parameter
    return result.with_parameter(parameter, parameters_status=answer.status)


def _results_of(trial: TrialJob) -> Iterator[TrialResult]:
    """Return what the manager's `/export-data` makes of a trial (1.9 to 3.0, `nniDataStore.js`)."""
    sets, finals = trial.hyperParameters, trial.finalMetricData
    if len(sets) == len(finals) == 1:
        yield _result(trial, sets[0], finals[0])
        return
    by_set = {metric.parameterId: metric for metric in finals}
    for one in sets:
        if metric := by_set.get(one.parameter_id):
            yield _result(trial, one, metric)


def _result(trial: TrialJob, ran: TrialHyperParameters, metric: TrialMetricData) -> TrialResult:
    return make_result(
        trial.trialJobId,
        ran.parameters,
        metric_value(metric),
        parameters_status=trial.parameters_status,
    )
