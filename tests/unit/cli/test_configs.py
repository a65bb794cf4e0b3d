"""`nnicli validate`, `convert` and `schema`, run as processes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from nnicli.testing import FakeInstallation
from tests.unit.config.conftest import HEAD, SPACE

V1 = """\
authorName: me
experimentName: x
trialConcurrency: 1
trainingServicePlatform: local
searchSpacePath: space.json
useAnnotation: false
tuner: {builtinTunerName: Random}
# What runs.
trial: {command: python3 t.py, codeDir: .}
"""


def _run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nnicli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        timeout=60,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "good.yml").write_text(HEAD.replace("TPE", "Random") + SPACE)
    (tmp_path / "bad.yml").write_text(
        HEAD.replace("Concurrency: 1", "Concurrency: 0").replace("{name: TPE}", "{name: Randum}")
        + SPACE
    )
    (tmp_path / "odd.yml").write_text(
        HEAD.replace("tuner: {name: TPE}", "advisor: {name: BOHB}") + SPACE
    )
    (tmp_path / "v1.yml").write_text(V1)
    return tmp_path


def test_a_check_can_be_turned_off(project: Path) -> None:
    (project / "old.yml").write_text(
        HEAD.replace("TPE", "Random") + "searchSpace: {x: {_type: uniform, _value: [2, 1]}}\n"
    )

    refused = _run("validate", "old.yml", cwd=project)
    accepted = _run("validate", "--ignore", "range", "old.yml", cwd=project)

    assert refused.returncode == 1
    assert "if a check is wrong here, turn it off: --ignore range\n" in refused.stderr
    assert (accepted.returncode, accepted.stdout) == (0, "")


def test_an_unknown_check_is_bad_usage(project: Path) -> None:
    result = _run("validate", "--ignore", "rnage", "good.yml", cwd=project)

    assert result.returncode == 2
    assert "--ignore: 'rnage' is not a check; did you mean 'range'?" in result.stderr


def test_a_file_without_problems_is_reported_as_such(project: Path) -> None:
    result = _run("validate", "good.yml", cwd=project)

    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == "no errors, no warnings in 1 file\n"


def test_problems_are_shown_with_their_line_and_a_caret(project: Path) -> None:
    result = _run("validate", "bad.yml", "good.yml", cwd=project)

    assert result.returncode == 1
    assert result.stdout.splitlines()[:3] == [
        "bad.yml:1:1: error: trialConcurrency: found 0; allowed: at least 1 [range]",
        "    1 | trialConcurrency: 0",
        "      | ^",
    ]
    assert (
        "    3 | tuner: {name: Randum}\n      |         ^ did you mean 'Random'?" in result.stdout
    )
    assert result.stderr == (
        "2 errors, no warnings in 2 files\nif a check is wrong here, turn it off: --ignore range\n"
    )


def test_warnings_fail_only_when_asked(project: Path) -> None:
    lenient = _run("validate", "odd.yml", cwd=project)
    strict = _run("validate", "--strict", "odd.yml", cwd=project)

    assert "warning: advisor: is deprecated" in lenient.stdout
    assert (lenient.returncode, strict.returncode) == (0, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("none.yml",),
        ("good.yml", "."),
        ("good.yml", "--nni-version", "0.5"),
        ("good.yml", "--json", "--format", "github"),
        (),
    ],
)
def test_bad_usage_and_unreadable_files_have_their_own_code(
    project: Path, arguments: tuple[str, ...]
) -> None:
    assert _run("validate", *arguments, cwd=project).returncode == 2


def test_the_result_depends_on_the_release(project: Path) -> None:
    (project / "grid.yml").write_text(HEAD.replace("TPE", "GridSearch") + SPACE)

    new = _run("validate", "grid.yml", cwd=project)
    old = _run("validate", "grid.yml", "--nni-version", "2.5", cwd=project)

    assert (new.returncode, old.returncode) == (0, 1)
    assert "GridSearch cannot use uniform; allowed: choice, quniform, randint" in old.stdout


def test_json_has_everything(project: Path) -> None:
    result = _run("validate", "--json", "bad.yml", cwd=project)

    problems = json.loads(result.stdout)
    assert result.returncode == 1
    assert problems[1] == {
        "file": "bad.yml",
        "line": 3,
        "column": 9,
        "location": "tuner.name",
        "message": problems[1]["message"],
        "rule": "enum",
        "severity": "error",
        "suggestion": "did you mean 'Random'?",
    }


def test_github_gets_annotations(project: Path) -> None:
    result = _run("validate", "--format", "github", "bad.yml", cwd=project)

    assert result.stdout.splitlines()[0] == (
        "::error file=bad.yml,line=1,col=1,title=nnicli%3A range::"
        "trialConcurrency: found 0; allowed: at least 1"
    )


def test_convert_prints_the_config_on_stdout_and_notes_on_stderr(project: Path) -> None:
    result = _run("convert", "v1.yml", cwd=project)

    assert result.returncode == 0
    document = yaml.safe_load(result.stdout)
    assert document["trialCommand"] == "python3 t.py"
    assert "# What runs.\ntrialCommand" in result.stdout
    assert result.stderr.startswith("dropped: line 1: authorName: ")


@pytest.mark.slow
def test_convert_writes_a_file_for_the_owner_only_and_overwrites_nothing(project: Path) -> None:
    first = _run("convert", "v1.yml", "--output", "v2.yml", cwd=project)
    second = _run("convert", "v1.yml", "--output", "v2.yml", cwd=project)
    forced = _run("convert", "v1.yml", "--output", "v2.yml", "--force", cwd=project)

    assert (first.returncode, second.returncode, forced.returncode) == (0, 2, 0)
    assert "already exists; pass --force to overwrite it" in second.stderr
    assert stat.S_IMODE((project / "v2.yml").stat().st_mode) == 0o600
    assert not list(project.glob("*.part"))
    (project / "space.json").write_text('{"x": {"_type": "uniform", "_value": [0, 1]}}')
    assert _run("validate", "v2.yml", cwd=project).returncode == 0


def test_convert_fails_when_something_is_lost(project: Path) -> None:
    (project / "lossy.yml").write_text(V1 + "multiPhase: true\n")

    result = _run("convert", "lossy.yml", cwd=project)

    assert result.returncode == 1
    assert "lost: line 10: multiPhase: " in result.stderr


def test_convert_as_json(project: Path) -> None:
    result = _run("convert", "v1.yml", "--json", cwd=project)

    document = json.loads(result.stdout)
    assert (document["format"], document["config"]["trialCodeDirectory"]) == ("v2", ".")
    assert [note["rule"] for note in document["notes"]] == ["dropped"]


def test_convert_refuses_a_broken_file(project: Path) -> None:
    (project / "broken.yml").write_text("a: [1\n")

    result = _run("convert", "broken.yml", cwd=project)

    assert result.returncode == 2
    assert "broken.yml" in result.stderr
    assert "nothing was converted" in result.stderr


@pytest.mark.parametrize("name", ["v1", "v2", "search-space"])
def test_schemas_are_printed(project: Path, name: str) -> None:
    result = _run("schema", name, cwd=project)

    assert json.loads(result.stdout)["$schema"].endswith("2020-12/schema")


@pytest.mark.slow
def test_validate_knows_the_algorithms_registered_with_its_nni(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_nni = FakeInstallation.create(tmp_path / "nni")
    (project / "trial.py").touch()
    (project / "good.yml").write_text(HEAD.replace("TPE", "Mine") + SPACE)
    (project / "registered_algorithms.yml").write_text(
        "tuners: [{builtinName: Mine, className: json.Mine}]\n"
    )
    monkeypatch.setenv("NNI_CONFIG_DIR", str(project))

    named = _run("validate", "--nni", str(fake_nni.prefix), "good.yml", cwd=project)
    only_a_release = _run("validate", "--nni-version", "3.0", "good.yml", cwd=project)
    monkeypatch.setenv("NNICLI_NNI", str(fake_nni.prefix))
    default = _run("validate", "good.yml", cwd=project)

    assert (named.returncode, default.returncode) == (0, 0), named.stdout + default.stdout
    assert only_a_release.returncode == 1
    assert 'tuner.name: found "Mine"' in only_a_release.stdout


def test_validate_fails_without_the_nni_that_was_named(project: Path) -> None:
    missing = _run("validate", "--nni", str(project), "good.yml", cwd=project)
    both = _run("validate", "--nni", ".", "--nni-version", "3.0", "good.yml", cwd=project)

    assert (missing.returncode, both.returncode) == (2, 2)
    assert "no NNI found at" in missing.stderr
    assert "--nni and --nni-version are mutually exclusive" in both.stderr
