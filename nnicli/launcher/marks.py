"""How the processes of an experiment are recognized: by their environment or command line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from nnicli.errors import ProcessIdentity
from nnicli.releases import GENERATIONS, Action

# The variables that managers set for trials and for tuners (1.8 to 3.0, `nnimanager.js`,
# `env_vars.py`).
_TRIAL_ID, _TRIAL_DIRECTORIES = "NNI_EXP_ID", ("NNI_SYS_DIR", "NNI_OUTPUT_DIR")
_TUNER_LOGS = "NNI_LOG_DIRECTORY"
VARIABLES = frozenset((_TRIAL_ID, *_TRIAL_DIRECTORIES, _TUNER_LOGS))
"""The environment variables that mark tuners and trials."""

_FIELDS = {flag: field for row in GENERATIONS for field, flag in row.flags.items()}
_PORT_FLAGS = frozenset(flag for flag, field in _FIELDS.items() if field == "port")


def _flags_of(action: Action) -> frozenset[tuple[str, str]]:
    """Return the pairs of flag and value that only managers with this action get."""
    pairs = (
        set(_in_pairs(row.actions[action])) - set(_in_pairs(row.actions["resume"]))
        for row in GENERATIONS
    )
    return frozenset[tuple[str, str]]().union(*pairs)


def _in_pairs(arguments: Sequence[str]) -> zip[tuple[str, str]]:
    return zip(arguments[::2], arguments[1::2], strict=True)


_CREATE_FLAGS, _VIEW_FLAGS = _flags_of("create"), _flags_of("view")


@dataclass(frozen=True, slots=True)
class ProcessMarks:
    """How the processes of one experiment are recognized once their manager is gone.

    Attributes:
        exp_id: Trials have it in their environment. Empty until a 1.x manager has reported the id
            that it generated.
        directory: The experiment directory, None without an id; trials and tuners have a path
            below it in their environment.
        manager: The manager, which leads the process group of all of them; None if unknown.
    """

    exp_id: str
    directory: Path | None
    manager: ProcessIdentity | None

    def are_in(self, environ: Mapping[str, str]) -> bool:
        """Return whether the environment of a process names the experiment."""
        if self.directory is None:
            return False
        if environ.get(_TRIAL_ID) == self.exp_id:
            # Ids are unique within one directory only, so the directory has to match if it is set.
            named = _trial_directory(environ)
            return named is None or _is_below(named, self.directory)
        logs = environ.get(_TUNER_LOGS)
        return logs is not None and _is_below(logs, self.directory)


def directory_in(environ: Mapping[str, str]) -> Path | None:
    """Return the experiment directory by the environment of a tuner or trial, None if not set."""
    exp_id, named = environ.get(_TRIAL_ID), _trial_directory(environ)
    if exp_id and named:
        return next((parent for parent in Path(named).parents if parent.name == exp_id), None)
    logs = environ.get(_TUNER_LOGS)
    return Path(logs).parent if logs else None


def _trial_directory(environ: Mapping[str, str]) -> str | None:
    return next((environ[name] for name in _TRIAL_DIRECTORIES if environ.get(name)), None)


def _is_below(named: str, directory: Path) -> bool:
    return Path(os.path.realpath(named)).is_relative_to(os.path.realpath(directory))


def is_tuner(argv: Sequence[str]) -> bool:
    """Return whether this command line runs a tuner: `python3 -m nni --exp_params ...`."""
    return ("-m", "nni") in pairwise(argv)


def is_manager(argv: Sequence[str]) -> bool:
    """Return whether this command line runs a manager, as opposed to an editor or a search."""
    return not _PORT_FLAGS.isdisjoint(argv) and manager_entry(argv) is not None


def manager_entry(argv: Sequence[str]) -> Path | None:
    """Return the `main.js` that a command line runs; every launcher passes an absolute path."""
    paths = (Path(argument) for argument in argv)
    return next((path for path in paths if path.name == "main.js" and path.is_absolute()), None)


def manager_arguments(argv: Sequence[str]) -> dict[str, str]:
    """Return the values on a manager's command line, by the fields of `Generation.flags`."""
    return {_FIELDS[flag]: value for flag, value in pairwise(argv) if flag in _FIELDS}


def creates_experiment(argv: Sequence[str]) -> bool:
    """Return whether a manager was started to create an experiment."""
    return not _CREATE_FLAGS.isdisjoint(pairwise(argv))


def is_view(argv: Sequence[str]) -> bool:
    """Return whether a manager was started only to show a stopped experiment."""
    return not _VIEW_FLAGS.isdisjoint(pairwise(argv))
