"""The history of an experiment, in memory and in its database."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from nnicli.testing.fake_node.database import Database
from nnicli.testing.fake_node.releases import Release
from nnicli.testing.fake_node.trials import FINISHED, Trial, now_ms


class Journal:
    """The history of one experiment.

    Attributes:
        root: The experiment directory.
        trials: The submitted trials by id, in order of submission.
        metrics: All reported metrics, as REST shows them.
        imported: The bodies of all import requests.
        next_sequence_id: Sequence id of the next trial; after a resume the largest recovered one
            plus 1, as in NNI since 2.10, even if that repeats an id.
    """

    def __init__(self, root: Path, release: Release, experiment_id: str) -> None:
        self.root = root
        self.trials: dict[str, Trial] = {}
        self.metrics: list[dict[str, Any]] = []
        self.imported: list[str] = []
        self._release = release
        self._experiment_id = experiment_id
        self._database = Database(
            root / "db" / "nni.sqlite", has_environment=release.environment_id is not None
        )
        for event in self._database.events():
            self._replay(event)
        for row in self._database.metrics():
            self._remember_metric(row)
        used = [trial.sequence_id for trial in self.trials.values()]
        self.next_sequence_id = max(used, default=-1) + 1

    def new_trial(self, hyper_parameters: dict[str, Any]) -> Trial:
        """Create a trial, which is not submitted yet."""
        trial_id = os.urandom(4).hex()
        number = self.next_sequence_id
        self.next_sequence_id += 1
        return Trial(trial_id, number, hyper_parameters, self._directory(trial_id))

    def add_event(self, event: str, *, trial: Trial | None = None, data: str | None = None) -> int:
        """Append an event and return its time; without a trial the id is empty."""
        trial_facts = {} if trial is None else self._trial_facts(trial)
        timestamp = now_ms()
        row = {"timestamp": timestamp, "trialJobId": "", "event": event, "data": data}
        self._database.add_event({**row, **trial_facts})
        return timestamp

    def add_cancellation(self, trial_id: str) -> None:
        """Append a user's request to cancel a trial, stored as in 3.0 without other columns."""
        row = {"timestamp": now_ms(), "trialJobId": trial_id, "event": "USER_TO_CANCEL", "data": ""}
        self._database.add_event(row)

    def add_import(self, text: str) -> None:
        """Store the body of an import request."""
        self.imported.append(text)
        self.add_event("IMPORT_DATA", data=text)

    def add_metric(self, trial: Trial, reported: dict[str, Any]) -> None:
        """Store a reported metric; its `data` becomes JSON inside JSON."""
        row = {
            "timestamp": now_ms(),
            "trialJobId": trial.id,
            "parameterId": trial.parameter_id,
            "type": reported["type"],
            "sequence": reported["sequence"],
            "data": json.dumps(reported["value"]),
        }
        self._database.add_metric(row)
        self._remember_metric(row)

    def new_profile(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return the profile of an experiment started now."""
        return {
            "params": params,
            "id": self._experiment_id,
            "execDuration": 0,
            "logDir": str(self.root),
            "startTime": now_ms(),
            "endTime": None,
            "nextSequenceId": 0,
            "revision": 0,
        }

    def newest_profile(self) -> dict[str, Any] | None:
        """Return the profile stored last, None in a new experiment."""
        return self._database.newest_profile()

    def store_profile(self, profile: dict[str, Any]) -> None:
        """Append the profile as a new revision."""
        profile["revision"] += 1
        self._database.add_profile(profile)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _directory(self, trial_id: str) -> Path:
        return self.root / self._release.trial_directory / trial_id

    def _trial_facts(self, trial: Trial) -> dict[str, Any]:
        return {
            "trialJobId": trial.id,
            "logPath": f"{self._release.log_path_prefix}{trial.directory}",
            "sequenceId": trial.sequence_id,
            "environmentId": self._release.environment_id,
        }

    def _remember_metric(self, row: dict[str, Any]) -> None:
        self.metrics.append(row)
        if row["type"] == "FINAL" and row["trialJobId"] in self.trials:
            self.trials[row["trialJobId"]].finals.append(row)

    def _replay(self, event: dict[str, Any]) -> None:
        trial_id, name = event["trialJobId"], event["event"]
        if name == "IMPORT_DATA":
            self.imported.append(event["data"])
        if not trial_id:
            return
        if trial_id not in self.trials:
            hyper_parameters = json.loads(event["data"])
            self.trials[trial_id] = Trial(
                trial_id, event["sequenceId"], hyper_parameters, self._directory(trial_id)
            )
        trial = self.trials[trial_id]
        trial.status = "USER_CANCELED" if name == "USER_TO_CANCEL" else name
        if name == "RUNNING":
            trial.started_ms = event["timestamp"]
        elif name in FINISHED:
            trial.ended_ms = event["timestamp"]
