"""The fixture for users gives a fake NNI that can be asked for its parts."""

from __future__ import annotations

import subprocess

from nnicli.testing import FakeInstallation

pytest_plugins = ["nnicli.testing.plugin"]


def test_fixture_gives_an_environment_with_a_fake_nni(fake_nni: FakeInstallation) -> None:
    command = "import nni; print(nni.get_next_parameter(), nni.get_experiment_id())"

    answer = subprocess.run(
        [fake_nni.python, "-c", command], capture_output=True, text=True, check=True
    )

    assert answer.stdout == "{} STANDALONE\n"
    assert (fake_nni.nni_node / "main.js").is_file()
