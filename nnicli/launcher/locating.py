"""Finding what exists already: a stopped experiment's folder, a live manager's process."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from nnicli.config.requests import StartRequests, stored_requests, v1_requests
from nnicli.decoding import decode_json
from nnicli.errors import (
    DecodingError,
    ExperimentNotFoundError,
    LaunchError,
    StateError,
    UnsupportedVersionError,
)
from nnicli.launcher.generations import Action
from nnicli.launcher.installation import NniInstallation
from nnicli.launcher.ports import find_listener
from nnicli.launcher.process import ManagerProcess
from nnicli.rest import dialect_for
from nnicli.store import ExperimentDatabase, Layout, layout_for, mend_search_space
from nnicli.units import parse_duration

logger = logging.getLogger(__name__)

_LOOPBACK_HOSTS = ("localhost", "::1")
# What the managers of all releases call these on their command lines.
_ID_FLAGS = ("--experiment-id", "--experiment_id")
_FOLDER_FLAGS = ("--experiments-directory", "--log_dir")
_VIEW_FLAGS = (("--action", "view"), ("--readonly", "true"))


@dataclass(frozen=True, slots=True)
class LocatedExperiment:
    """A stopped experiment on this machine.

    Attributes:
        exp_id: Its id.
        installation: The NNI that is to open it.
        experiments_directory: Absolute parent of its folder.
        folder: Name of the launcher's own folder, empty where there is none.
        database: Its records.
    """

    exp_id: str
    installation: NniInstallation
    experiments_directory: Path
    folder: str
    database: ExperimentDatabase

    @property
    def _layout(self) -> Layout:
        return layout_for(self.installation.version)

    @property
    def platform(self) -> str:
        """The training service, in the config's words."""
        params = self._params()
        service = params.get("trainingService", params.get("trainingServicePlatform", "local"))
        if isinstance(service, list):
            return "hybrid"
        return str(service["platform"] if isinstance(service, dict) else service)

    def _params(self) -> dict[str, Any]:
        return self.database.get_experiment_profile()["params"]

    def check_release(self) -> None:
        """Refuse a manager whose release cannot go on with this database.

        Raises:
            UnsupportedVersionError: The tables have other columns than that release writes, or the
                config is in another format. Resuming a 2.x experiment with 3.0 ends in ERROR (seen
                live).
        """
        columns = self.database.trial_event_columns()
        is_v1 = "trainingService" not in self._params()
        if columns == self._layout.trial_event_columns and is_v1 == self._layout.has_v1_profile:
            return
        raise UnsupportedVersionError(
            f"experiment {self.exp_id} was made by another generation of NNI than "
            f"{self.installation.version} at {self.installation.prefix}, which cannot resume it "
            f"(its table TrialJobEvent has {len(columns)} columns, not "
            f"{len(self._layout.trial_event_columns)}, and its config is in the "
            f"{'v1' if is_v1 else 'v2'} format); pass Experiment(nni=PATH) with the NNI that made "
            "it, or only view it"
        )

    def mend(self) -> None:
        """Make the database such that a resume works.

        Raises:
            LaunchError: The database cannot be written.
        """
        if self._layout.keeps_space_as_text:
            mend_search_space(self.database.path)

    def stored_config(self) -> dict[str, Any]:
        """Return the config that was kept beside the database, empty where there is none to keep.

        Raises:
            LaunchError: It is needed and cannot be read.
        """
        path = self._layout.config_path(self.database.directory, self.folder)
        if path is None:
            return {}
        try:
            config = decode_json(path.read_text("utf-8"))["experimentConfig"]
        except (OSError, DecodingError, KeyError, TypeError) as error:
            raise LaunchError(
                f"experiment {self.exp_id} cannot be reopened: NNI {self.installation.version} "
                f"needs the config in {path}, which cannot be read ({error}); read its results "
                "from its database with the NNI of a later release in view mode"
            ) from error
        return dict(config)

    def requests(self, action: Action, config: Mapping[str, Any]) -> StartRequests:
        """Return what the manager is told when it reopens the experiment.

        A view needs, and bears, no metadata: one that gets any ends (1.9, seen live).
        """
        if config:
            requests = v1_requests(config, self.installation.version)
        elif "clusterMetaData" in self._params():
            requests = stored_requests(self._params())
        else:
            requests = StartRequests(metadata=(), profile=self._params())
        return replace(requests, metadata=()) if action == "view" else requests

    def warn_of_spent_budget(self) -> None:
        """Log a warning where a resume would do nothing, with the update to call then."""
        fields = dialect_for(self.installation.version).fields
        profile = self.database.get_experiment_profile()
        params = profile["params"]
        most_trials = params.get(fields["max_trial_number"].key)
        if most_trials is not None and len(self.database.list_trial_jobs()) >= most_trials:
            logger.warning(
                "experiment %s has had all of its %s trials; call update_trailnum() with a higher "
                "number after the resume",
                self.exp_id,
                most_trials,
            )
        longest = params.get(fields["max_experiment_duration"].key)
        if longest is not None and profile["execDuration"] >= parse_duration(longest):
            logger.warning(
                "experiment %s has used up its %s; call update_duration() with a longer time after "
                "the resume",
                self.exp_id,
                longest,
            )


def locate_experiment(
    exp_id: str, *, installation: NniInstallation, experiments_directory: Path | None
) -> LocatedExperiment:
    """Return a stopped experiment by its id.

    Args:
        exp_id: The id.
        installation: The NNI that is to open it; its registry tells the folder.
        experiments_directory: Where else to look; None: NNI's default folder.

    Raises:
        ExperimentNotFoundError: There is no such experiment; the message lists the places.
        StateError: Its manager still runs.
    """
    layout = layout_for(installation.version)
    entry = layout.registry().get(exp_id) or {}
    folder = str(entry.get("fileName") or "")
    places = list(_places(entry, layout.config_path(None, folder), experiments_directory))
    for place in places:
        path = place / exp_id / "db" / "nni.sqlite"
        if path.is_file() and Path(exp_id).name == exp_id:
            _check_is_stopped(exp_id, place)
            return LocatedExperiment(exp_id, installation, place, folder, ExperimentDatabase(path))
    looked = "".join(f"\n  {place / exp_id}" for place in places)
    raise ExperimentNotFoundError(
        f"there is no experiment {exp_id!r}; looked for its database in:{looked}\nIf it lies "
        "elsewhere, pass Experiment(experiments_directory=...)",
        exp_id=exp_id,
    )


def _places(
    entry: Mapping[str, Any], config: Path | None, experiments_directory: Path | None
) -> dict[Path, None]:
    places = [experiments_directory or Path.home() / "nni-experiments"]
    noted = entry.get("logDir") or _log_dir_of(config)
    if noted:
        places.insert(0 if experiments_directory is None else 1, Path(noted))
    return dict.fromkeys(place.absolute() for place in places)


def _log_dir_of(config: Path | None) -> str | None:
    """Return the folder that the config of an experiment of 1.x names."""
    if config is None:
        return None
    try:
        noted = decode_json(config.read_text("utf-8"))["experimentConfig"].get("logDir")
    except (OSError, DecodingError, KeyError, TypeError, AttributeError):
        return None
    return str(noted) if noted else None


def _check_is_stopped(exp_id: str, experiments_directory: Path) -> None:
    for process in psutil.process_iter(["cmdline"]):
        argv = process.info["cmdline"] or []
        if _is_manager_of(exp_id, process.pid, argv) and _same_folder(argv, experiments_directory):
            raise StateError(
                f"experiment {exp_id} still has a manager (pid {process.pid}); stop it first, or "
                "use connect_experiment() with its address"
            )


def _is_manager_of(exp_id: str, pid: int, argv: Sequence[str]) -> bool:
    """Return whether a process is the manager of this experiment.

    One of 1.x that has made up the id itself is not told it, but has the experiment's files open.
    """
    if not any(argument.endswith("main.js") for argument in argv):
        return False
    told = [value for flag, value in pairwise(argv) if flag in _ID_FLAGS]
    if told:
        return exp_id in told
    try:
        return any(exp_id in Path(file.path).parts for file in psutil.Process(pid).open_files())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _same_folder(argv: Sequence[str], experiments_directory: Path) -> bool:
    told = [value for flag, value in pairwise(argv) if flag in _FOLDER_FLAGS]
    wanted = os.path.realpath(experiments_directory)
    return not told or any(os.path.realpath(folder) == wanted for folder in told)


def find_local_manager(endpoint: str, exp_id: str) -> ManagerProcess | None:
    """Return the manager that listens at an endpoint, None when it is not on this machine.

    It counts only when it is known to be that experiment's: behind a loopback port may as well be
    a tunnel to another machine.
    """
    address = urlsplit(endpoint)
    host = address.hostname or ""
    if address.port is None or not (host in _LOOPBACK_HOSTS or host.startswith("127.")):
        return None
    listener = find_listener(address.port)
    if listener is None or not _is_manager_of(exp_id, listener.pid, listener.argv):
        return None
    return ManagerProcess.find(listener)


def is_viewing(process: ManagerProcess) -> bool:
    """Return whether a manager was told to show a stopped experiment only."""
    return any(pair in _VIEW_FLAGS for pair in pairwise(process.identity.argv))
