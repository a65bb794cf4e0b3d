"""What an experiment can still do, judged by a snapshot of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nnicli.models import ExperimentStatus, TrialJobStatus
from nnicli.releases import Pace

_FINISHED = frozenset(status.value for status in TrialJobStatus if status.is_finished)
# Extra time that a manager or a tuner may need on a busy machine.
_MARGIN_S = 1.0
_WIDE_MARGIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of an experiment at one moment.

    Attributes:
        status: The manager's status.
        counts: Trial status -> number of trials.
        params: The config that the manager has now.
        queued: How many parameter sets the tuner or a user has generated that are not submitted as
            trials yet; None if unknown.
        is_answered: Whether the tuner has said, since the last trial ended, that it has no more
            parameter sets.
        is_paused: Whether trials are kept from running.
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
        """How many trials wait, run, or will run again after a resume."""
        return sum(number for name, number in self.counts.items() if name not in _FINISHED)

    @property
    def finished(self) -> int:
        """How many trials have ended."""
        return self.trials - self.unfinished

    @property
    def waiting(self) -> int:
        """How many trials and parameter sets are waiting to run."""
        return self.counts.get(TrialJobStatus.WAITING, 0) + max(self.queued or 0, 0)

    @property
    def is_starved(self) -> bool:
        """Whether a trial should be running and none is."""
        if self.is_paused or self.counts.get(TrialJobStatus.RUNNING, 0):
            return False
        return self.status == ExperimentStatus.RUNNING or self.waiting > 0


def settle_time_s(snapshot: Snapshot, pace: Pace) -> float:
    """Return how many seconds without a change prove that no more trials will come.

    A tuner handles the end of a trial in one thread and requests for more in another (1.8 to 3.0,
    source), so it may say that it has no more a moment before it generates its next sets. Where the
    queue or the tuner's answer is unknown, the manager gets twice the time to submit and to ask.
    """
    interval_s = pace.interval_s(snapshot.params)
    if snapshot.queued is not None and snapshot.is_answered:
        return interval_s + _MARGIN_S
    return 2 * interval_s + _WIDE_MARGIN_S


def may_be_over(snapshot: Snapshot) -> bool:
    """Return whether no more work is in sight.

    TUNER_NO_MORE_TRIAL means that the tuner has nothing at the moment. The status comes before the
    sets that it has generated are submitted, does not become DONE by itself, and changes back when
    the tuner has more, as PBT does for every generation (1.9, 2.10.1 and 3.0, seen live).
    """
    if snapshot.status == ExperimentStatus.DONE:
        return True
    is_exhausted = snapshot.status == ExperimentStatus.TUNER_NO_MORE_TRIAL
    return is_exhausted and snapshot.unfinished == 0 and (snapshot.queued or 0) <= 0
