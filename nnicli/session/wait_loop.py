"""Waiting until an experiment is over, within the caller's limits."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nnicli.errors import RequestTimeoutError, WaitTimeoutError
from nnicli.models import ExperimentStatus
from nnicli.session.supervisor import Supervisor
from nnicli.waiting import Deadline, within

_INTERVAL_S = 0.5


@dataclass(frozen=True, slots=True)
class WaitLimits:
    """What ends a wait besides the end of the experiment.

    Attributes:
        deadline: When the time is up.
        until: Further statuses to return on.
        start_s: How many seconds trials may wait while none runs; None: no limit.
        allow_no_metric: Whether trials may succeed without a number as their final metric.
    """

    deadline: Deadline
    until: Collection[str] = ()
    start_s: float | None = None
    allow_no_metric: bool = False


def wait_for_end(supervisor: Supervisor, limits: WaitLimits) -> ExperimentStatus:
    """Wait until the experiment is over or a limit is reached; return the last status.

    Raises:
        WaitTimeoutError: The time is up; the experiment is still running.
        TrialsNotStartedError: No trial has run for `start_s`; the experiment is still running.
        ExperimentFailedError: It cannot go on; the subclasses say why.
        RestError: The manager does not answer.
    """
    deadline = limits.deadline
    while True:
        with _in_time(supervisor, deadline):
            final = supervisor.check(allow_no_metric=limits.allow_no_metric)
        if final is not None:
            return final
        if supervisor.last_status in limits.until:
            return ExperimentStatus(supervisor.last_status)
        with _in_time(supervisor, deadline):
            if limits.start_s is not None and supervisor.has_starved(limits.start_s):
                raise supervisor.not_started(deadline.waited_s)
        if deadline.expired:
            raise WaitTimeoutError(
                f"experiment {supervisor.exp_id} is {supervisor.last_status} after "
                f"{deadline.waited_s:.0f} s; it is still running",
                waited_s=deadline.waited_s,
                status=supervisor.last_status,
            ).with_advice("wait() may be called again", shell="")
        deadline.sleep(_INTERVAL_S)


@contextmanager
def _in_time(supervisor: Supervisor, deadline: Deadline) -> Iterator[None]:
    """Limit a check to the time that is left; one that takes longer ends the wait."""
    try:
        with within(deadline):
            yield
    except RequestTimeoutError as error:
        if not deadline.expired:
            raise
        raise WaitTimeoutError(
            f"experiment {supervisor.exp_id} could not be checked in time: {error.message}",
            waited_s=deadline.waited_s,
            status=supervisor.last_status,
        ) from error
