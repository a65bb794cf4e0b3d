"""Where managers of each release leave an experiment's files: one row a family, newest last."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nnicli.errors import InvalidValueError
from nnicli.models import ExperimentStatus
from nnicli.regular_files import read_regular
from nnicli.store.registry import Registry
from nnicli.store.run import Run
from nnicli.user_home import user_home
from nnicli.versions import ReleaseTable

_COLUMNS = ("timestamp", "trialJobId", "event", "data", "logPath", "sequenceId")
# What an entry of the registry has as the time of the end before that.
_NOT_ENDED = (None, "N/A")
# The file has two numbers: the exit code, and when that was.
_MOST_STATE = 1000
# What pathlib takes for a name, though it names no folder of its own.
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
        "fileName": run.folder,
        "platform": run.platform,
        "experimentName": run.name,
    }


def _to_local_text(ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ms / 1000))


def _as_is(ms: int) -> int:
    return ms


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of an experiment that ran on the local training service.

    Attributes:
        since: First release of the family.
        releases: The releases whose files look like these, for people.
        registry_file: NNI's registry of experiments, below the home directory.
        encode_run: What it has of an experiment that was started.
        encode_time: Milliseconds since 1970 -> what it has of a time.
        notes_status: Whether managers write their status into that registry.
        launcher_folder: Where the launcher puts what the manager prints; `{home}`, `{folder}` (the
            Run's) and `{experiment}` (its own folder) stand for paths.
        output_names: Names of the files there for the manager's output and for its errors.
        config_file: Where the launcher keeps the config for a resume, in the same words; empty
            where the database is enough.
        has_v1_profile: Whether the profile in the database is in the v1 format.
        keeps_space_as_text: Whether an updated search space is stored as text, over which the
            family's own tuner breaks at a resume (2.2 to 2.5, seen live).
        trial_event_columns: Columns of the table TrialJobEvent, in order.
        trial_directory: Folder of a trial below the experiment's own; `{trial}` is its id.
        trial_logs: Kind of a trial's log -> name of the file in that folder.
        state_file: The file there that begins with what the trial exited with, empty for none.
    """

    since: str
    releases: str
    registry_file: str
    encode_run: Callable[[Run], dict[str, Any]]
    encode_time: Callable[[int], object]
    notes_status: bool
    launcher_folder: str
    output_names: tuple[str, str]
    config_file: str
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
        """Return the fields with which an entry of the registry says that its experiment stopped.

        Args:
            entry: The entry so far; a time of the end that it has stays.
            ended_ms: When the experiment ended, in ms since 1970.
        """
        fields: dict[str, Any] = {"status": ExperimentStatus.STOPPED.value}
        if entry.get("endTime") in _NOT_ENDED:
            fields["endTime"] = self.encode_time(ended_ms)
        return fields

    def output_paths(self, experiment: Path | None, folder: str) -> tuple[Path, Path]:
        """Return the files for the manager's output and for its errors.

        Args:
            experiment: The experiment's own folder, None where it is not known yet.
            folder: Name of the launcher's own folder.
        """
        parent = _place(self.launcher_folder, experiment, folder)
        output, errors = self.output_names
        return parent / output, parent / errors

    def separate_folder(self, folder: str) -> Path | None:
        """Return the launcher's own folder where that is outside of the experiment's, else None.

        Args:
            folder: Its name, as a registry has it; one that leads elsewhere is none.
        """
        if "{folder}" not in self.launcher_folder or not is_folder_name(folder):
            return None
        return _place(self.launcher_folder, None, folder)

    def served_log(self, kind: str) -> str:
        """Return the name by which a manager serves a log of its own: `log`, `stdout`, `stderr`."""
        output, errors = self.output_names
        return {"log": "nnimanager.log", "stdout": output, "stderr": errors}[kind]

    def config_path(self, experiment: Path | None, folder: str) -> Path | None:
        """Return the file that keeps the config for a resume, None where there is none."""
        return _place(self.config_file, experiment, folder) if self.config_file else None

    def trial_log_path(self, directory: Path, trial_job_id: str, kind: str) -> Path:
        """Return the file to which a trial of the experiment in this folder wrote.

        Raises:
            InvalidValueError: The id would lead out of the folder.
        """
        # A database may come from somebody else, so not even its own ids are trusted.
        if not is_folder_name(trial_job_id):
            raise InvalidValueError(
                f"trial_job_id: {trial_job_id!r} cannot be the name of a folder",
                field="trial_job_id",
                value=trial_job_id,
            )
        folder = self.trial_directory.format(trial=trial_job_id)
        return directory / folder / self.trial_logs[kind]

    def exit_code(self, directory: Path, trial_job_id: str) -> int | None:
        """Return what a trial of the experiment in this folder exited with, None if not known.

        Raises:
            InvalidValueError: The id would lead out of the folder.
        """
        if not self.state_file:
            return None
        folder = self.trial_log_path(directory, trial_job_id, "stderr").parent
        try:
            code, *_ = read_regular(folder / self.state_file, limit=_MOST_STATE).split()
            return int(code)
        except (OSError, ValueError):
            return None


def is_folder_name(name: str) -> bool:
    """Return whether this is the name of a folder in another one, and no way out of it."""
    return name not in _NO_NAMES and Path(name).name == name and can_be_path(name)


def can_be_path(text: str) -> bool:
    """Return whether this system could have a file of that name; JSON holds more than it does."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _place(template: str, experiment: Path | None, folder: str) -> Path:
    return Path(template.format(home=user_home(), experiment=experiment, folder=folder))


_1_8 = Layout(
    since="1.8",
    releases="1.x",
    registry_file=".local/nnictl/.experiment",
    encode_run=_entry_of_1,
    encode_time=_to_local_text,
    notes_status=False,
    launcher_folder="{home}/.local/nnictl/{folder}",
    output_names=("stdout", "stderr"),
    config_file="{home}/.local/nnictl/{folder}/.config",
    has_v1_profile=True,
    keeps_space_as_text=False,
    trial_event_columns=_COLUMNS,
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
    notes_status=True,
    launcher_folder="{experiment}/log",
    output_names=("nnictl_stdout.log", "nnictl_stderr.log"),
    config_file="{experiment}/.config",
)
_2_1 = replace(
    _2_0, since="2.1", releases="2.1", config_file="", trial_event_columns=(*_COLUMNS, "message")
)
_2_2 = replace(
    _2_1, since="2.2", releases="2.2-2.10", has_v1_profile=False, keeps_space_as_text=True
)
_2_6 = replace(_2_2, since="2.6", keeps_space_as_text=False)
_3_0 = replace(
    _2_6,
    since="3.0",
    releases="3.0",
    trial_event_columns=(*_2_6.trial_event_columns, "environmentId"),
    trial_directory="environments/local-env/trials/{trial}",
    trial_logs={"stdout": "trial.stdout", "stderr": "trial.stderr", "trial": "trial.log"},
    # Only the process that runs the trial learns it.
    state_file="",
)

LAYOUTS = ReleaseTable(_1_8, _2_0, _2_1, _2_2, _2_6, _3_0, through="3.0")


def layout_with(trial_event_columns: tuple[str, ...]) -> Layout:
    """Return the newest row whose database has these columns; the newest of all where none has."""
    fitting = (row for row in LAYOUTS[::-1] if row.trial_event_columns == trial_event_columns)
    return next(fitting, LAYOUTS[-1])


def layout_of_files(
    directory: Path, trial_event_columns: tuple[str, ...], params: Mapping[str, Any], folder: str
) -> Layout:
    """Return the first row of those that leave such files.

    Args:
        directory: The experiment's own folder.
        trial_event_columns: The columns of the table TrialJobEvent.
        params: The config in the database.
        folder: Name of the launcher's own folder, empty where there is none.
    """
    is_v1 = "trainingService" not in params
    rows = [
        row
        for row in LAYOUTS
        if row.trial_event_columns == trial_event_columns and row.has_v1_profile == is_v1
    ]
    # 1.8 to 2.0 write the same tables, and keep the config in different places.
    for row in rows:
        config = row.config_path(directory, folder)
        if config is None or config.is_file():
            return row
    return rows[0] if rows else layout_with(trial_event_columns)
