"""What YAML 1.1 reads as something else than its writer is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from nnicli.config.surprises import is_surprise, write_as_number
from tests.unit.config.conftest import HEAD, SPACE, Check


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-7", "1.0e-7"),
        ("1e5", "1.0e+5"),
        ("1.5E3", "1.5e+3"),
        ("-2e+3", "-2.0e+3"),
        (".5e3", ".5e+3"),
        ("5.e3", "5.e+3"),
    ],
)
def test_a_number_is_written_as_yaml_1_1_wants_it(text: str, expected: str) -> None:
    assert yaml.safe_load(text) == text
    assert write_as_number(text) == expected
    assert yaml.safe_load(expected) == float(text)


@pytest.mark.parametrize("text", ["1.0", "abc", "1e", "e5", "1e5x", "", "0x1e5"])
def test_other_text_is_no_number(text: str) -> None:
    assert write_as_number(text) is None


@pytest.mark.parametrize("text", ["true", "False", "12", "0", "-3", "1.5", "0x1f", "name", "~"])
def test_what_both_read_alike_is_no_surprise(text: str) -> None:
    assert not is_surprise(text, yaml.safe_load(text))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("on", "YAML 1.1 reads on as true (write true, or 'on' for the text)"),
        ("No", "YAML 1.1 reads No as false (write false, or 'No' for the text)"),
        ("010", "YAML 1.1 reads 010 as 8 (write 8, or '010' for the text)"),
        ("1:30", "YAML 1.1 reads 1:30 as 90 (write 90, or '1:30' for the text)"),
        (
            "1e-7",
            (
                "1e-7 is text: YAML 1.1 wants a dot and a sign in such a number "
                "(write 1.0e-7 for the number, or '1e-7' for the text)"
            ),
        ),
    ],
)
def test_a_surprising_option_is_a_warning(check: Check, written: str, expected: str) -> None:
    found = check(HEAD + f"searchSpace: {{x: {{_type: choice, _value: [{written}]}}}}\n")

    assert found == [f"config.yml:5:43: searchSpace.x._value[0]: {expected}"]


def test_quotes_say_that_it_was_meant(check: Check) -> None:
    options = "['on', '010', '1:30', '1e-7']"

    assert check(HEAD + f"searchSpace: {{x: {{_type: choice, _value: {options}}}}}\n") == []


def test_an_octal_number_is_a_warning_anywhere(check: Check) -> None:
    found = check(HEAD + SPACE + "max_trial_number: 010\n")

    assert found == [
        "config.yml:6:1: maxTrialNumber: YAML 1.1 reads 010 as 8 (write 8, or '010' for the text)"
    ]


def test_yes_for_true_is_what_was_meant(check: Check) -> None:
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
            "config.yml:3:59: tuner.classArgs.lr: 1e-7 is text: YAML 1.1 wants a dot and a sign in "
            "such a number (write 1.0e-7 for the number, or '1e-7' for the text)"
        )
    ]


def test_a_secret_that_looks_like_a_number_is_not_shown(check: Check) -> None:
    text = HEAD.replace(
        "{name: TPE}", "{className: trial.T, codeDirectory: ., classArgs: {token: 1e7, x: 010}}"
    )

    found = "".join(check(text + SPACE))

    assert "1e7" not in found
    assert "classArgs.x: YAML 1.1 reads 010 as 8" in found
