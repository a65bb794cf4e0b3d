"""What users install is the wheel, not the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = """\
trialCommand: python3 trial.py
trialCodeDirectory: .
trialConcurrency: 1
maxTrialNumber: 2
searchSpace: {x: {_type: uniform, _value: [0, 1]}}
tuner: {name: TPE, classArgs: {optimize_mode: minimize}}
trainingService: {platform: local}
"""

PROJECT = """\
from typing_extensions import assert_type
import nnicli
from nnicli import *
from nnicli.config import check_config
from nnicli.testing import FakeInstallation

experiment = Experiment(nni=FakeInstallation.create("env", version="2.10.1").prefix)
assert_type(experiment, nnicli.Experiment)
assert_type(experiment.list_trial_jobs(), list[TrialJob])
assert_type(check_config("config.yml"), list[Problem])
nnicli.attach_stub
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it once, without asking an index: hatchling is what the environment was built with."""
    directory = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", directory, ROOT],
        check=True,
        capture_output=True,
    )
    (built,) = directory.glob("*.whl")
    return built


def _tracked(folder: str) -> set[str]:
    """Return the files of a folder that belong to the project, as git sees them."""
    output = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return {line for line in output.splitlines() if (ROOT / line).is_file()}


def test_the_wheel_holds_exactly_the_package_and_the_schemas(wheel: Path) -> None:
    names = {
        name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith("nnicli-0.1.0.")
    }

    assert names == _tracked("nnicli") | {f"nnicli/{name}" for name in _tracked("schemas")}
    assert {"nnicli/py.typed", "nnicli/__init__.pyi"} <= names
    assert "nnicli/schemas/experiment-v2.schema.json" in names


def test_the_wheel_names_its_command_and_extras(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    metadata = archive.read("nnicli-0.1.0.dist-info/METADATA").decode()
    commands = archive.read("nnicli-0.1.0.dist-info/entry_points.txt").decode()

    assert "nnicli = nnicli.cli:main" in commands
    assert "Requires-Python: >=3.10" in metadata
    assert "Requires-Dist: nni==3.0; extra == 'nni'" in metadata
    assert "License-Expression: MIT" in metadata


@pytest.mark.parametrize("unpacked", [True, False], ids=["installed", "from-the-zip"])
def test_a_config_is_checked_with_the_schemas_in_the_wheel(
    wheel: Path, tmp_path: Path, unpacked: bool
) -> None:
    """The schemas have to be found where a wheel puts them, and inside an archive."""
    (tmp_path / "config.yml").write_text(CONFIG)
    place = tmp_path / "site" if unpacked else wheel
    if unpacked:
        zipfile.ZipFile(wheel).extractall(place)
    code = (
        "import json, nnicli, nnicli.config as c;"
        "problems = c.check_config('config.yml');"
        "bad = c.check_config({'trialConcurrency': 0});"
        "print(json.dumps([nnicli.__file__, len(problems), len(bad) > 0]))"
    )

    output = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    origin, problems, finds_bad = json.loads(output)
    assert origin.startswith(str(place))
    assert (problems, finds_bad) == (0, True)


def test_type_checkers_see_the_public_names_of_an_installed_wheel(
    wheel: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "env", symlinks=True)
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    zipfile.ZipFile(wheel).extractall(site)
    (tmp_path / "project.py").write_text(PROJECT)

    output = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--no-pretty", "--hide-error-context"),
            *("--python-executable", "env/bin/python", "--cache-dir", "cache", "project.py"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    ).stdout

    assert output.splitlines() == [
        'project.py:11: error: Module has no attribute "attach_stub"  [attr-defined]',
        "Found 1 error in 1 file (checked 1 source file)",
    ]


def test_every_public_name_is_loaded_from_inside_the_archive(wheel: Path) -> None:
    """The package reads its stub through its loader, since an archive has no files to open."""
    code = "import nnicli; print(all(getattr(nnicli, name) for name in nnicli.__all__))"

    output = subprocess.check_output(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(wheel)}, text=True
    )

    assert output == "True\n"
