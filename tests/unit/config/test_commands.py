"""The program and script of a trial's command exist, as far as that is certain."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnicli.config import Target, check_config
from tests.unit.config.conftest import HEAD, SPACE, WriteConfig
from tests.unit.config.test_v1 import REMOTE, V1


def _errors(path: Path, directory: Path, version: str = "3.0") -> list[str]:
    (directory / "bin").mkdir(exist_ok=True)
    (directory / "bin" / "python3").touch(0o755)
    target = Target(directory / "bin" / "python3", search_path=str(directory / "bin"))
    found = check_config(path, nni_version=version, target=target)
    return [
        str(problem).replace(f"{directory}/", "")
        for problem in found
        if problem.severity == "error"
    ]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python3 missing.py", "missing.py not found, so every trial would fail"),
        ("python3 -u -B missing.py --lr 1", "missing.py not found, so every trial would"),
        ("LR=1 python3 'a b.py'", "a b.py not found, so every trial would fail"),
        ("./missing.sh", "; program ./missing.sh not found in "),
        ("pyhton3 trial.py", "; program pyhton3 not found in PATH, so every trial would fail"),
    ],
)
def test_what_is_certainly_missing_is_an_error(
    write_config: WriteConfig, tmp_path: Path, command: str, expected: str
) -> None:
    """Each trial would fail, and with it the experiment (1.9, 2.10.1 and 3.0, seen live)."""
    (tmp_path / "trial.py").touch()
    path = write_config(HEAD.replace("python3 trial.py", f'"{command}"') + SPACE)

    (error,) = _errors(path, tmp_path)

    assert error.startswith(f'config.yml:2:1: trialCommand: found "{command}"')
    assert expected in error


@pytest.mark.parametrize(
    "command",
    [
        "python3 trial.py --lr 1",
        "./run.sh",
        "cd elsewhere && python3 missing.py",
        "python3 $SCRIPT",
        "python3 ~/missing.py",
        "python3 missing.py || true",
        "python3 -m missing",
        "python3 -c 'print(1)'",
        "python3 -W ignore missing.py",
        "exec python3 missing.py",
        "PATH=/other missing",
        "export A=1",
        "python3 'open",
    ],
)
def test_commands_that_need_a_shell_are_not_checked(
    write_config: WriteConfig, tmp_path: Path, command: str
) -> None:
    (tmp_path / "trial.py").touch()
    (tmp_path / "run.sh").touch()
    text = HEAD.replace("trialCommand: python3 trial.py", f"trialCommand: >-\n  {command}")

    assert _errors(write_config(text + SPACE), tmp_path) == []


def test_without_a_target_commands_are_not_checked(write_config: WriteConfig) -> None:
    """The code may not be there yet, or may be on another machine."""
    path = write_config(HEAD.replace("trial.py", "missing.py") + SPACE)

    assert [one for one in check_config(path) if one.severity == "error"] == []


def test_a_service_may_have_its_own_command(write_config: WriteConfig, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "trial.py").touch()
    service = "{platform: local, trialCommand: python3 trial.py, trialCodeDirectory: code}"
    path = write_config(HEAD.replace("{platform: local}", service) + SPACE)

    (error,) = _errors(path, tmp_path)

    assert error.startswith("config.yml:4:36: trainingService.trialCommand: found ")
    assert "code/trial.py not found" in error


def test_the_v1_format(write_config: WriteConfig, tmp_path: Path) -> None:
    write_config('{"x": {"_type": "choice", "_value": [1]}}', name="space.json")

    (error,) = _errors(write_config(V1), tmp_path, "1.9")

    assert error.startswith(
        'config.yml:10:9: trial.command: found "python3 trial.py"; trial.py not found, so'
    )


def test_on_other_machines_only_files_of_the_code_directory_are_checked(
    write_config: WriteConfig, tmp_path: Path
) -> None:
    write_config('{"x": {"_type": "choice", "_value": [1]}}', name="space.json")
    text = REMOTE.replace("python3 trial.py", "python9 /their/own.py")

    assert _errors(write_config(text), tmp_path, "1.9") == []
    assert len(_errors(write_config(REMOTE), tmp_path, "1.9")) == 1
