"""The fake manager's experiment: its status, limits and tuner."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

from nnicli.testing.behaviour import Behaviour
from nnicli.testing.fake_node.command_line import Arguments
from nnicli.testing.fake_node.journal import Journal
from nnicli.testing.fake_node.pool import TrialPool
from nnicli.testing.fake_node.registry import RegistryWriter
from nnicli.testing.fake_node.releases import Release
from nnicli.testing.fake_node.supply import TrialSupply
from nnicli.testing.fake_node.trials import now_ms
from nnicli.testing.fake_node.tuner import Tuner, tuner_environment
from nnicli.units import parse_duration

_BUSY_POLL_S = 0.02
_IDLE_POLL_S = 0.25
_WORKING = ("RUNNING", "NO_MORE_TRIAL", "TUNER_NO_MORE_TRIAL", "DONE")
_UPDATES = {
    "TRIAL_CONCURRENCY": "trialConcurrency",
    "MAX_EXEC_DURATION": "maxExperimentDuration",
    "MAX_TRIAL_NUM": "maxTrialNumber",
    "SEARCH_SPACE": "searchSpace",
}


class ApiError(Exception):
    """The request is answered with an error."""

    def __init__(self, message: str, *, status: int = 500) -> None:
        super().__init__(message)
        self.status = status


class NeverAnsweredError(Exception):
    """The real manager would accept the request and never answer it."""


class Manager:
    """One experiment; the main thread runs it, and request threads call it under `lock`."""

    def __init__(
        self, arguments: Arguments, release: Release, behaviour: Behaviour, *, version: str
    ) -> None:
        self.lock = threading.RLock()
        self.stop_requested = threading.Event()
        self.tuner_stopped = threading.Event()
        self.arguments = arguments
        self.version = version
        self.release = release
        self.behaviour = behaviour
        self.root = Path(arguments.experiments_directory) / arguments.experiment_id
        for name in ("log", "db", "checkpoint"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self.status = "INITIALIZED"
        self.errors: list[str] = []
        self.profile: dict[str, Any] | None = None
        self.journal = Journal(self.root, release, arguments.experiment_id)
        self._pool = TrialPool(
            self.journal,
            release,
            experiment_id=arguments.experiment_id,
            kill_grace_s=behaviour.trial_kill_grace_s,
            misses_kills=behaviour.misses_kills,
            log=lambda text: self._log("INFO", text, source="LocalV3.local"),
            submit_delay_s=behaviour.submit_delay_s,
        )
        self._registry = RegistryWriter(
            arguments.experiment_id, on_fault=lambda fault: self._log("ERROR", fault)
        )
        self._supply: TrialSupply | None = None
        self._worked_before_s = 0.0
        self._working_since: float | None = None
        self._wake_reader, self._wake_writer = os.pipe()

    # Requests.

    def start(self, params: dict[str, Any]) -> dict[str, Any] | None:
        """Handle the start POST; a second one is answered like the first."""
        if self.profile is not None:
            return self._start_reply()
        if self.arguments.action == "create":
            self.profile = self.journal.new_profile(params)
        else:
            self.profile = self._stored_profile()
        if self.arguments.action == "view":
            self._set_status("VIEWED")
            return self._start_reply()
        self._worked_before_s = self.profile["execDuration"]
        self._working_since = time.monotonic()
        self.profile["endTime"] = None
        self._pool.requeue_unfinished()
        self._supply = self._start_supply()
        self._set_status("RUNNING")
        self._store_profile()
        self.wake()
        return self._start_reply()

    def update(self, update_type: str, params: dict[str, Any]) -> None:
        """Handle a PUT of the profile; only the field of that type is read."""
        self._refuse_if_viewing("update experiment profile")
        profile = self._running_profile()
        if update_type not in _UPDATES:
            raise NeverAnsweredError
        if self.behaviour.ignores_updates:
            return
        field = _UPDATES[update_type]
        if field == "searchSpace":
            self._connected_supply().replace_space(params.get(field))
        profile["params"][field] = params.get(field)
        self._store_profile()
        self.wake()

    def import_data(self, text: str) -> None:
        """Handle an import of results; this tuner is random and ignores them."""
        self._refuse_if_viewing("import data")
        self._connected_supply()
        self.journal.add_import(text)

    def add_custom_trial(self, text: str) -> int:
        """Queue a trial with the given parameters and return its sequence id."""
        self._refuse_if_viewing("add customized trial job")
        if len(self.journal.trials) >= self._trial_limit():
            raise ApiError("reach maxTrialNum")
        parameters = json.loads(text)
        self.journal.add_event("ADD_CUSTOMIZED", data=text)
        trial = self._pool.enqueue(
            {"parameter_id": None, "parameter_source": "customized", "parameters": parameters}
        )
        self.wake()
        return trial.sequence_id

    def cancel_trial(self, trial_id: str) -> None:
        """Cancel a trial."""
        self._refuse_if_viewing("cancel trial job")
        trial = self.journal.trials.get(trial_id)
        if trial is None:
            raise ApiError("Cannot set properties of undefined (setting 'isEarlyStopped')")
        self._pool.cancel(trial)
        self.wake()

    def current_profile(self) -> dict[str, Any] | None:
        """Return the profile with current counters, None before the start POST."""
        if self.profile is None:
            return None
        if self.arguments.action != "view":
            self.profile["execDuration"] = int(self._worked_s())
            self.profile["nextSequenceId"] = self.journal.next_sequence_id
        return {key: value for key, value in self.profile.items() if value is not None}

    def request_stop(self) -> None:
        """Make the main thread stop soon."""
        if not self.behaviour.hangs_on_stop:
            self.stop_requested.set()
            self.wake()

    def finish_registry(self) -> None:
        """Wait until every change to the registry is written."""
        self._registry.finish()

    def wake(self) -> None:
        """Wake the main thread."""
        # A full pipe also wakes it.
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_writer, b"!")

    # The main thread.

    def run(self) -> None:
        """Work until a stop is requested."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: self.request_stop())
        # The end of a trial also wakes the loop.
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        os.set_blocking(self._wake_writer, False)
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        while not self.stop_requested.is_set():
            tuner = self._supply.source if self._supply is not None else None
            sources: list[Any] = [self._wake_reader, *([tuner] if tuner is not None else [])]
            timeout_s = _BUSY_POLL_S if self._pool.running else _IDLE_POLL_S
            ready, _, _ = select.select(sources, [], [], timeout_s)
            if self._wake_reader in ready:
                os.read(self._wake_reader, 4096)
            with self.lock:
                self._work(tuner_speaks=tuner is not None and tuner in ready)

    def shut_down(self) -> int:
        """Stop the tuner and the trials, store the final state, and return the exit code."""
        returncode = self.release.stop_returncode
        if self.profile is None:
            # Before the start POST real managers exit with 1, and the registry stays INITIALIZED.
            returncode = 1
        elif self.arguments.action == "view":
            self._set_status("STOPPED")
        else:
            self._set_status("STOPPING")
            if self._supply is not None:
                self._supply.stop()
            self.tuner_stopped.set()
            self._pool.stop()
            self.profile["endTime"] = self.profile["endTime"] or now_ms()
            self._store_profile()
            self._set_status("STOPPED")
        # View mode runs without a tuner, so nothing waits for one (2.7, seen live).
        self.tuner_stopped.set()
        self._registry.finish()
        self.journal.close()
        return returncode

    def _work(self, *, tuner_speaks: bool) -> None:
        try:
            if tuner_speaks and self._supply is not None:
                self._supply.receive(self._running_profile()["params"])
            ended = self._pool.poll()
            for trial in ended:
                self._log(
                    "INFO",
                    f"Trial job {trial.id} status changed from RUNNING to {trial.status}",
                )
            if self._supply is not None and self.status in _WORKING:
                self._supply.ask_again(len(ended))
                failure = self._supply.find_failure()
                if failure is None:
                    self._advance(self._supply)
                else:
                    self._fail(failure)
        except sqlite3.Error as error:
            self._fail(str(error))

    def _advance(self, supply: TrialSupply) -> None:
        params, limit = self._running_profile()["params"], self._trial_limit()
        if not self._is_out_of_time():
            try:
                self._pool.launch(params, trial_limit=limit)
            except OSError as error:
                # With a missing code directory 3.0 stays RUNNING and reports nothing over REST.
                self._log("ERROR", str(error))
            supply.request(concurrency=params["trialConcurrency"], trial_limit=limit)
        if len(self.journal.trials) >= limit or self._is_out_of_time():
            self._set_status("NO_MORE_TRIAL" if self._pool.running else "DONE")
        else:
            self._set_status("TUNER_NO_MORE_TRIAL" if supply.is_exhausted else "RUNNING")

    def _start_supply(self) -> TrialSupply:
        tuner = Tuner(
            self._running_profile()["params"],
            interpreter=self.arguments.python_interpreter,
            environment=tuner_environment(self.root, self.arguments.action, self.behaviour),
        )
        return TrialSupply(
            tuner,
            self.journal,
            self._pool,
            self.behaviour,
            log=lambda text: self._log("INFO", text),
        )

    def _connected_supply(self) -> TrialSupply:
        # Without a tuner the handler of 2.8 to 3.0 throws, and the request is never answered.
        if self._supply is None or not self._supply.is_connected:
            raise NeverAnsweredError
        return self._supply

    # Status and profile.

    def _start_reply(self) -> dict[str, Any] | None:
        is_new = self.arguments.action == "create"
        return {"experiment_id": self.arguments.experiment_id} if is_new else None

    def _refuse_if_viewing(self, action: str) -> None:
        if self.arguments.action == "view":
            raise ApiError(f"Error: can not {action} in readonly mode!")

    def _running_profile(self) -> dict[str, Any]:
        if self.profile is None:
            raise ApiError("the experiment is not started")
        return self.profile

    def _stored_profile(self) -> dict[str, Any]:
        profile = self.journal.newest_profile()
        if profile is None:
            raise ApiError("the database has no profile")
        return profile

    def _store_profile(self) -> None:
        self.current_profile()
        self.journal.store_profile(self._running_profile())

    def _set_status(self, status: str) -> None:
        if status == self.status:
            return
        self._log("INFO", f"Change NNIManager status from: {self.status} to: {status}")
        if status == "DONE":
            self._worked_before_s = self._worked_s()
            self._working_since = None
            self._end_at(now_ms())
        elif self.status == "DONE" and status in _WORKING:
            self._working_since = time.monotonic()
            self._end_at(None)
        self.status = status
        # Ending view mode does not change the entry's endTime (3.0, seen live).
        is_over = status in ("DONE", "STOPPED") and self.arguments.action != "view"
        end = {"endTime": self._running_profile()["endTime"]} if is_over else {}
        self._registry.write(status=status, **end)

    def _end_at(self, time_ms: int | None) -> None:
        self._running_profile()["endTime"] = time_ms
        self._store_profile()

    def _fail(self, message: str) -> None:
        self._log("ERROR", message)
        self.errors.append(message)
        self._set_status("ERROR")

    def _trial_limit(self) -> float:
        limit: float | None = self._running_profile()["params"].get("maxTrialNumber")
        return float("inf") if limit is None else limit

    def _is_out_of_time(self) -> bool:
        limit = self._running_profile()["params"].get("maxExperimentDuration")
        return limit is not None and self._worked_s() >= parse_duration(limit)

    def _worked_s(self) -> float:
        if self._working_since is None:
            return self._worked_before_s
        return self._worked_before_s + time.monotonic() - self._working_since

    def _log(self, level: str, text: str, *, source: str = "NNIManager") -> None:
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        with (self.root / "log" / "nnimanager.log").open("a", encoding="utf-8") as file:
            file.write(f"[{now}] {level} ({source}) {text}\n")
