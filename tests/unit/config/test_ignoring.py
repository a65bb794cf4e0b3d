"""Checks that are wrong about a config can be turned off, one by one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nnicli.config import check_config, load_config
from nnicli.config.ignoring import CHECKS, FIXED, PLACES
from nnicli.errors import ConfigError, InvalidValueError, NnicliError
from tests.config_cases import CASES, MISSING
from tests.unit.config.conftest import HEAD, SPACE, WriteConfig

REVERSED = HEAD.replace("TPE", "Random") + "searchSpace: {x: {_type: uniform, _value: [2, 1]}}\n"


def _rules(path: Path, *ignore: str, **options: Any) -> list[str]:
    found = check_config(path, ignore=ignore, **options)
    return [problem.rule for problem in found if problem.rule != "default"]


def test_a_check_that_is_turned_off_finds_nothing(write_config: WriteConfig) -> None:
    config = write_config(REVERSED + "nniManagerIp: ''\nmaxTrialNumber: 0\nfoo: 1\n")

    assert _rules(config) == ["range", "text", "range", "unknown-key"]
    assert _rules(config, "range") == ["text", "unknown-key"]
    assert _rules(config, "range", "unknown-key") == ["text"]


def test_a_config_starts_without_the_check_that_refused_it(write_config: WriteConfig) -> None:
    config = write_config(REVERSED)

    with pytest.raises(ConfigError):
        load_config(config)
    assert load_config(config, ignore=["range"]).document["searchSpace"]["x"]["_value"] == [2, 1]


def test_a_search_space_file_is_not_checked_either(
    write_config: WriteConfig, tmp_path: Path
) -> None:
    (tmp_path / "space.json").write_text('{"x": {"_type": "uniform", "_value": [2, 1]}}')
    config = write_config(HEAD.replace("TPE", "Random") + "searchSpaceFile: space.json\n")

    assert _rules(config) == ["range"]
    assert _rules(config, "range") == []


def test_a_check_stays_off_when_the_config_is_converted(write_config: WriteConfig) -> None:
    config = write_config(REVERSED + "maxTrialNumber: 0\n")

    assert _rules(config, "range", nni_version="1.9") == []


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (
            "classArgs",
            HEAD.replace("{name: TPE}", "{name: TPE, classArgs: {seed: x, a: 1}}") + SPACE,
        ),
        ("searchSpace", HEAD + "searchSpace: {x: {_type: mine, _value: [1]}, y: 5}\n"),
    ],
)
def test_an_ignored_place_is_passed_on_unchanged(
    place: str, text: str, write_config: WriteConfig
) -> None:
    """What nnicli does not read itself may be anything that a patched NNI accepts."""
    config = write_config(text)

    assert len(_rules(config)) == 2
    assert _rules(config, place) == []
    assert load_config(config, ignore=place).document["experimentWorkingDirectory"]


def test_what_cannot_be_passed_on_stays_an_error(write_config: WriteConfig) -> None:
    config = write_config(HEAD + "searchSpace: {x: {_type: choice, _value: [.nan]}}\n")

    assert _rules(config, "searchSpace") == ["finite"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("rang", "'rang' is not a check; did you mean 'range'?"),
        ("xyzzy", "'xyzzy' is not a check; checks: choice, class, command, "),
        (
            "syntax",
            "'syntax' cannot be turned off: nnicli cannot continue with text that is neither",
        ),
    ],
)
def test_a_name_that_is_not_a_check_is_an_error(name: str, reason: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        check_config({}, ignore=["path", name])

    assert str(caught.value).startswith(f"ignore: {reason}")
    assert caught.value.field == "ignore"


def test_the_error_says_how_to_turn_its_checks_off(write_config: WriteConfig) -> None:
    config = write_config(REVERSED + "foo: 1\nmaxTrialNumber: x\n")

    with pytest.raises(ConfigError) as caught:
        load_config(config)

    assert str(caught.value).endswith(
        "\nif a check is wrong here, turn it off: ignore=['range', 'unknown-key']"
    )
    assert caught.value.text_for("shell").endswith(
        "\nif a check is wrong here, turn it off: --ignore range --ignore unknown-key"
    )


def test_there_is_no_advice_if_no_check_can_be_turned_off() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config({"trialConcurrency": "x"}, nni_version="3.0")

    assert "turn it off" not in str(caught.value)


def test_the_names_are_sorted_and_unique() -> None:
    for names in (CHECKS, PLACES, FIXED):
        assert list(names) == sorted(names)
    assert not CHECKS.keys() & FIXED.keys()


def _records() -> list[Mapping[str, Any]]:
    lines = (CASES / "mutations.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.slow
@pytest.mark.skipif(not CASES.is_dir(), reason=MISSING)
@pytest.mark.usefixtures("home")
def test_with_any_check_turned_off_a_config_is_loaded_or_refused(tmp_path: Path) -> None:
    """Only checks that nnicli itself does not depend on may be turned off."""
    loaded = 0
    file = tmp_path / "config.yml"
    for record in _records():
        source: Any = record.get("config")
        if "raw_yaml" in record:
            file.write_text(record["raw_yaml"], "utf-8")
            source = file
        try:
            load_config(
                source,
                base_path=CASES / "fixture",
                nni_version=record["nni_version"],
                ignore=[*CHECKS, *PLACES],
            )
            loaded += 1
        except NnicliError:
            pass

    assert loaded > 700
