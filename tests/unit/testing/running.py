"""Fake managers driven without nnicli's launcher and client, whose faults could hide theirs."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nnicli.testing import Behaviour, FakeInstallation
from nnicli.waiting import Deadline, poll_until

_LIMIT_S = 20.0

TRIAL = """
import nni
parameters = nni.get_next_parameter()
nni.report_intermediate_result(0.5)
nni.report_final_result(parameters["x"])
"""


class Manager:
    """A manager's process and plain HTTP to it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, directory: Path) -> None:
        self.process = process
        self.port = port
        self.directory = directory

    def request(
        self, method: str, path: str, body: Any = None, *, timeout_s: float = 10
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, f"/api/v1/nni{path}", data, {"Connection": "close"})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        return json.loads(self.request("GET", path)[1])

    def wait_for(self, probe: Callable[[], object]) -> None:
        """Wait until the probe is true; an unreachable manager counts as false."""

        def ask() -> bool | None:
            try:
                return True if probe() else None
            except (ConnectionError, ValueError, http.client.HTTPException):
                return None

        assert poll_until(ask, deadline=Deadline(_LIMIT_S), interval_s=0.01)

    def wait_for_status(self, *statuses: str) -> None:
        self.wait_for(lambda: self.get("/check-status")["status"] in statuses)

    def wait_for_tuner(self) -> None:
        log = self.directory / "log" / "dispatcher.log"
        self.wait_for(lambda: log.exists() and "Dispatcher started" in log.read_text("utf-8"))

    def stop(self) -> int:
        """Stop the manager over REST and return its exit code."""
        self.request("DELETE", "/experiment")
        return self.process.wait(_LIMIT_S)


class Starter:
    """Starts fake managers as the launcher does, and kills them after the test."""

    def __init__(self, home: Path, free_port: Callable[[], int]) -> None:
        self.experiments = home / "experiments"
        self.registry = home / "nni-experiments" / ".experiment"
        self._free_port = free_port
        self._processes: list[subprocess.Popen[bytes]] = []

    def spawn(
        self,
        installation: FakeInstallation,
        *,
        exp_id: str = "fake1",
        action: str = "create",
        port: int | None = None,
        is_registered: bool = True,
    ) -> Manager:
        port = port or self._free_port()
        flags = {
            "port": str(port),
            "experiment-id": exp_id,
            "action": action,
            "experiments-directory": str(self.experiments),
            "log-level": "info",
            "python-interpreter": "python3",
        }
        if installation.version == "2.7":
            del flags["python-interpreter"]
        process = subprocess.Popen(
            [
                str(installation.nni_node / "node"),
                "--max-old-space-size=4096",
                str(installation.nni_node / "main.js"),
                *(part for name, value in flags.items() for part in (f"--{name}", value)),
            ],
            env={**os.environ, "PATH": f"{installation.python.parent}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._processes.append(process)
        self.registry.parent.mkdir(exist_ok=True)
        if is_registered:
            entry = {"id": exp_id, "status": "INITIALIZED", "endTime": "N/A", "pid": process.pid}
            self.registry.write_text(json.dumps({exp_id: entry}), "utf-8")
        return Manager(process, port, self.experiments / exp_id)

    def start(
        self, behaviour: Behaviour | None = None, *, version: str = "3.0", **params: Any
    ) -> Manager:
        """Start a manager in a new installation and POST an experiment with these params."""
        home = self.registry.parents[1]
        installation = FakeInstallation.create(
            home / f"nni {version}", version=version, behaviour=behaviour
        )
        manager = self.spawn(installation)
        manager.wait_for_status("INITIALIZED")
        assert manager.request("POST", "/experiment", self.config(**params))[0] == 200
        return manager

    def config(self, **params: Any) -> dict[str, Any]:
        """Return a config that the manager accepts."""
        code = self.registry.parents[1] / "code directory"
        code.mkdir(exist_ok=True)
        (code / "trial.py").write_text(TRIAL, "utf-8")
        command = params.pop("command", "python3 trial.py")
        return {
            "searchSpace": {"x": {"_type": "uniform", "_value": [0, 1]}},
            "trialConcurrency": 2,
            "maxTrialNumber": 3,
            "tuner": {"name": "Random"},
            "trainingService": {
                "platform": "local",
                "trialCommand": command,
                "trialCodeDirectory": str(code),
            },
            **params,
        }

    def close(self) -> None:
        for process in self._processes:
            # The tuner and the trials are in its group, even after it has exited.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(_LIMIT_S)
            assert process.stderr is not None
            process.stderr.close()


def pid_is_alive(pid: int) -> bool:
    """Return whether a process with this pid is running."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + _LIMIT_S
    while pid_is_alive(pid):
        assert time.monotonic() < deadline, f"pid {pid} is still alive"
        time.sleep(0.01)
