"""The local training service, which queues, runs and ends trials."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from nnicli.testing.fake_node.journal import Journal
from nnicli.testing.fake_node.releases import Release
from nnicli.testing.fake_node.trials import FINISHED, Trial, TrialProcess


class TrialPool:
    """Runs trials on this machine."""

    def __init__(
        self,
        journal: Journal,
        release: Release,
        *,
        experiment_id: str,
        kill_grace_s: float,
        misses_kills: int,
        log: Callable[[str], None],
        submit_delay_s: float,
    ) -> None:
        self._journal = journal
        self._release = release
        self._experiment_id = experiment_id
        self._kill_grace_s = kill_grace_s
        self._misses_kills = misses_kills
        self._log = log
        self._submit_delay_s = submit_delay_s
        self._submits_at = 0.0
        self._queue: deque[Trial] = deque()
        self._processes: dict[str, TrialProcess] = {}

    @property
    def running(self) -> int:
        """Number of running trials."""
        return len(self._processes)

    @property
    def queued(self) -> int:
        """Number of waiting trials."""
        return len(self._queue)

    @property
    def fresh(self) -> int:
        """Number of waiting trials that were never submitted, so do not count as trials yet."""
        return sum(trial.id not in self._journal.trials for trial in self._queue)

    def enqueue(self, hyper_parameters: dict[str, Any]) -> Trial:
        """Queue a new trial."""
        trial = self._journal.new_trial(hyper_parameters)
        self._queue.append(trial)
        self._submits_at = time.monotonic() + self._submit_delay_s
        return trial

    def requeue_unfinished(self) -> None:
        """Requeue trials that a stop interrupted, or fail them, as the release does on a resume."""
        for trial in self._journal.trials.values():
            if trial.status in FINISHED:
                continue
            if self._release.requeues_unfinished:
                trial.status = "ADD_RESUMED"
                data = json.dumps(trial.hyper_parameters)
                self._journal.add_event("ADD_RESUMED", trial=trial, data=data)
                self._queue.append(trial)
            else:
                trial.status = "FAILED"
                self._journal.add_event("FAILED", trial=trial)

    def launch(self, params: dict[str, Any], *, trial_limit: float) -> None:
        """Start as many of the waiting trials as may run.

        Raises:
            OSError: A trial could not be started; it stays at the head of the queue.
        """
        if time.monotonic() < self._submits_at:
            return
        submitted = self._journal.trials
        while self._queue and len(self._processes) < params["trialConcurrency"]:
            trial = self._queue[0]
            if trial.id not in submitted and len(submitted) >= trial_limit:
                return
            self._processes[trial.id] = self._spawn(trial, params)
            self._queue.popleft()
            submitted[trial.id] = trial
            data = json.dumps(trial.hyper_parameters)
            trial.started_ms = self._journal.add_event("RUNNING", trial=trial, data=data)
            trial.status, trial.ended_ms = "RUNNING", None
            self._log(f"Created trial {trial.id}")

    def poll(self) -> list[Trial]:
        """Read what the trials have reported, and return those that have ended."""
        ended = []
        for trial_id, process in list(self._processes.items()):
            trial = self._journal.trials[trial_id]
            # Checked before the metrics are read, so that none is missed.
            returncode = process.returncode
            for message in process.new_messages():
                if message["type"] == "REQUEST_PARAMETER":
                    self._log(f"Trial parameter: {trial.id} {json.dumps(trial.hyper_parameters)}")
                else:
                    self._journal.add_metric(trial, message)
            if returncode is None:
                continue
            del self._processes[trial_id]
            status = "SUCCEEDED" if returncode == 0 else "FAILED"
            trial.status = "USER_CANCELED" if process.was_cancelled else status
            trial.ended_ms = self._journal.add_event(trial.status, trial=trial)
            ended.append(trial)
        return ended

    def cancel(self, trial: Trial) -> None:
        """Cancel a trial; a finished one becomes USER_CANCELED too, as in NNI."""
        self._journal.add_cancellation(trial.id)
        if self._misses_kills:
            self._misses_kills -= 1
        elif trial.id in self._processes:
            self._processes[trial.id].kill(self._kill_grace_s)
            self.poll()
        trial.status = "USER_CANCELED"

    def stop(self) -> None:
        """Kill the running trials without storing events, so they stay RUNNING, as in NNI."""
        for process in self._processes.values():
            process.kill(self._kill_grace_s)

    def _spawn(self, trial: Trial, params: dict[str, Any]) -> TrialProcess:
        service = params["trainingService"]
        service = service[0] if isinstance(service, list) else service
        code_directory = service["trialCodeDirectory"]
        environment = {
            "NNI_PLATFORM": service["platform"],
            "NNI_EXP_ID": self._experiment_id,
            "NNI_SYS_DIR": str(trial.directory),
            "NNI_OUTPUT_DIR": str(trial.directory),
            "NNI_TRIAL_JOB_ID": trial.id,
            "NNI_TRIAL_SEQ_ID": str(trial.sequence_id),
            "NNI_CODE_DIR": code_directory,
        }
        return TrialProcess(
            trial,
            command=service["trialCommand"],
            code_directory=code_directory,
            environment=environment,
            output_names=(self._release.stdout, self._release.stderr),
        )
