"""Where an experiment's logs are, whatever release wrote them."""

from __future__ import annotations

import glob
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from nnicli.choices import check_choice
from nnicli.errors import RegistryError
from nnicli.store.layouts import LAYOUTS, Layout
from nnicli.store.paths import ExperimentPaths

MANAGER_LOGS = ("log", "stdout", "stderr")
"""Kinds of a manager's logs: what it logs itself, and what it prints."""
TRIAL_LOGS = ("stdout", "stderr", "trial")
"""Kinds of a trial's logs: what it prints, and what NNI logs inside of it."""
_HERE = re.compile(r"$|/|[A-Za-z]:[\\/]|file://localhost:")
# A trial's folder: of a local one up to 2.10, of others and of 3.0.
_TRIAL_FOLDERS = ("trials", "environments/*/trials")


def find_manager_log(directory: Path, kind: str) -> Path:
    """Return a log of the manager of the experiment in this folder.

    Args:
        directory: The experiment's own folder.
        kind: `log`, or `stdout` or `stderr` for what it printed, which is where a failure shows
            that comes before its log is open.

    Raises:
        InvalidValueError: The kind is none of these.
    """
    check_kind(kind, MANAGER_LOGS)
    if kind == "log":
        return ExperimentPaths(directory).manager_log
    # Newest first: those are in the experiment's own directory, that of 1.x in another one.
    found = list(_printed(directory, kind))
    return next((path for path in found if path.is_file()), found[-1])


def _printed(directory: Path, kind: str) -> Iterator[Path]:
    for layout in LAYOUTS[::-1]:
        paths = ExperimentPaths(directory)
        # A damaged registry is reported by listing or starting experiments.
        with suppress(RegistryError):
            paths = ExperimentPaths.registered(directory, layout)
        yield paths.output(layout) if kind == "stdout" else paths.errors(layout)


def find_trial_log(directory: Path, layout: Layout, trial_job_id: str, kind: str) -> Path:
    """Return the file to which a trial wrote, or where it would if it has not.

    Raises:
        InvalidValueError: The kind is unknown, or the id would lead out of the folder.
    """
    check_kind(kind, layout.trial_logs)
    expected = ExperimentPaths(directory).trial_log(layout, trial_job_id, kind)
    if expected.is_file():
        return expected
    return next(_trial_files(directory, trial_job_id, kind), expected)


def _trial_files(directory: Path, trial_job_id: str, kind: str) -> Iterator[Path]:
    names = dict.fromkeys(layout.trial_logs[kind] for layout in LAYOUTS[::-1])
    for folder in _TRIAL_FOLDERS:
        for trial in directory.glob(f"{folder}/{glob.escape(trial_job_id)}"):
            yield from (trial / name for name in names if (trial / name).is_file())


def is_elsewhere(log_path: str | None) -> bool:
    """Return whether this folder of a trial is on another machine than its manager.

    There it begins with a host or a service: `10.0.0.7:~/...` in 3.0, `file://10.0.0.7:/...` or a
    URL before. Here it is a path, up to 2.10 after `file://localhost:`.
    """
    return log_path is not None and _HERE.match(log_path) is None


def check_kind(kind: str, allowed: Collection[str]) -> None:
    """Refuse a kind of log that there is not.

    Raises:
        InvalidValueError: The kind is none of those allowed.
    """
    check_choice(kind, allowed, field="kind")
