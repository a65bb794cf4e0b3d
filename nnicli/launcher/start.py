"""Starting a manager: every step can be undone until the experiment runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any

from nnicli.config import needs_next_port
from nnicli.errors import (
    InvalidValueError,
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
from nnicli.launcher.files import LaunchFiles, generate_experiment_id, random_name
from nnicli.launcher.installation import NniInstallation
from nnicli.launcher.managers import explain_silence
from nnicli.launcher.plan import StartPlan
from nnicli.launcher.process import ManagerProcess, check_processes, uninterrupted
from nnicli.launcher.stopping import stop_manager
from nnicli.releases import NniRelease
from nnicli.rest import Connection, ManagerClient, check_prefix
from nnicli.safe_logging import get_logger
from nnicli.store import Registry, Run, RunLogs, claimed, tail_text
from nnicli.waiting import Deadline, poll_until

logger = get_logger(__name__)

_READY_INTERVAL_S = 0.01
_READY_PROBE_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class StartedManager:
    """A manager whose experiment runs.

    Attributes:
        plan: What was started, with the port, the id and the process that it got.
        process: The manager's process.
        client: The manager's client.
        release: The manager's release.
        logs: The logs of the manager and its tuner. Logs are appended to, so after a resume they
            begin with older lines.
    """

    plan: StartPlan
    process: ManagerProcess
    client: ManagerClient
    release: NniRelease
    logs: RunLogs


@contextmanager
def start_manager(
    installation: NniInstallation,
    plan: StartPlan,
    connection: Connection,
) -> Iterator[StartedManager]:
    """Start a manager and its experiment; after a failure nothing of it is left.

    The caller takes the manager over inside the `with`; an exception there undoes the start, so
    no interrupt can fall between the two.

    Args:
        installation: The NNI whose manager is started.
        plan: What to start.
        connection: How to reach the manager, at an endpoint that the start decides. Its
            credentials are sent before it is certain that our own manager is the one that answers.

    Raises:
        LaunchError: It could not be started; the subclasses say why.
        RegistryError: NNI's registry cannot be read or written.
        InvalidValueError: The port is out of range.
    """
    if os.name != "posix":
        raise UnsupportedPlatformError(
            f"managers cannot be started on {os.name} yet; start the experiment with NNI's tools"
        ).with_advice("and use connect_experiment(), which works everywhere", shell="")
    if plan.run.port:
        ports.check_port(plan.run.port)
    start = _Start(installation, plan, connection)
    start.check()
    # Ports and claims are held until nothing of a failed start is left.
    with ExitStack() as held, ExitStack() as undo:
        try:
            yield _start_on_some_port(start, held, undo)
        except BaseException:
            # A second Ctrl-C is delivered once nothing is left.
            with uninterrupted():
                undo.close()
            raise
        undo.pop_all()


@dataclass(frozen=True, slots=True)
class _Start:
    """What all attempts of a start have in common, whatever their port."""

    installation: NniInstallation
    plan: StartPlan
    connection: Connection

    @property
    def release(self) -> NniRelease:
        return self.installation.release

    def check(self) -> None:
        check_processes()
        ports.check_loopback()
        prefix = check_prefix(self.plan.run.url_prefix)
        if prefix and "url_prefix" not in self.release.launch.flags:
            raise InvalidValueError(
                f"url_prefix: NNI {self.installation.version} cannot serve below a prefix; leave "
                "it out, or use NNI 2.3 or later",
                field="url_prefix",
                value=prefix,
            )

    def run_on(self, port: int) -> Run:
        """Return the run on this port, with its id if the launcher chooses it."""
        run = self.plan.run
        exp_id = run.exp_id
        if not exp_id and not self.release.launch.chooses_id:
            exp_id = generate_experiment_id(run.experiments_directory)
        return replace(
            run, exp_id=exp_id, port=port, launcher_name=run.launcher_name or random_name()
        )

    def ports_needed(self, port: int) -> tuple[int, ...]:
        takes_two = needs_next_port(self.plan.run.platform, self.release.config)
        return (port, port + 1) if takes_two and self.plan.action != "view" else (port,)


def _start_on_some_port(start: _Start, held: ExitStack, undo: ExitStack) -> StartedManager:
    given = start.plan.run.port
    for port in ports.candidates(given):
        try:
            for needed in start.ports_needed(port):
                if not held.enter_context(ports.reserve(needed)):
                    raise ports.port_in_use_error(needed)
            return _start_on(port, start, held, undo)
        except PortInUseError as error:
            if given:
                raise
            logger.debug("%s; trying the next one", error)
            undo.close()
            held.close()
    raise PortInUseError(
        f"no free port from {ports.FIRST_PORT} on; stop another program, or pass a port",
        port=ports.FIRST_PORT,
    )


def _start_on(port: int, start: _Start, held: ExitStack, undo: ExitStack) -> StartedManager:
    timeouts = start.connection.timeouts
    deadline = Deadline(timeouts.start_s)
    files = LaunchFiles(
        start.release.layout, start.run_on(port), is_new=start.plan.action == "create"
    )
    registry = start.release.layout.registry()
    previous = registry.get(files.run.exp_id)
    undo.callback(files.remove_new)
    files.make_directories()
    if files.is_new:
        # An existing experiment was claimed before it was read.
        held.enter_context(claimed(files.place))
    undo.callback(_restore_entry, registry, files, previous)
    argv = replace(start.plan, run=files.run).argv(start.installation)
    logs = files.run_logs(is_before=True)
    with files.open_output() as (stdout, stderr), uninterrupted():
        process = _spawn(argv, installation=start.installation, stdout=stdout, stderr=stderr)
        # Before the POST nothing softer than SIGKILL is safe: 2.2 and 2.3 hang on it.
        undo.callback(_kill, process, files, timeouts.stop_s)
    files.run = replace(files.run, pid=process.identity.pid, started_ms=int(time.time() * 1000))
    client = ManagerClient(
        start.connection.at(files.run.url),
        dialect=start.release.dialect,
        explain_silence=explain_silence,
    )
    undo.callback(client.close)
    launch = _Launch(start.plan, argv, process, files)
    if files.run.exp_id:
        # The manager needs some 0.4 s to come up; the registry is written meanwhile.
        launch.register(registry, previous)
    launch.wait_until_ready(client, deadline)
    if not files.run.exp_id:
        files.adopt_id(str(client.get_experiment_profile()["id"]))
        logs = files.run_logs(is_before=False)
        launch.register(registry, previous)
    launch.hand_over(client)
    launch.confirm(registry)
    plan = replace(start.plan, run=files.run)
    logger.info("experiment %s runs on %s (%s)", plan.run.exp_id, client.endpoint, plan.action)
    return StartedManager(plan, process, client, start.release, logs)


def _kill(process: ManagerProcess, files: LaunchFiles, timeout_s: float) -> None:
    stop_manager(process, files.marks(process), ask=None, timeout_s=timeout_s)


@dataclass(frozen=True, slots=True)
class _Launch:
    """One manager, from its spawn until its experiment runs."""

    plan: StartPlan
    argv: list[str]
    process: ManagerProcess
    files: LaunchFiles

    @property
    def run(self) -> Run:
        """The run as far as known; an id that the manager generates comes last."""
        return self.files.run

    def register(self, registry: Registry, previous: Mapping[str, Any] | None) -> None:
        entry = self.files.layout.encode_run(self.run)
        kept = ("tag", "experimentName", "platform")
        entry |= {key: value for key, value in (previous or {}).items() if key in kept}
        registry.ensure(self.run.exp_id, {**(previous or {}), **entry})

    def confirm(self, registry: Registry) -> None:
        """Write what later commands need: the entry, if it was lost, and the config."""
        run, entry = self.run, self.files.layout.encode_run(self.run)
        # Ten starts at once lost entries under NNI's lock alone (seen live).
        found = registry.get(run.exp_id)
        if found is None or found.get("pid") != entry.get("pid"):
            registry.ensure(run.exp_id, {**entry, "status": "RUNNING"})
        profile = self.plan.requests.profile
        as_sent = {
            name: profile[name] for name in self.files.layout.kept_as_sent if name in profile
        }
        self.files.write_config(
            {
                "experimentConfig": {**self.plan.stored_config, **as_sent},
                "restServerPort": run.port,
                "restServerPid": run.pid,
                "experimentId": run.exp_id,
                "webuiUrl": [run.url],
            }
        )

    def wait_until_ready(self, client: ManagerClient, deadline: Deadline) -> None:
        def probe() -> bool | None:
            if not self.process.is_running():
                raise self._exited_error("before it was ready")
            if client.poll_status(_READY_PROBE_TIMEOUT_S) is None:
                return None
            # A process that took the port in the meantime would answer in our manager's place, and
            # would get the POST.
            is_ours = ports.listens(self.run.pid, self.run.port)
            return None if is_ours is False else True

        if poll_until(probe, deadline=deadline, interval_s=_READY_INTERVAL_S) is None:
            raise StartTimeoutError(
                f"the manager did not become ready within {deadline.waited_s:.0f} s; it was ended"
                f"{self._log_hint()}",
                waited_s=deadline.waited_s,
                argv=self.argv,
                log_tail=self._log_tail(),
            ).with_advice(
                "on a slow machine pass a larger Timeouts(start_s=...)",
                shell="on a slow machine pass a longer --manager-timeout",
            )

    def hand_over(self, client: ManagerClient) -> None:
        """Send the metadata, and POST the experiment once: a second POST starts a second loop."""
        requests = self.plan.requests
        try:
            for body in requests.metadata:
                client.set_cluster_metadata(body)
            exp_id = client.start_experiment(requests.profile)
        except RestError as error:
            if not self.process.is_running():
                raise self._exited_error("while the experiment was being sent") from error
            raise LaunchError(
                f"the manager did not accept the experiment: {error}{self._log_hint()}",
                argv=self.argv,
                log_tail=self._log_tail(),
            ) from error
        if self.plan.action == "create" and exp_id != self.run.exp_id:
            raise LaunchError(
                f"the manager on port {self.run.port} reports experiment {exp_id!r}, expected "
                f"{self.run.exp_id!r}",
                argv=self.argv,
            )
        # A manager that crashes over its experiment still answers the POST.
        is_answering = client.poll_status(_READY_PROBE_TIMEOUT_S) is not None
        if not is_answering and self.process.wait(_READY_PROBE_TIMEOUT_S):
            raise self._exited_error("right after the experiment was sent")

    def _exited_error(self, when: str) -> LaunchError:
        log_tail = self._log_tail()
        if "EADDRINUSE" in log_tail or not ports.is_free(self.run.port):
            return ports.port_in_use_error(self.run.port)
        return ManagerExitedError(
            f"the manager ended {when} (exit code {self.process.returncode}){self._log_hint()}",
            returncode=self.process.returncode,
            argv=self.argv,
            log_tail=log_tail,
        )

    def _log_tail(self) -> str:
        return next((text for log in self.files.logs() if (text := tail_text(log).strip())), "")

    def _log_hint(self) -> str:
        text = self._log_tail()
        return f"; the end of its log:\n{text}" if text else "; it wrote no log"


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
            f"could not start {argv[0]}: {error.strerror}; it may be built for another system, "
            "so reinstall nni in that environment",
            argv=argv,
        ) from error


def _restore_entry(
    registry: Registry, files: LaunchFiles, previous: Mapping[str, Any] | None
) -> None:
    if not files.run.exp_id:
        return
    try:
        if previous is None:
            registry.remove(files.run.exp_id)
        else:
            registry.ensure(files.run.exp_id, previous)
    except RegistryError as error:
        # Only the original failure is reported.
        logger.warning("experiment %s may be left in NNI's registry: %s", files.run.exp_id, error)
