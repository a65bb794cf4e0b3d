"""The files of an experiment that is being started."""

from __future__ import annotations

import json
import os
import random
import string
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from nnicli.errors import LaunchError
from nnicli.launcher.marks import ProcessMarks
from nnicli.launcher.process import ManagerProcess
from nnicli.removal import remove_tree
from nnicli.safe_logging import get_logger
from nnicli.store import ExperimentPaths, Layout, LogPart, Run, RunLogs
from nnicli.user_home import ADVICE, user_home

logger = get_logger(__name__)


def generate_experiment_id(experiments_directory: Path) -> str:
    """Return an unused id in NNI's form: a manager would append to an existing directory (3.0)."""
    while True:
        exp_id = random_name()
        if not (experiments_directory / exp_id).exists():
            return exp_id


def random_name() -> str:
    """Return a name in the form that NNI gives to experiments and launcher directories."""
    return "".join(random.SystemRandom().sample(string.ascii_lowercase + string.digits, 8))


@dataclass
class LaunchFiles:
    """The launcher's files and directories of one run.

    Attributes:
        layout: Where the files are.
        run: The run as far as known; a 1.x manager generates the id, so it comes last.
        is_new: Whether this start creates the experiment.
        new: Directories that are deleted if the start fails.
    """

    layout: Layout
    run: Run
    is_new: bool
    new: list[Path] = field(default_factory=list)

    @property
    def paths(self) -> ExperimentPaths:
        """The experiment's paths; those in its directory are valid once its id is known."""
        return ExperimentPaths(
            self.run.experiments_directory / self.run.exp_id,
            self.layout.launcher_directory(self.run.launcher_name),
        )

    @property
    def place(self) -> Path:
        """The directory to claim for the start: the experiment's, or else the launcher's."""
        return self.run.directory or self.error_output.parent

    @property
    def error_output(self) -> Path:
        """The file to which the manager prints errors."""
        return self.paths.errors(self.layout)

    def run_logs(self, *, is_before: bool) -> RunLogs:
        """Return the logs of the run that starts.

        Args:
            is_before: Whether the run has not written anything yet, so that everything in them is
                from earlier runs; otherwise the id is new, and everything is from this run.
        """
        part = LogPart.from_now if is_before else LogPart
        paths = self.paths
        return RunLogs(
            part(paths.manager_log), part(paths.dispatcher_log), part(paths.errors(self.layout))
        )

    def logs(self) -> list[Path]:
        """Return the files that may show why a manager ended, the likeliest first."""
        paths = self.paths
        manager = [] if self.run.directory is None else [paths.manager_log]
        return [paths.errors(self.layout), *manager, paths.output(self.layout)]

    def marks(self, process: ManagerProcess) -> ProcessMarks:
        """Return how the processes of the experiment are recognized."""
        return ProcessMarks(self.run.exp_id, self.run.directory, process.identity)

    def make_directories(self) -> None:
        """Create missing directories, for the owner only: the config there may hold passwords."""
        directory, output_directory = self.run.directory, self.error_output.parent
        try:
            self.run.experiments_directory.mkdir(parents=True, exist_ok=True)
            if directory is not None and not directory.exists():
                directory.mkdir(mode=0o700)
                self.new.append(directory)
            if not output_directory.exists():
                output_directory.parent.mkdir(parents=True, exist_ok=True)
                output_directory.mkdir(mode=0o700)
                self.new.append(output_directory)
        except OSError as error:
            if Path(error.filename).is_relative_to(user_home()):
                raise LaunchError(
                    f"could not create the directory {error.filename}: {error.strerror}. {ADVICE}"
                ) from error
            raise LaunchError(
                f"could not create the directory {error.filename}: {error.strerror}; set "
                "experimentWorkingDirectory (logDir in the v1 format) in the config"
            ).with_advice(
                "or pass Experiment(experiments_directory=...)",
                shell="or pass --experiments-directory",
            ) from error

    def adopt_id(self, exp_id: str) -> None:
        """Adopt the id that the manager generated, and the directory that it created for it."""
        self.run = replace(self.run, exp_id=exp_id)
        directory = self.run.experiments_directory / exp_id
        if self.is_new:
            self.new.append(directory)
            directory.chmod(0o700)

    def remove_new(self) -> None:
        """Delete the directories of a failed start, but nothing that is mounted there."""
        for directory in self.new:
            try:
                remove_tree(directory)
            except FileNotFoundError:
                continue
            except OSError as error:
                # Only the original failure is raised.
                logger.warning("could not delete the directory of a failed start: %s", error)

    @contextmanager
    def open_output(self) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """Open the files for the manager's output."""
        paths = self.paths
        with ExitStack() as stack:
            try:
                stdout, stderr = (
                    stack.enter_context(open(path, "ab", buffering=0, opener=_open_for_owner))
                    for path in (paths.output(self.layout), paths.errors(self.layout))
                )
            except OSError as error:
                raise LaunchError(
                    f"could not write the manager's log {error.filename}: {error.strerror}"
                ) from error
            yield stdout, stderr

    def write_config(self, content: Mapping[str, Any]) -> None:
        """Write the config that a resume by nnicli or nnictl reads, in releases that need it."""
        path = self.paths.kept_config(self.layout)
        if path is None:
            return
        try:
            with open(path, "w", encoding="utf-8", opener=_open_for_owner) as file:
                json.dump(content, file)
        except OSError as error:
            raise LaunchError(f"could not write {path}: {error.strerror}") from error


def _open_for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)
