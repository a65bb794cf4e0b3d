"""Finding what exists already: a stopped experiment's folder, a live manager's process."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from nnicli.config import StartRequests, stored_requests, v1_requests
from nnicli.errors import (
    DecodingError,
    ExperimentNotFoundError,
    InstallationNotFoundError,
    LaunchError,
    ProcessIdentity,
    StateError,
    UnsupportedVersionError,
)
from nnicli.launcher import marks
from nnicli.launcher.installation import NniInstallation, read_version
from nnicli.launcher.plan import Action
from nnicli.launcher.ports import find_listener
from nnicli.launcher.process import ManagerProcess, check_processes, find_process, identify
from nnicli.rest import dialect_for
from nnicli.safe_logging import get_logger
from nnicli.store import (
    CONFIG_KEY,
    ExperimentDatabase,
    Layout,
    claimed,
    is_folder_name,
    layout_for,
    mend_search_space,
    noted_parent,
    platform_of,
    read_kept_config,
)
from nnicli.units import parse_duration
from nnicli.user_home import user_home

logger = get_logger(__name__)

_LOOPBACK_HOSTS = ("localhost", "::1")
# What every manager keeps open below its experiment's folder.
_OWN_FILES = (("db", "nni.sqlite"), ("log", "nnimanager.log"))
_STDOUT = 1


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
        return platform_of(self._params())

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

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep everybody else from giving it a manager, which two on one database would damage.

        Raises:
            StateError: It has a manager, or is just given one.
        """
        with claimed(self.database.directory):
            _check_is_stopped(self.exp_id, self.experiments_directory)
            yield

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
            config: dict[str, Any] = read_kept_config(path)[CONFIG_KEY]
        except (OSError, DecodingError) as error:
            raise LaunchError(
                f"experiment {self.exp_id} cannot be reopened: NNI {self.installation.version} "
                f"needs the config in {path}, which cannot be read ({error}); read its results "
                "from its database with the NNI of a later release in view mode"
            ) from error
        return config

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
    """
    layout = layout_for(installation.version)
    entry = layout.registry().get(exp_id) or {}
    folder = str(entry.get("fileName") or "")
    places = list(_places(entry, layout, experiments_directory))
    for place in places:
        path = place / exp_id / "db" / "nni.sqlite"
        if is_folder_name(exp_id) and path.is_file():
            return LocatedExperiment(exp_id, installation, place, folder, ExperimentDatabase(path))
    looked = "".join(f"\n  {place / exp_id}" for place in places)
    raise ExperimentNotFoundError(
        f"there is no experiment {exp_id!r}; looked for its database in:{looked}\nIf it lies "
        "elsewhere, pass Experiment(experiments_directory=...)",
        exp_id=exp_id,
    )


def _places(
    entry: Mapping[str, Any], layout: Layout, experiments_directory: Path | None
) -> dict[Path, None]:
    own = experiments_directory or user_home() / "nni-experiments"
    parent = noted_parent(entry, layout)
    noted = [] if parent is None else [parent]
    places = [*noted, own] if experiments_directory is None else [own, *noted]
    return dict.fromkeys(place.absolute() for place in places)


def _check_is_stopped(exp_id: str, experiments_directory: Path) -> None:
    for manager in find_managers():
        if manager.runs(exp_id, experiments_directory / exp_id):
            raise StateError(
                f"experiment {exp_id} still has a manager (pid {manager.identity.pid}); stop it "
                "first, or use connect_experiment() with its address"
            )


@dataclass(frozen=True, slots=True)
class RunningManager:
    """A manager's process, and what it has open or was told.

    Attributes:
        identity: The process.
        exp_id: Its experiment; None where that cannot be seen.
        experiments_directory: Parent of the experiment's folder; None where that cannot be seen.
        port: Where it listens, None where that cannot be seen.
        url_prefix: Path below which it serves, empty for none.
        version: Its NNI's release, None where that cannot be seen.
        output: The folder of the file that it prints to; None where that cannot be seen.
    """

    identity: ProcessIdentity
    exp_id: str | None
    experiments_directory: Path | None
    port: int | None
    url_prefix: str
    version: str | None
    output: Path | None = None

    def runs(self, exp_id: str, directory: Path | None) -> bool:
        """Return whether this is the manager of the experiment in this folder.

        Args:
            exp_id: The experiment.
            directory: Its own folder, None where it is not known.
        """
        if self.exp_id != exp_id:
            return False
        if directory is None or self.experiments_directory is None:
            return True
        return os.path.realpath(self.experiments_directory) == os.path.realpath(directory.parent)

    @property
    def directory(self) -> Path | None:
        """The experiment's own folder, None where that cannot be seen."""
        if self.exp_id is None or self.experiments_directory is None:
            return None
        return self.experiments_directory / self.exp_id

    @property
    def url(self) -> str | None:
        """Its address on this machine, None without a port."""
        prefix = f"/{self.url_prefix}" if self.url_prefix else ""
        return None if self.port is None else f"http://127.0.0.1:{self.port}{prefix}"

    @property
    def is_view(self) -> bool:
        """Whether it was told to show a stopped experiment only."""
        return marks.is_view(self.identity.argv)

    @property
    def is_ours(self) -> bool:
        """Whether this user runs it, with this HOME: its registry is ours."""
        try:
            process = psutil.Process(self.identity.pid)
            home = process.environ().get("HOME", "")
            return process.uids().real == os.getuid() and _is_same(home, str(user_home()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def find_launcher(self) -> ProcessIdentity | None:
        """Return the Python that started it, None when that is gone.

        Whoever loses its parent is given to the first process of the system, or to one that was
        made for that; neither is a Python that waits for a manager.
        """
        try:
            parent = psutil.Process(self.identity.pid).parent()
        except psutil.NoSuchProcess:
            return None
        if parent is None or parent.pid == 1:
            return None
        identity = identify(parent.pid)
        is_python = identity is not None and any("python" in word for word in identity.argv[:1])
        return identity if is_python else None


def find_managers() -> list[RunningManager]:
    """Return every manager that runs on this machine, as far as this user may see it.

    Raises:
        UnsupportedPlatformError: No process can be seen.
    """
    check_processes()
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if not marks.is_manager(process.info["cmdline"] or ()):
            continue
        # The list may be older than a process of the same number.
        identity = identify(process.pid)
        if identity is not None and marks.is_manager(identity.argv) and _works_beside(identity):
            found.append(_look_at(identity))
    return found


def _works_beside(identity: ProcessIdentity) -> bool:
    """Return whether a process works in the folder of its `main.js`, as every manager does.

    Where that may not be seen, its command line has to do.
    """
    try:
        folder = psutil.Process(identity.pid).cwd()
    except psutil.AccessDenied:
        return True
    except psutil.NoSuchProcess:
        return False
    # The installation may have been deleted since.
    return _is_same(folder.removesuffix(" (deleted)"), str(_entry_of(identity).parent))


def _entry_of(identity: ProcessIdentity) -> Path:
    return marks.manager_entry(identity.argv) or Path()


def _is_same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _look_at(identity: ProcessIdentity) -> RunningManager:
    arguments = marks.manager_arguments(identity.argv)
    exp_id, parent = arguments.get("exp_id"), arguments.get("experiments_directory")
    if parent is not None and not Path(parent).is_absolute():
        # It counts from a working directory that may not be readable.
        parent = None
    opened = _open_files(identity.pid)
    own = next(
        (path.parent.parent for path in opened.values() if path.parts[-2:] in _OWN_FILES), None
    )
    # A manager of 1.x that has made up the id itself is not told it, but has its files open; and
    # one that was told no folder has it below a HOME that only it knows.
    if own is not None and exp_id in (None, own.name):
        exp_id, parent = own.name, parent or str(own.parent)
    port = arguments.get("port")
    return RunningManager(
        identity=identity,
        exp_id=exp_id,
        experiments_directory=Path(parent) if parent is not None else None,
        port=int(port) if port is not None and port.isdecimal() else None,
        url_prefix=arguments.get("url_prefix", ""),
        version=_version_at(_entry_of(identity)),
        output=opened[_STDOUT].parent if _STDOUT in opened else None,
    )


def _open_files(pid: int) -> dict[int, Path]:
    """Return descriptor -> file of what a process has open, as far as that may be seen."""
    try:
        return {file.fd: Path(file.path) for file in psutil.Process(pid).open_files()}
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return {}


def _version_at(entry: Path) -> str | None:
    try:
        return read_version(entry.parent)
    except InstallationNotFoundError:
        return None


def find_local_manager(endpoint: str, exp_id: str) -> ManagerProcess | None:
    """Return the manager that listens at an endpoint, None when it is not on this machine.

    It counts only when it is known to be that experiment's: behind a loopback port may as well be
    a tunnel to another machine.
    """
    listener = _find_listening_manager(endpoint)
    if listener is None or _look_at(listener).exp_id != exp_id:
        return None
    return ManagerProcess.find(listener)


def _find_listening_manager(endpoint: str) -> ProcessIdentity | None:
    address = urlsplit(endpoint)
    host = address.hostname or ""
    if address.port is None or not (host in _LOOPBACK_HOSTS or host.startswith("127.")):
        return None
    listener = find_listener(address.port)
    return listener if listener is not None and marks.is_manager(listener.argv) else None


def find_local_addresses(endpoint: str) -> list[str]:
    """Return the addresses, with their prefix, of this machine's managers on an endpoint's port."""
    listener = _find_listening_manager(endpoint)
    url = _look_at(listener).url if listener is not None else None
    return [] if url is None else [url]


def explain_silence(endpoint: str) -> str:
    """Return why a manager does not answer and what helps, empty where it is not on this machine.

    Whether it hangs or is busy cannot be seen from outside; whether it is suspended can.
    """
    manager = _find_listening_manager(endpoint)
    process = find_process(manager) if manager is not None else None
    if process is None:
        return ""
    try:
        is_suspended = process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""
    if is_suspended:
        return (
            f"the manager hangs: its process (pid {process.pid}) is alive but suspended; "
            f"`kill -CONT {process.pid}` lets it go on"
        )
    return (
        f"the manager hangs: its process (pid {process.pid}) is alive but does not answer; try "
        "again later, or stop the experiment, which ends the process by force if need be"
    )


def is_viewing(process: ManagerProcess) -> bool:
    """Return whether a manager was started only to show a stopped experiment."""
    return marks.is_view(process.identity.argv)


def is_new(process: ManagerProcess) -> bool:
    """Return whether a manager was started to begin a new experiment."""
    return marks.creates_experiment(process.identity.argv)
