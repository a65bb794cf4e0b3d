"""Running managers, found and identified."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from nnicli.errors import InstallationNotFoundError, ProcessIdentity
from nnicli.launcher import marks, ports
from nnicli.launcher.installation import read_version
from nnicli.launcher.ports import find_listener
from nnicli.launcher.process import ManagerProcess, check_processes, find_process, identify
from nnicli.store import ExperimentPaths
from nnicli.user_home import user_home

_LOOPBACK_HOSTS = ("localhost", "::1")
_STDOUT = 1


@dataclass(frozen=True, slots=True)
class RunningManager:
    """A manager's process, described by its command line and its open files.

    Attributes:
        identity: The process.
        exp_id: The id of its experiment; None if unknown.
        experiments_directory: Parent of the experiment directory; None if unknown.
        port: Where it listens; None if unknown.
        url_prefix: Path below which it serves, empty for none.
        version: Its NNI's release; None if unknown.
        output: The directory of the file that it prints to; None if unknown.
    """

    identity: ProcessIdentity
    exp_id: str | None
    experiments_directory: Path | None
    port: int | None
    url_prefix: str
    version: str | None
    output: Path | None = None

    def runs(self, exp_id: str, directory: Path | None) -> bool:
        """Return whether this is the manager of the experiment in this directory.

        Args:
            exp_id: The experiment.
            directory: The experiment directory, None if unknown.
        """
        if self.exp_id != exp_id:
            return False
        if directory is None or self.experiments_directory is None:
            return True
        return os.path.realpath(self.experiments_directory) == os.path.realpath(directory.parent)

    @property
    def directory(self) -> Path | None:
        """The experiment directory, None if unknown."""
        if self.exp_id is None or self.experiments_directory is None:
            return None
        return self.experiments_directory / self.exp_id

    def listens(self) -> bool | None:
        """Return whether it listens on its port, None if unknown.

        One that is starting does not yet, nor does one that lost the port to another.
        """
        return None if self.port is None else ports.listens(self.identity.pid, self.port)

    @property
    def url(self) -> str | None:
        """Its address on this machine, None without a port."""
        prefix = f"/{self.url_prefix}" if self.url_prefix else ""
        return None if self.port is None else f"http://127.0.0.1:{self.port}{prefix}"

    @property
    def is_view(self) -> bool:
        """Whether it was started only to show a stopped experiment."""
        return marks.is_view(self.identity.argv)

    @property
    def is_ours(self) -> bool:
        """Whether it runs as this user and with this HOME, so that its registry is ours."""
        try:
            process = psutil.Process(self.identity.pid)
            home = process.environ().get("HOME", "")
            return process.uids().real == os.getuid() and _is_same(home, str(user_home()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def find_launcher(self) -> ProcessIdentity | None:
        """Return the Python that started it, None when that is gone.

        An orphan is adopted by the first process of the system, or by one that exists for that;
        neither is a Python that waits for a manager.
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
    """Return the running managers of this machine that this user can see.

    Raises:
        UnsupportedPlatformError: Processes are not visible.
    """
    check_processes()
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if not marks.is_manager(process.info["cmdline"] or ()):
            continue
        # The pid may have been reused since the list was read.
        identity = identify(process.pid)
        if (
            identity is not None
            and marks.is_manager(identity.argv)
            and _runs_next_to_entry(identity)
        ):
            found.append(_describe(identity))
    return found


def _runs_next_to_entry(identity: ProcessIdentity) -> bool:
    """Return whether a process runs in the directory of its `main.js`, as every manager does.

    Where that is not visible, the command line has to suffice.
    """
    try:
        directory = psutil.Process(identity.pid).cwd()
    except psutil.AccessDenied:
        return True
    except psutil.NoSuchProcess:
        return False
    # The installation may have been deleted since.
    return _is_same(directory.removesuffix(" (deleted)"), str(_entry_of(identity).parent))


def _entry_of(identity: ProcessIdentity) -> Path:
    return marks.manager_entry(identity.argv) or Path()


def _is_same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _describe(identity: ProcessIdentity) -> RunningManager:
    arguments = marks.manager_arguments(identity.argv)
    exp_id, parent = arguments.get("exp_id"), arguments.get("experiments_directory")
    if parent is not None and not Path(parent).is_absolute():
        # It is relative to a working directory that may not be readable.
        parent = None
    opened = _open_files(identity.pid)
    own = next(filter(None, map(ExperimentPaths.of_open_file, opened.values())), None)
    # A 1.x manager that generated the id itself does not have it on its command line, but has its
    # files open; without a directory on the command line, that is below a HOME that only it knows.
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
    """Return descriptor -> open file of a process, as far as visible."""
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

    It counts only if it is known to run that experiment: a loopback port may also be a tunnel to
    another machine.
    """
    listener = _find_listening_manager(endpoint)
    if listener is None or _describe(listener).exp_id != exp_id:
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
    """Return the addresses, prefix included, of this machine's managers on an endpoint's port."""
    listener = _find_listening_manager(endpoint)
    url = _describe(listener).url if listener is not None else None
    return [] if url is None else [url]


def explain_silence(endpoint: str) -> str:
    """Return why a manager does not answer and what to do, empty if it is not on this machine.

    Hanging and being busy look the same from outside; being suspended does not.
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
            f"`kill -CONT {process.pid}` resumes it"
        )
    return (
        f"the manager hangs: its process (pid {process.pid}) is alive but does not answer; try "
        "again later, or stop the experiment, which kills the process if necessary"
    )


def is_viewing(process: ManagerProcess) -> bool:
    """Return whether a manager was started only to show a stopped experiment."""
    return marks.is_view(process.identity.argv)


def is_new(process: ManagerProcess) -> bool:
    """Return whether a manager was started to create an experiment."""
    return marks.creates_experiment(process.identity.argv)
