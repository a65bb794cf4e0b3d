"""Experiments as real managers left them, each with its manager's answers."""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nnicli.store import ExperimentDatabase

RECORDINGS = Path(__file__).parents[2] / "recordings"


@dataclass(frozen=True)
class Recording:
    """A recorded experiment.

    Attributes:
        release: NNI's release.
        database: Its database, in a directory of this test.
        answers: Route -> what the manager answered, decoded.
    """

    release: str
    database: ExperimentDatabase
    answers: dict[str, Any]


def with_values(trial: dict[str, Any]) -> dict[str, Any]:
    """Return a trial from an answer as it is read from files: with hyper-parameters as values."""
    return {**trial, "hyperParameters": [json.loads(text) for text in trial["hyperParameters"]]}


def load_recording(release: str, directory: Path) -> Recording:
    """Copy a recording's database into an experiment directory and read the answers."""
    path = directory / "recorded" / "db" / "nni.sqlite"
    path.parent.mkdir(parents=True)
    shutil.copyfile(RECORDINGS / release / "store-nni.sqlite", path)
    answers = json.loads((RECORDINGS / release / "store-answers.json").read_text("utf-8"))
    return Recording(release, ExperimentDatabase(path), answers)


def close(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    """Deny access to what is in a directory, as the system does to users other than root."""
    look = os.stat

    def refuse(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        if isinstance(path, str | Path) and directory in Path(path).parents:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return look(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", refuse)
