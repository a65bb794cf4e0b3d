"""`nnicli installations`, run as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from nnicli.testing import FakeInstallation


def _run(*arguments: str, nni: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": "/nowhere"}
    if nni is not None:
        environment["NNICLI_NNI"] = str(nni)
    return subprocess.run(
        [sys.executable, "-m", "nnicli", "installations", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=60,
    )


def test_the_table_shows_what_is_usable(tmp_path: Path) -> None:
    installation = FakeInstallation.create(tmp_path / "nni")

    result = _run(nni=installation.prefix)

    assert result.returncode == 0
    (row,) = [line for line in result.stdout.splitlines() if str(tmp_path) in line]
    assert row.split()[0] == "3.0"


def test_json_is_a_list_for_machines(tmp_path: Path) -> None:
    (tmp_path / "env" / "nni").mkdir(parents=True)
    (tmp_path / "env" / "nni" / "main.js").touch()

    result = _run("--json", nni=tmp_path / "env")

    assert result.returncode == 1
    (found,) = [one for one in json.loads(result.stdout) if one["path"] == str(tmp_path / "env")]
    assert found["is_usable"] is False
    assert "has an unknown release" in found["problem"]


def test_without_an_installation_it_says_what_to_do(tmp_path: Path) -> None:
    result = _run(nni=tmp_path)

    assert result.returncode == 1
    assert "pip install nni==3.0" in result.stderr
