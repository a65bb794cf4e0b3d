"""A syntax error is reported at the character that causes it, not where the reader noticed it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnicli import ConfigSyntaxError
from nnicli.config import load_config
from nnicli.config.documents.reader import read_file
from tests.unit.config.conftest import HEAD, SPACE, Check, WriteConfig

FULL_WIDTH_COLON = "U+FF1A (fullwidth colon), which is text in YAML; write a colon"
NO_BREAK_SPACE = "U+00A0 (no-break space), which is text in YAML; write a plain space"
NOT_JSON = "searchSpace: this is not valid JSON"
AS_YAML = f"{NOT_JSON}, so it was read as YAML"
QUOTE = "U+201C (left double quotation mark), which is text in YAML; write a plain quote"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\uff1a 1\nb: 2\n", f"1:2: this is not valid YAML: the character {FULL_WIDTH_COLON}"),
        (
            "a: 1\nb\uff1a1\n\nc: 2\n",
            f"2:2: this is not valid YAML: the character {FULL_WIDTH_COLON}",
        ),
        ("t\uff1a\n  a: 1\n", f"1:2: this is not valid YAML: the character {FULL_WIDTH_COLON}"),
        ("t: {a\uff1a 1}\n", f"1:6: t: this is not valid YAML: the character {FULL_WIDTH_COLON}"),
        ("a: 1\nb:\xa01\nc: 2\n", f"2:3: this is not valid YAML: the character {NO_BREAK_SPACE}"),
        ("t:\n\xa0\xa0a: 1\n", f"2:1: this is not valid YAML: the character {NO_BREAK_SPACE}"),
        (
            "t:\n\ta: 1\n",
            (
                "2:1: this is not valid YAML: a tab, which YAML does not allow as indentation; "
                "write spaces"
            ),
        ),
        (
            "t:\n  a: x\n\tb: 1\n",
            (
                "3:1: this is not valid YAML: a tab, which YAML does not allow as indentation; "
                "write spaces"
            ),
        ),
        ("a: 1\nb:1\nc: 2\n", "2:2: this is not valid YAML: missing space after the colon"),
        ("b:1\nc: 2\n", "1:2: this is not valid YAML: missing space after the colon"),
        ("a: 1\nb 1\nc: 2\n", "2:1: this is not valid YAML: this line has no colon after its key"),
        ("b 1\n\nc: 2\n", "1:1: this is not valid YAML: this line has no colon after its key"),
        ("a: 1\nb: 'x\nc: 2\n", "2:4: this is not valid YAML: the quote that begins here is not"),
        ("a: 1\n b: 2\n", "2:3: this is not valid YAML: mapping values are not allowed"),
        (
            "# a\uff1a 1\na: 1\n b: 2\n",
            "3:3: this is not valid YAML: mapping values are not allowed",
        ),
    ],
)
def test_the_problem_is_at_the_character_that_breaks_the_syntax(
    tmp_path: Path, text: str, expected: str
) -> None:
    path = tmp_path / "config.yml"
    path.write_text(text, "utf-8")

    document = read_file(path)

    assert [str(problem).startswith(f"{path}:{expected}") for problem in document.problems] == [
        True
    ], document.problems
    assert document.data is None


def test_a_config_with_a_lookalike_is_a_syntax_error(write_config: WriteConfig) -> None:
    with pytest.raises(ConfigSyntaxError, match="has 1 error; nothing was started"):
        load_config(write_config(HEAD.replace("{name: TPE}", "{name\uff1a TPE}") + SPACE))


def test_a_typographic_quote_is_a_warning_at_its_place(check: Check) -> None:
    found = check(HEAD + SPACE + "experimentName: \u201cmine\u201d\n")

    assert found == [f"config.yml:6:17: experimentName: begins with the character {QUOTE}"]


@pytest.mark.parametrize("value", ["it\u2019s", "实验\uff1a测试", "'\u201cmine\u201d'", '"\xa0x"'])
def test_such_characters_inside_a_text_are_allowed(check: Check, value: str) -> None:
    assert check(HEAD + SPACE + f"experimentName: {value}\n") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{"x": {"_type": "choice", "_value": [1]}, // lr\n"y": 1}',
            f"1:43: {NOT_JSON}: a comment, which JSON does not have; it is not valid YAML either",
        ),
        (
            '{\n"x": {"_type": "choice", "_value": [1]} # lr\n}',
            f"2:41: {AS_YAML}: a comment, which JSON does not have",
        ),
        (
            '{\n"x": {"_type": "choice", "_value": [1,]}\n}',
            f"2:38: {AS_YAML}: a comma after the last item",
        ),
        (
            '{"x": {"_type": "choice", "_value": [1]},\n\n}',
            f"1:41: {AS_YAML}: a comma after the last item",
        ),
        (
            '{\'x\': {"_type": "choice", "_value": [1]}}',
            f"1:2: {AS_YAML}: single quotes; JSON uses double quotes",
        ),
        (
            '{"x": {"_type": "choice", "_value": [True]}}',
            f"1:38: {AS_YAML}: True; JSON spells it true",
        ),
    ],
)
def test_the_reason_why_a_file_is_not_json_is_reported(
    check: Check, write_config: WriteConfig, text: str, expected: str
) -> None:
    """Otherwise only the consequences of reading it as YAML are reported."""
    write_config(text, name="space.json")

    found = check(HEAD + "searchSpaceFile: space.json\n")

    assert found[0].startswith(f"space.json:{expected}")
    assert len(found) == 1


def test_braces_in_yaml_need_not_be_json(write_config: WriteConfig, check: Check) -> None:
    write_config("{x: {_type: choice, _value: [1]}}  # fine\n", name="space.yml")

    assert check(HEAD + "searchSpaceFile: space.yml\n") == []


@pytest.mark.parametrize("piece", ["'x'", "- ", ", ", "\uff1a ", "\xa0"])
def test_a_long_line_does_not_take_quadratic_time(tmp_path: Path, piece: str) -> None:
    path = tmp_path / "config.yml"
    path.write_text(f"a: 1\n{piece * 300_000}\nb: 1\n c: 2\n", "utf-8")

    assert read_file(path).data is None
