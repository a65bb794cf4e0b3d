"""The link to one experiment and its manager."""

from __future__ import annotations

import os
from pathlib import Path

from nnicli.errors import (
    ConnectError,
    RegistryError,
    RestError,
)
from nnicli.launcher import (
    ManagerProcess,
    ProcessMarks,
    StartedManager,
    StopOutcome,
    find_local_manager,
    is_new,
    is_viewing,
    stop_experiment,
)
from nnicli.models import ExperimentStatus, TrialJob
from nnicli.releases import NniRelease, find_release
from nnicli.rest import ManagerClient
from nnicli.safe_logging import get_logger
from nnicli.session.evidence import Evidence
from nnicli.store import (
    AssignedParameters,
    ExperimentDatabase,
    ExperimentPaths,
    Layout,
    LogPart,
    RunLogs,
    platform_of,
    read_exit_code,
)
from nnicli.waiting import Deadline, Timeouts

logger = get_logger(__name__)

_DIED, _STOPPED = "has died", "was stopped"


class Session:
    """One experiment: its manager's client, process, directory and logs.

    Attributes:
        exp_id: The experiment's id.
        process: The manager's process, None when it is not on this machine.
        directory: The experiment directory, None when it is not on this machine.
        release: The manager's release.
        is_view: Whether the manager only shows a stopped experiment.
        is_stopped: Whether this session has stopped it, so that only its files are left.
        assigned_parameters: The trials' hyper-parameters by the manager's log, None when that is
            not on this machine.
        logs: The logs of this run's manager and tuner, None when they are not on this machine.
        evidence: What the logs say about a failure.
        lead: By how much the number of the next parameter set exceeded the number of trials before
            this run's tuner generated its first set; None if unknown.
        tuner_has_connected: Whether the tuner is known to have connected.
        reopening: Until when a raised limit may still be taking effect.
    """

    def __init__(
        self,
        client: ManagerClient,
        exp_id: str,
        *,
        release: NniRelease,
        process: ManagerProcess | None = None,
        directory: Path | None = None,
        logs: RunLogs | None = None,
        lead: int | None = None,
        is_owned: bool = False,
        is_view: bool = False,
    ) -> None:
        self._client = client
        self.exp_id = exp_id
        self.process = process
        self.directory = directory
        self.release = release
        self._owner_pid = os.getpid() if is_owned else None
        self.is_view = is_view
        self.is_stopped = False
        self.logs = logs
        self.evidence = Evidence(logs)
        self.lead = lead
        self.tuner_has_connected = False
        self.reopening = Deadline(0)
        self.assigned_parameters = (
            None
            if directory is None
            else AssignedParameters(ExperimentPaths(directory).manager_log)
        )

    @classmethod
    def of_started(cls, started: StartedManager) -> Session:
        """Return the session of a manager that was just started."""
        plan = started.plan
        return cls(
            started.client,
            plan.run.exp_id,
            release=started.release,
            process=started.process,
            directory=plan.run.directory,
            logs=started.logs,
            lead=_lead_at_start(started),
            is_owned=True,
            is_view=plan.action == "view",
        )

    @classmethod
    def of_connected(cls, client: ManagerClient) -> Session:
        """Return the session of a manager that answers at the client's endpoint.

        Raises:
            RestError: No manager answers there.
        """
        profile = client.get_experiment_profile()
        exp_id = profile["id"]
        process = find_local_manager(client.endpoint, exp_id)
        release = find_release(client.get_version())
        says_view = client.get_experiment_status()["status"] == ExperimentStatus.VIEWED
        if process is None:
            return cls(client, exp_id, release=release, is_view=says_view)
        # It identifies the tuner and trials, even if it was deleted by hand.
        directory = Path(profile["logDir"])
        return cls(
            client,
            exp_id,
            release=release,
            process=process,
            directory=directory,
            logs=_logs_of(process, release.layout, directory),
            lead=0 if is_new(process) else None,
            # Up to 2.1 the status does not say so.
            is_view=says_view or is_viewing(process),
        )

    @property
    def is_owned(self) -> bool:
        """Whether this process started it; a forked child did not."""
        return self._owner_pid == os.getpid()

    @property
    def client(self) -> ManagerClient:
        """The client of the manager.

        Raises:
            ConnectError: The manager has ended. Another program may listen on its port by now, and
                nothing may be sent to that.
        """
        if not self.manager_is_gone():
            return self._client
        raise ConnectError(
            f"the manager of experiment {self.exp_id} {self.manager_end()}",
            method="",
            url=self._client.endpoint,
        ).with_advice(
            "call stop_experiment() to end the processes that it left, and resume_experiment() to "
            "continue",
            shell="`nnicli reconcile --yes` ends the processes that it left",
        )

    @property
    def endpoint(self) -> str:
        """The manager's URL without credentials."""
        return self._client.endpoint

    @property
    def port(self) -> int:
        """The manager's port."""
        return self._client.port

    def close(self) -> None:
        """Close every connection to the manager."""
        self._client.close()

    def database(self) -> ExperimentDatabase | None:
        """Return the experiment's database, None when it is not on this machine."""
        if self.directory is None:
            return None
        database = ExperimentDatabase.of(self.directory)
        return database if database.path.is_file() else None

    def runs_trials_here(self) -> bool:
        """Return whether the trials write into the experiment's directory on this machine."""
        files = self.database()
        if files is None:
            return False
        return platform_of(files.get_experiment_profile()["params"]) == "local"

    def manager_is_gone(self) -> bool:
        """Return whether the manager is known to have ended."""
        return self.process is not None and not self.process.is_running()

    def manager_end(self) -> str:
        """Return how a manager that is gone ended, as words for a message: stopped, or died.

        One that gives up also writes STOPPED into the registry, but an error into its log.
        """
        try:
            entry = self.release.layout.registry().get(self.exp_id) or {}
        except RegistryError:
            return _DIED
        is_stopped = entry.get("status") == ExperimentStatus.STOPPED
        return _STOPPED if is_stopped and not self.evidence.manager_error() else _DIED

    def exit_code_of(self, trial: TrialJob) -> int | None:
        """Return a trial's exit code, None if unknown."""
        if self.directory is None or not self.runs_trials_here():
            return None
        paths = ExperimentPaths(self.directory)
        return read_exit_code(paths, self.release.layout, trial.trialJobId)

    def stop(self, timeouts: Timeouts) -> StopOutcome:
        """End the experiment and all of its processes, and update NNI's registry.

        Raises:
            StopError: One of its processes is still alive.
        """
        was_stopped = self.manager_is_gone() and self.manager_end() == _STOPPED
        identity = None if self.process is None else self.process.identity
        outcome = stop_experiment(
            self._client,
            self.process,
            ProcessMarks(self.exp_id, self.directory, identity),
            layout=self.release.layout,
            timeout_s=timeouts.stop_s,
        )
        self.close()
        self.is_stopped = True
        if was_stopped and not outcome.survivors:
            logger.info("experiment %s was already stopped", self.exp_id)
        elif outcome.how == "already gone":
            logger.warning(
                "the manager of experiment %s had died; ended %d processes that it left",
                self.exp_id,
                len(outcome.survivors),
            )
        else:
            logger.info("experiment %s is stopped", self.exp_id)
        return outcome


def _lead_at_start(started: StartedManager) -> int | None:
    """Return how far the next set's number is ahead of the trials, None where that is uncertain.

    After a resume a manager continues from the number that was stored last, even if sets were lost
    with the queue (1.8 to 2.9), or from the last unfinished trial's (2.10 to 3.0, source).
    """
    if started.plan.action != "resume":
        return 0
    try:
        rows = started.client.get_job_statistics()
        number = started.client.get_experiment_profile()["nextSequenceId"]
    except RestError as error:
        # The first wait() reports a manager that does not answer.
        exp_id = started.plan.run.exp_id
        logger.debug("the queue of experiment %s is unknown: %s", exp_id, error)
        return None
    # A tuner whose log is empty has generated nothing yet.
    if not started.logs.dispatcher.is_empty():
        return None
    return number - sum(row["trialJobNumber"] for row in rows)


def _logs_of(process: ManagerProcess, layout: Layout, directory: Path) -> RunLogs:
    """Return the logs of a running manager, from its start on."""
    paths = _paths_of(layout, directory)
    moment = process.identity.create_time
    return RunLogs(
        manager=LogPart.from_moment(paths.manager_log, moment),
        dispatcher=LogPart.from_moment(paths.dispatcher_log, moment),
        # Its lines have no timestamps.
        errors=LogPart.from_now(paths.errors(layout)),
    )


def _paths_of(layout: Layout, directory: Path) -> ExperimentPaths:
    try:
        return ExperimentPaths.registered(directory, layout)
    except RegistryError as error:
        # Only the manager's error output is there, which a diagnosis can do without.
        logger.warning("%s", error)
        return ExperimentPaths(directory)
