"""Algorithms registered with nnictl, on real managers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from nnicli import Experiment, find_installation
from nnicli.launcher.environment import manager_environment
from nnicli.versions import parse_version
from tests.support import REAL_NNIS

# Releases whose list can be outside the environment, which all tests share.
PLACES = [
    pytest.param(Path(place), id=Path(place).name)
    for place in REAL_NNIS
    if parse_version(find_installation(place).version) >= (2, 4)
]
TUNER = """\
from nni.tuner import Tuner

class Mine(Tuner):
    def __init__(self, value):
        self.value = value

    def generate_parameters(self, parameter_id, **kwargs):
        return {"x": self.value}

    def receive_trial_result(self, *args, **kwargs):
        pass

    def update_search_space(self, search_space):
        pass
"""
TRIAL = "import nni\nnni.report_final_result(nni.get_next_parameter()['x'])\n"

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest.mark.parametrize("nni", PLACES)
def test_a_registered_tuner_runs(
    nni: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(TUNER)
    (tmp_path / "trial.py").write_text(TRIAL)
    meta = tmp_path / "meta.yml"
    meta.write_text("{algoType: tuner, builtinName: Mine, className: mine.Mine}\n")
    monkeypatch.setenv("NNI_CONFIG_DIR", str(home / "algorithms"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    subprocess.run(
        [nni / "bin" / "nnictl", "algo", "register", "--meta", meta],
        env=manager_environment(find_installation(nni), os.environ),
        capture_output=True,
        timeout=60,
        check=True,
    )
    config = {
        "trialConcurrency": 1,
        "maxTrialNumber": 1,
        "trialCommand": "python3 trial.py",
        "trialCodeDirectory": str(tmp_path),
        "tuner": {"name": "Mine", "classArgs": {"value": 0.5}},
        "trainingService": {"platform": "local"},
        "searchSpace": {"x": {"_type": "uniform", "_value": [0, 1]}},
    }

    with Experiment(nni=nni) as experiment:
        experiment.start_experiment(config)
        experiment.wait(timeout=200)
        (trial,) = experiment.list_trial_jobs()

    assert trial.parameters == {"x": 0.5}
