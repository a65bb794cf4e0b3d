"""What an experiment can still do, judged by one snapshot of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nnicli.models import ExperimentStatus, TrialJobStatus
from nnicli.releases import Pace

_FINISHED = frozenset(status.value for status in TrialJobStatus if status.is_finished)
# What a manager or a tuner on a busy machine may need beyond its own interval.
_MARGIN_S = 1.0
_WIDE_MARGIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is seen of an experiment at one moment.

    Attributes:
        status: The manager's.
        counts: Trial status -> number of trials.
        params: The config, as the manager has it now.
        queued: How many sets of hyper-parameters the tuner, or a user, has generated that are not
            submitted as trials yet; None where that cannot be known.
        is_answered: Whether the tuner said that it has nothing more after the last trial's end.
        is_paused: Whether no trial may run.
    """

    status: str
    counts: Mapping[str, int]
    params: Mapping[str, Any]
    queued: int | None
    is_answered: bool = False
    is_paused: bool = False

    @property
    def trials(self) -> int:
        """How many trials there are."""
        return sum(self.counts.values())

    @property
    def unfinished(self) -> int:
        """How many trials wait, run, or are to run again after a resume."""
        return sum(number for name, number in self.counts.items() if name not in _FINISHED)

    @property
    def finished(self) -> int:
        """How many trials have ended."""
        return self.trials - self.unfinished

    @property
    def waiting(self) -> int:
        """How many trials and sets wait for their turn."""
        return self.counts.get(TrialJobStatus.WAITING, 0) + max(self.queued or 0, 0)

    @property
    def is_starved(self) -> bool:
        """Whether something should run, and nothing does."""
        if self.is_paused or self.counts.get(TrialJobStatus.RUNNING, 0):
            return False
        return self.status == ExperimentStatus.RUNNING or self.waiting > 0


def rest_s(snapshot: Snapshot, pace: Pace) -> float:
    """Return how long nothing may change until it is certain that nothing more will come.

    A tuner takes in the end of a trial in one thread and requests for more in another (1.8 to 3.0,
    source), so its "nothing more" may come a moment before its next sets. Where the queue or the
    tuner's word is not known, the manager gets the time to submit and to ask, twice.
    """
    interval_s = pace.interval_s(snapshot.params)
    if snapshot.queued is not None and snapshot.is_answered:
        return interval_s + _MARGIN_S
    return 2 * interval_s + _WIDE_MARGIN_S


def may_be_over(snapshot: Snapshot) -> bool:
    """Return whether no more work is in sight.

    TUNER_NO_MORE_TRIAL means that the tuner has nothing now. The status comes before the sets that
    it has generated are submitted, does not become DONE by itself, and is left again when the
    tuner has more, as PBT has for every generation (1.9, 2.10.1 and 3.0, seen live).
    """
    if snapshot.status == ExperimentStatus.DONE:
        return True
    is_exhausted = snapshot.status == ExperimentStatus.TUNER_NO_MORE_TRIAL
    return is_exhausted and snapshot.unfinished == 0 and (snapshot.queued or 0) <= 0
