"""Read a trial's exit code, which NNI records on disk."""

from __future__ import annotations

from nnicli.regular_files import read_regular
from nnicli.store.layouts import Layout
from nnicli.store.paths import ExperimentPaths

# The file has two numbers: the exit code, and when that was.
_MOST_STATE = 1000


def read_exit_code(paths: ExperimentPaths, layout: Layout, trial_job_id: str) -> int | None:
    """Return a trial's exit code, None if it is not known.

    Raises:
        InvalidValueError: The id would lead out of the experiment's directory.
    """
    if not layout.state_file:
        return None
    state = paths.trial_directory(layout, trial_job_id) / layout.state_file
    try:
        code, *_ = read_regular(state, limit=_MOST_STATE).split()
        return int(code)
    except (OSError, ValueError):
        return None
