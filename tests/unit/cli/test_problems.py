"""Problems as people see them: the line and the caret, and never a secret."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from nnicli.cli.problems import excerpt, mask, print_problem, to_annotation
from nnicli.config import check_config
from nnicli.errors import Problem
from tests.unit.config.conftest import HEAD, SPACE


def _shown(problem: Problem) -> str:
    output = io.StringIO()
    print_problem(Console(file=output, width=60, highlight=False), problem)
    return output.getvalue()


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("password: hunter2", "password: ***"),
        ("  {user: a, password: hunter2, port: 22}", "  {user: a, password: ***"),
        ('"sshPassphrase" : "hunter2"', '"sshPassphrase" : ***'),
        ("host: https://me:hunter2@pai.example.org/x", "host: https://***@pai.example.org/x"),
        ("trialCommand: python3 t.py", "trialCommand: python3 t.py"),
        ("a: {b: {accessKeySecret: hunter2}}", "a: {b: {accessKeySecret: ***"),
        ("keyVaultKey: hunter2", "keyVaultKey: ***"),
    ],
)
def test_a_line_is_shown_without_secrets(line: str, masked: str) -> None:
    assert mask(line) == masked


@pytest.mark.parametrize(
    "text",
    [
        "token: [hunter2\n",
        "token:\n  hunter2: x: y\n",
        'token: "abc\n  hunter2: [\n',
        "token:\n- hunter2: x: y\n",
        "a:\n  token: |\n    first\n   hunter2: x: y\n",
        "? token\n: hunter2: x: y\n",
        "a: {token:\n  hunter2: x: y\n",
        "{\n'token':\nhunter2: x: y\n",
    ],
)
def test_no_excerpt_of_broken_yaml_shows_a_secret(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.yml"
    file.write_text(text)

    problems = check_config(file)

    assert problems
    assert not any("hunter2" in _shown(problem) for problem in problems)


def test_the_caret_stands_below_wide_characters(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text(HEAD + SPACE + "experimentName: 実験\nsharedStorage: {'実': 1}\n", "utf-8")

    (problem,) = [one for one in check_config(file) if one.location == "sharedStorage.実"]
    _, line, caret, *_ = _shown(problem).splitlines()

    assert line.endswith("sharedStorage: {'実': 1}")
    assert caret.index("^") == line.index("'実'")


def test_a_file_that_is_gone_or_a_mapping_has_no_excerpt(tmp_path: Path) -> None:
    gone = Problem(tmp_path / "gone.yml", 1, 1, "a", "is wrong", "type")
    mapping = Problem(None, None, None, "a", "is wrong", "type", suggestion="mend it")

    assert excerpt(gone) is excerpt(mapping) is None
    assert _shown(mapping) == "error: a: is wrong [type]\n        mend it\n"


def test_a_long_line_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text("a: " + "x" * 1000 + "\n")

    line = excerpt(Problem(file, 1, 1, "a", "is wrong", "type"))

    assert line is not None
    assert len(line) == 200


def test_annotations_escape_what_would_end_them() -> None:
    problem = Problem(Path("a:b,c.yml"), 1, 2, "x", "50% of\nit", "type", suggestion="y")

    assert to_annotation(problem) == (
        "::error file=a%3Ab%2Cc.yml,line=1,col=2,title=nnicli%3A type::x: 50%25 of%0Ait (y)"
    )
