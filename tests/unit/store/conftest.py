"""Fixtures for the tests of the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnicli.store import ExperimentDatabase
from tests.unit.store.recordings import Recording, load_recording


@pytest.fixture
def registry_path(home: Path) -> Path:
    """Return the path of NNI's registry, whose directory exists."""
    path = home / "nni-experiments" / ".experiment"
    path.parent.mkdir()
    return path


@pytest.fixture(params=("2.7", "3.0"))
def recording(request: pytest.FixtureRequest, tmp_path: Path) -> Recording:
    """Return the recorded experiment of each generation."""
    return load_recording(request.param, tmp_path)


@pytest.fixture
def database(tmp_path: Path) -> ExperimentDatabase:
    """Return the recorded experiment of 3.0."""
    return load_recording("3.0", tmp_path).database
