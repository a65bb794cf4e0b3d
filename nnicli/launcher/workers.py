"""Tuners and trials, recognized by the environment that their manager has set."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

from nnicli.errors import ProcessIdentity
from nnicli.launcher.marks import directory_in
from nnicli.launcher.process import check_processes, identify


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A tuner or trial process of an experiment.

    Attributes:
        identity: The process.
        directory: The experiment directory, by the environment of the process.
    """

    identity: ProcessIdentity
    directory: Path

    def works_for(self, directory: Path) -> bool:
        """Return whether it belongs to the experiment in this directory."""
        return os.path.realpath(self.directory) == os.path.realpath(directory)


def find_workers() -> list[WorkerProcess]:
    """Return every tuner and trial on this machine that this user can see.

    The children of a trial inherit its environment and are found with it. This process and its
    parents are left out.
    """
    check_processes()
    own = psutil.Process()
    spared = {own.pid, *(parent.pid for parent in own.parents())}
    found = []
    for process in psutil.process_iter():
        try:
            directory = directory_in(process.environ())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if directory is None or process.pid in spared:
            continue
        identity = identify(process.pid)
        if identity is not None:
            found.append(WorkerProcess(identity, directory))
    return found
