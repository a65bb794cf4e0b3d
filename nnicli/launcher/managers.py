"""Running managers, found and identified."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from nnicli.errors import InstallationNotFoundError, ProcessIdentity
from nnicli.launcher import marks
from nnicli.launcher.installation import read_version
from nnicli.launcher.ports import find_listener
from nnicli.launcher.process import ManagerProcess, check_processes, find_process, identify
from nnicli.store import ExperimentPaths
from nnicli.user_home import user_home

_LOOPBACK_HOSTS = ("localhost", "::1")
_STDOUT = 1


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
    own = next(filter(None, map(ExperimentPaths.of_open_file, opened.values())), None)
    # A manager of 1.x that has made up the id itself is not told it, but has its files open; and
    # one that was told no folder has it below a HOME that only it knows.
    if own is not None and exp_id in (None, own.directory.name):
        exp_id, parent = own.directory.name, parent or str(own.directory.parent)
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
