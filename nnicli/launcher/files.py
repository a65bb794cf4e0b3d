"""What a launcher has on disk of the experiment that it starts."""

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
    """Return an id in NNI's form that is not a name there: a manager would append to it (3.0)."""
    while True:
        exp_id = random_name()
        if not (experiments_directory / exp_id).exists():
            return exp_id


def random_name() -> str:
    """Return a name such as NNI gives to experiments and launcher directories."""
    return "".join(random.SystemRandom().sample(string.ascii_lowercase + string.digits, 8))


@dataclass
class LaunchFiles:
    """What the launcher has on disk of one run.

    Attributes:
        layout: Where things lie.
        run: The run as far as it is known; a manager of 1.x generates the id, which comes last.
        is_new: Whether the experiment is made by this start.
        new: Directories that are deleted again when the start fails.
    """

    layout: Layout
    run: Run
    is_new: bool
    new: list[Path] = field(default_factory=list)

    @property
    def paths(self) -> ExperimentPaths:
        """The experiment's paths; those in its own directory count once its id is known."""
        return ExperimentPaths(
            self.run.experiments_directory / self.run.exp_id,
            self.layout.launcher_directory(self.run.launcher_name),
        )

    @property
    def place(self) -> Path:
        """The directory that is claimed for the start: the experiment's, else the launcher's."""
        return self.run.directory or self.error_output.parent

    @property
    def error_output(self) -> Path:
        """The file with what the manager writes about its failures."""
        return self.paths.errors(self.layout)

    def run_logs(self, *, is_before: bool) -> RunLogs:
        """Return the logs of the run that starts.

        Args:
            is_before: Whether nothing of it is written yet, so that all there is is of earlier
                runs; else the id was generated meanwhile, and all is of this one.
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
        """Return what the processes of the experiment are recognized by."""
        return ProcessMarks(self.run.exp_id, self.run.directory, process.identity)

    def make_directories(self) -> None:
        """Create what is missing, for the owner only: it may hold the config, with passwords."""
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

    def take_over(self, exp_id: str) -> None:
        """Take in the id that the manager generated, and the directory that it created for it."""
        self.run = replace(self.run, exp_id=exp_id)
        directory = self.run.experiments_directory / exp_id
        if self.is_new:
            self.new.append(directory)
            directory.chmod(0o700)

    def remove_new(self) -> None:
        """Delete what a start that failed has made, but nothing that is mounted there."""
        for directory in self.new:
            try:
                remove_tree(directory)
            except FileNotFoundError:
                continue
            except OSError as error:
                # The failure that led here is the one to raise.
                logger.warning("the directory of a start that failed is still there: %s", error)

    @contextmanager
    def open_output(self) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """Open the files for what the manager prints."""
        paths = self.paths
        with ExitStack() as stack:
            try:
                stdout, stderr = (
                    stack.enter_context(open(path, "ab", buffering=0, opener=_open_for_owner))
                    for path in (paths.output(self.layout), paths.errors(self.layout))
                )
            except OSError as error:
                raise LaunchError(
                    f"the manager's log {error.filename} cannot be written: {error.strerror}"
                ) from error
            yield stdout, stderr

    def write_config(self, content: Mapping[str, Any]) -> None:
        """Write what a resume by nnicli or nnictl reads, in the releases that need it."""
        path = self.paths.kept_config(self.layout)
        if path is None:
            return
        try:
            with open(path, "w", encoding="utf-8", opener=_open_for_owner) as file:
                json.dump(content, file)
        except OSError as error:
            raise LaunchError(f"{path} cannot be written: {error.strerror}") from error


def _open_for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)
