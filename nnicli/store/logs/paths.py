"""Find an experiment's logs, whichever release wrote them."""

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
"""Kinds of a manager's logs: its own log, and its output."""
TRIAL_LOGS = ("stdout", "stderr", "trial")
"""Kinds of a trial's logs: its output, and what NNI logs inside the trial."""
_HERE = re.compile(r"$|/|[A-Za-z]:[\\/]|file://localhost:")
# Parents of trial directories: of local trials up to 2.10; of others, and of 3.0.
_TRIAL_PARENTS = ("trials", "environments/*/trials")


def find_manager_log(directory: Path, kind: str) -> Path:
    """Return a log of the manager of the experiment in this directory.

    Args:
        directory: The experiment directory.
        kind: `log`, its own log; `stdout` or `stderr`, its output, which shows failures that come
            before its log is open.

    Raises:
        InvalidValueError: The kind is none of these.
    """
    check_kind(kind, MANAGER_LOGS)
    if kind == "log":
        return ExperimentPaths(directory).manager_log
    # Newest release first: they keep it in the experiment directory, 1.x in another one.
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
    """Return the file of a trial's log, or where it would be if nothing was written yet.

    Raises:
        InvalidValueError: The kind is unknown, or the id would lead out of the directory.
    """
    check_kind(kind, layout.trial_logs)
    expected = ExperimentPaths(directory).trial_log(layout, trial_job_id, kind)
    if expected.is_file():
        return expected
    return next(_trial_files(directory, trial_job_id, kind), expected)


def _trial_files(directory: Path, trial_job_id: str, kind: str) -> Iterator[Path]:
    names = dict.fromkeys(layout.trial_logs[kind] for layout in LAYOUTS[::-1])
    for parent in _TRIAL_PARENTS:
        for trial in directory.glob(f"{parent}/{glob.escape(trial_job_id)}"):
            yield from (trial / name for name in names if (trial / name).is_file())


def is_on_another_machine(log_path: str | None) -> bool:
    """Return whether this trial directory is on another machine than the manager.

    Such a path begins with a host or a service: `10.0.0.7:~/...` in 3.0, `file://10.0.0.7:/...` or
    a URL before. A local one is a path, up to 2.10 after `file://localhost:`.
    """
    return log_path is not None and _HERE.match(log_path) is None


def check_kind(kind: str, allowed: Collection[str]) -> None:
    """Refuse an unknown kind of log.

    Raises:
        InvalidValueError: The kind is not one of those allowed.
    """
    check_choice(kind, allowed, field="kind")
