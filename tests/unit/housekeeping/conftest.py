"""Fixtures: experiments of this user, as their managers leave them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nnicli import Experiment
from nnicli.store import Registry
from nnicli.testing import FakeInstallation
from tests.contract.scenes import LONG_TRIAL, running_trials, wait_for, write_config
from tests.unit.store.recordings import load_recording

MakeExperiment = Callable[..., Path]


@pytest.fixture
def parent(home: Path) -> Path:
    """Return NNI's default experiments directory."""
    directory = home / "nni-experiments"
    directory.mkdir(exist_ok=True)
    return directory


@pytest.fixture
def make_experiment(parent: Path) -> MakeExperiment:
    """Return a function that puts a recorded experiment of 3.0 there and registers it."""

    def make(exp_id: str, *, registered: bool = True, size: int = 0, **entry: Any) -> Path:
        load_recording("3.0", parent)
        directory = (parent / "recorded").rename(parent / exp_id)
        with closing(sqlite3.connect(directory / "db" / "nni.sqlite")) as database:
            database.execute("update ExperimentProfile set id = ?", (exp_id,))
            database.commit()
        trial = directory / "environments" / "local-env" / "trials" / "aBcDe"
        trial.mkdir(parents=True)
        (trial / "trial.log").write_bytes(bytes(size))
        default = {
            "id": exp_id,
            "port": 8080,
            "startTime": 1795612535745,
            "endTime": 1795612540409,
            "status": "STOPPED",
            "platform": "local",
            "experimentName": None,
            "tag": [],
            "pid": os.getpid(),
            "webuiUrl": [],
            "logDir": str(parent),
            "prefixUrl": None,
        }
        if registered:
            Registry().ensure(exp_id, {**default, **entry})
        return directory

    return make


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Experiment]:
    """Return a running experiment with two running trials."""
    with Experiment(nni=FakeInstallation.create(tmp_path / "nni").prefix) as experiment:
        experiment.start_experiment(write_config(tmp_path / "project", LONG_TRIAL))
        wait_for(lambda: len(running_trials(experiment)) == 2, "both trials run")
        yield experiment
