"""What to start: an experiment's run with the requests for its manager."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nnicli.config import StartRequests
from nnicli.launcher.installation import NniInstallation
from nnicli.releases import Action
from nnicli.store import Run

# Optional for the manager in every release; nnictl has passed it since 1.5.
_NODE_OPTIONS = ("--max-old-space-size=4096",)


@dataclass(frozen=True, slots=True)
class StartPlan:
    """What to start, passed from the caller to the end of the start.

    The start fills in what it decides itself (the port, the id of a new experiment, the process) by
    `replace()`, so each of these is in one place.

    Attributes:
        action: `create`, `resume` or `view`.
        run: The run; with port 0 it gets the first free one.
        requests: The requests to the manager before and at the start; it uses the body of the POST
            only if the action is `create`.
        log_level: One of the config's levels: fatal, error, warning, info, debug or trace.
        stored_config: What is kept for a resume in releases whose database is not enough.
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
