"""Trials paired with the hyper-parameters that they really ran with."""

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


class AssignedSets(Protocol):
    """Parameter sets that trials were assigned, as far as the manager's log shows."""

    def find(self, trial_job_ids: Collection[str]) -> dict[str, str | None]:
        """Return the parameter set last assigned to each of these trials, as JSON text.

        None means that the trial was created but has not asked for one; unknown trials are absent.
        """


class PairedTrials:
    """Reads a TrialSource, and gives its trials the hyper-parameters that they ran with.

    It is not a TrialSource itself: it only has the reads that are made through it, and
    `export_data`, which needs all trials.

    On a local machine and over SSH the 3.0 manager records which parameter set a trial should get,
    but gives the oldest set of a queue to the trial that asks first (`v3/compat.js`). So trials
    that start at the same moment may swap their sets, and after a trial that never asked, every
    later one runs with the set of the trial before it. The tuner learns the truth, but
    `/trial-jobs` and `/export-data` do not show it. These do, in this order:

    1. The final metric: its `parameterId` is that of the set which the trial read. After a resume
       these ids, the queue and the sequence ids start again, so it is only valid within its own run
       of the manager.
    2. The manager's log, for trials without a final metric and for submitted points, all of which
       have None as their id.
    3. The last intermediate metric, if the log is not available.

    A trial that none of them covers keeps what the manager reports and is marked, and so is one
    that ended without asking: `TrialJob.parameters_status`. Trials of other releases and training
    services are not changed.

    Args:
        source: The manager or the files.
        assigned: What the manager's log shows; None if it is not available.
    """

    def __init__(self, source: TrialSource, assigned: AssignedSets | None = None) -> None:
        self._source = source
        self._assigned = assigned

    def get_experiment_profile(self) -> ExperimentProfile:
        """Return the experiment's profile."""
        return self._source.get_experiment_profile()

    def get_job_statistics(self) -> list[TrialJobStatistics]:
        """Return the number of trials with each status."""
        return self._source.get_job_statistics()

    def list_trial_jobs(self) -> list[TrialJob]:
        """Return all trials in the order of their creation."""
        with collection_paused():
            return self._settle(self._source.list_trial_jobs())

    def get_trial_job(self, trial_job_id: str) -> TrialJob:
        """Return one trial.

        Raises:
            TrialJobNotFoundError: No trial has that id.
        """
        trial = self._source.get_trial_job(trial_job_id)
        if _is_settled(trial):
            return trial
        # For the log no other trials are needed.
        for _, answer in self._by_log([_Question.about(trial, _Run(_whole_set))]):
            return _settled(trial, answer)
        return next(one for one in self.list_trial_jobs() if one.trialJobId == trial_job_id)

    def get_job_metrics(self, trial_job_id: str | None = None) -> dict[str, list[TrialMetricData]]:
        """Return metrics by trial job id, of one trial or of all."""
        return self._source.get_job_metrics(trial_job_id)

    def export_data(self) -> list[TrialResult]:
        """Return parameters and final metrics of the trials that succeeded with a metric.

        Raises:
            DecodingError: A metric is not JSON.
        """
        results: list[TrialResult] = []
        # To save memory only the parameters are kept, which the results have anyway.
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
        # Every trial is added: the set of a settled one may also have gone to another.
        added = list(map(runs.add, trials))
        answers = self._answers(
            [_Question.about(trial, run) for trial, run in added if not _is_settled(trial)]
        )
        return [_settled(trial, answers.get(trial.trialJobId)) for trial in trials]

    def _answers(self, questions: list[_Question]) -> dict[str, _Answer]:
        """Return what is known of each trial, by its id, from as few sources as possible."""
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
        if self._assigned is None:
            return
        texts = self._assigned.find([one.trial_job_id for one in questions])
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
    """Whether it is known which hyper-parameters a trial ran with, and what is kept of them.

    Unless they are KNOWN, the trial keeps its own.
    """

    status: ParametersStatus
    ran: Any = None


_Answers: TypeAlias = Iterator[tuple[str, _Answer]]
"""Ids of trials, each with its answer."""


@dataclass(slots=True)
class _Run:
    """The hyper-parameters that one run of the manager queued, by id.

    Attributes:
        keep: Returns what is kept of a set.
        sets: Id -> what is kept of the set.
        ambiguous: Ids of more than one set.
        last_sequence_id: The largest sequence id of the trials that they were meant for.
    """

    keep: _Keep
    sets: dict[_ParameterId, Any] = field(default_factory=dict)
    ambiguous: set[_ParameterId] = field(default_factory=set)
    last_sequence_id: int = -1

    def add(self, one: TrialHyperParameters) -> None:
        """Add a set; sets with the same id cannot be distinguished."""
        if one.parameter_id in self.sets:
            self.ambiguous.add(one.parameter_id)
        else:
            self.sets[one.parameter_id] = self.keep(one)

    def answer(self, parameter_id: _ParameterId) -> _Answer | None:
        """Return the set of this id, None if there is none or more than one."""
        if parameter_id not in self.sets or parameter_id in self.ambiguous:
            return None
        return _Answer(ParametersStatus.KNOWN, self.sets[parameter_id])


class _Runs:
    """Distinguishes the runs of the manager, given trials in the order of their creation.

    In each run the manager continues sequence ids from the largest that it submits again, otherwise
    from 1, and its tuner does the same with the ids of hyper-parameters (2.10 to 3.0,
    `nnimanager.js` and `recoverable.py`). A trial that is submitted again gets its own set and does
    not queue.
    """

    def __init__(self, keep: _Keep) -> None:
        self._run = _Run(keep)

    def add(self, trial: TrialJob) -> tuple[TrialJob, _Run]:
        """Return the trial and the run in which it was created."""
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
    """What is needed of a trial to find out which hyper-parameters it ran with."""

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
            # It may still ask until its end.
            has_ended=trial.is_finished,
        )

    def by_log(self, text: str | None) -> _Answer | None:
        """Return what the manager's log shows, None if the final metric contradicts it.

        Args:
            text: The set last assigned to the trial, None if it has not asked.
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
    """Yield the manager's `/export-data` rows for a trial (1.9 to 3.0, `nniDataStore.js`)."""
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
