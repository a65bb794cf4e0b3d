"""Starting a manager: every step has its undo until the experiment runs."""

from __future__ import annotations

import logging
import os
import random
import shutil
import string
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nnicli.errors import (
    LaunchError,
    ManagerExitedError,
    PortInUseError,
    RegistryError,
    RestError,
    StartTimeoutError,
    UnsupportedPlatformError,
)
from nnicli.launcher import ports
from nnicli.launcher.environment import manager_environment
from nnicli.launcher.generations import Action, Generation, ManagerArguments, generation_for
from nnicli.launcher.installation import NniInstallation
from nnicli.launcher.process import ManagerProcess, uninterrupted
from nnicli.launcher.stopping import Traces, stop_manager
from nnicli.rest import ManagerClient, dialect_for
from nnicli.store import Registry, size_of, tail_text
from nnicli.waiting import Deadline, Timeouts, poll_until

logger = logging.getLogger(__name__)

_READY_INTERVAL_S = 0.01
_READY_PROBE_TIMEOUT_S = 1.0
_STDOUT, _STDERR = "nnictl_stdout.log", "nnictl_stderr.log"


@dataclass(frozen=True, slots=True)
class StartPlan:
    """What is to be started.

    Attributes:
        action: `create`, `resume` or `view`.
        exp_id: Id of the experiment.
        document: What is POSTed; the manager ignores it unless the action is `create`.
        experiments_directory: Absolute parent of the experiment's folder.
        port: The port, or None for the first free one.
        log_level: The manager's, in the config's words.
        url_prefix: Path below which the manager serves, without slashes at its ends.
        name: The experiment's name, for the registry.
        platform: The training service's, for the registry.
    """

    action: Action
    exp_id: str
    document: Mapping[str, Any]
    experiments_directory: Path
    port: int | None = None
    log_level: str = "info"
    url_prefix: str = ""
    name: str | None = None
    platform: str = "local"

    @property
    def directory(self) -> Path:
        """The experiment's own folder."""
        return self.experiments_directory / self.exp_id

    @property
    def log_directory(self) -> Path:
        """Where the manager, the tuner and the launcher write."""
        return self.directory / "log"


@dataclass(frozen=True, slots=True)
class StartedManager:
    """A manager whose experiment runs.

    Attributes:
        process: The manager.
        client: Speaks with it.
        port: Where it listens.
        traces: By what its processes are known.
        dispatcher_log_size: Size of dispatcher.log in bytes before the start. The log is appended
            to, so after a resume older lines stand before it.
    """

    process: ManagerProcess
    client: ManagerClient
    port: int
    traces: Traces
    dispatcher_log_size: int


def generate_experiment_id(experiments_directory: Path) -> str:
    """Return an id in NNI's form that no folder there has: a manager would append to it (3.0)."""
    source = random.SystemRandom()
    while True:
        exp_id = "".join(source.sample(string.ascii_lowercase + string.digits, 8))
        if not (experiments_directory / exp_id).exists():
            return exp_id


@contextmanager
def start_manager(
    installation: NniInstallation,
    plan: StartPlan,
    *,
    registry: Registry,
    timeouts: Timeouts,
) -> Iterator[StartedManager]:
    """Start a manager and its experiment; after a failure nothing of it is left.

    The caller takes the manager over inside the `with`; what is raised there undoes the start, so
    no interrupt can fall into a gap between the two.

    Raises:
        LaunchError: It could not be started; the subclasses say why.
        RegistryError: NNI's registry cannot be read or written.
        InvalidValueError: The port is out of range.
    """
    if os.name != "posix":
        raise UnsupportedPlatformError(
            f"managers cannot be started on {os.name} yet; start it with NNI's own tools and use "
            "connect_experiment(), which works everywhere"
        )
    if plan.port is not None:
        ports.check_port(plan.port)
    start = _Start(installation, generation_for(installation.version), plan, registry, timeouts)
    with ExitStack() as undo:
        yield _start_on_some_port(start, undo)
        undo.pop_all()


@dataclass(frozen=True, slots=True)
class _Start:
    """What every attempt has in common, whichever port it is on."""

    installation: NniInstallation
    generation: Generation
    plan: StartPlan
    registry: Registry
    timeouts: Timeouts


def _start_on_some_port(start: _Start, undo: ExitStack) -> StartedManager:
    given = start.plan.port
    for port in ports.candidates(given):
        with ports.reserve(port) as is_ours:
            try:
                if not is_ours:
                    raise ports.port_in_use_error(port)
                return _start_on(port, start, undo)
            except PortInUseError as error:
                if given is not None:
                    raise
                logger.debug("%s; the next one is tried", error)
                undo.close()
    raise PortInUseError(
        f"no port from {ports.FIRST_PORT} on is free; stop something, or pass a port",
        port=ports.FIRST_PORT,
    )


def _start_on(port: int, start: _Start, undo: ExitStack) -> StartedManager:
    plan, registry, timeouts = start.plan, start.registry, start.timeouts
    arguments = ManagerArguments(
        action=plan.action,
        exp_id=plan.exp_id,
        port=port,
        experiments_directory=plan.experiments_directory,
        log_level=plan.log_level,
        url_prefix=plan.url_prefix,
    )
    argv = start.generation.argv(start.installation, arguments)
    deadline = Deadline(timeouts.start_s)
    previous = registry.get(plan.exp_id)
    _make_directories(plan, undo)
    undo.callback(_restore_entry, registry, plan.exp_id, previous)
    dispatcher_log_size = size_of(plan.log_directory / "dispatcher.log")
    with _open_output(plan) as (stdout, stderr), uninterrupted():
        process = _spawn(argv, installation=start.installation, stdout=stdout, stderr=stderr)
        traces = Traces(plan.exp_id, plan.directory, process.identity)
        # Before the POST nothing softer than SIGKILL is safe: 2.2 and 2.3 hang on it.
        undo.callback(stop_manager, process, traces, ask=None, timeout_s=timeouts.stop_s)
    # The manager takes some 0.4 s to come up; the registry is written meanwhile.
    entry = _registry_entry(plan, port, process, previous)
    registry.ensure(entry)
    client = ManagerClient(
        _url(plan, port), dialect=dialect_for(start.installation.version), timeouts=timeouts
    )
    undo.callback(client.close)
    launch = _Launch(plan, argv, port, process)
    launch.wait_until_ready(client, deadline)
    launch.hand_over(client)
    # Ten starts at once lost entries under NNI's lock alone (seen live).
    if (registry.get(plan.exp_id) or {}).get("pid") != process.identity.pid:
        registry.ensure({**entry, "status": "RUNNING"})
    logger.info("experiment %s runs on %s (%s)", plan.exp_id, client.endpoint, plan.action)
    return StartedManager(process, client, port, traces, dispatcher_log_size)


def _url(plan: StartPlan, port: int) -> str:
    return f"http://127.0.0.1:{port}" + (f"/{plan.url_prefix}" if plan.url_prefix else "")


@dataclass(frozen=True, slots=True)
class _Launch:
    """One manager between its spawn and the moment when its experiment runs."""

    plan: StartPlan
    argv: list[str]
    port: int
    process: ManagerProcess

    def wait_until_ready(self, client: ManagerClient, deadline: Deadline) -> None:
        def probe() -> bool | None:
            if not self.process.is_running():
                raise self._exited_error("before it was ready")
            if client.poll_status(_READY_PROBE_TIMEOUT_S) is None:
                return None
            # Whoever took the port in the gap would answer in our manager's place, and the POST
            # would go to a stranger.
            is_ours = ports.listens(self.process.identity.pid, self.port)
            return None if is_ours is False else True

        if poll_until(probe, deadline=deadline, interval_s=_READY_INTERVAL_S) is None:
            raise StartTimeoutError(
                f"the manager did not become ready within {deadline.waited_s:.0f} s; it was ended. "
                f"Pass larger Timeouts(start_s=...) on a slow machine{self._log_hint()}",
                waited_s=deadline.waited_s,
                argv=self.argv,
                log_tail=self._log_tail(),
            )

    def hand_over(self, client: ManagerClient) -> None:
        """POST the experiment, once: a second POST would start a second management loop."""
        try:
            exp_id = client.start_experiment(self.plan.document)
        except RestError as error:
            if not self.process.is_running():
                raise self._exited_error("while the experiment was handed over") from error
            raise LaunchError(
                f"the manager did not take the experiment: {error}{self._log_hint()}",
                argv=self.argv,
                log_tail=self._log_tail(),
            ) from error
        if self.plan.action == "create" and exp_id != self.plan.exp_id:
            raise LaunchError(
                f"the manager on port {self.port} says that it runs experiment {exp_id!r}, "
                f"not {self.plan.exp_id!r}",
                argv=self.argv,
            )
        # A manager that goes down over its experiment answers the POST all the same.
        is_answering = client.poll_status(_READY_PROBE_TIMEOUT_S) is not None
        if not is_answering and self.process.wait(_READY_PROBE_TIMEOUT_S):
            raise self._exited_error("right after the experiment was handed over")

    def _exited_error(self, when: str) -> LaunchError:
        log_tail = self._log_tail()
        if "EADDRINUSE" in log_tail or not ports.is_free(self.port):
            return ports.port_in_use_error(self.port)
        return ManagerExitedError(
            f"the manager ended {when} (exit code {self.process.returncode}){self._log_hint()}",
            returncode=self.process.returncode,
            argv=self.argv,
            log_tail=log_tail,
        )

    def _log_tail(self) -> str:
        for name in (_STDERR, "nnimanager.log", _STDOUT):
            if text := tail_text(self.plan.log_directory / name).strip():
                return text
        return ""

    def _log_hint(self) -> str:
        text = self._log_tail()
        return f"; the end of its log:\n{text}" if text else "; it wrote no log"


def _make_directories(plan: StartPlan, undo: ExitStack) -> None:
    """Create what is missing of the experiment's folder, for the owner only.

    Its database holds the whole config, passwords included.
    """
    try:
        plan.experiments_directory.mkdir(parents=True, exist_ok=True)
        if not plan.directory.exists():
            plan.directory.mkdir(mode=0o700)
            undo.callback(shutil.rmtree, plan.directory, ignore_errors=True)
        plan.log_directory.mkdir(exist_ok=True)
    except OSError as error:
        raise LaunchError(
            f"the experiment's folder {plan.directory} cannot be made: {error.strerror}; set "
            "experimentWorkingDirectory in the config, or Experiment(experiments_directory=...)"
        ) from error


@contextmanager
def _open_output(plan: StartPlan) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    with ExitStack() as stack:
        try:
            stdout, stderr = (
                stack.enter_context(
                    open(plan.log_directory / name, "ab", buffering=0, opener=_open_for_owner)
                )
                for name in (_STDOUT, _STDERR)
            )
        except OSError as error:
            raise LaunchError(
                f"the manager's log {error.filename} cannot be written: {error.strerror}"
            ) from error
        yield stdout, stderr


def _open_for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def _spawn(
    argv: list[str], *, installation: NniInstallation, stdout: IO[bytes], stderr: IO[bytes]
) -> ManagerProcess:
    try:
        return ManagerProcess.spawn(
            argv,
            # The web UI is served from ./static.
            cwd=installation.entry.parent,
            env=manager_environment(installation, os.environ),
            stdout=stdout,
            stderr=stderr,
        )
    except OSError as error:
        raise LaunchError(
            f"{argv[0]} could not be started: {error.strerror}; it may be built for another "
            "system, so reinstall nni in that environment",
            argv=argv,
        ) from error


def _registry_entry(
    plan: StartPlan, port: int, process: ManagerProcess, previous: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        **(previous or {"tag": [], "experimentName": plan.name, "platform": plan.platform}),
        "id": plan.exp_id,
        "port": port,
        "startTime": int(time.time() * 1000),
        "endTime": "N/A",
        "status": "INITIALIZED",
        "pid": process.identity.pid,
        "webuiUrl": [_url(plan, port)],
        "logDir": str(plan.experiments_directory),
        "prefixUrl": plan.url_prefix or None,
    }


def _restore_entry(registry: Registry, exp_id: str, previous: Mapping[str, Any] | None) -> None:
    try:
        if previous is None:
            registry.remove(exp_id)
        else:
            registry.ensure(previous)
    except RegistryError as error:
        # The failure that led here is the one to tell.
        logger.warning("experiment %s may be left in NNI's registry: %s", exp_id, error)
