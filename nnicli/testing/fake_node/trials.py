"""One trial: its record, its process, and the metrics that it reports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FINISHED = frozenset({"SUCCEEDED", "FAILED", "USER_CANCELED", "SYS_CANCELED", "EARLY_STOPPED"})


@dataclass
class Trial:
    """The manager's record of a trial."""

    id: str
    sequence_id: int
    hyper_parameters: dict[str, Any]
    directory: Path
    status: str = "WAITING"
    started_ms: int | None = None
    ended_ms: int | None = None
    finals: list[dict[str, Any]] = field(default_factory=list)

    @property
    def parameter_id(self) -> str | None:
        """The id in the trial's metrics, None for a custom trial."""
        number = self.hyper_parameters["parameter_id"]
        return None if number is None else str(number)

    def to_json(self, *, log_path_prefix: str, environment_id: str | None) -> dict[str, Any]:
        """Return the trial as REST shows it, without keys for absent values."""
        log_path = f"{log_path_prefix}{self.directory}"
        shown = {
            "trialJobId": self.id,
            "status": self.status,
            "hyperParameters": [json.dumps(self.hyper_parameters, separators=(",", ":"))],
            "startTime": self.started_ms,
            "logPath": log_path,
            "sequenceId": self.sequence_id,
            "envId": environment_id,
            "endTime": self.ended_ms,
            # Only the first final metric, and only if the trial succeeded.
            "finalMetricData": self.finals[:1] if self.status == "SUCCEEDED" else [],
            "stderrPath": f"{log_path}/stderr" if self.status == "FAILED" else None,
        }
        return {key: value for key, value in shown.items() if value not in (None, [])}


class TrialProcess:
    """A running trial: a shell with the trial's command, in the manager's process group."""

    def __init__(
        self,
        trial: Trial,
        *,
        command: str,
        code_directory: str,
        environment: Mapping[str, str],
        output_names: tuple[str, str],
    ) -> None:
        self._metrics = trial.directory / ".nni" / "metrics"
        self._read_bytes = 0
        self._metrics.parent.mkdir(parents=True, exist_ok=True)
        self._metrics.write_bytes(b"")
        parameters = json.dumps(trial.hyper_parameters)
        (self._metrics.parent / "parameters").write_text(parameters, "utf-8")
        stdout, stderr = (trial.directory / name for name in output_names)
        with stdout.open("wb") as out, stderr.open("wb") as err:
            self._process = subprocess.Popen(
                ["/bin/bash", "-c", command],
                cwd=code_directory,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        self.was_cancelled = False

    @property
    def returncode(self) -> int | None:
        """The shell's exit code, None while it runs."""
        return self._process.poll()

    def new_messages(self) -> list[dict[str, Any]]:
        """Return the trial's requests and metrics since the last call; `value` is serialised."""
        data = self._metrics.read_bytes()[self._read_bytes :]
        complete = data[: data.rfind(b"\n") + 1]
        self._read_bytes += len(complete)
        return [json.loads(line) for line in complete.splitlines()]

    def kill(self, grace_s: float) -> None:
        """Kill the shell as 3.0 does: SIGINT to it alone, and SIGKILL after a grace period.

        Processes that the trial started do not get a signal.
        """
        self.was_cancelled = True
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def now_ms() -> int:
    """Return the time as NNI stores it."""
    return int(time.time() * 1000)
