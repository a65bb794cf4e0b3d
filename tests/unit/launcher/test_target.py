"""What an installation has besides its release, read without importing any of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from nnicli import NniInstallation
from nnicli.launcher import target_of

pytestmark = pytest.mark.usefixtures("home")

REGISTERED = """\
tuners:
- {builtinName: TPE, className: nni.tpe.Tpe, source: nni}
- {builtinName: Mine, alias: MineTuner, className: mine.tuner.Mine, source: user}
- {builtinName: 5, className: x.Y}
- just text
assessors: []
advisors:
- {builtinName: Advice, className: advice.Advice}
"""
MINE = {"Mine": "mine.tuner.Mine", "MineTuner": "mine.tuner.Mine"}


def _make(prefix: Path, version: str) -> NniInstallation:
    entry = prefix / "lib" / "nni_node" / "main.js"
    entry.parent.mkdir(parents=True)
    (prefix / "bin").mkdir()
    (prefix / "bin" / "python3").symlink_to(sys.executable)
    (prefix / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).parent}\n")
    return NniInstallation(version, entry, entry.with_name("node"), prefix / "bin")


def _write(path: Path, text: str = REGISTERED) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("version", ["2.0", "2.5", "2.10.1", "3.0"])
def test_a_virtual_environment_has_its_own_registered_algorithms(
    tmp_path: Path, home: Path, version: str
) -> None:
    installation = _make(tmp_path / "env", version)
    _write(tmp_path / "env" / "nni" / "registered_algorithms.yml")
    _write(home / ".config" / "nni" / "registered_algorithms.yml", "tuners: []\n")

    target = target_of(installation)

    assert target.registered["tuner"] == MINE
    assert target.names("assessor") == ()
    assert target.names("advisor") == ("Advice",)
    assert not target.registers_extras


def test_outside_a_virtual_environment_the_user_s_algorithms_are_used(
    tmp_path: Path, home: Path
) -> None:
    installation = _make(tmp_path / "env", "3.0")
    (tmp_path / "env" / "pyvenv.cfg").unlink()
    _write(home / ".config" / "nni" / "registered_algorithms.yml")

    assert target_of(installation).registered["tuner"] == MINE


@pytest.mark.parametrize(("version", "expected"), [("2.3", ()), ("2.4", tuple(MINE))])
def test_a_variable_names_the_directory_since_2_4(
    tmp_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    expected: tuple[str, ...],
) -> None:
    monkeypatch.setenv("NNI_CONFIG_DIR", str(home / "algorithms"))
    _write(home / "algorithms" / "registered_algorithms.yml")

    assert target_of(_make(tmp_path / "env", version)).names("tuner") == expected


def test_the_first_releases_keep_algorithms_next_to_the_manager(tmp_path: Path) -> None:
    installation = _make(tmp_path / "env", "1.9")
    _write(
        installation.entry.parent / "config" / "installed_packages.yml",
        "tuners: [{name: SMAC, class_name: nni.smac_tuner.smac_tuner.SMACTuner}]\n",
    )

    target = target_of(installation)

    assert target.names("tuner") == ("SMAC",)
    assert target.registers_extras


@pytest.mark.parametrize("text", ["- a\n", "tuners: [\n", "!!python/object:os.system x\n", ""])
def test_a_damaged_list_counts_as_empty_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    _write(tmp_path / "env" / "nni" / "registered_algorithms.yml", text)
    installation = _make(tmp_path / "env", "3.0")

    assert target_of(installation).names("tuner") == ()
    assert "could not read the registered algorithms" in caplog.text


def test_a_list_that_is_a_pipe_does_not_hang(tmp_path: Path) -> None:
    (tmp_path / "env" / "nni").mkdir(parents=True)
    os.mkfifo(tmp_path / "env" / "nni" / "registered_algorithms.yml")

    assert target_of(_make(tmp_path / "env", "3.0")).names("tuner") == ()


def test_missing_modules_are_found_without_importing_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With PYTHONPATH the tuner finds more than the environment contains."""
    _write(tmp_path / "more" / "raises_when_imported.py", "raise RuntimeError('it was imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "more"))
    target = target_of(_make(tmp_path / "env", "3.0"))

    missing = target.find_missing(("json", "raises_when_imported", "is_not_there"))

    assert missing == {"is_not_there"}


def test_a_python_that_does_not_run_reports_no_missing_modules(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    installation = _make(tmp_path / "env", "3.0")
    python = installation.bin_directory / "python3"
    python.unlink()
    python.write_text("#!/bin/sh\nexit 3\n")
    python.chmod(0o755)

    assert target_of(installation).find_missing(("is_not_there",)) == frozenset()
    assert "could not look up the packages of an algorithm" in caplog.text
