"""A fake NNI to break, a config for it, and a check that a failed start left nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from nnicli.store import Registry
from nnicli.testing import FakeInstallation

CONFIG = """\
experimentName: faults
trialCommand: sleep 600
trialCodeDirectory: .
trialConcurrency: 1
maxTrialNumber: 3
searchSpace:
  x: {_type: uniform, _value: [0, 1]}
tuner:
  name: TPE
  classArgs: {optimize_mode: minimize}
trainingService:
  platform: local
"""


@pytest.fixture
def installation(tmp_path: Path) -> FakeInstallation:
    return FakeInstallation.create(tmp_path / "nni")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def nothing_is_left(installation: FakeInstallation, home: Path) -> Callable[[], None]:
    """Return a check: no process of this installation, no registry entry, no directory."""

    def check() -> None:
        processes = [
            process.cmdline()
            for process in psutil.process_iter()
            if any(str(installation.prefix) in word for word in _argv(process))
        ]
        assert processes == []
        assert Registry().read() == {}
        experiments = home / "nni-experiments"
        directories = [path for path in experiments.glob("*") if path.is_dir()]
        assert directories == []

    return check


def _argv(process: psutil.Process) -> list[str]:
    try:
        return [] if process.status() == psutil.STATUS_ZOMBIE else process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []
