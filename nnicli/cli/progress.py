"""Snapshots of a running experiment's progress."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from nnicli import Experiment, TrialJob, TrialJobStatus
from nnicli.results import Mode, optimize_mode, rank_trials
from nnicli.waiting import Deadline

_ENDED = frozenset(status.value for status in TrialJobStatus if status.is_finished)


@dataclass(frozen=True)
class Snapshot:
    """The state of a running experiment at one moment.

    Attributes:
        status: Status of the manager.
        counts: Trial status -> number of trials.
        total: Maximum number of trials, None if unlimited.
        best: The best trial so far with its metric, None without one or without a direction.
        elapsed_s: Seconds since the start; ignored when snapshots are compared.
    """

    status: str
    counts: dict[str, int]
    total: int | None
    best: tuple[TrialJob, float] | None
    elapsed_s: float = field(compare=False)

    @property
    def done(self) -> int:
        """Number of trials that have ended, failed ones included."""
        return sum(number for status, number in self.counts.items() if status in _ENDED)

    @property
    def running(self) -> int:
        """Number of running trials."""
        return self.counts.get("RUNNING", 0)

    @property
    def failed(self) -> int:
        """Number of failed trials."""
        return self.counts.get("FAILED", 0)


class Watcher:
    """Takes snapshots of one experiment."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._since = Deadline(None)
        profile = experiment.get_experiment_profile()
        self.mode: Mode | None = optimize_mode(profile)
        # Looked up while the manager is running.
        self._dialect = experiment.client.dialect

    def take_snapshot(self, status: str) -> Snapshot:
        """Return the progress of the experiment.

        Args:
            status: The status that the manager has just reported.
        """
        trials = self._experiment.list_trial_jobs()
        ranked = rank_trials(trials, mode=self.mode) if self.mode else []
        # Not from the config: the limit may be raised while the experiment runs.
        params = self._experiment.get_experiment_profile()["params"]
        return Snapshot(
            status=status,
            counts=dict(Counter(trial.status for trial in trials)),
            total=self._dialect.read("max_trial_number", params),
            best=ranked[0] if ranked else None,
            elapsed_s=self._since.waited_s,
        )
