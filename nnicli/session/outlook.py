"""What an experiment can still do, judged by what is seen of it at one moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nnicli.models import ExperimentStatus, TrialJobStatus
from nnicli.versions import row_for

_FINISHED = frozenset(status.value for status in TrialJobStatus if status.is_finished)
# What a manager or a tuner on a busy machine may need beyond its own interval.
_MARGIN_S = 1.0
_WIDE_MARGIN_S = 5.0
# The training services of 3.0 that it has from 2.x; they are looked at as seldom as there.
_SLOW_IN_3 = ("kubeflow", "frameworkcontroller")


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen of an experiment at one moment.

    Attributes:
        status: The manager's.
        counts: Trial status -> number of trials.
        params: The config, as the manager has it now.
        queued: How many sets of hyper-parameters the tuner, or a user, has handed out that are not
            submitted as trials yet; None where that cannot be known.
        is_answered: Whether the tuner said that it has nothing more after the last trial's end.
    """

    status: str
    counts: Mapping[str, int]
    params: Mapping[str, Any]
    queued: int | None
    is_answered: bool = False

    @property
    def is_paused(self) -> bool:
        """Whether no trial may run."""
        return self.params.get("trialConcurrency") == 0

    @property
    def trials(self) -> int:
        """How many trials there are."""
        return sum(self.counts.values())

    @property
    def unfinished(self) -> int:
        """How many trials wait, run, or are to run again after a resume."""
        return sum(number for name, number in self.counts.items() if name not in _FINISHED)

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


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the managers of a family look at their trials and submit what is queued.

    Attributes:
        since: First release of the family.
        interval_s: The profile's `params` -> seconds between two looks.
    """

    since: str
    interval_s: Callable[[Mapping[str, Any]], float]

    def rest_s(self, look: Look) -> float:
        """Return how long nothing may change until it is certain that nothing more will come.

        A tuner takes in the end of a trial in one thread and requests for more in another (1.8 to
        3.0, source), so its "nothing more" may come a moment before its next sets. Where the queue
        or the tuner's word is not known, the manager gets the time to submit and to ask, twice.
        """
        interval_s = self.interval_s(look.params)
        if look.queued is not None and look.is_answered:
            return interval_s + _MARGIN_S
        return 2 * interval_s + _WIDE_MARGIN_S


def _every_5_s(_params: Mapping[str, Any]) -> float:
    return 5.0


def _by_service(params: Mapping[str, Any]) -> float:
    service = params.get("trainingService")
    if not isinstance(service, Mapping) or service.get("reuseMode"):
        return 5.0
    return 5.0 if service.get("platform") in _SLOW_IN_3 else 0.5


_1_8 = Pace(since="1.8", interval_s=_every_5_s)
_3_0 = replace(_1_8, since="3.0", interval_s=_by_service)

PACES = (_1_8, _3_0)


def pace_for(version: str) -> Pace:
    """Return the row for an NNI release.

    Raises:
        UnsupportedVersionError: The release is older than every row.
    """
    return row_for(PACES, version)


def may_be_over(look: Look) -> bool:
    """Return whether no more work is in sight.

    TUNER_NO_MORE_TRIAL means that the tuner has nothing now. The status comes before the sets that
    it has handed out are submitted, does not become DONE by itself, and is left again when the
    tuner has more, as PBT has for every generation (1.9, 2.10.1 and 3.0, seen live).
    """
    if look.status == ExperimentStatus.DONE:
        return True
    is_exhausted = look.status == ExperimentStatus.TUNER_NO_MORE_TRIAL
    return is_exhausted and look.unfinished == 0 and (look.queued or 0) <= 0
