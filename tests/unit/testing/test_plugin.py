"""The fixture for users' tests provides a fake NNI and its parts."""

from __future__ import annotations

import subprocess
from pathlib import Path

from nnicli import Experiment
from nnicli.testing import FakeInstallation

pytest_plugins = ["nnicli.testing.plugin"]


def test_fixture_gives_an_environment_with_a_fake_nni(fake_nni: FakeInstallation) -> None:
    command = "import nni; print(nni.get_next_parameter(), nni.get_experiment_id())"

    answer = subprocess.run(
        [fake_nni.python, "-c", command], capture_output=True, text=True, check=True
    )

    assert answer.stdout == "{} STANDALONE\n"
    assert (fake_nni.nni_node / "main.js").is_file()


def test_fixture_keeps_experiments_out_of_the_real_home(
    home: Path, fake_nni: FakeInstallation, tmp_path: Path
) -> None:
    config = {
        "trialCommand": "sleep 1",
        "trialCodeDirectory": ".",
        "trialConcurrency": 1,
        "searchSpace": {"x": {"_type": "uniform", "_value": [0, 1]}},
        "tuner": {"name": "Random"},
        "trainingService": {"platform": "local"},
    }

    with Experiment(nni=fake_nni.prefix) as experiment:
        experiment.start_experiment(config)

    assert list(home.iterdir()) == []
    assert (tmp_path / "fake-home" / "nni-experiments" / str(experiment.exp_id)).is_dir()
