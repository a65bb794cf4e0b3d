"""What the manager and the tuner of one run have logged about a failure."""

from __future__ import annotations

from dataclasses import dataclass

from nnicli.store import RunLogs, has_lost_connection


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the logs of one run say about a failure; nothing if they are on another machine.

    Attributes:
        logs: The logs, None if they are on another machine.
    """

    logs: RunLogs | None

    def tuner_error(self) -> str:
        """Return the last traceback that the tuner wrote, empty without one.

        A failure before the tuner has opened its log is in the manager's error output.
        """
        if self.logs is None:
            return ""
        return self.logs.dispatcher.last_traceback() or self.logs.errors.last_traceback()

    def manager_error(self) -> str:
        """Return the first error that the manager logged, empty without one."""
        return self.logs.manager.first_error() if self.logs is not None else ""

    def manager_trouble(self) -> str:
        """Return the last error or warning that the manager logged, empty without one."""
        return self.logs.manager.last_problem() if self.logs is not None else ""

    def died_with_tuner(self) -> bool:
        """Return whether the manager is known to have died because its tuner was gone."""
        if self.logs is None:
            return False
        error = self.tuner_error()
        is_cause = bool(error) and not has_lost_connection(error)
        return is_cause or self.logs.errors.died_with_tuner()

    def crash_log(self) -> str:
        """Return the end of what the tuner, or else the manager, wrote about its failure."""
        if self.logs is None:
            return ""
        error, words = self.tuner_error(), self.logs.errors.text_before_traceback()
        if words and has_lost_connection(error):
            return words
        return error or self.logs.errors.last_lines() or self.logs.dispatcher.last_lines()
