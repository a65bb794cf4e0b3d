"""Fake managers, started without nnicli's launcher."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nnicli.testing import FakeInstallation
from tests.unit.testing.running import Starter


@pytest.fixture
def starter(home: Path, free_port: Callable[[], int]) -> Iterator[Starter]:
    starter = Starter(home, free_port)
    yield starter
    starter.close()


@pytest.fixture
def installation(home: Path) -> FakeInstallation:
    return FakeInstallation.create(home / "nni with space")
