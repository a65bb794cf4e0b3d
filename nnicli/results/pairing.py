"""Trials with the hyper-parameters that they really ran with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from nnicli.allocation import collection_paused
from nnicli.decoding import decode_json
from nnicli.models import (
    ExperimentProfile,
    TrialHyperParameters,
    TrialJob,
    TrialJobStatistics,
    TrialMetricData,
    TrialResult,
    TrialSource,
)

_ParameterId: TypeAlias = int | str | None


class PairedTrials:
    """A TrialSource over another one, whose trials name the hyper-parameters that they ran with.

    On a local machine and over SSH the 3.0 manager notes which hyper-parameters a trial shall get,
    then hands out the oldest of a queue to whichever trial asks first (`v3/compat.js`). So trials
    that start at one moment run with each other's, and after a trial that never asked every later
    one runs with those of the trial before. The tuner learns the truth, but `/trial-jobs` and
    `/export-data` do not tell it. The final metric does: its `parameterId` is what the trial read.
    Of a trial without a final metric nobody knows; it keeps what the manager says.
    """

    def __init__(self, source: TrialSource) -> None:
        """Take the manager or the files."""
        self._source = source

    def get_experiment_profile(self) -> ExperimentProfile:
        """Return the experiment's profile."""
        return self._source.get_experiment_profile()

    def get_job_statistics(self) -> list[TrialJobStatistics]:
        """Return how many trials are in each status."""
        return self._source.get_job_statistics()

    def list_trial_jobs(self) -> list[TrialJob]:
        """Return all trials in the order in which they were made."""
        return _paired(self._source.list_trial_jobs())

    def get_trial_job(self, trial_job_id: str) -> TrialJob:
        """Return one trial.

        Raises:
            TrialJobNotFoundError: There is none of that id.
        """
        trial = self._source.get_trial_job(trial_job_id)
        if not _has_strayed(trial):
            return trial
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
        unread = _UnreadSets()
        strayed: list[tuple[int, _ParameterId]] = []
        with collection_paused():
            for trial in self._source.iter_trial_jobs():
                unread.add_those_of(trial)
                if _has_strayed(trial):
                    strayed.append((len(results), trial.finalMetricData[0].parameterId))
                results += _results_of(trial)
        for place, parameter_id in strayed:
            if ran := unread.find(parameter_id):
                results[place] = results[place].with_parameter(ran.parameters)
        return results

    def trial_log(self, trial_job_id: str, kind: str = "stdout") -> str:
        """Return what a trial wrote: `stdout`, `stderr` or `trial`."""
        return self._source.trial_log(trial_job_id, kind)


class _UnreadSets:
    """The hyper-parameters that may have gone to another trial than the manager says."""

    def __init__(self, trials: Iterable[TrialJob] = ()) -> None:
        self._sets: dict[_ParameterId, list[TrialHyperParameters]] = {}
        for trial in trials:
            self.add_those_of(trial)

    def add_those_of(self, trial: TrialJob) -> None:
        """Add the trial's sets, unless its final metric says that it read them itself."""
        if _has_strayed(trial) or not trial.finalMetricData:
            for one in trial.hyperParameters:
                self._sets.setdefault(one.parameter_id, []).append(one)

    def find(self, parameter_id: _ParameterId) -> TrialHyperParameters | None:
        """Return the set of this id, None if there is none or more than one."""
        found = self._sets.get(parameter_id, ())
        return found[0] if len(found) == 1 else None


def _paired(trials: list[TrialJob]) -> list[TrialJob]:
    if not any(map(_has_strayed, trials)):
        return trials
    unread = _UnreadSets(trials)
    return [
        trial.with_hyper_parameters([ran])
        if _has_strayed(trial) and (ran := unread.find(trial.finalMetricData[0].parameterId))
        else trial
        for trial in trials
    ]


def _has_strayed(trial: TrialJob) -> bool:
    """Return whether the trial's final metric names other hyper-parameters than the trial."""
    sets, finals = trial.hyperParameters, trial.finalMetricData
    # The trials of multi-phase have several sets, and metrics for each.
    return len(sets) == 1 and bool(finals) and finals[0].parameterId != sets[0].parameter_id


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
    data = metric.raw.get("data")
    return TrialResult(
        {
            "parameter": ran.parameters,
            "value": decode_json(data) if isinstance(data, str) else data,
            "trialJobId": trial.trialJobId,
        }
    )
