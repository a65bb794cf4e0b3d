"""Loggers whose records are free of terminal control characters and secrets."""

from __future__ import annotations

import logging

from nnicli.errors import Advice
from nnicli.printable import presentable

# The frames between logging and its caller: a method below, and `_log`.
_OWN_FRAMES = 2


class SafeLogger:
    """Logs through the logger of a module, and makes the arguments of messages safe to show.

    Numbers stay numbers, so that they can be formatted. An Advice stays an Advice, as its text
    depends on where the record is shown. Everything else is converted to text.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, message: str, *arguments: object) -> None:
        """Log a detail, such as a request with its time."""
        self._log(logging.DEBUG, message, arguments)

    def info(self, message: str, *arguments: object) -> None:
        """Log a change that a user would mention to a colleague."""
        self._log(logging.INFO, message, arguments)

    def warning(self, message: str, *arguments: object) -> None:
        """Log something surprising that does not stop the work."""
        self._log(logging.WARNING, message, arguments)

    def _log(self, level: int, message: str, arguments: tuple[object, ...]) -> None:
        if self._logger.isEnabledFor(level):
            shown = map(_show, arguments)
            self._logger.log(level, message, *shown, stacklevel=_OWN_FRAMES + 1)


def _show(value: object) -> object:
    return value if isinstance(value, int | float | Advice) else presentable(str(value))


def get_logger(name: str) -> SafeLogger:
    """Return the logger of a module.

    Args:
        name: The module's `__name__`.
    """
    return SafeLogger(logging.getLogger(name))
