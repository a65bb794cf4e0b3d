"""A pytest fixture for users' own tests: `pytest_plugins = ["nnicli.testing.plugin"]`."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnicli.testing.installation import FakeInstallation


@pytest.fixture
def fake_nni(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeInstallation:
    """Return a fake NNI 3.0 of the test's own, for `Experiment(nni=fake_nni.prefix)`.

    HOME is a folder of the test's own meanwhile, `tmp_path / "fake-home"`: NNI's registry and the
    experiments are there, and not among those of whoever runs the tests.
    """
    home = tmp_path / "fake-home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return FakeInstallation.create(tmp_path / "fake-nni")
