"""The facade: one NNI experiment, with the published API of NNI's own nnicli."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from nnicli import results
from nnicli.config import LoadedConfig, load_config
from nnicli.errors import (
    Advice,
    AlreadyConnectedError,
    ConnectError,
    ConnectionLostError,
    NotConnectedError,
    PortInUseError,
    ResponseError,
    StateError,
    StatusError,
    TunerTooSlowError,
)
from nnicli.housekeeping import Kind, Reference, find_experiment
from nnicli.launcher import (
    ManagerProcess,
    NniInstallation,
    StartPlan,
    StopOutcome,
    StoppedExperiment,
    explain_silence,
    find_installation,
    find_local_addresses,
    start_manager,
    target_of,
)
from nnicli.models import (
    ExperimentProfile,
    ExperimentStatus,
    NNIManagerStatus,
)
from nnicli.reader import ExperimentReader
from nnicli.releases import Action
from nnicli.rest import (
    MAX_ANSWER_BYTES,
    Auth,
    Connection,
    ManagerClient,
    advise_on_address,
    check_prefix,
)
from nnicli.safe_logging import get_logger
from nnicli.session import (
    ReadSource,
    Session,
    Supervisor,
    WaitLimits,
    check_given,
    check_statuses,
    import_data,
    kill_trial,
    submit_trial,
    to_port,
    to_timeout,
    update_profile,
    wait_for_end,
)
from nnicli.store import (
    Log,
    Run,
)
from nnicli.termination import stopping, termination_held_back
from nnicli.waiting import Deadline, Timeouts

logger = get_logger(__name__)

T = TypeVar("T")

# How often wait() restarts a manager whose tuner connected too slowly.
_SPARE_STARTS = 2


_REFUSED: Mapping[Kind, Advice] = {
    "archive": Advice("load it first with load_experiment()", "load it first"),
    "address": Advice("connect_experiment() connects to a running manager", "pass its id"),
}


class Experiment(ExperimentReader):
    """One NNI experiment: start it or connect to it, then read and control it.

    An instance is new, connected or stopped. Only a connected one can be updated; only one that is
    not connected can start, resume, view or connect. After `stop_experiment()`, or when its
    manager has died, it reads from the experiment's files.

    Without `with` or `stop_experiment()` the experiment outlives the Python process. Its manager
    listens on all interfaces without any authentication, which cannot be configured in any NNI
    release: anyone who reaches the port can stop it, or run commands.

    `with` stops what it started, also when SIGTERM or SIGHUP would end the script: the experiment
    is stopped first, then the signal ends the process. Handlers that the script has set are left
    alone, and so are threads other than the main one. A process that was forked inside the block
    can read, and leaves the experiment running unless it calls `stop_experiment()`.

    Args:
        nni: The NNI that starts managers: a virtual environment, a `python` in one, the directory
            of its `main.js`, or a found installation. None: the variable NNICLI_NNI, else the
            environment of the running interpreter.
        experiments_directory: Parent of the experiments' directories. It takes precedence over the
            config's `experimentWorkingDirectory`; None: that one, else NNI's `~/nni-experiments`.
        url_prefix: Path below which a started manager serves, such as `team/a`.
        headers: Sent with each request, for managers behind a reverse proxy.
        auth: User and password for basic authentication there, or a function that takes each
            request and returns the one to send, for tokens that expire.
        verify: Whether to check TLS certificates there, or the path of a CA bundle.
        timeouts: Limits for requests and waits.
        handle_signals: Whether `with` handles SIGTERM and SIGHUP, unless the script does.
        max_answer_bytes: A longer answer from a manager is a ResponseError, so that none fills the
            memory.
    """

    def __init__(
        self,
        *,
        nni: NniInstallation | str | os.PathLike[str] | None = None,
        experiments_directory: str | os.PathLike[str] | None = None,
        url_prefix: str | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Auth | None = None,
        verify: bool | str = True,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        handle_signals: bool = True,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._nni = nni
        self._experiments_directory = (
            None
            if experiments_directory is None
            else Path(experiments_directory).expanduser().absolute()
        )
        self._url_prefix = check_prefix(url_prefix)
        self._connection = Connection(
            headers={} if headers is None else headers,
            auth=auth,
            verify=verify,
            timeouts=timeouts,
            max_answer_bytes=max_answer_bytes,
        )
        # That of the experiment that it is connected to, or that it has stopped.
        self._session: Session | None = None
        self._supervisor: Supervisor | None = None
        self._reads: ReadSource | None = None
        self._spare_starts = _SPARE_STARTS
        self._handle_signals = handle_signals
        # Held while this instance gets or loses its experiment. Its holder may acquire it again, as
        # the script's signal handlers run in the middle of what they interrupt.
        self._changing = threading.RLock()
        self._blocks: list[ExitStack] = []

    def __repr__(self) -> str:
        state = "connected" if self._live else "stopped" if self._session else "new"
        return f"<nnicli.Experiment {state} exp_id={self.exp_id} endpoint={self.endpoint}>"

    # What it is connected to

    @property
    def endpoint(self) -> str | None:
        """The manager's URL without credentials, None while there is none."""
        return self._live.endpoint if self._live else None

    @property
    def port(self) -> int | None:
        """The manager's port, None while there is none."""
        return self._live.port if self._live else None

    @property
    def exp_id(self) -> str | None:
        """The experiment's id, kept after the stop; None for a new instance."""
        return self._session.exp_id if self._session else None

    @property
    def client(self) -> ManagerClient:
        """The REST client, one method for each of the manager's endpoints.

        Raises:
            NotConnectedError: Not connected to a manager.
            ConnectError: The manager has died.
        """
        return self._connected().client

    @property
    def process(self) -> ManagerProcess | None:
        """The manager's process, None if there is none on this machine."""
        return self._live.process if self._live else None

    # Start, connect, leave, stop

    def start_experiment(
        self,
        config_file: str | os.PathLike[str] | Mapping[str, Any],
        port: int | str | None = None,
        debug: bool = False,
        *,
        ignore: Iterable[str] = (),
    ) -> None:
        """Start an experiment and connect to it.

        Args:
            config_file: Path of a YAML or JSON config, or the config itself as a mapping. Relative
                paths in it are resolved against its directory, those in a mapping against the
                working directory.
            port: The manager's port, 1025 to 65535, also as text; None: the first free one
                from 8080.
            debug: Set the config's `debug`, and the manager's log level to debug.
            ignore: Names of checks to turn off, such as "path", where one is wrong about this
                config; docs/reference/configs.md has them all.

        Raises:
            AlreadyConnectedError: This instance has an experiment.
            ConfigError: The config has errors; all of them are listed, and nothing was started.
            InvalidValueError: The port is out of range, or `ignore` has an unknown check.
            LaunchError: The manager could not be started; nothing of it is left.
            RegistryError: NNI's registry cannot be read or written.
        """
        with self._connecting():
            port = to_port(port)
            installation = self._installation()
            config = load_config(
                config_file,
                nni_version=installation.release.config,
                target=target_of(installation),
                debug=debug,
                experiments_directory=self._experiments_directory,
                ignore=ignore,
            )
            for problem in config.warnings:
                logger.warning("%s", problem)
            self._start(installation, self._creation_plan(config, port))

    def resume_experiment(
        self, exp_id: Reference, port: int | str | None = None, debug: bool = False
    ) -> None:
        """Resume a stopped experiment and connect to it.

        One that has used up its trials or its time is resumed too, with a logged warning that names
        the update to call.

        Args:
            exp_id: The experiment's id or a unique prefix of it, its directory, or its
                `nni.sqlite`.
            port: The manager's port, 1025 to 65535, also as text; None: the first free one
                from 8080.
            debug: Set the manager's log level to debug.

        Raises:
            AlreadyConnectedError: This instance has an experiment.
            ExperimentNotFoundError: No such experiment is on this machine.
            InvalidValueError: The reference is ambiguous, an archive, or the address of a manager,
                which is running the experiment already.
            StateError: The experiment still has a running manager.
            UnsupportedVersionError: Another generation of NNI created the experiment.
            LaunchError: The manager could not be started; the experiment is as it was.
        """
        with self._connecting():
            self._reopen(exp_id, port, "resume", debug=debug)

    def view_experiment(self, exp_id: Reference, port: int | str | None = None) -> None:
        """Show a stopped experiment, read-only, and connect to it.

        Args:
            exp_id: The experiment's id or a unique prefix of it, its directory, or its
                `nni.sqlite`.
            port: The manager's port, 1025 to 65535, also as text; None: the first free one
                from 8080.

        Raises:
            AlreadyConnectedError: This instance has an experiment.
            ExperimentNotFoundError: No such experiment is on this machine.
            InvalidValueError: The reference is ambiguous, an archive, or the address of a manager,
                which is running the experiment already.
            StateError: The experiment still has a running manager.
            LaunchError: The manager could not be started; the experiment is as it was.
        """
        with self._connecting():
            self._reopen(exp_id, port, "view")

    def connect_experiment(self, endpoint: str) -> None:
        """Connect to a running manager.

        Args:
            endpoint: Its URL, `http://host:port`, with the URL prefix if it has one.

        Raises:
            AlreadyConnectedError: This instance has an experiment.
            InvalidValueError: The endpoint is not such a URL.
            RestError: No manager answers there; the error names the right address if a manager is
                found near it.
        """
        with self._connecting():
            connection = self._connection.at(endpoint)
            client = ManagerClient(connection, explain_silence=explain_silence)
            try:
                session = Session.of_connected(client)
            except (ConnectError, ConnectionLostError, ResponseError, StatusError) as error:
                client.close()
                known = find_local_addresses(client.endpoint)
                raise advise_on_address(error, connection, known=known) from error.__cause__
            except BaseException:
                client.close()
                raise
            self._enter(session)

    def disconnect(self) -> None:
        """Disconnect from the experiment and leave it running."""
        if self._session is not None:
            self._session.close()
        self._session = self._supervisor = self._reads = None

    def stop_experiment(self) -> StopOutcome:
        """Stop the experiment; nothing of it is left running on this machine.

        Returns:
            How the manager ended, and which processes had outlived it and were ended: if the
            manager had died, the tuner, the trials and their children.

        Raises:
            NotConnectedError: No experiment yet, or it is already stopped.
            StopError: One of its processes is still alive.
            StopNotSupportedError: It is on another machine, and its release (1.x, 2.0) cannot be
                asked to stop; it is still running.
        """
        with self._changing:
            outcome = self._connected().stop(self._connection.timeouts)
            self._supervisor = None
            return outcome

    def __enter__(self) -> Experiment:  # noqa: PYI034 - typing.Self needs Python 3.11
        block = ExitStack()
        if self._handle_signals:
            block.enter_context(termination_held_back())
        self._blocks.append(block)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop an experiment that this process started; only disconnect from any other."""
        with self._blocks.pop():
            try:
                self._leave()
            except SystemExit:
                # A signal may come right before they are held back.
                self._leave()
                raise

    # Read

    def get_experiment_status(self) -> NNIManagerStatus:
        """Return the manager's status and its errors.

        Returns:
            `{"status": ..., "errors": [...]}`; STOPPED after `stop_experiment()`.

        Raises:
            NotConnectedError: No experiment yet.
            ConnectError: The manager is gone.
        """
        if self._session is not None and self._session.is_stopped:
            return {"status": ExperimentStatus.STOPPED.value, "errors": []}
        return self._connected().client.get_experiment_status()

    # Control

    def update_concurrency(self, value: int | str) -> None:
        """Change how many trials run at once; 0 pauses the experiment."""
        self.update(trial_concurrency=check_given(value, "trial_concurrency"))

    def update_duration(self, value: str | float | timedelta) -> None:
        """Change how long the experiment may run: text such as `1m` or `2h`, or seconds."""
        self.update(max_experiment_duration=check_given(value, "max_experiment_duration"))

    def update_searchspace(self, filename: str | os.PathLike[str]) -> None:
        """Replace the search space with that of a JSON or YAML file.

        Trials that the tuner has generated already keep the old one.
        """
        self.update(search_space=check_given(filename, "search_space"))

    def update_trailnum(self, value: int | str) -> None:
        """Change how many trials there may be; a higher number reopens an experiment that is DONE.

        The name is NNI's.
        """
        self.update(max_trial_number=check_given(value, "max_trial_number"))

    def update(
        self,
        *,
        trial_concurrency: int | str | None = None,
        max_experiment_duration: str | float | timedelta | None = None,
        max_trial_number: int | str | None = None,
        search_space: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    ) -> ExperimentProfile:
        """Change the running experiment; every change is read back.

        All values are checked before the first is sent.

        Args:
            trial_concurrency: How many trials run at once, also as text; 0 pauses the experiment.
            max_experiment_duration: `90s`, `30m`, `2h`, `1d`, a timedelta or seconds.
            max_trial_number: How many trials there may be, also as text.
            search_space: Path of a JSON or YAML file, or the search space itself.

        Returns:
            The profile after the changes.

        Raises:
            NotConnectedError: Not connected to a manager.
            StateError: The experiment is only viewed.
            InvalidValueError: A value is not allowed; nothing was sent.
            SearchSpaceError: The search space is missing or not valid; nothing was sent.
            UpdateNotAppliedError: The manager answered 200, and the value did not change.
            TunerNotReadyError: The search space needs the tuner, which did not connect.
            RestError: The manager could not be reached or refused.
        """
        fields = {
            "trial_concurrency": trial_concurrency,
            "max_experiment_duration": max_experiment_duration,
            "max_trial_number": max_trial_number,
            "search_space": search_space,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        return update_profile(self._controllable(), given, self._connection.timeouts.tuner_s)

    def kill_trial_job(self, trial_job_id: str) -> None:
        """Cancel a waiting or running trial, and wait for its end; an ended one is left as it is.

        A manager that cannot reach the trial yet still says USER_CANCELED, and lets it run on; so
        the request is repeated until the trial has ended, for up to `Timeouts.kill_s`.

        Raises:
            TrialJobNotFoundError: The trial was not found.
            StateError: The experiment is only viewed.
            TrialStillRunningError: The trial did not end in time; it may still do so.
        """
        kill_trial(self._controllable(), trial_job_id, self._connection.timeouts.kill_s)

    def submit_trial(self, parameters: Mapping[str, Any]) -> int:
        """Queue a trial with the given parameters; return its sequence id.

        It waits behind the trials that the tuner has already generated, and counts towards
        `max_trial_number`: with too many trials before it, it waits until `update_trailnum()`
        raises that limit.

        Args:
            parameters: Name -> value, a point of the experiment's search space.

        Raises:
            InvalidValueError: They are not a point of the search space; nothing was sent.
            StateError: The experiment is only viewed, or has used up its trials.
        """
        return submit_trial(self._controllable(), parameters)

    def import_data(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Send known results to the tuner.

        Args:
            rows: `{"parameter": {...}, "value": number or dict with "default"}` each.

        Raises:
            InvalidValueError: A row does not have this form, or is not a point of the search
                space; nothing was sent.
            TunerNotReadyError: The tuner did not connect in time; nothing was sent.
        """
        import_data(self._controllable(), rows, self._connection.timeouts.tuner_s)

    # Wait

    def wait(
        self,
        *,
        timeout: str | float | timedelta | None = None,
        until: str | Collection[str] | None = None,
        start_timeout: str | float | timedelta | None = None,
        allow_no_metric: bool = False,
    ) -> ExperimentStatus:
        """Wait until the experiment is over, and return its last status.

        It watches the manager's process and status, the tuner's process and log, its parameter sets
        and the trials.

        Args:
            timeout: Seconds, a timedelta or text such as `2h`; None: no limit. It also limits how
                long a manager that does not answer is waited for, to no less than a second.
            until: A further status, or several, to return on.
            start_timeout: How long trials may wait while none runs, in the same forms; None: no
                limit. After `Timeouts.trial_s` a warning is logged in any case.
            allow_no_metric: Whether trials may succeed without a number as their final metric.

        Returns:
            DONE; TUNER_NO_MORE_TRIAL once every set that the tuner has generated has run; VIEWED
            at once; STOPPED; or one of `until`.

        Raises:
            NotConnectedError: Not connected to a manager.
            WaitTimeoutError: The time is up; the experiment is still running.
            TrialsNotStartedError: No trial has run for `start_timeout`; the experiment is still
                running.
            TunerCrashedError: The tuner is gone or stopped generating, whatever the status says.
            TunerTooSlowError: The tuner took longer to connect than the 10 s that 2.8 to 3.0 allow.
                A manager that this process started is first restarted, at most twice.
            NoTrialSucceededError: It is over, and no trial succeeded.
            NoMetricError: It is over, and no trial that succeeded has a number as its metric.
            ExperimentFailedError: The manager is gone, or says ERROR.
            RestError: The manager does not answer, by the limits of `Timeouts`.
        """
        session = self._connected()
        limits = WaitLimits(
            until=check_statuses(until),
            deadline=Deadline(to_timeout(timeout)),
            start_s=to_timeout(start_timeout, field="start_timeout"),
            allow_no_metric=allow_no_metric,
        )
        while True:
            try:
                return wait_for_end(self._watch(session), limits)
            except TunerTooSlowError as error:
                if not session.is_owned or self._spare_starts == 0 or limits.deadline.expired:
                    raise
                session = self._restart(error)

    # How it is done

    def _watch(self, session: Session) -> Supervisor:
        if self._supervisor is None:
            self._supervisor = Supervisor(session, patience_s=self._connection.timeouts.trial_s)
        return self._supervisor

    def _restart(self, reason: TunerTooSlowError) -> Session:
        """Restart the manager, if possible on the same port; nothing has run yet."""
        with self._changing:
            session, spare_starts = self._connected(), self._spare_starts - 1
            logger.warning("%s", reason)
            logger.warning("restarting the manager of experiment %s", session.exp_id)
            self.stop_experiment()
            try:
                self.resume_experiment(session.exp_id, session.port)
            except PortInUseError as error:
                logger.warning("%s; using another port", error)
                self.resume_experiment(session.exp_id)
            self._spare_starts = spare_starts
            return self._connected()

    def _leave(self) -> None:
        with stopping(), self._changing:
            if self._live is not None and self._live.is_owned:
                self.stop_experiment()
            else:
                self.disconnect()

    @contextmanager
    def _connecting(self) -> Iterator[None]:
        """Keep other threads from changing the experiment of this instance."""
        if not self._changing.acquire(blocking=False):
            raise AlreadyConnectedError(
                "another thread is starting, connecting or stopping an experiment with this "
                "instance; use another Experiment()"
            )
        try:
            self._require_unconnected()
            yield
        finally:
            self._changing.release()

    def _installation(self) -> NniInstallation:
        if isinstance(self._nni, NniInstallation):
            return self._nni
        return find_installation(self._nni)

    def _creation_plan(self, config: LoadedConfig, port: int) -> StartPlan:
        return StartPlan(
            action="create",
            run=Run(
                "",
                config.experiments_directory,
                port=port,
                url_prefix=self._url_prefix,
                platform=config.platform,
                name=config.name,
            ),
            requests=config.requests,
            log_level=config.log_level,
            stored_config=config.document,
        )

    def _reopen(
        self, reference: Reference, port: int | str | None, action: Action, *, debug: bool = False
    ) -> None:
        chosen_port = to_port(port)
        installation = self._installation()
        own = () if self._experiments_directory is None else (self._experiments_directory,)
        found = find_experiment(reference, preferred=own, refused=_REFUSED)
        stopped = StoppedExperiment.of(found.directory, installation)
        with stopped.claimed():
            if action == "resume":
                stopped.prepare_resume()
            plan = stopped.plan(action, port=chosen_port, url_prefix=self._url_prefix, debug=debug)
            self._start(installation, plan)

    def _start(self, installation: NniInstallation, plan: StartPlan) -> None:
        # The manager ignores credentials, and another program may take its port first.
        connection = self._connection.without_credentials()
        with start_manager(installation, plan, connection=connection) as started:
            self._enter(Session.of_started(started))

    def _enter(self, session: Session) -> None:
        self._session, self._supervisor, self._reads = session, None, ReadSource(session)
        self._spare_starts = _SPARE_STARTS

    def _require_unconnected(self) -> None:
        if self._live is not None:
            raise AlreadyConnectedError(
                f"this instance is connected to experiment {self._live.exp_id}; stop it, call "
                "disconnect(), or use another Experiment()"
            )

    @property
    def _live(self) -> Session | None:
        """The session as long as the experiment is not stopped."""
        return None if self._session is None or self._session.is_stopped else self._session

    def _connected(self) -> Session:
        if self._live is None:
            raise self._not_connected()
        return self._live

    def _not_connected(self) -> NotConnectedError:
        what = f"experiment {self.exp_id} is stopped" if self._session else "no experiment yet"
        return NotConnectedError(
            f"{what}; call start_experiment(), resume_experiment(), view_experiment() or "
            "connect_experiment() first"
        )

    def _controllable(self) -> Session:
        session = self._connected()
        if session.is_view:
            raise StateError(
                f"experiment {session.exp_id} is only viewed; stop the view and call "
                f"resume_experiment({session.exp_id!r}) to change it"
            )
        return session

    def _read(self, read: Callable[[results.PairedTrials], T]) -> T:
        return self._source().read(read)

    def _trial_log(self, trial_job_id: str, kind: str) -> Log:
        return self._source().trial_log(trial_job_id, kind)

    def _known_trial_logs(self) -> Collection[str]:
        return self._source().trial_log_kinds()

    def _manager_log(self, kind: str) -> Log:
        return self._source().manager_log(kind)

    def _dispatcher_log(self) -> Log:
        return self._source().dispatcher_log()

    def _is_running(self) -> bool:
        return self._reads is not None and self._reads.is_running()

    def _source(self) -> ReadSource:
        if self._reads is None:
            raise self._not_connected()
        return self._reads
