"""`kill -9` of nnicli at random moments of every verb, on real managers; then one `reconcile`.

`make test-kills` kills at a hundred moments per release; `make test` at one moment of each of the
first verbs.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from nnicli import Experiment, find_installation, list_experiments, save_experiment
from nnicli.launcher import find_managers, ports
from nnicli.store import LAYOUTS
from nnicli.waiting import Deadline, poll_until
from tests.contract.scenes import LONG_TRIAL, PLAIN_TRIAL, write_config
from tests.support import REAL_NNIS

MOMENTS = int(os.environ.get("NNICLI_TEST_KILL_MOMENTS", "3"))
"""Number of moments per release, spread over the verbs."""

_PROLOGUE = """
import os, sys
from pathlib import Path
from nnicli import *
import nnicli.cli, nnicli.recorded, nnicli.housekeeping.archiving, nnicli.launcher
nni, place, exp_id, port = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
"""
_READY = """
print("ready", flush=True)
{call}
print("done", flush=True)
"""
_VERBS = {
    "start": "Experiment(nni=nni).start_experiment(place / 'long' / 'config.yml', port)",
    "resume": "Experiment(nni=nni).resume_experiment(exp_id, port)",
    "stop": "experiment.stop_experiment()",
    "save": "save_experiment(exp_id, place / 'archives' / 'a.zip', include_trials=True)",
    "load": "load_experiment(place / 'base.zip')",
    "delete": "delete_experiments(exp_id)",
    "export": "open_experiment(exp_id).write_export(place / 'exports' / 'a.csv')",
}
_PREPARATIONS = {
    "stop": (
        "experiment = Experiment(nni=nni)\n"
        "experiment.start_experiment(place / 'long' / 'config.yml', port)\n"
    ),
    "load": "delete_experiments(exp_id)\n",
}


@dataclass
class _Machine:
    """A HOME with one finished experiment, and a real NNI.

    Attributes:
        nni: The NNI's environment.
        home: The HOME.
        place: Directory for configs, archives and exports.
        exp_id: The finished experiment.
        port: The manager's port, reserved for it.
    """

    nni: Path
    home: Path
    place: Path
    exp_id: str
    port: int
    tally: Counter[str] = field(default_factory=Counter)

    @property
    def experiments(self) -> Path:
        return self.home / "nni-experiments"

    def restore(self) -> None:
        """Restore the finished experiment."""
        shutil.rmtree(self.home)
        shutil.copytree(self.place / "home", self.home, symlinks=True)
        for name in ("archives", "exports"):
            shutil.rmtree(self.place / name, ignore_errors=True)
            (self.place / name).mkdir()

    def run(self, verb: str, *, kill_after_s: float | None) -> float:
        """Run the verb in its own process, killed after this time; return how long it took."""
        code = _PROLOGUE + _PREPARATIONS.get(verb, "") + _READY.format(call=_VERBS[verb])
        with subprocess.Popen(
            [
                sys.executable,
                "-c",
                code,
                str(self.nni),
                str(self.place),
                self.exp_id,
                str(self.port),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", process.communicate()[1]
            began = time.monotonic()
            try:
                process.wait(kill_after_s)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            _, errors = process.communicate()
            assert process.returncode in (0, -signal.SIGKILL), errors
            return time.monotonic() - began

    def reconcile(self) -> list[dict[str, Any]]:
        """Run `nnicli reconcile` once, which must repair all it finds; return its findings."""
        answer = subprocess.run(
            [sys.executable, "-m", "nnicli", "reconcile", "--yes", "--json"]
            + [f"--experiments-directory={self.place / name}" for name in ("archives", "exports")],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (answer.returncode, answer.stderr) == (0, ""), answer.stdout + answer.stderr
        return list(json.loads(answer.stdout))

    def managers(self) -> list[psutil.Process]:
        return [psutil.Process(one.identity.pid) for one in find_managers() if one.is_ours]

    def processes(self) -> list[list[str]]:
        """Return the command lines of all processes with this HOME."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.pid != os.getpid() and process.environ().get("HOME") == str(self.home):
                    found.append(process.cmdline())
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return [argv for argv in found if argv]


@pytest.fixture(params=REAL_NNIS or [""], ids=lambda place: Path(place).name)
def machine(
    request: pytest.FixtureRequest,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    free_port: Callable[[], int],
) -> _Machine:
    if not request.param:
        pytest.skip(
            "NNICLI_TEST_NNI does not name an environment with an NNI; run `make test-kills`"
        )
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    nni, place, port = Path(request.param), tmp_path / "place", free_port()
    write_config(place / "long", LONG_TRIAL)
    with Experiment(nni=nni) as experiment:
        experiment.start_experiment(write_config(place / "plain", PLAIN_TRIAL), port)
        experiment.wait(timeout=180)
    exp_id = str(experiment.exp_id)
    save_experiment(exp_id, place / "base.zip", include_trials=True)
    shutil.copytree(home, place / "home", symlinks=True)
    return _Machine(nni, home, place, exp_id, port)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(600 + 60 * MOMENTS)
def test_one_reconcile_after_a_kill_at_any_moment_leaves_nothing(machine: _Machine) -> None:
    verbs = list(_VERBS)[:MOMENTS]
    durations = {}
    for verb in verbs:
        machine.restore()
        durations[verb] = machine.run(verb, kill_after_s=None)
        _stop_what_runs(machine)
    seed = random.randrange(1 << 32)
    randomness = random.Random(seed)
    for number in range(MOMENTS):
        verb = verbs[number % len(verbs)]
        machine.restore()
        moment = randomness.uniform(0, durations[verb])
        machine.run(verb, kill_after_s=moment)
        try:
            _check(machine, verb)
        except AssertionError as error:
            raise AssertionError(
                f"seed {seed}, {verb} killed after {moment:.3f} s: {error}"
            ) from error
    release = find_installation(machine.nni).version
    for what, times in sorted(machine.tally.items()):
        sys.stdout.write(f"NNI {release}: {what}: {times}\n")


def _check(machine: _Machine, verb: str) -> None:
    _settle(machine, verb)
    findings = machine.reconcile()
    kinds = "+".join(sorted({finding["kind"] for finding in findings})) or "nothing"
    kept_running = _stop_what_runs(machine)
    machine.tally[f"{verb}: found {kinds}{', kept running' if kept_running else ''}"] += 1

    assert machine.processes() == []
    assert ports.is_free(machine.port)
    for layout in LAYOUTS:
        for exp_id, entry in layout.registry().read().items():
            assert entry["status"] == "STOPPED", entry
            assert (machine.experiments / exp_id / "db" / "nni.sqlite").is_file(), entry
    known = {record.exp_id for record in list_experiments()}
    names = {path.name for path in machine.experiments.iterdir()}
    assert names - known <= {".experiment", ".nnicli.lock", "_latest"}, names
    assert {path.name for path in (machine.place / "archives").iterdir()} <= {"a.zip"}
    assert {path.name for path in (machine.place / "exports").iterdir()} <= {"a.csv"}
    assert list(Path(os.environ["TMPDIR"]).iterdir()) == []
    assert machine.reconcile() == []


def _settle(machine: _Machine, verb: str) -> None:
    """Wait for a manager that may have been asked to stop."""
    if verb == "stop":
        poll_until(
            lambda: None if machine.managers() else True, deadline=Deadline(12), interval_s=0.1
        )


def _stop_what_runs(machine: _Machine) -> bool:
    """Stop an experiment that was started before the kill; return whether there was one.

    Check that it is complete: registered and working.
    """
    running = [record for record in list_experiments() if record.is_running]
    for record in running:
        assert record.is_registered, record
        assert record.url is not None
        experiment = Experiment(nni=machine.nni)
        experiment.connect_experiment(record.url)
        experiment.get_experiment_profile()
        experiment.stop_experiment()
    return bool(running)
