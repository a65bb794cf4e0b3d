"""How a fake manager misbehaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Exit:
    """A manager that ends before it is ready.

    Attributes:
        returncode: What it exits with.
        stderr: What it writes before.
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
    """A tuner that ends before the experiment does.

    Attributes:
        trials: It ends when it has generated that many; 0 ends it as soon as it has connected.
        returncode: What it exits with.
        traceback: What it appends to dispatcher.log before.
        says_goodbye: Whether the manager believes in an orderly end, so that the status stays
            RUNNING for ever, as in 3.0 after an exception in a tuner's handler. A tuner without a
            goodbye turns the status to ERROR after `Behaviour.tuner_lost_limit_s`.
        lives_on: Whether its process does not end, as after an exception while nobody asks it for
            anything: the thread that does the work is gone, and the status stays RUNNING.
    """

    trials: int = 0
    returncode: int = 1
    traceback: str = "Traceback (most recent call last):\nValueError: raised by the fake tuner\n"
    says_goodbye: bool = True
    lives_on: bool = False


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a fake manager does otherwise than a sound one; by default nothing.

    A route is given as method and path below `/api/v1/nni`, such as `GET /trial-jobs`, and stands
    for every path that begins so.

    Attributes:
        first_starts: Misbehave only in that many first starts of the installation; None: always.
            The limits and delays in seconds hold for every start.
        ready_delay_s: How long the REST API answers the plain text INITIALIZING.
        tuner_delay_s: How long the tuner takes to connect.
        tuner_connect_limit_s: Without a tuner by then the status is ERROR; 10 s in 2.8 to 3.0.
        tuner_lost_limit_s: The same after a connected tuner has gone; 30 s in 3.0.
        submit_delay_s: How long a set of hyper-parameters waits before it becomes a trial; up to
            1 s in 3.0, 5 s before.
        trial_kill_grace_s: From SIGINT to SIGKILL for the shell of a trial; 5 s in 3.0.
        orphan_tuner_s: How long the tuner outlives a killed manager; 20 s in 3.0.
        exits_before_ready: End before the REST API is up.
        steals_port: Say that the port is in use, and end, as if somebody had been faster.
        never_ready: Answer INITIALIZING for ever.
        answers_html: Answer 200 and a web page to every check-status.
        exits_after_ready: End with this return code once check-status has said INITIALIZED.
        rejects_post: Refuse the start POST.
        exits_after_post: End with this return code once the start POST is answered.
        ignores_updates: Answer 200 to every update and change nothing.
        never_answers: Routes that take the request and never answer.
        truncates: Routes whose JSON is cut in its middle.
        resets: Routes that break the connection instead of an answer.
        misses_kills: How many of the first requests to cancel a trial do nothing but say
            USER_CANCELED, as those over SSH in a trial's first seconds up to 2.10.
        hangs_on_stop: Ignore DELETE of the experiment, SIGTERM and SIGINT.
        tuner_never_connects: Keep the tuner from connecting.
        tuner_exits: End the tuner early.
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
        """Return the behaviour as plain JSON, for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Behaviour:
        """Return the behaviour that `to_json` gave."""
        return cls(**{name: _revive(name, value) for name, value in document.items()})

    def at_start(self, number: int) -> Behaviour:
        """Return what holds for the start of that number, counted from 1."""
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
