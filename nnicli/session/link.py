"""The link to one experiment whose manager is, or was, there to be asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnicli.errors import (
    ConnectError,
    RegistryError,
    RequestTimeoutError,
    RestError,
    StateError,
    StatusError,
    TrialStillRunningError,
    TunerNotReadyError,
    UpdateNotAppliedError,
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
from nnicli.models import ExperimentProfile, ExperimentStatus, TrialJob
from nnicli.rest import ManagerClient
from nnicli.safe_logging import get_logger
from nnicli.store import (
    ExperimentDatabase,
    HandedParameters,
    Layout,
    LogPart,
    RunLogs,
    has_lost_connection,
    launcher_folder,
    layout_for,
    manager_log_path,
    platform_of,
)
from nnicli.waiting import Deadline, Timeouts, poll_until

logger = get_logger(__name__)

_TUNER_INTERVAL_S = 0.02
_REOPENING_S = 15.0
_KILL_INTERVAL_S = 0.2
# Before 3.0 a manager looks at its trials every 5 s.
_KILL_AGAIN_S = 6.0
# What managers say to a trial beyond the limit (1.8 to 3.0, `nnimanager.js`).
_LIMIT_REACHED = "reach maxTrialNum"


class Session:
    """One experiment, its manager's client, and what of it is on this machine.

    Attributes:
        exp_id: The experiment.
        process: The manager, None when it is not on this machine.
        directory: The experiment's folder, None when it is not on this machine.
        layout: Where its files lie.
        is_view: Whether the manager only shows a stopped experiment.
        handed_parameters: What its log says of trials' hyper-parameters, None when it is not on
            this machine.
        logs: What this run's manager and tuner write, None where that is not on this machine.
    """

    def __init__(
        self,
        client: ManagerClient,
        exp_id: str,
        *,
        layout: Layout,
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
        self.layout = layout
        self._owner_pid = os.getpid() if is_owned else None
        self.is_view = is_view
        self.logs = logs
        # How far the number of the next set was ahead of the number of trials before this run's
        # tuner handed out its first, None where nobody looked.
        self._lead = lead
        self._tuner_has_connected = False
        self._reopening = Deadline(0)
        self.handed_parameters = (
            None if directory is None else HandedParameters(manager_log_path(directory, "log"))
        )

    @classmethod
    def of_started(cls, started: StartedManager) -> Session:
        """Return the session of a manager that was just started."""
        plan = started.plan
        return cls(
            started.client,
            plan.run.exp_id,
            layout=started.layout,
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
        directory = Path(profile["logDir"])
        # A folder that was deleted by hand still tells the tuner and the trials.
        is_here = process is not None
        layout = layout_for(client.get_version())
        status = client.get_experiment_status()["status"]
        return cls(
            client,
            exp_id,
            layout=layout,
            process=process,
            directory=directory if is_here else None,
            logs=_logs_of(process, layout, directory) if process is not None and is_here else None,
            lead=0 if process is not None and is_new(process) else None,
            # Up to 2.1 the status does not tell.
            is_view=status == ExperimentStatus.VIEWED
            or (process is not None and is_viewing(process)),
        )

    @property
    def is_owned(self) -> bool:
        """Whether this process started it; one that was forked from it did not."""
        return self._owner_pid == os.getpid()

    @property
    def client(self) -> ManagerClient:
        """The client that speaks with the manager.

        Raises:
            ConnectError: The manager has died. Whoever listens on its port by now is a stranger,
                and nothing may be asked or told there.
        """
        if self.manager_is_gone():
            raise ConnectError(
                f"the manager of experiment {self.exp_id} has died",
                method="",
                url=self._client.endpoint,
            ).with_advice(
                "call stop_experiment() to end what it left, and resume_experiment() to go on",
                shell="`nnicli reconcile --yes` ends what it left",
            )
        return self._client

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
        """Return the experiment's files, None when they are not on this machine."""
        if self.directory is None:
            return None
        path = self.directory / "db" / "nni.sqlite"
        return ExperimentDatabase(path) if path.is_file() else None

    def runs_trials_here(self) -> bool:
        """Return whether the trials write into the experiment's folder on this machine."""
        files = self.database()
        if files is None:
            return False
        return platform_of(files.get_experiment_profile()["params"]) == "local"

    def manager_is_gone(self) -> bool:
        """Return whether the manager is known to have died."""
        return self.process is not None and not self.process.is_running()

    def note_reopening(self) -> None:
        """Note that a limit was changed, over which an experiment that is DONE goes on."""
        self._reopening = Deadline(_REOPENING_S)

    def may_be_reopening(self) -> bool:
        """Return whether the manager may say DONE though it has trials and time left.

        It looks at its limits every second only, before 3.0 every 5 s.
        """
        if self._reopening.expired:
            return False
        profile = self.client.get_experiment_profile()
        params = profile["params"]
        limits = {
            name: self.client.dialect.decode(name, params.get(field.key))
            for name, field in self.client.dialect.fields.items()
        }
        trials, seconds = limits["max_trial_number"], limits["max_experiment_duration"]
        made = sum(row["trialJobNumber"] for row in self.client.get_job_statistics())
        has_trials_left = trials is None or made < trials
        return has_trials_left and (seconds is None or profile["execDuration"] < seconds)

    def count_trials(self) -> dict[str, int]:
        """Return how many trials are in each status; statuses without a trial are absent."""
        rows = self.client.get_job_statistics()
        return {row["trialJobStatus"]: row["trialJobNumber"] for row in rows}

    def queued(self, profile: ExperimentProfile, *, trials: int) -> int | None:
        """Return how many sets are handed out and not submitted; None where that is not known.

        Each set, the tuner's and a user's, gets the next number when it comes, and becomes a trial
        when there is room (1.8 to 3.0, source).

        Args:
            profile: The manager's profile of this moment.
            trials: How many trials there are.
        """
        return None if self._lead is None else profile["nextSequenceId"] - trials - self._lead

    def tuner_has_answered(self) -> bool:
        """Return whether the tuner is known to have nothing more after the last trial's end."""
        return self.logs is not None and self.logs.manager.tuner_has_answered()

    def exit_code_of(self, trial: TrialJob) -> int | None:
        """Return what a trial exited with, None where that is not known."""
        if self.directory is None or not self.runs_trials_here():
            return None
        return self.layout.exit_code(self.directory, trial.trialJobId)

    def tuner_error(self) -> str:
        """Return the last traceback that this tuner wrote, empty without one.

        What fails before the tuner has opened its log goes to the manager's error output.
        """
        if self.logs is None:
            return ""
        return self.logs.dispatcher.last_traceback() or self.logs.errors.last_traceback()

    def manager_error(self) -> str:
        """Return the first error that this manager logged, empty without one."""
        return self.logs.manager.first_error() if self.logs is not None else ""

    def manager_trouble(self) -> str:
        """Return the last error or warning that this manager logged, empty without one."""
        return self.logs.manager.last_trouble() if self.logs is not None else ""

    def died_with_tuner(self) -> bool:
        """Return whether the manager is known to have died because its tuner was gone."""
        if self.logs is None:
            return False
        error = self.tuner_error()
        is_cause = bool(error) and not has_lost_connection(error)
        return is_cause or self.logs.errors.died_with_tuner()

    def crash_log(self) -> str:
        """Return the end of what the tuner, else the manager, wrote about its failure."""
        if self.logs is None:
            return ""
        error, words = self.tuner_error(), self.logs.errors.words_before_traceback()
        if words and has_lost_connection(error):
            return words
        return error or self.logs.errors.last_lines() or self.logs.dispatcher.last_lines()

    def wait_for_tuner(self, timeout_s: float) -> None:
        """Wait until the tuner is connected, where its log can be read.

        A search space or an import that is sent earlier is never answered, and lost (2.8 to 3.0,
        seen live).

        Raises:
            TunerNotReadyError: It did not connect in time, or its manager is gone.
        """
        if self.logs is None or self._tuner_has_connected or not self._may_miss_changes():
            return
        deadline, log = Deadline(timeout_s), self.logs.dispatcher

        def probe() -> bool | None:
            if log.tuner_has_connected():
                return True
            return False if self.manager_is_gone() else None

        answer = poll_until(probe, deadline=deadline, interval_s=_TUNER_INTERVAL_S)
        if not answer:
            raise self._tuner_not_ready(deadline)
        self._tuner_has_connected = True

    def kill_trial(self, trial_job_id: str, timeout_s: float) -> None:
        """Cancel a trial, again and again until it has ended.

        Managers answer 200 and say USER_CANCELED at once. Over SSH, up to 2.10, they kill what the
        trial's `jobpid` names, which is nothing in its first seconds (`killChildProcesses`, seen
        live); it then runs to its own end, and that becomes its status.

        Raises:
            TrialJobNotFoundError: There is no such trial.
            TrialStillRunningError: It has not ended in time.
        """
        deadline = Deadline(timeout_s)

        def probe() -> bool | None:
            return _has_ended(self.client.get_trial_job(trial_job_id)) or None

        # Never without a look before: a DELETE turns SUCCEEDED into USER_CANCELED.
        while not probe():
            if deadline.expired:
                raise TrialStillRunningError(
                    f"trial {trial_job_id} still runs {deadline.waited_s:.0f} s after its manager "
                    "was first asked to cancel it; look at get_trial_job() and its log, and try "
                    "again",
                    trial_job_id=trial_job_id,
                    waited_s=deadline.waited_s,
                )
            self.client.kill_trial_job(trial_job_id)
            patience = Deadline(min(_KILL_AGAIN_S, deadline.remaining_s))
            poll_until(probe, deadline=patience, interval_s=_KILL_INTERVAL_S)

    def search_space(self) -> dict[str, Any]:
        """Return the experiment's present search space, empty where its profile has none."""
        params = self.client.get_experiment_profile()["params"]
        space: dict[str, Any] | None = self.client.dialect.decode(
            "search_space", params.get("searchSpace")
        )
        return space or {}

    def submit_trial(self, parameters: Mapping[str, Any]) -> int:
        """Queue a trial with these parameters; return its sequence id.

        Raises:
            StateError: The experiment has had all of its trials.
        """
        try:
            return self.client.submit_trial(parameters)
        except StatusError as error:
            if _LIMIT_REACHED not in error.server_message:
                raise
            raise StateError(
                f"experiment {self.exp_id} has had all of its trials; call update_trailnum() with "
                "a higher number, and submit the trial again"
            ) from error

    def send_search_space(
        self, search_space: dict[str, Any], timeout_s: float
    ) -> ExperimentProfile:
        """Change the search space, and again where the tuner was not connected yet.

        Raises:
            TunerNotReadyError: The tuner did not take it in time.
        """
        self.wait_for_tuner(timeout_s)
        deadline = Deadline(timeout_s)
        while True:
            try:
                return self.client.update_profile(search_space=search_space)
            except UpdateNotAppliedError as error:
                # Without the tuner's log there is no other way to learn that it is connected.
                if self.logs is not None or not self._may_miss_changes():
                    raise
                if deadline.expired:
                    raise self._tuner_not_ready(deadline) from error

    def send_import(self, rows: list[dict[str, Any]], timeout_s: float) -> None:
        """Tell the tuner known results, once it is connected.

        Raises:
            TunerNotReadyError: The tuner did not take them in time.
        """
        self.wait_for_tuner(timeout_s)
        deadline = Deadline(timeout_s)
        try:
            self.client.import_data(rows)
        except RequestTimeoutError as error:
            if rows not in self.client.get_imported_data():
                raise self._tuner_not_ready(deadline) from error

    def _may_miss_changes(self) -> bool:
        return self._client.dialect.misses_early_changes

    def _tuner_not_ready(self, deadline: Deadline) -> TunerNotReadyError:
        log_tail = self.crash_log()
        hint = f"; the end of its log:\n{log_tail}" if log_tail else ""
        return TunerNotReadyError(
            f"the tuner of experiment {self.exp_id} did not connect to its manager within "
            f"{deadline.waited_s:.1f} s, so nothing was changed{hint}",
            waited_s=deadline.waited_s,
            log_tail=log_tail,
        )

    def stop(self, timeouts: Timeouts) -> StopOutcome:
        """End the experiment and all of its processes; set NNI's registry right.

        Raises:
            StopError: Something of it is still alive.
        """
        identity = None if self.process is None else self.process.identity
        outcome = stop_experiment(
            self._client,
            self.process,
            ProcessMarks(self.exp_id, self.directory, identity),
            layout=self.layout,
            timeout_s=timeouts.stop_s,
        )
        self.close()
        if outcome.how == "already gone":
            logger.warning(
                "the manager of experiment %s had died; %d processes that it had left were ended",
                self.exp_id,
                len(outcome.survivors),
            )
        else:
            logger.info("experiment %s is stopped", self.exp_id)
        return outcome


def _lead_at_start(started: StartedManager) -> int | None:
    """Return how far the next set's number is ahead of the trials, None where that is not certain.

    At a resume a manager goes on with the number that was stored last, even if sets were lost with
    the queue (1.8 to 2.9), or with that after the last unfinished trial's (2.10 to 3.0, source).
    """
    if started.plan.action != "resume":
        return 0
    try:
        rows = started.client.get_job_statistics()
        number = started.client.get_experiment_profile()["nextSequenceId"]
    except RestError as error:
        # Whoever waits is told of a manager that does not answer.
        exp_id = started.plan.run.exp_id
        logger.debug("the queue of experiment %s is not known: %s", exp_id, error)
        return None
    # A tuner that has not written a word has handed out nothing.
    if not started.logs.dispatcher.is_empty():
        return None
    return number - sum(row["trialJobNumber"] for row in rows)


def _logs_of(process: ManagerProcess, layout: Layout, directory: Path) -> RunLogs:
    """Return what a manager that runs already has written since it was started."""
    _, errors = layout.output_paths(directory, _launcher_folder(layout, directory.name))
    moment = process.identity.create_time
    return RunLogs(
        manager=LogPart.from_moment(directory / "log" / "nnimanager.log", moment),
        dispatcher=LogPart.from_moment(directory / "log" / "dispatcher.log", moment),
        # Its lines have no time.
        errors=LogPart.from_now(errors),
    )


def _launcher_folder(layout: Layout, exp_id: str) -> str:
    try:
        return launcher_folder(layout, exp_id)
    except RegistryError as error:
        # Only the end of a log would be looked for there.
        logger.warning("%s", error)
        return ""


def _has_ended(trial: TrialJob) -> bool:
    # USER_CANCELED comes with the request, the time of the end with the end.
    return trial.is_finished and trial.endTime is not None
