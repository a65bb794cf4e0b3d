"""Problems as they are shown: with the line and a caret, and never a secret."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from nnicli.cli.excerpts import excerpt, mask
from nnicli.cli.problems import print_problem, to_annotation, to_document
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
        ("pasword: hunter2", "pasword: ***"),
        ("passprase: hunter2", "passprase: ***"),
        ("wandb_pwd: hunter2", "wandb_pwd: ***"),
        ("{ip: h, passwd:hunter2}", "{ip: h, passwd:***"),
        ("a: https://u:hunter2@h/x, token: x", "a: https://***@h/x, token: ***"),
    ],
)
def test_a_line_is_shown_without_secrets(line: str, masked: str) -> None:
    assert mask(line) == masked


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ('"storageAccount"ey": "hunter2"', '"storageAccount"ey": ***'),
        ('storageAccount:ey: "hunter2"', "storageAccount:***"),
        ("ey: hunter2", "ey: ***"),
        ("- {host: h, username: u, passw]rd: hunter2}", "- {host: h, username: u, passw]rd: ***"),
        ("trialConcurrency: : 2", "trialConcurrency: : 2"),
    ],
)
def test_a_line_that_cannot_be_parsed_shows_only_values_of_known_fields(
    line: str, masked: str
) -> None:
    """Found by tests/properties: the K of a storageAccountKey was a quote, and its value shown."""
    assert mask(line, is_broken=True) == masked


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
        '{\n"token"\n:\n"hunter2": [\n',
        "--- hunter2\n",
        "y: &q hunter2\npassword: *q\n",
        "trialConcurrency: 0  # the password is hunter2\n",
        "trainingService: 'remote u:hunter2'\n",
        "trainingServicePlatform: remote\nmachineList: [{ip: h, passwd:hunter2}]\n",
        "trainingService: {platform: remote, machineList: [{sshKeyFile: '-----BEGIN hunter2'}]}\n",
        "logLevel: https://u:hunter2@h\n",
        "trainingService: {platform: openpai, host: 'https://your_user:hunter2@h'}\n",
    ],
)
def test_problems_never_show_a_secret_in_any_form(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.yml"
    file.write_text(text)

    problems = check_config(file, nni_version="2.10.1")

    assert problems
    shown = [
        _shown(one) + str(one) + str(to_document(one)) + to_annotation(one) for one in problems
    ]
    assert not any("hunter2" in text for text in shown)


def test_the_caret_is_in_the_right_column_after_wide_characters(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text(HEAD + "searchSpace: {'実験': {_type: uniform, _value: [2, 1]}}\n", "utf-8")

    (problem,) = [one for one in check_config(file) if one.rule == "range"]
    _, line, caret = _shown(problem).splitlines()

    assert line == "    5 | searchSpace: {'実験': {_type: uniform, _value: [2, 1]}}"
    # Two characters before it are two columns wide.
    assert caret.index("^") == line.index("_value") + 2


def test_a_missing_file_or_a_mapping_does_not_have_an_excerpt(tmp_path: Path) -> None:
    gone = Problem(tmp_path / "gone.yml", 1, 1, "a", "is wrong", "type")
    mapping = Problem(None, None, None, "a", "is wrong", "type", suggestion="fix it")

    assert excerpt(gone) is excerpt(mapping) is None
    assert _shown(mapping) == "error: a: is wrong [type]\n        fix it\n"


@pytest.mark.parametrize("break_", ["\u2028", "\u2029", "\x85", "\r\n", "\r"])
def test_the_excerpt_is_the_right_line_with_any_line_break(tmp_path: Path, break_: str) -> None:
    file = tmp_path / "config.yml"
    file.write_bytes(f'experimentName: "a{break_}  b"\ntrialConcurrency: 0\n'.encode())

    (problem,) = [one for one in check_config(file) if one.location == "trialConcurrency"]

    assert excerpt(problem) == "trialConcurrency: 0"


@pytest.mark.slow
def test_many_problems_in_a_large_file_are_shown_quickly(tmp_path: Path) -> None:
    """Each used to read the whole file, which took minutes."""
    file = tmp_path / "config.yml"
    space = "".join(f"  p{number}: {{_type: uniform, _value: [1, 0]}}\n" for number in range(9000))
    file.write_text(f"searchSpace:\n{space}")

    problems = check_config(file)

    assert len([_shown(problem) for problem in problems]) > 9000


def test_a_long_line_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text("a: " + "x" * 1000 + "\n")

    line = excerpt(Problem(file, 1, 1, "a", "is wrong", "type"))

    assert line is not None
    assert len(line) == 200


def test_annotations_escape_their_separators() -> None:
    problem = Problem(Path("a:b,c.yml"), 1, 2, "x", "50% of\nit", "type", suggestion="y")

    assert to_annotation(problem) == (
        "::error file=a%3Ab%2Cc.yml,line=1,col=2,title=nnicli%3A type::x: 50%25 of%0Ait (y)"
    )


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("maxTrialNumbr: 3", "maxTrialNumbr: 3"),
        ("experimentNam: my net", "experimentNam: my net"),
        ("maxExecDuration: 1h", "maxExecDuration: 1h"),
        ("zzz: hunter2", "zzz: ***"),
        ("trialCommandPasswrd: hunter2", "trialCommandPasswrd: ***"),
    ],
)
def test_the_value_of_a_misspelt_key_is_shown_unless_it_may_be_secret(
    tmp_path: Path, field: str, shown: str
) -> None:
    """Hiding harmless values hid the very line to correct."""
    file = tmp_path / "config.yml"
    file.write_text(f"{HEAD}{SPACE}{field}\n")

    (problem,) = [one for one in check_config(file) if one.rule == "unknown-key"]

    assert excerpt(problem) == shown


def test_a_misspelt_password_stays_hidden_and_its_name_is_suggested(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    machine = "{host: h, user: u, paswordd: hunter2}"
    service = f"trainingService: {{platform: remote, machineList: [{machine}]}}\n"
    file.write_text(HEAD.replace("trainingService: {platform: local}\n", service) + SPACE)

    (problem,) = [one for one in check_config(file) if one.rule == "unknown-key"]

    assert "hunter2" not in _shown(problem)
    assert _shown(problem).endswith("did you mean 'password'?\n")
