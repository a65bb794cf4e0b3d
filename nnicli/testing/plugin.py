"""A pytest fixture for users' tests: `pytest_plugins = ["nnicli.testing.plugin"]`."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnicli.testing.installation import FakeInstallation


@pytest.fixture
def fake_nni(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeInstallation:
    """Return a fake NNI 3.0 for this test; pass it as `Experiment(nni=fake_nni.prefix)`.

    HOME is `tmp_path / "fake-home"` during the test, which keeps NNI's registry and the experiments
    apart from those of the user who runs it.
    """
    home = tmp_path / "fake-home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return FakeInstallation.create(tmp_path / "fake-nni")
