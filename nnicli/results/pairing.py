"""Trials with the hyper-parameters that they really ran with."""

from __future__ import annotations

from nnicli.models import (
    ExperimentProfile,
    TrialHyperParameters,
    TrialJob,
    TrialJobStatistics,
    TrialMetricData,
    TrialResult,
    TrialSource,
)


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
        """Return parameters and final metrics of the trials that succeeded."""
        results = self._source.export_data()
        ran = {trial.trialJobId: trial.parameters for trial in self.list_trial_jobs()}
        return [
            result.with_parameter(ran.get(result.trialJobId, result.parameter))
            for result in results
        ]

    def trial_log(self, trial_job_id: str, kind: str = "stdout") -> str:
        """Return what a trial wrote: `stdout`, `stderr` or `trial`."""
        return self._source.trial_log(trial_job_id, kind)


def _paired(trials: list[TrialJob]) -> list[TrialJob]:
    if not any(_has_strayed(trial) for trial in trials):
        return trials
    sets = _sets_by_id(trials)
    return [
        trial.with_hyper_parameters([ran])
        if _has_strayed(trial) and (ran := sets.get(trial.finalMetricData[0].parameterId))
        else trial
        for trial in trials
    ]


def _has_strayed(trial: TrialJob) -> bool:
    """Return whether the trial's final metric names other hyper-parameters than the trial."""
    # The trials of multi-phase have several sets, and metrics for each.
    if len(trial.hyperParameters) != 1 or not trial.finalMetricData:
        return False
    return trial.finalMetricData[0].parameterId != trial.hyperParameters[0].parameter_id


def _sets_by_id(trials: list[TrialJob]) -> dict[int | str | None, TrialHyperParameters]:
    """Return each set of hyper-parameters whose id names only one that could have gone astray."""
    sets: dict[int | str | None, list[TrialHyperParameters]] = {}
    for trial in trials:
        if _has_strayed(trial) or not trial.finalMetricData:
            for one in trial.hyperParameters:
                sets.setdefault(one.parameter_id, []).append(one)
    return {name: found[0] for name, found in sets.items() if len(found) == 1}
