"""Record what a real manager answers for an experiment, together with the database behind it.

    python tests/recordings/record_store.py VENV DIRECTORY

runs an experiment of eleven trials that end in every way with the NNI (2.7 or later) of that
virtual environment, stops it, resumes it, stops it again, and asks a manager in view mode. The
folder gets `store-nni.sqlite` and `store-answers.json`, with the paths of this machine replaced.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

TRIAL = """
import sys, time
import nni

parameters = nni.get_next_parameter()
number = nni.get_sequence_id()
if number == 7:
    sys.exit(0)
nni.report_intermediate_result(0.25)
nni.report_intermediate_result({"default": 0.5, "loss": 1})
if number == 1:
    sys.exit(1)
if number in (2, 9) or number > 10:
    time.sleep(600)
finals = {
    3: [float("nan")],
    4: [{"default": 0.75, "accuracy": 1}],
    5: ["text"],
    6: [0.5, 0.625],
    10: [float("-inf")],
}
for value in finals.get(number, [parameters["x"]]):
    nni.report_final_result(value)
"""
EXP_ID = "recorded"
HOME = "/home/user"
ROUTES = (
    "/experiment",
    "/trial-jobs",
    "/job-statistics",
    "/metric-data",
    "/export-data",
    "/experiment/imported-data",
)
CANCELLED, ENDLESS, CANCELLED_LATE = 2, 9, 10
ENDED = ("SUCCEEDED", "FAILED", "USER_CANCELED")


class Recorder:
    """A real manager's experiment in a HOME of its own."""

    def __init__(self, prefix: Path, home: Path) -> None:
        self.home = home
        self.experiments = home / "nni-experiments"
        self.prefix = prefix
        self.node = next(prefix.glob("lib/python*/site-packages/nni_node"))
        with closing(socket.socket()) as probe:
            probe.bind(("", 0))
            self.port = probe.getsockname()[1]

    def ask(self, path: str, method: str = "GET", body: object = None) -> Any:
        """Return the decoded answer of a route, None for an empty one."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1/nni{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Connection": "close"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    @contextmanager
    def manager(self, action: str, document: object) -> Iterator[None]:
        """Run a manager: the experiment is started before, and the manager stopped after."""
        argv: list[str | Path] = [self.node / "node", self.node / "main.js"]
        argv += ["--port", str(self.port), "--experiment-id", EXP_ID, "--action", action]
        argv += ["--experiments-directory", self.experiments, "--log-level", "info"]
        path = f"{self.prefix / 'bin'}{os.pathsep}{os.environ['PATH']}"
        # Wanted since 2.8, refused by 2.7.
        if not any(self.node.parent.glob("nni-2.7.dist-info")):
            argv += ["--python-interpreter", "python3"]
        environment = {**os.environ, "HOME": str(self.home), "PATH": path}
        with (
            (self.home / "output").open("ab") as output,
            subprocess.Popen(
                argv,
                cwd=self.node,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            ) as process,
        ):
            try:
                # The manager insists on an entry of its own.
                registry = self.experiments / ".experiment"
                entry = {"id": EXP_ID, "pid": process.pid, "status": "INITIALIZED"}
                registry.write_text(json.dumps({EXP_ID: entry}), "utf-8")
                wait_until(self._is_ready, timeout_s=20)
                self.ask("/experiment", "POST", document)
                yield
                self.ask("/experiment", "DELETE")
                process.wait(70)
            finally:
                process.kill()

    def _is_ready(self) -> bool:
        try:
            return "status" in self.ask("/check-status")
        except (OSError, ValueError):
            return False

    def status_of(self, number: int) -> str | None:
        """Return the status of the trial of that number."""
        return next(
            (job["status"] for job in self.ask("/trial-jobs") if job.get("sequenceId") == number),
            None,
        )

    def cancel(self, number: int) -> None:
        """Cancel the trial of that number."""
        jobs = self.ask("/trial-jobs")
        (job,) = (job for job in jobs if job.get("sequenceId") == number)
        self.ask(f"/trial-jobs/{job['trialJobId']}", "DELETE")

    def goes_on_or_is_done(self) -> bool:
        """Return whether a trial runs again; 2.7 has none left, as it counts the lost one."""
        is_done = self.ask("/check-status")["status"] == "DONE"
        return is_done or any(job["status"] == "RUNNING" for job in self.ask("/trial-jobs"))

    def tuner_is_ready(self) -> bool:
        """Return whether the tuner has connected."""
        log = self.experiments / EXP_ID / "log" / "dispatcher.log"
        return log.exists() and "Dispatcher started" in log.read_text("utf-8")


def wait_until(is_so: Callable[[], bool], timeout_s: float = 180) -> None:
    """Wait for something to come true."""
    end = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError("the experiment does not come on")
        time.sleep(0.2)


def run(recorder: Recorder, target: Path) -> None:
    """Run, resume and view the experiment; save the answers by route, and the database."""
    code = recorder.home / "code"
    code.mkdir()
    (code / "trial.py").write_text(TRIAL, "utf-8")
    recorder.experiments.mkdir()
    trial = {"trialCommand": "python3 trial.py", "trialCodeDirectory": str(code)}
    document = {
        "experimentName": "recorded",
        "searchSpace": {
            "x": {"_type": "uniform", "_value": [0, 1]},
            "kind": {"_type": "choice", "_value": ["a", "ü"]},
        },
        "trialConcurrency": 3,
        "maxTrialNumber": 11,
        "maxExperimentDuration": "1h",
        "tuner": {"name": "Random"},
        "trainingService": {"platform": "local", **trial},
        **trial,
    }
    with recorder.manager("create", document):
        wait_until(recorder.tuner_is_ready)
        imported = [{"parameter": {"x": 0.125, "kind": "a"}, "value": 0.5}]
        recorder.ask("/experiment/import-data", "POST", imported)
        wait_until(lambda: recorder.status_of(CANCELLED) == "RUNNING")
        recorder.cancel(CANCELLED)
        recorder.ask("/trial-jobs", "POST", {"x": 0.375, "kind": "a"})
        for number in range(11):
            awaited = ("RUNNING",) if number == ENDLESS else ENDED
            wait_until(lambda n=number, a=awaited: recorder.status_of(n) in a)  # type: ignore[misc]  # bound now
        recorder.cancel(CANCELLED_LATE)
    with recorder.manager("resume", {}):
        wait_until(recorder.goes_on_or_is_done)
    with recorder.manager("view", {}):
        wait_until(lambda: recorder.ask("/experiment") is not None)
        answers = {route: recorder.ask(route) for route in ROUTES}
        # Before its end: even a manager in view mode stores another profile then.
        database = recorder.experiments / EXP_ID / "db" / "nni.sqlite"
        save_database(database, target / "store-nni.sqlite", str(recorder.home))
    text = json.dumps(answers, indent=1, ensure_ascii=False).replace(str(recorder.home), HOME)
    (target / "store-answers.json").write_text(text + "\n", "utf-8")


def save_database(source: Path, target: Path, home: str) -> None:
    """Copy a database with its paths replaced."""
    shutil.copyfile(source, target)
    columns = {"TrialJobEvent": ("logPath", "data"), "ExperimentProfile": ("params", "logDir")}
    with closing(sqlite3.connect(target, isolation_level=None)) as connection:
        for table, names in columns.items():
            for name in names:
                connection.execute(
                    f"update {table} set {name} = replace({name}, ?, ?)",
                    (home, HOME),
                )
        connection.execute("vacuum")


def main() -> None:
    """Record with the virtual environment and into the folder of the command line."""
    prefix, target = (Path(argument).absolute() for argument in sys.argv[1:])
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        run(Recorder(prefix, Path(directory)), target)


if __name__ == "__main__":
    main()
