"""The errors that nnicli raises on purpose.

    NnicliError
      ConfigError(ValueError)
        ConfigSyntaxError
        ConfigSchemaError
        SearchSpaceError
      InvalidValueError(ValueError)
      StateError(RuntimeError)
        NotConnectedError
        AlreadyConnectedError
      NotFoundError(LookupError)
        ExperimentNotFoundError
        TrialJobNotFoundError
        TrialLogNotAvailableError
      LaunchError(RuntimeError)
        InstallationNotFoundError(FileNotFoundError)
        UnsupportedVersionError
        UnsupportedPlatformError
        PortInUseError(OSError)
        ManagerExitedError
        StartTimeoutError(TimeoutError)
      StopError
        ManagerStillAliveError(TimeoutError)
        StopNotSupportedError
        TrialStillRunningError(TimeoutError)
      RegistryError(OSError)
      ArchiveError(OSError)
      AlreadyExistsError(FileExistsError)
      DeletionError(OSError)
      DecodingError(ValueError)
      RestError
        ConnectError(ConnectionError)
        ConnectionLostError(ConnectionError)
        RequestTimeoutError(TimeoutError)
        StatusError
        ResponseError(DecodingError)
        UpdateNotAppliedError
      ExperimentFailedError(RuntimeError)
        TunerCrashedError
          TunerTooSlowError
        NoTrialSucceededError
          NoMetricError
      WaitTimeoutError(TimeoutError)
        TrialsNotStartedError
      TunerNotReadyError(TimeoutError)

The other base of a class is in parentheses. A class exists only if a caller would handle it
differently. Every error can be pickled. The text of an error, and every attribute that quotes a
log, an answer or a command line, is safe to show: without terminal control characters, and with
`***` for secrets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from nnicli.printable import presentable, printable, printable_line
from nnicli.redaction import redact_argv

_Error = TypeVar("_Error", bound="NnicliError")

_LONGEST_PROGRAM = 40

Severity = Literal["error", "warning"]
"""A problem with severity `error` prevents a start; a `warning` is only reported."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or surprising, in a config or a search space.

    Attributes:
        file: The file it is in, or None if the config was given as a mapping.
        line: Line in that file, from 1, or None.
        column: Column in that line, from 1, or None.
        location: Dotted path of the field, such as `tuner.classArgs.optimize_mode`; empty for
            the document itself.
        message: What was found and what is allowed.
        rule: Short stable name of the rule that found it.
        severity: `error` or `warning`.
        suggestion: What was probably meant, or None.
    """

    file: Path | None
    line: int | None
    column: int | None
    location: str
    message: str
    rule: str
    severity: Severity = "error"
    suggestion: str | None = None

    def __post_init__(self) -> None:
        # Secrets have already been masked, by the code that knows the field.
        object.__setattr__(self, "location", printable_line(self.location))
        object.__setattr__(self, "message", printable(self.message))
        if self.suggestion is not None:
            object.__setattr__(self, "suggestion", printable_line(self.suggestion))

    def __str__(self) -> str:
        """Return `FILE:LINE:COLUMN: field: message`, a form that editors and CI can jump to."""
        place = ":".join(
            printable_line(str(part))
            for part in (self.file, self.line, self.column)
            if part is not None
        )
        text = ": ".join(part for part in (place, self.location, self.message) if part)
        return f"{text} ({self.suggestion})" if self.suggestion else text


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """What distinguishes a process from a later one with the same pid.

    Attributes:
        pid: Process id.
        create_time: When the process was created, in seconds since 1970.
        argv: Its command line with `***` for secrets, such as the whole config in that of a tuner;
            empty if it could not be read.
    """

    pid: int
    create_time: float
    argv: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "argv", redact_argv(self.argv))

    def __str__(self) -> str:
        """Return the pid and the program, such as `pid 4711 (node)`."""
        program = Path(self.argv[0]).name if self.argv else ""
        return (
            f"pid {self.pid} ({printable_line(program, most=40)})" if program else f"pid {self.pid}"
        )


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do about an error or a warning, worded for where it is shown.

    Attributes:
        python: For callers of the library, in terms of arguments and methods.
        shell: For users of the command, in terms of options and commands; empty if there is nothing
            that they can do.
    """

    python: str
    shell: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "python", presentable(self.python))
        object.__setattr__(self, "shell", presentable(self.shell))

    def __str__(self) -> str:
        return self.python


class NnicliError(Exception):
    """Base of every error that nnicli raises on purpose.

    Attributes:
        message: What was tried and what was seen.
        advice: What to do next, None if the message says enough.
    """

    def __init__(self, message: str) -> None:
        super().__init__(presentable(message))
        self.advice: Advice | None = None

    @property
    def message(self) -> str:
        """The text without the advice."""
        return str(self.args[0])

    def __str__(self) -> str:
        return self.text_for("python")

    def text_for(self, face: Literal["python", "shell"]) -> str:
        """Return the text with the advice for where it is shown."""
        advice = "" if self.advice is None else getattr(self.advice, face)
        if not advice:
            return self.message
        # After the end of a log it would look like a part of the log.
        sign = "\n" if "\n" in self.message else "; "
        return f"{self.message}{sign}{advice}"

    def with_advice(self: _Error, python: str, *, shell: str) -> _Error:  # noqa: PYI019 - 3.10
        """Return this error, with advice worded for both faces."""
        self.advice = Advice(python, shell)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__.copy())


def _rebuild(cls: type[NnicliError], args: tuple[Any, ...], state: dict[str, Any]) -> NnicliError:
    # With RuntimeError before OSError among the bases, cls.__new__ is RuntimeError's, which refuses
    # a class that has OSError's memory layout.
    layout = OSError if issubclass(cls, OSError) else Exception
    error = layout.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigError(NnicliError, ValueError):
    """A config that cannot be started; `problems` lists everything that is wrong with it."""

    def __init__(
        self,
        message: str,
        *,
        path: Path | None = None,
        problems: Iterable[Problem] = (),
    ) -> None:
        super().__init__(message)
        self.path = path
        self.problems = tuple(problems)


class ConfigSyntaxError(ConfigError):
    """The file is missing, unreadable, or not YAML or JSON that a config can be."""


class ConfigSchemaError(ConfigError):
    """The document was read, but its content violates the rules of the format."""


class SearchSpaceError(ConfigError):
    """The search space is missing, unreadable, or cannot be used by a tuner."""


class InvalidValueError(NnicliError, ValueError):
    """A value passed to nnicli is not allowed; nothing was sent."""

    def __init__(self, message: str, *, field: str, value: object) -> None:
        super().__init__(message)
        self.field = field
        self.value = value

    def text_for(self, face: Literal["python", "shell"]) -> str:
        """Return the text; for a shell an argument is named as its option."""
        text = super().text_for(face)
        is_argument = self.field.isidentifier() and text.startswith(f"{self.field}: ")
        if face == "python" or not is_argument:
            return text
        return f"--{self.field.replace('_', '-')}{text.removeprefix(self.field)}"


class StateError(NnicliError, RuntimeError):
    """The call is not allowed in the current state."""


class NotConnectedError(StateError):
    """The call needs an experiment, but this instance is not connected to one."""


class AlreadyConnectedError(StateError):
    """The call would replace the experiment that this instance is connected to."""


class NotFoundError(NnicliError, LookupError):
    """Something named in the call does not exist."""


class ExperimentNotFoundError(NotFoundError):
    """No experiment with that id is known on this machine."""

    def __init__(self, message: str, *, exp_id: str) -> None:
        super().__init__(message)
        self.exp_id = exp_id


class TrialJobNotFoundError(NotFoundError):
    """The experiment does not have a trial job with that id."""

    def __init__(self, message: str, *, trial_job_id: str) -> None:
        super().__init__(message)
        self.trial_job_id = trial_job_id


class TrialLogNotAvailableError(NotFoundError):
    """The trial ran on another machine, and its output is not available on this one.

    Attributes:
        trial_job_id: The trial.
        location: Where its output is, according to the manager.
    """

    def __init__(self, message: str, *, trial_job_id: str, location: str) -> None:
        super().__init__(message)
        self.trial_job_id = trial_job_id
        self.location = presentable(location)


class LaunchError(NnicliError, RuntimeError):
    """A manager could not be started; everything it left was removed.

    Attributes:
        argv: The command line that was tried, empty if the start failed before.
        log_tail: The last lines that the manager wrote.
    """

    def __init__(self, message: str, *, argv: Sequence[str] = (), log_tail: str = "") -> None:
        super().__init__(message)
        self.argv = redact_argv(argv)
        self.log_tail = presentable(log_tail)


class InstallationNotFoundError(LaunchError, FileNotFoundError):
    """No NNI was found where nnicli looked."""


class UnsupportedVersionError(LaunchError):
    """An NNI was found, but its release is not supported, or lacks what was requested."""


class UnsupportedPlatformError(LaunchError):
    """Managers cannot be started or stopped on this operating system."""


class PortInUseError(LaunchError, OSError):
    """The port is already in use.

    Attributes:
        port: The requested port.
        owner: The process that listens on it, or None if that is not visible.
    """

    def __init__(self, message: str, *, port: int, owner: ProcessIdentity | None = None) -> None:
        super().__init__(message)
        self.port = port
        self.owner = owner


class ManagerExitedError(LaunchError):
    """The manager exited before the experiment had started."""

    def __init__(
        self,
        message: str,
        *,
        returncode: int | None,
        argv: Sequence[str] = (),
        log_tail: str = "",
    ) -> None:
        super().__init__(message, argv=argv, log_tail=log_tail)
        self.returncode = returncode


class StartTimeoutError(LaunchError, TimeoutError):
    """The manager was alive but not ready in time; it was stopped."""

    def __init__(
        self, message: str, *, waited_s: float, argv: Sequence[str] = (), log_tail: str = ""
    ) -> None:
        super().__init__(message, argv=argv, log_tail=log_tail)
        self.waited_s = waited_s


class StopError(NnicliError):
    """An experiment, or a trial, could not be stopped."""


class ManagerStillAliveError(StopError, TimeoutError):
    """The manager, or a process that it had started, survived even SIGKILL."""

    def __init__(self, message: str, *, identity: ProcessIdentity) -> None:
        super().__init__(message)
        self.identity = identity


class StopNotSupportedError(StopError):
    """This manager cannot be stopped from this machine."""


class RegistryError(NnicliError, OSError):
    """NNI's registry of experiments is corrupt or not writable, or could not be locked."""


class ArchiveError(NnicliError, OSError):
    """An archive cannot be written or read, is damaged, or holds something that is not allowed.

    Attributes:
        path: The archive.
    """

    def __init__(self, message: str, *, path: Path) -> None:
        super().__init__(message)
        self.path = path


class AlreadyExistsError(NnicliError, FileExistsError):
    """A file or directory already exists, and nnicli does not overwrite it.

    Attributes:
        path: The existing file or directory.
    """

    def __init__(self, message: str, *, path: Path) -> None:
        super().__init__(message)
        self.path = path


class DeletionError(NnicliError, OSError):
    """Part of an experiment could not be deleted; other parts may already be gone.

    Attributes:
        path: What could not be deleted.
    """

    def __init__(self, message: str, *, path: Path) -> None:
        super().__init__(message)
        self.path = path


class DecodingError(NnicliError, ValueError):
    """A file or a text does not hold what NNI writes there.

    Attributes:
        body_start: The start of the text, empty if it is not shown.
    """

    def __init__(self, message: str, *, body_start: str = "") -> None:
        super().__init__(message)
        self.body_start = presentable(body_start)


class RestError(NnicliError):
    """A request to the manager failed.

    Attributes:
        method: HTTP method.
        url: The URL without user, password and query.
    """

    def __init__(self, message: str, *, method: str, url: str) -> None:
        super().__init__(message)
        self.method = method
        self.url = url


class ConnectError(RestError, ConnectionError):
    """Could not connect: nothing was sent, so the request is safe to repeat."""


class ConnectionLostError(RestError, ConnectionError):
    """The connection broke after the request was sent; it may or may not have been processed."""


class RequestTimeoutError(RestError, TimeoutError):
    """No answer in time; the request may or may not have been processed."""


class StatusError(RestError):
    """The manager answered with an HTTP error.

    Attributes:
        status_code: HTTP status.
        server_message: The manager's own explanation, empty if it did not give one.
    """

    def __init__(
        self, message: str, *, method: str, url: str, status_code: int, server_message: str = ""
    ) -> None:
        super().__init__(message, method=method, url=url)
        self.status_code = status_code
        self.server_message = presentable(server_message)


class ResponseError(RestError, DecodingError):
    """The answer is not what a manager sends; `body_start` is the start of it."""

    def __init__(self, message: str, *, method: str, url: str, body_start: str = "") -> None:
        super().__init__(message, method=method, url=url)
        self.body_start = presentable(body_start)


class UpdateNotAppliedError(RestError):
    """The manager answered 200, but the value did not change."""

    def __init__(
        self, message: str, *, method: str, url: str, field: str, wanted: object, found: object
    ) -> None:
        super().__init__(message, method=method, url=url)
        self.field = field
        self.wanted = wanted
        self.found = found


class ExperimentFailedError(NnicliError, RuntimeError):
    """The experiment ended in an error; `errors` has the manager's own messages."""

    def __init__(self, message: str, *, errors: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.errors = tuple(map(presentable, errors))


class TunerCrashedError(ExperimentFailedError):
    """The tuner crashed, so no more trials will start; `log_tail` is the end of dispatcher.log."""

    def __init__(self, message: str, *, errors: Iterable[str] = (), log_tail: str = "") -> None:
        super().__init__(message, errors=errors)
        self.log_tail = presentable(log_tail)


class TunerTooSlowError(TunerCrashedError):
    """The manager gave up on a tuner that did not connect in time, without an error."""


class NoTrialSucceededError(ExperimentFailedError):
    """The experiment is over, and no trial succeeded."""


class NoMetricError(NoTrialSucceededError):
    """The experiment is over, and no trial that succeeded has a number as its final metric."""


class TrialStillRunningError(StopError, TimeoutError):
    """A trial was still running after its manager had been asked to cancel it for `waited_s`."""

    def __init__(self, message: str, *, trial_job_id: str, waited_s: float) -> None:
        super().__init__(message)
        self.trial_job_id = trial_job_id
        self.waited_s = waited_s


class WaitTimeoutError(NnicliError, TimeoutError):
    """The experiment did not end in time; it continues to run."""

    def __init__(self, message: str, *, waited_s: float, status: str) -> None:
        super().__init__(message)
        self.waited_s = waited_s
        self.status = status


class TrialsNotStartedError(WaitTimeoutError):
    """No trial started within the caller's timeout; the experiment continues to run."""


class TunerNotReadyError(NnicliError, TimeoutError):
    """The call needs the tuner, which did not connect to the manager in time."""

    def __init__(self, message: str, *, waited_s: float, log_tail: str = "") -> None:
        super().__init__(message)
        self.waited_s = waited_s
        self.log_tail = presentable(log_tail)
