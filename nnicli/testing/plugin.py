"""A pytest fixture for users' own tests: `pytest_plugins = ["nnicli.testing.plugin"]`."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnicli.testing.installation import FakeInstallation


@pytest.fixture
def fake_nni(tmp_path: Path) -> FakeInstallation:
    """Return a fake NNI 3.0 of the test's own, for `Experiment(nni=fake_nni.prefix)`."""
    return FakeInstallation.create(tmp_path / "fake-nni")
