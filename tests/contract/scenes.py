"""Experiments for the contract: configs, trial scripts and the files that they leave."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from nnicli import Experiment, TrialJob, find_installation
from nnicli.store import Registry
from nnicli.waiting import Deadline, poll_until

LIMIT_S = 120.0
"""How long one step may take: before 3.0 a manager polls its trials only every 5 s."""

SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}}

# On a busy machine a 1.9 manager may miss metrics that a trial reports right before it ends (seen
# live), so trials whose finals count sleep for a moment.
_ODD_TRIAL = """
import sys, time, nni
x = nni.get_next_parameter()["x"]
number = nni.get_sequence_id()
nni.report_intermediate_result(0.25)
nni.report_intermediate_result({{"default": 0.5, "loss": 2}})
finals = [x, {{"default": x, "loss": 0.5}}, float("nan"), float("-inf"), {fifth}]
if number == len(finals):
    sys.exit("no final")
nni.report_final_result(finals[number])
time.sleep(1)
"""


def odd_trial(*, takes_text: bool) -> str:
    """Return a script whose first five trials report different finals and whose sixth fails."""
    return _ODD_TRIAL.format(fifth='"text"' if takes_text else "7")


PLAIN_TRIAL = """
import time, nni
nni.report_final_result(nni.get_next_parameter()["x"])
time.sleep(1)
"""

LONG_TRIAL = """
import time, nni
nni.get_next_parameter()
time.sleep(600)
"""

# In each run of the manager one trial fails before it asks for parameters, and one after.
HONEST_TRIAL = """
import json, pathlib, sys, time, nni
number = nni.get_sequence_id() % 4
if number == 1:
    sys.exit(1)
x = nni.get_next_parameter()["x"]
pathlib.Path(f"ran-{nni.get_trial_id()}.json").write_text(json.dumps(x))
if number == 2:
    sys.exit(1)
nni.report_intermediate_result(x)
if number == 3 and not pathlib.Path("stopped").exists():
    time.sleep(600)
nni.report_final_result(x)
time.sleep(1)
"""

TALKS = 8
TALKING_TRIAL = f"""
import sys, time, nni
nni.get_next_parameter()
for number in range({TALKS}):
    print("word", number, file=sys.stderr, flush=True)
    time.sleep(0.5)
nni.report_final_result(1)
"""

# The child leaves its pid only once it ignores the signals.
DEAF_TRIAL = """
import subprocess, sys, time
child = '''
import os, pathlib, signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(f"deaf-{os.getpid()}").touch()
time.sleep(600)
'''
subprocess.Popen([sys.executable, "-c", child])
time.sleep(600)
"""


def write_config(directory: Path, script: str, **changes: Any) -> Path:
    """Write a code directory and a YAML config in the v2 format; return the config's path.

    A change to None leaves the key out.
    """
    code = directory / "code"
    code.mkdir(parents=True)
    (code / "trial.py").write_text(script, "utf-8")
    config = {
        "searchSpace": SPACE,
        "trialCommand": "python3 trial.py",
        "trialCodeDirectory": "code",
        "trialConcurrency": 2,
        "maxTrialNumber": 2,
        "tuner": {"name": "Random"},
        "trainingService": {"platform": "local"},
        **changes,
    }
    path = directory / "config.yml"
    document = {key: value for key, value in config.items() if value is not None}
    path.write_text(yaml.safe_dump(document), "utf-8")
    return path


@dataclass(frozen=True)
class Finished:
    """An experiment that is done, with its manager still running.

    Attributes:
        experiment: The instance that started it.
        home: The HOME that it was started with.
        fifth: The final metric of its fifth trial.
    """

    experiment: Experiment
    home: Path
    fifth: object

    def trial(self, number: int) -> TrialJob:
        """Return the trial with this sequence id."""
        (found,) = [t for t in self.experiment.list_trial_jobs() if t.sequenceId == number]
        return found


@contextmanager
def at_home(home: Path) -> Iterator[None]:
    """Set HOME within the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        yield


def wait_for(probe: Callable[[], object], what: str) -> None:
    """Wait until the probe is true."""
    deadline = Deadline(LIMIT_S)
    answer = poll_until(lambda: probe() or None, deadline=deadline, interval_s=0.05)
    assert answer, f"not within {LIMIT_S:.0f} s: {what}"


def running_trials(experiment: Experiment) -> list[TrialJob]:
    """Return the running trials."""
    return [trial for trial in experiment.list_trial_jobs() if trial.status == "RUNNING"]


def what_trials_wrote(config: Path) -> dict[str, float]:
    """Return trial id -> the x it last ran with, for trials that asked for parameters."""
    return {
        path.stem.removeprefix("ran-"): float(path.read_text("utf-8"))
        for path in config.parent.glob("code/ran-*.json")
        if path.stat().st_size
    }


def deaf_pids(config: Path) -> set[int]:
    """Return the pids of children that ignore SIGINT and SIGTERM."""
    return {int(path.name.removeprefix("deaf-")) for path in config.parent.glob("code/deaf-*")}


def registry(home: Path, nni: Path) -> dict[str, dict[str, Any]]:
    """Return the registry of experiments where this NNI keeps it."""
    layout = find_installation(nni).release.layout
    # Managers truncate the file before they rewrite it; nnicli's reader waits for the rest.
    return Registry(home / layout.registry_file).read()


def port_is_free(port: int) -> bool:
    """Return whether nothing listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def open_files() -> int:
    """Return the number of this process's open descriptors."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the listing's own descriptor closes
