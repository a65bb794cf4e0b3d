"""Fixtures: a valid config in a directory, and the problems of a changed one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nnicli.config import check_config

HEAD = """\
trialConcurrency: 1
trialCommand: python3 trial.py
tuner: {name: TPE}
trainingService: {platform: local}
"""
SPACE = "searchSpace: {x: {_type: uniform, _value: [0, 1]}}\n"

WriteConfig = Callable[..., Path]
"""`write(text, name=...)` writes a config into the test's directory and returns its path."""

Check = Callable[..., list[str]]
"""`check(text, nni_version=...)` returns its problems as text, without the directory's path.

Warnings of changed defaults, and of tuners with a defect, are left out."""

_NOTED = ("tuner.name", "advisor.name")


@pytest.fixture
def write_config(tmp_path: Path) -> WriteConfig:
    def write(text: str | bytes = HEAD + SPACE, *, name: str = "config.yml") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


@pytest.fixture
def check(write_config: WriteConfig, tmp_path: Path) -> Check:
    def problems(text: str | bytes, *, nni_version: str | None = None) -> list[str]:
        found = check_config(write_config(text), nni_version=nni_version)
        reported = [
            problem
            for problem in found
            if problem.rule != "default"
            and not (problem.rule == "trap" and problem.location in _NOTED)
        ]
        return [str(problem).replace(f"{tmp_path}/", "") for problem in reported]

    return problems
