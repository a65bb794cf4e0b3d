"""How managers of each release are started: one row a generation, newest last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from nnicli.launcher.installation import NniInstallation
from nnicli.versions import row_for

Action = Literal["create", "resume", "view"]

# Optional for the manager in every release; nnictl passes it since 1.5.
_NODE_OPTIONS = ("--max-old-space-size=4096",)


@dataclass(frozen=True, slots=True)
class ManagerArguments:
    """What a manager is told on its command line, in words that hold for every release.

    Attributes:
        action: `create`, `resume` or `view`.
        exp_id: Id of the experiment.
        port: TCP port of the REST API.
        experiments_directory: Absolute parent of the experiment's own folder.
        log_level: In the config's words: fatal, error, warning, info, debug or trace.
        url_prefix: Path below which the manager serves, without slashes at its ends.
        python: The tuner's interpreter. A bare name, found through PATH: the manager puts it into
            a shell command unquoted, so a path with a blank would break (2.8 to 3.0, seen live).
    """

    action: Action
    exp_id: str
    port: int
    experiments_directory: Path
    log_level: str = "info"
    url_prefix: str = ""
    python: str = "python3"


@dataclass(frozen=True, slots=True)
class Generation:
    """The command line of one family of managers.

    Attributes:
        since: First release of the family.
        flags: Field of ManagerArguments -> flag; a field without a flag is not told.
        log_levels: The config's log level -> the manager's.
    """

    since: str
    flags: Mapping[str, str]
    log_levels: Mapping[str, str]

    def argv(self, installation: NniInstallation, arguments: ManagerArguments) -> list[str]:
        """Return the command line that starts the manager of this installation."""
        command = [str(installation.node), *_NODE_OPTIONS, str(installation.entry)]
        for field, flag in self.flags.items():
            value = getattr(arguments, field)
            if field == "log_level":
                value = self.log_levels[value]
            if value != "":
                command += [flag, str(value)]
        return command


_2_7 = Generation(
    since="2.7",
    flags={
        "port": "--port",
        "exp_id": "--experiment-id",
        "action": "--action",
        "experiments_directory": "--experiments-directory",
        "log_level": "--log-level",
        "url_prefix": "--url-prefix",
    },
    # The parser is strict: `fatal`, which configs allow, is no choice of its own.
    log_levels={
        "fatal": "critical",
        "error": "error",
        "warning": "warning",
        "info": "info",
        "debug": "debug",
        "trace": "debug",
    },
)
_2_8 = replace(_2_7, since="2.8", flags={**_2_7.flags, "python": "--python-interpreter"})
_3_0 = replace(_2_8, since="3.0", log_levels={**_2_8.log_levels, "trace": "trace"})

GENERATIONS = (_2_7, _2_8, _3_0)


def generation_for(version: str) -> Generation:
    """Return the row for an NNI release.

    A newer release than any that is known gets the newest row and a logged warning.

    Raises:
        UnsupportedVersionError: The release is older than every row.
    """
    return row_for(GENERATIONS, version)
