"""Finding what exists already: a stopped experiment's folder, a live manager's process."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from nnicli.errors import ExperimentNotFoundError, StateError, UnsupportedVersionError
from nnicli.launcher.installation import NniInstallation
from nnicli.launcher.ports import find_listener
from nnicli.launcher.process import ManagerProcess
from nnicli.store import ExperimentDatabase, Registry, layout_for
from nnicli.units import parse_duration

logger = logging.getLogger(__name__)

_LOOPBACK_HOSTS = ("localhost", "::1")


@dataclass(frozen=True, slots=True)
class LocatedExperiment:
    """A stopped experiment on this machine.

    Attributes:
        exp_id: Its id.
        experiments_directory: Absolute parent of its folder.
        database: Its records.
    """

    exp_id: str
    experiments_directory: Path
    database: ExperimentDatabase

    def check_release(self, installation: NniInstallation) -> None:
        """Refuse a manager whose release cannot write into this database.

        Raises:
            UnsupportedVersionError: The tables have other columns than that release writes.
                Resuming a 2.x experiment with 3.0 ends in ERROR (seen live).
        """
        wanted = layout_for(installation.version).trial_event_columns
        found = self.database.trial_event_columns()
        if found != wanted:
            raise UnsupportedVersionError(
                f"experiment {self.exp_id} was made by another generation of NNI than "
                f"{installation.version} at {installation.prefix}, which cannot resume it (its "
                f"table TrialJobEvent has {len(found)} columns, not {len(wanted)}); pass "
                "Experiment(nni=PATH) with the NNI that made it, or only view it"
            )

    def warn_of_spent_budget(self) -> None:
        """Log a warning where a resume would do nothing, with the update to call then."""
        profile = self.database.get_experiment_profile()
        params = profile["params"]
        most_trials = params.get("maxTrialNumber")
        if most_trials is not None and len(self.database.list_trial_jobs()) >= most_trials:
            logger.warning(
                "experiment %s has had all of its %s trials; call update_trailnum() with a higher "
                "number after the resume",
                self.exp_id,
                most_trials,
            )
        longest = params.get("maxExperimentDuration")
        if longest is not None and profile["execDuration"] >= parse_duration(longest):
            logger.warning(
                "experiment %s has used up its %s; call update_duration() with a longer time after "
                "the resume",
                self.exp_id,
                longest,
            )


def locate_experiment(
    exp_id: str, *, registry: Registry, experiments_directory: Path | None
) -> LocatedExperiment:
    """Return a stopped experiment by its id.

    Args:
        exp_id: The id.
        registry: NNI's registry, which tells the folder.
        experiments_directory: Where else to look; None: NNI's default folder.

    Raises:
        ExperimentNotFoundError: There is no such experiment; the message lists the places.
        StateError: Its manager still runs.
    """
    places = list(_places(registry.get(exp_id), experiments_directory))
    for place in places:
        path = place / exp_id / "db" / "nni.sqlite"
        if path.is_file() and Path(exp_id).name == exp_id:
            _check_is_stopped(exp_id, place)
            return LocatedExperiment(exp_id, place, ExperimentDatabase(path))
    looked = "".join(f"\n  {place / exp_id}" for place in places)
    raise ExperimentNotFoundError(
        f"there is no experiment {exp_id!r}; looked for its database in:{looked}\nIf it lies "
        "elsewhere, pass Experiment(experiments_directory=...)",
        exp_id=exp_id,
    )


def _places(
    entry: Mapping[str, Any] | None, experiments_directory: Path | None
) -> dict[Path, None]:
    places = [experiments_directory or Path.home() / "nni-experiments"]
    if entry is not None and entry.get("logDir"):
        places.insert(0 if experiments_directory is None else 1, Path(entry["logDir"]))
    return dict.fromkeys(place.absolute() for place in places)


def _check_is_stopped(exp_id: str, experiments_directory: Path) -> None:
    for process in psutil.process_iter(["cmdline"]):
        argv = process.info["cmdline"] or []
        if _is_manager_of(exp_id, argv) and _same_folder(argv, experiments_directory):
            raise StateError(
                f"experiment {exp_id} still has a manager (pid {process.pid}); stop it first, or "
                "use connect_experiment() with its address"
            )


def _is_manager_of(exp_id: str, argv: list[str] | tuple[str, ...]) -> bool:
    pairs = list(pairwise(argv))
    return ("--experiment-id", exp_id) in pairs and any(
        argument.endswith("main.js") for argument in argv
    )


def _same_folder(argv: list[str], experiments_directory: Path) -> bool:
    told = dict(pairwise(argv)).get("--experiments-directory")
    return told is None or os.path.realpath(told) == os.path.realpath(experiments_directory)


def find_local_manager(endpoint: str, exp_id: str) -> ManagerProcess | None:
    """Return the manager that listens at an endpoint, None when it is not on this machine.

    It counts only when its command line names the experiment: behind a loopback port may as well
    be a tunnel to another machine.
    """
    address = urlsplit(endpoint)
    host = address.hostname or ""
    if address.port is None or not (host in _LOOPBACK_HOSTS or host.startswith("127.")):
        return None
    listener = find_listener(address.port)
    if listener is None or not _is_manager_of(exp_id, listener.argv):
        return None
    return ManagerProcess.find(listener)
