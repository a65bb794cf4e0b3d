"""The paths of an experiment's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnicli.errors import InvalidValueError
from nnicli.store.layouts import LAYOUTS, MANAGER_LOG, Layout, is_directory_name, layout_with

KEPT_CONFIG = ".config"
"""The name of the file in which a launcher keeps the config for a resume."""
SIDE_FILES = ("-journal", "-wal", "-shm")
"""The suffixes of the files that SQLite keeps next to a database."""


@dataclass(frozen=True, slots=True)
class ExperimentPaths:
    """The paths of one experiment's files, which may or may not exist.

    Methods for paths that differ between releases take a `Layout`.

    Attributes:
        directory: The experiment directory, `<experiments directory>/<id>`; with `Path()` all
            paths are relative to it.
        launcher: Its launcher directory, None if it has none or it is not known.
    """

    directory: Path
    launcher: Path | None = None

    @classmethod
    def registered(cls, directory: Path, layout: Layout) -> ExperimentPaths:
        """Return the paths of an experiment with the launcher directory that a registry names.

        Raises:
            RegistryError: The registry cannot be read.
        """
        entry = layout.registry().get(directory.name) or {}
        return cls(directory, layout.launcher_directory(str(entry.get("fileName") or "")))

    @classmethod
    def of_open_file(cls, path: Path) -> ExperimentPaths | None:
        """Return the paths of the experiment whose manager has this file open, None for others.

        Every manager keeps its database and its log open.
        """
        directory = path.parent.parent
        paths = cls(directory)
        return paths if path in {paths.database, paths.manager_log} else None

    @property
    def database(self) -> Path:
        """The experiment's records."""
        return self.directory / "db" / "nni.sqlite"

    @property
    def database_files(self) -> tuple[Path, ...]:
        """The experiment's records and the files that SQLite keeps next to them."""
        database = self.database
        return (database, *(database.with_name(database.name + end) for end in SIDE_FILES))

    @property
    def log_directory(self) -> Path:
        """The directory with the logs of the manager and the tuner."""
        return self.directory / "log"

    @property
    def manager_log(self) -> Path:
        """The manager's log."""
        return self.log_directory / MANAGER_LOG

    @property
    def dispatcher_log(self) -> Path:
        """The log of the tuner's process."""
        return self.log_directory / "dispatcher.log"

    @property
    def checkpoint(self) -> Path:
        """The directory in which a tuner keeps what it needs for a resume."""
        return self.directory / "checkpoint"

    def output(self, layout: Layout) -> Path:
        """Return the file with the manager's standard output."""
        return self._output_directory(layout) / layout.output_names[0]

    def errors(self, layout: Layout) -> Path:
        """Return the file with the manager's standard error output."""
        return self._output_directory(layout) / layout.output_names[1]

    def kept_config(self, layout: Layout) -> Path | None:
        """Return the file in which the launcher keeps the config for a resume.

        None if the release keeps none, or keeps it in a launcher directory that is not known.
        """
        parent = self.launcher if layout.launcher_parent else self.directory
        return parent / KEPT_CONFIG if layout.keeps_config and parent is not None else None

    def trial_directory(self, layout: Layout, trial_job_id: str) -> Path:
        """Return the directory of a trial of the local training service.

        Raises:
            InvalidValueError: The id would lead out of the experiment's directory.
        """
        # Anybody may have written the database, so its ids are not trusted.
        if not is_directory_name(trial_job_id):
            raise InvalidValueError(
                f"trial_job_id: {trial_job_id!r} is not a valid directory name",
                field="trial_job_id",
                value=trial_job_id,
            )
        return self.directory / layout.trial_directory.format(trial=trial_job_id)

    def trial_log(self, layout: Layout, trial_job_id: str, kind: str) -> Path:
        """Return the file of such a trial's log: `stdout`, `stderr` or `trial`.

        Raises:
            InvalidValueError: The id would lead out of the experiment's directory.
        """
        return self.trial_directory(layout, trial_job_id) / layout.trial_logs[kind]

    def _output_directory(self, layout: Layout) -> Path:
        launcher = self.launcher if layout.launcher_parent else None
        return launcher or self.log_directory


def layout_of_files(
    paths: ExperimentPaths, trial_event_columns: tuple[str, ...], params: Mapping[str, Any]
) -> Layout:
    """Return the first layout with such files.

    Args:
        paths: The experiment's.
        trial_event_columns: The columns of the table TrialJobEvent.
        params: The config in the database.
    """
    is_v1 = "trainingService" not in params
    rows = [
        row
        for row in LAYOUTS
        if row.trial_event_columns == trial_event_columns and row.has_v1_profile == is_v1
    ]
    # 1.8 to 2.0 write the same tables, but keep the config in different directories.
    for row in rows:
        config = paths.kept_config(row)
        if not row.keeps_config or (config is not None and config.is_file()):
            return row
    return rows[0] if rows else layout_with(trial_event_columns)
