"""Experiments whose trials run over SSH, on real managers."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nnicli import (
    Experiment,
    ExperimentFailedError,
    ExperimentStatus,
    LaunchError,
    NoTrialSucceededError,
    TrialJob,
    TrialLogNotAvailableError,
    TunerCrashedError,
    find_installation,
)
from tests.contract.contract import assert_nothing_left
from tests.contract.scenes import LIMIT_S, PLAIN_TRIAL, wait_for, write_config
from tests.remote.conftest import FAR_DIRECTORY, INSTALL_HINT, SSHD, Machine
from tests.support import REAL_NNIS
from tools.managers import release_of

RELEASES = ("3.0", "2.10.1", "1.9")

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(600),
    # If sshd was promised but is missing, that is a failure, not a skip.
    pytest.mark.skipif(
        SSHD is None and "NNICLI_TEST_REMOTE" not in os.environ, reason=INSTALL_HINT
    ),
]


def _environments() -> list[Any]:
    found = {release_of(find_installation(place).version).version: place for place in REAL_NNIS}
    return [pytest.param(Path(found[name]), id=name) for name in RELEASES if name in found]


def _service(machine: Machine, environment: Path) -> dict[str, Any]:
    return {
        "platform": "remote",
        "reuseMode": False,
        "machineList": [
            {
                "host": "127.0.0.1",
                "port": machine.port,
                "user": machine.user,
                "sshKeyFile": str(machine.key),
                **({} if (environment / "nni" / "main.js").exists() else _python(environment)),
            }
        ],
    }


def _python(environment: Path) -> dict[str, str]:
    return {"pythonPath": str(environment / "bin")}


def assert_log(experiment: Experiment, trial: TrialJob, *, is_available: bool) -> None:
    if is_available:
        assert experiment.trial_log(trial.trialJobId) == "said there\n"
        return
    with pytest.raises(TrialLogNotAvailableError, match=f"is at {trial.logPath}") as caught:
        experiment.trial_log(trial.trialJobId, "stderr")
    assert caught.value.location == trial.logPath
    assert str(trial.logPath).startswith("file://127.0.0.1:")


@pytest.mark.parametrize("nni", _environments())
def test_trials_in_their_first_seconds_are_killed(
    nni: Path, start_machine: Callable[[Path], Machine], tmp_path: Path
) -> None:
    """Of eight that 2.10.1 was asked to cancel then, six continued to SUCCEEDED (seen live)."""
    machine = start_machine(nni)
    config = write_config(
        tmp_path / "project",
        "import pathlib, time, nni\nnni.get_next_parameter()\ntime.sleep(25)\n"
        f"pathlib.Path({str(tmp_path)!r}, f'ran-on-{{nni.get_trial_id()}}').touch()\n",
        trialConcurrency=4,
        maxTrialNumber=4,
        trainingService=_service(machine, nni),
        nniManagerIp="127.0.0.1",
    )
    with Experiment(nni=nni) as experiment:
        experiment.start_experiment(config)
        try:
            wait_for(lambda: len(experiment.list_trial_jobs()) == 4, "all trials exist")
            trials = [trial.trialJobId for trial in experiment.list_trial_jobs()]

            def kill(number: int) -> None:
                # At several moments while a manager starts a trial.
                time.sleep(1.5 * number)
                experiment.kill_trial_job(trials[number])

            with ThreadPoolExecutor(len(trials)) as pool:
                list(pool.map(kill, range(len(trials))))

            killed = experiment.list_trial_jobs()
            assert all(trial.is_finished and trial.endTime for trial in killed)
            assert "SUCCEEDED" not in {trial.status for trial in killed}
            assert list(tmp_path.glob("ran-on-*")) == []
        finally:
            shutil.rmtree(FAR_DIRECTORY / str(experiment.exp_id), ignore_errors=True)


@pytest.mark.parametrize("nni", _environments())
def test_trials_run_on_another_machine(
    nni: Path,
    start_machine: Callable[[Path], Machine],
    tmp_path: Path,
    home: Path,
) -> None:
    machine = start_machine(nni)
    config = write_config(
        tmp_path / "project",
        f"print('said there', flush=True)\n{PLAIN_TRIAL}",
        trainingService=_service(machine, nni),
        nniManagerIp="127.0.0.1",
    )
    with Experiment(nni=nni) as experiment:
        experiment.start_experiment(config)
        exp_id = str(experiment.exp_id)
        try:
            status = experiment.wait(timeout=2 * LIMIT_S)

            trials = experiment.list_trial_jobs()
            assert status == ExperimentStatus.DONE
            assert [trial.status for trial in trials] == ["SUCCEEDED"] * 2
            assert [trial.final_value for trial in trials] == [
                trial.hyperParameters[0].parameters["x"] for trial in trials
            ]
            assert_log(experiment, trials[0], is_available=nni.name == "3.0")
            experiment.stop_experiment()
            # A 3.0 manager keeps logs that it has fetched.
            assert_log(experiment, trials[0], is_available=nni.name == "3.0")
            assert_nothing_left(exp_id, None, home=home, nni=nni)
        finally:
            shutil.rmtree(FAR_DIRECTORY / exp_id, ignore_errors=True)


@pytest.mark.parametrize("nni", _environments())
def test_trials_that_all_fail_on_another_machine_are_reported_without_their_logs(
    nni: Path, start_machine: Callable[[Path], Machine], tmp_path: Path
) -> None:
    """Up to 2.10 a manager does not fetch their logs; the failure is what counts."""
    config = write_config(
        tmp_path / "project",
        "import sys\nprint('last words')\nsys.exit(3)\n",
        maxTrialNumber=1,
        trialConcurrency=1,
        trainingService=_service(start_machine(nni), nni),
    )
    with Experiment(nni=nni) as experiment:
        experiment.start_experiment(config)
        try:
            with pytest.raises(NoTrialSucceededError, match="1 FAILED") as caught:
                experiment.wait(timeout=2 * LIMIT_S)
        finally:
            shutil.rmtree(FAR_DIRECTORY / str(experiment.exp_id), ignore_errors=True)

    trial = experiment.list_trial_jobs()[0]
    expected = "last words" if nni.name == "3.0" else f"on another machine, at {trial.logPath}"
    assert expected in str(caught.value)


@pytest.mark.parametrize("nni", _environments())
def test_a_key_that_the_machine_refuses_is_reported_as_the_cause(
    nni: Path, start_machine: Callable[[Path], Machine], tmp_path: Path
) -> None:
    """3.0 reports RUNNING, then stops and closes its database; the tuner says goodbye."""
    machine = start_machine(nni)
    wrong = tmp_path / "wrong_key"
    command = ["ssh-keygen", "-q", "-t", "rsa", "-m", "PEM", "-N", "", "-f", str(wrong)]
    subprocess.run(command, check=True)
    config = write_config(
        tmp_path / "project",
        PLAIN_TRIAL,
        trainingService=_service(replace(machine, key=wrong), nni),
    )
    experiment = Experiment(nni=nni)

    with pytest.raises((ExperimentFailedError, LaunchError)) as caught:
        _run(experiment, config)

    assert "All configured authentication methods failed" in str(caught.value)
    assert not isinstance(caught.value, TunerCrashedError)


def _run(experiment: Experiment, config: Path) -> None:
    with experiment:
        experiment.start_experiment(config)
        experiment.wait(timeout=LIMIT_S)
