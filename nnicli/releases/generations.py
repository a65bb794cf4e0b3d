"""How managers of each release are started: one row per family, newest last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from nnicli.store import Run
from nnicli.versions import ReleaseTable

Action = Literal["create", "resume", "view"]

# The tuner's interpreter. A bare name, found through PATH: the manager puts it unquoted into a
# shell command, where a path with a space would break (2.8 to 3.0, seen live).
_PYTHON = "python3"


@dataclass(frozen=True, slots=True)
class Generation:
    """How one family of managers is started.

    Attributes:
        since: First release of the family.
        flags: Field of a Run, `log_level` or `python` -> flag; a field without a flag, or with an
            empty value, is not passed.
        actions: Action -> its arguments. Flags that are not wanted must be absent: up to 2.5 the
            manager exits over `--readonly false` and `--foreground false` (seen live).
        platforms: The config's training service -> the manager's name, where they differ.
        log_levels: The config's log level -> the manager's, where they differ.
        chooses_id: Whether the manager generates the id of a new experiment.
    """

    since: str
    flags: Mapping[str, str]
    actions: Mapping[Action, tuple[str, ...]]
    platforms: Mapping[str, str]
    log_levels: Mapping[str, str]
    chooses_id: bool

    def arguments(self, action: Action, run: Run, *, log_level: str) -> list[str]:
        """Return the arguments after `main.js` on the manager's command line."""
        values: dict[str, object] = {
            "port": run.port,
            "exp_id": run.exp_id,
            "experiments_directory": run.experiments_directory,
            "platform": self.platforms.get(run.platform, run.platform),
            "url_prefix": run.url_prefix,
            "log_level": self.log_levels.get(log_level, log_level),
            "python": _PYTHON,
        }
        arguments = []
        for field, flag in self.flags.items():
            if values[field] != "":
                arguments += [flag, str(values[field])]
        return [*arguments, *self.actions[action]]


_1_8 = Generation(
    since="1.8",
    flags={
        "port": "--port",
        "platform": "--mode",
        "exp_id": "--experiment_id",
        "experiments_directory": "--log_dir",
        "log_level": "--log_level",
    },
    actions={
        "create": ("--start_mode", "new"),
        "resume": ("--start_mode", "resume"),
        "view": ("--start_mode", "resume", "--readonly", "true"),
    },
    platforms={"openpai": "pai"},
    log_levels={},
    chooses_id=True,
)
_2_0 = replace(
    _1_8,
    since="2.0",
    chooses_id=False,
)
_2_3 = replace(_2_0, since="2.3", flags={**_2_0.flags, "url_prefix": "--url_prefix"})
_2_7 = replace(
    _2_3,
    since="2.7",
    # The parser is strict from here on, and expects these names.
    flags={
        "port": "--port",
        "exp_id": "--experiment-id",
        "experiments_directory": "--experiments-directory",
        "log_level": "--log-level",
        "url_prefix": "--url-prefix",
    },
    actions={name: ("--action", name) for name in ("create", "resume", "view")},
    log_levels={"fatal": "critical", "trace": "debug"},
)
_2_8 = replace(_2_7, since="2.8", flags={**_2_7.flags, "python": "--python-interpreter"})
_3_0 = replace(_2_8, since="3.0", log_levels={"fatal": "critical"})

GENERATIONS = ReleaseTable(_1_8, _2_0, _2_3, _2_7, _2_8, _3_0, through="3.0")
