"""An NNI that came out after this nnicli: it is treated as the newest known release."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from nnicli import Experiment, find_installation
from nnicli.releases import find_release
from nnicli.testing import FakeInstallation
from nnicli.versions import NEWEST_KNOWN
from tests.contract.scenes import PLAIN_TRIAL, write_config

# Far enough away for years.
NEWER = "9.1"


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    return FakeInstallation.create(tmp_path / "nni", version=NEWER).prefix


def test_it_is_reported_once_from_the_start_to_the_stop(
    newer: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Every table said so for itself, seven times in one start."""
    config = write_config(tmp_path / "project", PLAIN_TRIAL, maxTrialNumber=1)

    with caplog.at_level(logging.WARNING), Experiment(nni=newer) as experiment:
        experiment.start_experiment(config)
        experiment.wait(timeout=60)
        experiment.update_trailnum(2)
        exp_id = str(experiment.exp_id)
        experiment.stop_experiment()
        experiment.view_experiment(exp_id)

    assert sum("newer than" in message for message in caplog.messages) == 1


def test_it_has_the_rows_of_the_newest_known_release(newer: Path) -> None:
    release, newest = find_installation(newer).release, find_release(NEWEST_KNOWN)

    assert release.version == NEWER
    assert (release.launch, release.dialect, release.layout) == (
        newest.launch,
        newest.dialect,
        newest.layout,
    )
