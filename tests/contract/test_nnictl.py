"""Experiments shared by nnictl and nnicli, on releases whose nnictl still starts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from nnicli import Experiment, ExperimentStatus, find_installation, load_experiment
from nnicli.launcher.environment import manager_environment
from tests.contract.contract import assert_continues, assert_nothing_left, read_results
from tests.contract.scenes import LIMIT_S, LONG_TRIAL, PLAIN_TRIAL, registry, write_config
from tests.support import REAL_NNIS
from tools.managers import release_of

RELEASES = ("3.0", "2.10.1", "2.5")
# Its nnictl can no longer read YAML, so cannot start an experiment; everything else works.
WITHOUT_CREATE = ("1.9",)

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

Nnictl = Callable[..., str]

# nnictl ends a manager that is not up within a few seconds, a limit that cannot be changed.
_TOO_SLOW = "Max retries exceeded with url: /api/v1/nni/check-status"
_TRIES = 4


def _environments(releases: tuple[str, ...]) -> list[Any]:
    found = {release_of(find_installation(place).version).version: place for place in REAL_NNIS}
    return [pytest.param(Path(found[name]), id=name) for name in releases if name in found]


@pytest.fixture
def nnictl(nni: Path, home: Path) -> Iterator[Nnictl]:
    """Return a function that runs this release's nnictl and returns its output.

    Processes that a failed nnictl leaves behind are killed.
    """
    environment = manager_environment(find_installation(nni), os.environ)

    def run(*arguments: str) -> str:
        for _ in range(_TRIES):
            answer = subprocess.run(
                [nni / "bin" / "nnictl", *arguments],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
            if answer.returncode == 0 or _TOO_SLOW not in answer.stdout:
                break
        assert answer.returncode == 0, answer.stdout
        return answer.stdout

    yield run
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.environ().get("HOME") == str(home):
                process.kill()


@pytest.fixture
def experiment(nni: Path) -> Iterator[Experiment]:
    with Experiment(nni=nni) as experiment:
        yield experiment


@pytest.mark.parametrize("nni", _environments(RELEASES + WITHOUT_CREATE))
def test_nnictl_lists_stops_and_resumes_what_nnicli_started(
    nni: Path,
    experiment: Experiment,
    nnictl: Nnictl,
    tmp_path: Path,
    home: Path,
    free_port: Callable[[], int],
) -> None:
    # More trials than the stop can end, so that a resumed 1.9 still has work to do.
    config = write_config(tmp_path / "project", LONG_TRIAL, maxTrialNumber=20)
    port = free_port()
    experiment.start_experiment(config, port)
    exp_id = str(experiment.exp_id)

    assert exp_id in nnictl("experiment", "list")
    nnictl("stop", exp_id)
    # Before 2.8 nnictl does not wait for the manager to exit.
    assert experiment.process is not None
    assert experiment.process.wait(LIMIT_S)
    experiment.stop_experiment()
    assert_nothing_left(exp_id, port, home=home, nni=nni)

    nnictl("resume", exp_id, "--port", str(port))
    experiment.disconnect()
    experiment.connect_experiment(f"http://127.0.0.1:{port}")
    assert experiment.exp_id == exp_id
    assert experiment.get_experiment_status()["status"] == "RUNNING"
    experiment.stop_experiment()
    assert_nothing_left(exp_id, port, home=home, nni=nni)


@pytest.mark.parametrize("nni", _environments(RELEASES))
def test_nnicli_connects_to_stops_and_resumes_what_nnictl_started(
    nni: Path,
    experiment: Experiment,
    nnictl: Nnictl,
    tmp_path: Path,
    home: Path,
    free_port: Callable[[], int],
) -> None:
    config = write_config(
        tmp_path / "project", PLAIN_TRIAL, maxTrialNumber=1, debug=False, useAnnotation=False
    )
    port = free_port()

    nnictl("create", "--config", str(config), "--port", str(port))
    experiment.connect_experiment(f"http://127.0.0.1:{port}")
    exp_id = str(experiment.exp_id)
    assert experiment.wait(timeout=LIMIT_S) == ExperimentStatus.DONE
    outcome = experiment.stop_experiment()
    assert outcome.how == "asked"
    assert_nothing_left(exp_id, port, home=home, nni=nni)

    experiment.resume_experiment(exp_id, port)
    experiment.update_trailnum(2)
    assert experiment.wait(timeout=LIMIT_S) == ExperimentStatus.DONE
    assert len(experiment.export_data()) == 2
    experiment.stop_experiment()
    assert registry(home, nni)[exp_id]["status"] == "STOPPED"


@pytest.mark.parametrize("nni", _environments(RELEASES + WITHOUT_CREATE))
def test_nnicli_loads_what_nnictl_saved(
    nni: Path,
    experiment: Experiment,
    nnictl: Nnictl,
    tmp_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Since 2.1 nnictl cannot load its own archives and does not save the code."""
    config = write_config(home / "project", PLAIN_TRIAL, maxTrialNumber=1, trialConcurrency=1)
    experiment.start_experiment(config)
    assert experiment.wait(timeout=LIMIT_S) == ExperimentStatus.DONE
    exp_id = str(experiment.exp_id)
    experiment.stop_experiment()
    with_code = ["--saveCodeDir"] if nni.name in WITHOUT_CREATE else []
    nnictl("experiment", "save", exp_id, "--path", str(tmp_path), *with_code)
    before = read_results(experiment)
    code = None if with_code else home.rename(tmp_path / "gone") / "project" / "code"
    new_home = tmp_path / "new-home"
    new_home.mkdir()
    monkeypatch.setenv("HOME", str(new_home))

    loaded = load_experiment(tmp_path / f"nni_experiment_{exp_id}.zip", code_directory=code)

    experiment.disconnect()
    assert loaded.has_code
    assert loaded.directory == new_home / "nni-experiments" / exp_id
    assert_continues(experiment, loaded.directory, before=before, old_home=home)
