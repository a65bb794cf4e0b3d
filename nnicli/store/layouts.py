"""Where managers of each release keep an experiment's files: one row per family, newest last."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nnicli.models import ExperimentStatus
from nnicli.store.registry import Registry
from nnicli.store.run import Run
from nnicli.store.tables import EVENT_COLUMNS, LATER_EVENT_COLUMNS
from nnicli.user_home import user_home
from nnicli.versions import ReleaseTable

MANAGER_LOG = "nnimanager.log"
"""The name of a manager's own log, on disk and over HTTP."""

# The end time in a registry entry while the experiment runs.
_NOT_ENDED = (None, "N/A")
# Names that pathlib accepts, but that do not name a directory inside another.
_NO_NAMES = ("", "..")


def _entry_of_2(run: Run) -> dict[str, Any]:
    return {
        "id": run.exp_id,
        "port": run.port,
        "startTime": run.started_ms,
        "endTime": "N/A",
        "status": "INITIALIZED",
        "platform": run.platform,
        "experimentName": run.name,
        "tag": [],
        "pid": run.pid,
        "webuiUrl": [run.url],
        "logDir": str(run.experiments_directory),
        "prefixUrl": run.url_prefix or None,
    }


def _entry_of_1(run: Run) -> dict[str, Any]:
    return {
        "port": str(run.port),
        "startTime": _to_local_text(run.started_ms),
        "endTime": "N/A",
        # The managers of 1.x never touch this file.
        "status": "RUNNING",
        "fileName": run.launcher_name,
        "platform": run.platform,
        "experimentName": run.name,
    }


def _to_local_text(ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ms / 1000))


def _as_is(ms: int) -> int:
    return ms


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of an experiment on the local training service.

    Attributes:
        since: First release of the family.
        releases: The releases with such files, for people.
        registry_file: NNI's registry of experiments, below the home directory.
        encode_run: Run -> the registry's entry of a started experiment.
        encode_time: Milliseconds since 1970 -> a time as the registry has it.
        records_status: Whether managers write their status into the registry.
        launcher_parent: Where launchers keep the launcher directory of each experiment, below the
            home directory; empty if they have none.
        output_names: Names of the files with the manager's standard output and standard error, in
            the launcher directory, else next to the manager's log.
        keeps_config: Whether a launcher keeps the config for a resume, in the launcher directory,
            else in the experiment directory. If not, the database is enough.
        kept_as_sent: Fields of the profile that this config has just as the manager got them, since
            a resume by nnictl sends them unchanged.
        has_v1_profile: Whether the profile in the database is in the v1 format.
        keeps_space_as_text: Whether an updated search space is stored as text, with which the
            family's tuner fails at a resume (2.2 to 2.5, seen live).
        trial_event_columns: Columns of the table TrialJobEvent, in order.
        trial_directory: Directory of a trial below the experiment directory; `{trial}` is its id.
        trial_logs: Kind of a trial's log -> name of the file in that directory.
        state_file: The file there that begins with the trial's exit code, empty for none.
    """

    since: str
    releases: str
    registry_file: str
    encode_run: Callable[[Run], dict[str, Any]]
    encode_time: Callable[[int], object]
    records_status: bool
    launcher_parent: str
    output_names: tuple[str, str]
    keeps_config: bool
    kept_as_sent: tuple[str, ...]
    has_v1_profile: bool
    keeps_space_as_text: bool
    trial_event_columns: tuple[str, ...]
    trial_directory: str
    trial_logs: Mapping[str, str]
    state_file: str

    def registry(self) -> Registry:
        """Return NNI's registry of experiments."""
        return Registry(user_home() / self.registry_file)

    def encode_stop(self, entry: Mapping[str, Any], *, ended_ms: int) -> dict[str, Any]:
        """Return the registry fields that record that an experiment has stopped.

        Args:
            entry: The entry so far; if it has an end time, that is kept.
            ended_ms: When the experiment ended, in ms since 1970.
        """
        fields: dict[str, Any] = {"status": ExperimentStatus.STOPPED.value}
        if entry.get("endTime") in _NOT_ENDED:
            fields["endTime"] = self.encode_time(ended_ms)
        return fields

    def launcher_directory(self, name: str) -> Path | None:
        """Return the launcher directory with this name.

        Args:
            name: Its name in a registry.

        Returns:
            None if the release does not have launcher directories, or the name leads out of their
            parent.
        """
        if not self.launcher_parent or not is_directory_name(name):
            return None
        return user_home() / self.launcher_parent / name

    def served_log(self, kind: str) -> str:
        """Return the name under which a manager serves its `log`, `stdout` or `stderr`."""
        output, errors = self.output_names
        return {"log": MANAGER_LOG, "stdout": output, "stderr": errors}[kind]


def is_directory_name(name: str) -> bool:
    """Return whether this can be the name of a directory inside another, and not a path out."""
    return name not in _NO_NAMES and Path(name).name == name and can_be_path(name)


def can_be_path(text: str) -> bool:
    """Return whether this can be a path on this system; not every JSON text can."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


_1_8 = Layout(
    since="1.8",
    releases="1.x",
    registry_file=".local/nnictl/.experiment",
    encode_run=_entry_of_1,
    encode_time=_to_local_text,
    records_status=False,
    launcher_parent=".local/nnictl",
    output_names=("stdout", "stderr"),
    keeps_config=True,
    kept_as_sent=("maxExecDuration", "searchSpace"),
    has_v1_profile=True,
    keeps_space_as_text=False,
    trial_event_columns=EVENT_COLUMNS,
    trial_directory="trials/{trial}",
    trial_logs={"stdout": "stdout", "stderr": "stderr", "trial": "trial.log"},
    state_file=".nni/state",
)
_2_0 = replace(
    _1_8,
    since="2.0",
    releases="2.0",
    registry_file="nni-experiments/.experiment",
    encode_run=_entry_of_2,
    encode_time=_as_is,
    records_status=True,
    launcher_parent="",
    output_names=("nnictl_stdout.log", "nnictl_stderr.log"),
)
_2_1 = replace(
    _2_0,
    since="2.1",
    releases="2.1",
    keeps_config=False,
    trial_event_columns=(*EVENT_COLUMNS, *LATER_EVENT_COLUMNS[:1]),
)
_2_2 = replace(
    _2_1, since="2.2", releases="2.2-2.10", has_v1_profile=False, keeps_space_as_text=True
)
_2_6 = replace(_2_2, since="2.6", keeps_space_as_text=False)
_3_0 = replace(
    _2_6,
    since="3.0",
    releases="3.0",
    trial_event_columns=(*EVENT_COLUMNS, *LATER_EVENT_COLUMNS),
    trial_directory="environments/local-env/trials/{trial}",
    trial_logs={"stdout": "trial.stdout", "stderr": "trial.stderr", "trial": "trial.log"},
    # Only the process that runs the trial knows the exit code.
    state_file="",
)

LAYOUTS = ReleaseTable(_1_8, _2_0, _2_1, _2_2, _2_6, _3_0, through="3.0")


def layout_with(trial_event_columns: tuple[str, ...]) -> Layout:
    """Return the newest row whose database has these columns, else the newest of all."""
    fitting = (row for row in LAYOUTS[::-1] if row.trial_event_columns == trial_event_columns)
    return next(fitting, LAYOUTS[-1])
