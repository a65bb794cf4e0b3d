"""What is to be started: an experiment's run with what its manager is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nnicli.config import StartRequests
from nnicli.launcher.installation import NniInstallation
from nnicli.releases import Action
from nnicli.store import Run

# Optional for the manager in every release; nnictl passes it since 1.5.
_NODE_OPTIONS = ("--max-old-space-size=4096",)


@dataclass(frozen=True, slots=True)
class StartPlan:
    """What is to be started, handed on from the caller to the end of the start.

    A start fills in what only it knows (the port, the id of a new experiment, the process) by
    `replace()`, so each of these is in one place.

    Attributes:
        action: `create`, `resume` or `view`.
        run: The run; with port 0 it gets the first free one.
        requests: What the manager is sent before and at the start; it heeds the body of the POST
            only where the action is `create`.
        log_level: In the config's words: fatal, error, warning, info, debug or trace.
        stored_config: What is kept for a resume where the database is not enough.
    """

    action: Action
    run: Run
    requests: StartRequests
    log_level: str = "info"
    stored_config: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def argv(self, installation: NniInstallation) -> list[str]:
        """Return the command line that starts the manager of this installation."""
        launch = installation.release.launch
        arguments = launch.arguments(self.action, self.run, log_level=self.log_level)
        return [str(installation.node), *_NODE_OPTIONS, str(installation.entry), *arguments]
