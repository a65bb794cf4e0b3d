"""Tuners and trials, known by what their manager has put into their environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from nnicli.errors import ProcessIdentity
from nnicli.launcher.process import check_processes, identify


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A process that works for an experiment.

    Attributes:
        identity: The process.
        directory: The experiment's own folder, as the process was told.
    """

    identity: ProcessIdentity
    directory: Path

    def works_for(self, directory: Path) -> bool:
        """Return whether it belongs to the experiment in this folder."""
        return os.path.realpath(self.directory) == os.path.realpath(directory)


def find_workers() -> list[WorkerProcess]:
    """Return every tuner and trial on this machine, as far as this user may see them.

    Children of a trial inherit its environment and are found with it. This process and those that
    it runs in are left out.
    """
    check_processes()
    own = psutil.Process()
    spared = {own.pid, *(parent.pid for parent in own.parents())}
    found = []
    for process in psutil.process_iter():
        try:
            directory = _directory_in(process.environ())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if directory is None or process.pid in spared:
            continue
        identity = identify(process.pid)
        if identity is not None:
            found.append(WorkerProcess(identity, directory))
    return found


def _directory_in(environ: Mapping[str, str]) -> Path | None:
    """Return the experiment's folder that an environment tells, None where it tells none."""
    exp_id = environ.get("NNI_EXP_ID")
    told = environ.get("NNI_SYS_DIR") or environ.get("NNI_OUTPUT_DIR")
    if exp_id and told:
        return next((place for place in Path(told).parents if place.name == exp_id), None)
    logs = environ.get("NNI_LOG_DIRECTORY")
    return Path(logs).parent if logs else None
