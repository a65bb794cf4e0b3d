"""What YAML 1.1 reads differently from its author is reported."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from nnicli.config import convert_config, load_config, load_search_space
from nnicli.config.documents.yaml11 import is_surprise, write_as_number
from tests.unit.config.conftest import HEAD, SPACE, Check, WriteConfig


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-7", "1.0e-7"),
        ("1e5", "1.0e+5"),
        ("1.5E3", "1.5e+3"),
        ("-2e+3", "-2.0e+3"),
        (".5e3", "0.5e+3"),
        ("5.e3", "5.0e+3"),
        ("-.5e3", "-0.5e+3"),
        ("-.5", "-0.5"),
        ("+.25", "0.25"),
        ("08", "8"),
        ("-0190", "-190"),
    ],
)
def test_a_number_is_written_in_the_form_of_yaml_1_1(text: str, expected: str) -> None:
    assert yaml.safe_load(text) == text
    assert write_as_number(text) == expected
    assert yaml.safe_load(expected) == float(text)


@pytest.mark.parametrize(
    "text", ["1.0", "abc", "1e", "e5", "1e5x", "", "0x1e5", "0o17", "5,0", "1.2.3", "010"]
)
def test_other_text_is_not_a_number(text: str) -> None:
    assert write_as_number(text) is None


@pytest.mark.parametrize("text", ["true", "False", "12", "0", "-3", "1.5", "0x1f", "name", "~"])
def test_what_both_versions_read_alike_is_not_a_surprise(text: str) -> None:
    assert not is_surprise(text, yaml.safe_load(text))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("on", "YAML 1.1 reads on as true (write true, or 'on' for the text)"),
        ("No", "YAML 1.1 reads No as false (write false, or 'No' for the text)"),
        ("010", "YAML 1.1 reads 010 as octal, 8 (write 10 or 8)"),
        ("1:30", "YAML 1.1 reads 1:30 as 90 (write 90, or '1:30' for the text)"),
        (
            "1e-7",
            (
                "1e-7 is text to YAML 1.1, and text is allowed here "
                "(write 1.0e-7 for the number, or '1e-7' for the text)"
            ),
        ),
    ],
)
def test_a_surprising_option_is_a_warning(check: Check, written: str, expected: str) -> None:
    found = check(HEAD + f"searchSpace: {{x: {{_type: choice, _value: [{written}]}}}}\n")

    assert found == [f"config.yml:5:43: searchSpace.x._value[0]: {expected}"]


def test_quoted_text_is_not_a_surprise(check: Check) -> None:
    options = "['on', '010', '1:30', '1e-7']"

    assert check(HEAD + f"searchSpace: {{x: {{_type: choice, _value: {options}}}}}\n") == []


def test_an_octal_number_is_a_warning_anywhere(check: Check) -> None:
    found = check(HEAD + SPACE + "max_trial_number: 010\n")

    assert found == [
        "config.yml:6:1: maxTrialNumber: YAML 1.1 reads 010 as octal, 8 (write 10 or 8)"
    ]


def test_yes_for_true_is_not_a_surprise(check: Check) -> None:
    assert check(HEAD + SPACE + "debug: yes\n") == []


def test_a_number_that_is_text_in_the_arguments_of_a_class_is_a_warning(
    check: Check, tmp_path: Path
) -> None:
    (tmp_path / "trial.py").touch()
    text = HEAD.replace(
        "{name: TPE}", "{className: trial.T, codeDirectory: ., classArgs: {lr: 1e-7}}"
    )

    found = check(text + SPACE)

    assert found == [
        (
            "config.yml:3:59: tuner.classArgs.lr: 1e-7 is text to YAML 1.1, and text is allowed "
            "here (write 1.0e-7 for the number, or '1e-7' for the text)"
        )
    ]


def test_a_secret_that_looks_like_a_number_is_not_shown(check: Check) -> None:
    text = HEAD.replace(
        "{name: TPE}", "{className: trial.T, codeDirectory: ., classArgs: {token: 1e7, x: 010}}"
    )

    found = "".join(check(text + SPACE))

    assert "1e7" not in found
    assert "classArgs.x: YAML 1.1 reads 010 as octal, 8" in found


@pytest.mark.parametrize(
    ("written", "expected"), [("1e-5", 1e-5), (".5", 0.5), ("1.", 1.0), ("-.5", -0.5), ("08", 8.0)]
)
def test_what_people_read_as_a_number_is_one_where_a_number_is_expected(
    write_config: WriteConfig, written: str, expected: float
) -> None:
    """PyYAML reads 1e-5, -.5 and 08 as text, which cannot be meant in a range."""
    space = f"searchSpace: {{x: {{_type: uniform, _value: [{written}, 100]}}}}\n"

    config = load_config(write_config(HEAD + space))

    assert config.document["searchSpace"]["x"]["_value"] == [expected, 100]


def test_text_that_is_taken_as_a_number_is_reported(check: Check) -> None:
    found = check(HEAD + "searchSpace: {x: {_type: loguniform, _value: [1e-5, 1]}}\n")

    assert found == [
        (
            "config.yml:5:47: searchSpace.x._value[0]: found 1e-5, taken as the number 1.0e-5; to "
            "NNI's own tools, which read YAML 1.1, it is text"
        )
    ]


@pytest.mark.parametrize(("written", "expected"), [("1e3", 1000), ("08", 8)])
def test_a_whole_number_is_taken_where_an_integer_is_expected(
    write_config: WriteConfig, written: str, expected: int
) -> None:
    config = load_config(write_config(HEAD + SPACE + f"maxTrialNumber: {written}\n"))

    number = config.document["maxTrialNumber"]
    assert (number, type(number)) == (expected, int)


def test_text_that_is_taken_as_a_number_is_checked_as_a_number(check: Check) -> None:
    found = check(HEAD + "searchSpace: {x: {_type: uniform, _value: [1e-1, 1e-5]}}\n")

    assert "searchSpace.x._value: found [0.1, 1e-05]; the tuner TPE fails with it" in found[0]


def test_many_such_numbers_are_reported_once(check: Check) -> None:
    (found,) = check(HEAD + "searchSpace: {x: {_type: quniform, _value: [1e-5, 1e-1, 1e-5]}}\n")

    assert "found 1e-5 (and 2 more like it), taken as the number 1.0e-5; " in found


def test_a_fraction_is_not_an_integer(check: Check) -> None:
    found = check(HEAD + SPACE + "maxTrialNumber: 1e-5\n")

    assert found == ['config.yml:6:1: maxTrialNumber: found "1e-5"; allowed: an integer']


def test_an_argument_of_a_built_in_tuner_is_a_number(write_config: WriteConfig) -> None:
    text = HEAD.replace("{name: TPE}", "{name: GPTuner, classArgs: {alpha: 1e-7}}")

    config = load_config(write_config(text + SPACE))

    assert config.document["tuner"]["classArgs"] == {"alpha": 1e-7}


def test_text_stays_text_where_text_is_allowed(write_config: WriteConfig) -> None:
    text = HEAD + "experimentName: 1e5\nsearchSpace: {x: {_type: choice, _value: [1e-5]}}\n"

    document = load_config(write_config(text)).document

    assert document["experimentName"] == "1e5"
    assert document["searchSpace"]["x"]["_value"] == ["1e-5"]


def test_a_date_stays_the_text_that_was_written(write_config: WriteConfig) -> None:
    config = load_config(write_config(HEAD + SPACE + "experimentName: 2024-11-05\n"))

    assert config.document["experimentName"] == "2024-11-05"


def test_a_search_space_file_has_numbers_too(tmp_path: Path) -> None:
    path = tmp_path / "space.yml"
    path.write_text("x: {_type: quniform, _value: [1e-3, 1_000, 1e-3]}\n")

    assert load_search_space(path)["x"]["_value"] == [1e-3, 1000, 1e-3]


def test_a_converted_config_has_the_number(write_config: WriteConfig) -> None:
    path = write_config(HEAD + "searchSpaceFile: space.json\nmaxTrialNumber: 1e3\n")

    conversion = convert_config(path, "v1")

    assert conversion.document["maxTrialNum"] == 1000
    assert "maxTrialNum: 1000\n" in conversion.to_yaml()
