"""Differences between the managers of each release: one row per family, newest last."""

from __future__ import annotations

from dataclasses import dataclass, replace

_LEVELS = ("critical", "error", "warning", "info", "debug")
_REQUIRED = ("port", "experiment-id", "action", "experiments-directory", "log-level")
_OPTIONAL = ("foreground", "url-prefix", "mode")


@dataclass(frozen=True, slots=True)
class Release:
    """The manager of one release family.

    Attributes:
        since: The first release of the family.
        required: Required flags, without the dashes.
        optional: Optional flags.
        log_levels: Choices for `--log-level`.
        needs_absolute_directory: Whether a relative `--experiments-directory` is refused.
        says_initializing: Whether the API answers in plain text until its router is mounted.
        trial_directory: Parent of the trial directories, below the experiment directory.
        stdout: Name of the file with a trial's standard output.
        stderr: Name of the file with its standard error.
        log_path_prefix: Prefix of a trial's directory in its `logPath`.
        environment_id: The trials' `envId`, which also has a column in the database.
        requeues_unfinished: Whether a resume runs unfinished trials again under the same ids;
            otherwise they become FAILED and are replaced.
        answers_stop_at_once: Whether DELETE of the experiment is answered before the stop is done.
        stop_returncode: The manager's exit code after an orderly stop.
        stop_before_post_drops: Whether a DELETE before the start POST resets the connection.
    """

    since: tuple[int, ...]
    required: tuple[str, ...]
    optional: tuple[str, ...]
    log_levels: tuple[str, ...]
    needs_absolute_directory: bool
    says_initializing: bool
    trial_directory: str
    stdout: str
    stderr: str
    log_path_prefix: str
    environment_id: str | None
    requeues_unfinished: bool
    answers_stop_at_once: bool
    stop_returncode: int
    stop_before_post_drops: bool


_2_7 = Release(
    since=(2, 7),
    required=_REQUIRED,
    optional=(*_OPTIONAL, "dispatcher-pipe"),
    log_levels=_LEVELS,
    needs_absolute_directory=False,
    says_initializing=False,
    trial_directory="trials",
    stdout="stdout",
    stderr="stderr",
    log_path_prefix="file://localhost:",
    environment_id=None,
    requeues_unfinished=False,
    answers_stop_at_once=False,
    stop_returncode=1,
    stop_before_post_drops=True,
)
_2_8 = replace(
    _2_7,
    since=(2, 8),
    required=(*_REQUIRED, "python-interpreter"),
    optional=(*_OPTIONAL, "tuner-command-channel"),
    needs_absolute_directory=True,
    answers_stop_at_once=True,
    stop_returncode=0,
    stop_before_post_drops=False,
)
_2_10 = replace(_2_8, since=(2, 10), requeues_unfinished=True)
_3_0 = replace(
    _2_10,
    since=(3, 0),
    log_levels=(*_LEVELS, "trace"),
    says_initializing=True,
    trial_directory="environments/local-env/trials",
    stdout="trial.stdout",
    stderr="trial.stderr",
    log_path_prefix="",
    environment_id="local-env",
)

RELEASES = (_2_7, _2_8, _2_10, _3_0)


def release_for(version: str) -> Release:
    """Return the row for a release such as `2.10.1`.

    Raises:
        ValueError: The release is older than every row.
    """
    numbers = tuple(int(part) for part in version.split("."))
    rows = [row for row in RELEASES if row.since <= numbers]
    if not rows:
        raise ValueError(f"the fake manager does not support NNI {version}; the oldest is 2.7")
    return rows[-1]
