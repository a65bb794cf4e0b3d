"""Lost indentation is one error per section, without consequences."""

from __future__ import annotations

import pytest

from tests.unit.config.conftest import HEAD, SPACE, Check, WriteConfig

LOCAL = "trainingService:\nplatform: local\n"
FLAT = "trialConcurrency: 1\ntrialCommand: python3 trial.py\ntuner:\nname: TPE\n"


def test_one_error_lists_the_fields_of_an_empty_section(check: Check) -> None:
    """It used to be six errors, four of them with all 22 allowed fields."""
    text = FLAT + "classArgs:\n  optimize_mode: maximize\n" + LOCAL + SPACE

    assert check(text) == [
        ("config.yml:3:1: tuner: is empty, and name, classArgs below it belong to it; indent them"),
        "config.yml:7:1: trainingService: is empty, and platform below it belongs to it; indent it",
    ]


def test_sections_inside_the_section_are_found_too(check: Check) -> None:
    text = FLAT + "classArgs:\noptimize_mode: maximize\ntrainingService: {platform: local}\n"

    assert check(text + SPACE) == [
        (
            "config.yml:3:1: tuner: is empty, and name, classArgs, optimize_mode below it belong "
            "to it; indent them"
        )
    ]


def test_errors_inside_the_section_are_reported_too(check: Check) -> None:
    text = FLAT.replace("TPE", "TPEE") + "trainingService: {platform: local}\n" + SPACE

    found = check(text)

    assert found[1].startswith('config.yml:4:1: tuner.name: found "TPEE"; allowed: TPE, ')
    assert len(found) == 2


def test_a_search_space_that_lost_its_indentation(check: Check) -> None:
    text = HEAD + "searchSpace:\nx: {_type: uniform, _value: [0, 1]}\ny: {_type: a, _value: []}\n"

    found = check(text)

    assert found[0] == (
        "config.yml:5:1: searchSpace: is empty, and x, y below it belong to it; indent them"
    )
    assert found[1].startswith("config.yml:7:5: searchSpace.y._type: ")


def test_a_section_inside_a_section(check: Check) -> None:
    text = "tuner:\n  name: TPE\n  classArgs:\n  optimize_mode: maximize\n"

    found = check(HEAD.replace("tuner: {name: TPE}\n", text) + SPACE)

    assert found == [
        (
            "config.yml:5:3: tuner.classArgs: is empty, and optimize_mode below it belongs to it; "
            "indent it"
        )
    ]


def test_the_v1_format(check: Check, write_config: WriteConfig) -> None:
    write_config('{"x": {"_type": "choice", "_value": [1]}}', name="space.json")
    text = (
        "authorName: me\nexperimentName: x\ntrialConcurrency: 1\ntrainingServicePlatform: local\n"
        "searchSpacePath: space.json\nuseAnnotation: false\ntuner:\nbuiltinTunerName: Random\n"
        "trial:\ncommand: python3 trial.py\ncodeDir: .\n"
    )

    assert check(text, nni_version="1.9") == [
        "config.yml:7:1: tuner: is empty, and builtinTunerName below it belongs to it; indent it",
        "config.yml:9:1: trial: is empty, and command, codeDir below it belong to it; indent them",
    ]


@pytest.mark.parametrize(
    "extra", ["assessor:\nmaxTrialNumber: 3\n", "maxTrialNumber:\nexperimentName: x\n"]
)
def test_an_empty_field_before_unrelated_ones_is_not_set(check: Check, extra: str) -> None:
    assert check(HEAD + SPACE + extra) == []


def test_allowed_fields_are_listed_once_and_only_if_none_is_close(check: Check) -> None:
    found = check(HEAD + SPACE + "maxTrialNumbr: 1\nfoo: 1\nbar: 2\n")

    assert found[0].endswith("maxTrialNumbr: unknown key (did you mean 'maxTrialNumber'?)")
    assert "foo: unknown key; allowed: experimentName, experimentType, " in found[1]
    assert found[2].endswith("bar: unknown key")


@pytest.mark.slow
def test_many_fields_do_not_take_quadratic_time(check: Check) -> None:
    space = "".join(f"x{number}: {{_type: uniform, _value: [0, 1]}}\n" for number in range(20_000))

    found = check(HEAD + "searchSpace:\n" + space)

    assert found[0].startswith("config.yml:5:1: searchSpace: is empty, and x0, x1, ")
    assert len(found[0]) < 300
