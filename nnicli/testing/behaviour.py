"""How a fake manager misbehaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Exit:
    """A manager that exits before it is ready.

    Attributes:
        returncode: Its exit code.
        stderr: Text that it writes to standard error first.
    """

    returncode: int = 1
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A start POST that is refused.

    Attributes:
        status: HTTP status of the answer.
        error: Text of its `error`.
    """

    status: int = 500
    error: str = "rejected by the fake manager"


@dataclass(frozen=True, slots=True)
class TunerExit:
    """A tuner that exits before the experiment is over.

    Attributes:
        trials: It exits after generating this many trials; 0: as soon as it has connected.
        returncode: Its exit code.
        traceback: Text that it appends to dispatcher.log first.
        says_goodbye: Whether the manager takes it for an orderly exit, so that the status stays
            RUNNING forever, as in 3.0 after an exception in a tuner's handler. Without a goodbye,
            the status becomes ERROR after `Behaviour.tuner_lost_limit_s`.
        lives_on: Whether its process keeps running, as after an exception outside a request: the
            worker thread is gone, and the status stays RUNNING.
    """

    trials: int = 0
    returncode: int = 1
    traceback: str = "Traceback (most recent call last):\nValueError: raised by the fake tuner\n"
    says_goodbye: bool = True
    lives_on: bool = False


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a fake manager differs from a sound one; by default not at all.

    A route is a method and a path below `/api/v1/nni`, such as `GET /trial-jobs`, and matches every
    path that starts with it.

    Attributes:
        first_starts: Misbehave only in the first so many starts of the installation; None: in all.
            Limits and delays in seconds apply to every start.
        ready_delay_s: How long the REST API answers with the plain text INITIALIZING.
        tuner_delay_s: How long the tuner takes to connect.
        tuner_connect_limit_s: If no tuner has connected by then, the status becomes ERROR; 10 s in
            2.8 to 3.0.
        tuner_lost_limit_s: The same after a connected tuner is lost; 30 s in 3.0.
        submit_delay_s: How long a set of hyper-parameters waits before it becomes a trial; up to
            1 s in 3.0, 5 s in earlier releases.
        trial_kill_grace_s: Time between SIGINT and SIGKILL for a trial's shell; 5 s in 3.0.
        orphan_tuner_s: How long the tuner outlives a killed manager; 20 s in 3.0.
        exits_before_ready: Exit before the REST API is up.
        steals_port: Report that the port is in use and exit, as if another process had taken it.
        never_ready: Answer INITIALIZING forever.
        answers_html: Answer every check-status with 200 and a web page.
        exits_after_ready: Exit with this code once check-status has answered INITIALIZED.
        rejects_post: Refuse the start POST.
        exits_after_post: Exit with this code once the start POST is answered.
        ignores_updates: Answer 200 to every update and change nothing.
        never_answers: Routes that accept the request and never answer.
        truncates: Routes whose JSON is cut off in the middle.
        resets: Routes that reset the connection instead of answering.
        misses_kills: How many of the first requests to cancel a trial only set its status to
            USER_CANCELED, as up to 2.10 over SSH in a trial's first seconds.
        hangs_on_stop: Ignore DELETE of the experiment, SIGTERM and SIGINT.
        tuner_never_connects: Keep the tuner from connecting.
        tuner_exits: Make the tuner exit early.
    """

    first_starts: int | None = None
    ready_delay_s: float = 0.02
    tuner_delay_s: float = 0.0
    tuner_connect_limit_s: float = 10.0
    tuner_lost_limit_s: float = 30.0
    submit_delay_s: float = 0.0
    trial_kill_grace_s: float = 0.3
    orphan_tuner_s: float = 20.0
    exits_before_ready: Exit | None = None
    steals_port: bool = False
    never_ready: bool = False
    answers_html: bool = False
    exits_after_ready: int | None = None
    rejects_post: Rejection | None = None
    exits_after_post: int | None = None
    ignores_updates: bool = False
    never_answers: tuple[str, ...] = ()
    truncates: tuple[str, ...] = ()
    resets: tuple[str, ...] = ()
    misses_kills: int = 0
    hangs_on_stop: bool = False
    tuner_never_connects: bool = False
    tuner_exits: TunerExit | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the behaviour as a JSON object, for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Behaviour:
        """Return the behaviour that `to_json` encoded."""
        return cls(**{name: _revive(name, value) for name, value in document.items()})

    def at_start(self, number: int) -> Behaviour:
        """Return the behaviour for a start, counted from 1."""
        if self.first_starts is None or number <= self.first_starts:
            return self
        return replace(Behaviour(), **{name: getattr(self, name) for name in _ALWAYS})


_ALWAYS = (
    "ready_delay_s",
    "tuner_delay_s",
    "tuner_connect_limit_s",
    "tuner_lost_limit_s",
    "submit_delay_s",
    "trial_kill_grace_s",
    "orphan_tuner_s",
)
_VALUES = {"exits_before_ready": Exit, "rejects_post": Rejection, "tuner_exits": TunerExit}


def _revive(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return _VALUES[name](**value)
    return tuple(value) if isinstance(value, list) else value
