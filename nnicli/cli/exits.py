"""Exit codes of the commands."""

from __future__ import annotations

import signal
from enum import IntEnum

from nnicli.errors import (
    ConfigError,
    ExperimentFailedError,
    InvalidValueError,
    LaunchError,
    NnicliError,
    RegistryError,
    RestError,
    StateError,
    WaitTimeoutError,
)


class Exit(IntEnum):
    """Meanings of a command's exit code."""

    SUCCESS = 0
    FAILED = 1
    USAGE = 2
    NO_MANAGER = 4


# The first row whose class matches applies. A damaged file, NNI's registry included, is a failure
# that does not concern a manager.
_CODES: tuple[tuple[type[NnicliError], Exit], ...] = (
    (ConfigError, Exit.USAGE),
    (InvalidValueError, Exit.USAGE),
    (LaunchError, Exit.NO_MANAGER),
    (StateError, Exit.NO_MANAGER),
    (RestError, Exit.NO_MANAGER),
    (WaitTimeoutError, Exit.FAILED),
    (ExperimentFailedError, Exit.FAILED),
    (NnicliError, Exit.FAILED),
)

# No manager starts without the registry.
_CODES_OF_START: tuple[tuple[type[NnicliError], Exit], ...] = (
    (RegistryError, Exit.NO_MANAGER),
    *_CODES,
)

HELP = """\b
Exit codes:
  0    all work is done, and a trial succeeded with a number as its final metric
  1    the experiment failed, no trial succeeded or reported a number, or a time limit was reached
  2    bad usage, or an error in the config
  4    no manager could be started or reached
  129, 130, 143    stopped by SIGHUP, Ctrl-C, SIGTERM
"""


def code_for(error: NnicliError, *, starts_manager: bool = False) -> Exit:
    """Return the exit code for an error of a command that may or may not start a manager."""
    codes = _CODES_OF_START if starts_manager else _CODES
    return next(code for cls, code in codes if isinstance(error, cls))


def code_for_signal(number: int) -> int:
    """Return the exit code that shells give a program ended by a signal."""
    return 128 + number


def describe_signal(number: int) -> str:
    """Return the usual name of a signal."""
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
