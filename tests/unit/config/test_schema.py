"""Schema violations as messages, with what is allowed and what was probably meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from nnicli.config import check_config
from nnicli.config.schema.messages import REPORTERS
from nnicli.config.schema.schemas import load_schema
from nnicli.config.words import closest
from tests.unit.config.conftest import HEAD, SPACE, Check

# Keywords that only select, describe or contain other schemas, and so cannot be violated.
SILENT = frozenset(("$schema", "$id", "$ref", "$defs", "title", "description", "default")) | {
    *(
        "deprecated",
        "examples",
        "properties",
        "items",
        "allOf",
        "if",
        "then",
        "else",
        "const",
        "$comment",
    )
}


def _keywords(schema: Any) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    for keyword, value in schema.items():
        yield keyword
        if keyword in {"properties", "$defs"}:
            for inner in value.values():
                yield from _keywords(inner)
        elif keyword == "allOf":
            for inner in value:
                yield from _keywords(inner)
        elif keyword in {"items", "if", "then", "additionalProperties"}:
            yield from _keywords(value)


@pytest.mark.parametrize("name", ["experiment-v2", "search-space"])
def test_every_keyword_that_can_be_violated_has_a_message(name: str) -> None:
    assert set(_keywords(load_schema(name))) - SILENT <= set(REPORTERS)


@pytest.mark.parametrize("name", ["experiment-v2", "search-space"])
def test_the_schemas_are_schemas_with_examples_that_they_accept(name: str) -> None:
    schema = load_schema(name)
    kind = jsonschema.Draft202012Validator

    kind.check_schema(schema)

    assert schema["$id"].endswith(name)
    assert {"title", "description", "examples"} <= set(schema)
    for example in schema["examples"]:
        kind(schema).validate(example)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "trialConcurrency: 1",
            "trialConcurrency: true",
            ("1:1: trialConcurrency: found true; allowed: an integer"),
        ),
        (
            "trialConcurrency: 1",
            "trialConcurrency: 2.0",
            ("1:1: trialConcurrency: found 2.0; allowed: an integer"),
        ),
        (
            "trialConcurrency: 1",
            "trialConcurrency: 0",
            ("1:1: trialConcurrency: found 0; allowed: at least 1"),
        ),
        (
            "trialConcurrency: 1",
            "trialConcurrency: '2'",
            ('1:1: trialConcurrency: found "2"; allowed: an integer (write it without quotes)'),
        ),
        ("trialConcurrency: 1\n", "", "1:1: trialConcurrency: is required but missing"),
        (
            "platform: local",
            "platform: locla",
            (
                "4:19: trainingService.platform: found "
                '"locla"; allowed: local, remote, openpai, aml, dlc, kubeflow, '
                "frameworkcontroller, adl (did you mean 'local'?)"
            ),
        ),
        ("{platform: local}", "{}", "4:1: trainingService.platform: is required but missing"),
        (
            "python3 trial.py",
            "no",
            ("2:1: trialCommand: found false; allowed: text (write it in quotes: 'no')"),
        ),
        (
            "name: TPE",
            "name: Medianstp",
            (
                '3:9: tuner.name: found "Medianstp"; allowed: TPE, '
                "TPE_legacy, Random, Anneal, Evolution, BatchTuner, GridSearch, NetworkMorphism, "
                "MetisTuner, GPTuner, PBTTuner, RegularizedEvolutionTuner, SMAC, PPOTuner, "
                "DNGOTuner, Hyperband, BOHB"
            ),
        ),
        (
            "name: TPE",
            "name: TPE, classArgs: {optimize_mode: maximise}",
            (
                "3:32: "
                'tuner.classArgs.optimize_mode: found "maximise"; allowed: maximize, minimize (did '
                "you "
                "mean 'maximize'?)"
            ),
        ),
        (
            "name: TPE",
            "name: TPE, classArgs: {optimise_mode: maximize}",
            (
                "3:32: "
                "tuner.classArgs.optimise_mode: unknown key; allowed: optimize_mode, seed, "
                "tpe_args (did you mean 'optimize_mode'?)"
            ),
        ),
        (
            "name: TPE",
            "name: GridSearch, classArgs: {seed: 1}",
            ("3:39: tuner.classArgs.seed: unknown key; allowed: optimize_mode"),
        ),
        (
            "name: TPE",
            "name: gp, classArgs: {alpha: '1e-7'}",
            (
                "3:31: tuner.classArgs.alpha: found "
                '"1e-7"; allowed: a number (write it without quotes)'
            ),
        ),
        (
            "name: TPE",
            "name: BOHB, classArgs: {top_n_percent: 100}",
            ("3:33: tuner.classArgs.top_n_percent: found 100; allowed: at most 99"),
        ),
        (
            "name: TPE",
            "name: BOHB, classArgs: {max_budget: 0}",
            ("3:33: tuner.classArgs.max_budget: found 0; allowed: more than 0"),
        ),
        (
            "name: TPE}",
            "name: TPE}\nassessor: {name: Curvefitting, classArgs: {gap: 2}}",
            ("4:32: assessor.classArgs.epoch_num: is required but missing"),
        ),
    ],
)
def test_an_invalid_field_is_reported_with_its_place(
    check: Check, old: str, new: str, expected: str
) -> None:
    assert old in HEAD

    found = check(HEAD.replace(old, new) + SPACE)

    assert found == [f"config.yml:{expected}"]


def test_an_unknown_key_is_reported_with_the_key_that_was_meant(check: Check) -> None:
    (found,) = check(HEAD.replace("trialCommand", "trialComand: x\ntrialCommand") + SPACE)

    assert found == ("config.yml:2:1: trialComand: unknown key (did you mean 'trialCommand'?)")


def test_two_spellings_of_one_field_are_refused(check: Check) -> None:
    found = check("trial_concurrency: 2\n" + HEAD + SPACE)

    assert found == [
        "config.yml:2:1: trialConcurrency: the same field as trial_concurrency; give it once"
    ]


def test_a_key_with_a_line_break_does_not_break_the_line_of_its_problem(check: Check) -> None:
    (found,) = check(HEAD + SPACE + '"a\\nb\\e": 1\n')

    assert found.startswith("config.yml:6:1: a\\nb\\u001b: unknown key")


@pytest.mark.parametrize(
    "secret",
    [
        "sharedStorage: {storageAccountKey: [HUSH]}",
        "sharedStorage: {password: {inner: HUSH}}",
        "sharedStorage: [{passphrase: HUSH}]",
        "sharedStorage: {storageAccountKey: !HUSH x}",
        "storageAccountKey: *HUSH",
        "trialCommand: {token: HUSH, secrets: [HUSH]}",
        "tunerGpuIndices: {api_key: HUSH}",
        "maxTrialNumber: {clientSecret: HUSH}",
    ],
)
def test_problems_do_not_show_secrets(check: Check, secret: str) -> None:
    found = check("trialConcurrency: 1\n" + secret + "\n")

    assert found
    assert "HUSH" not in "".join(found)


@pytest.mark.slow
def test_a_long_list_of_errors_is_cut() -> None:
    """A suggestion for each of 100,000 unknown keys would take minutes."""
    found = check_config({f"key{number}": number for number in range(100_000)})

    assert len(found) < 300
    assert "has 100000 unknown keys, of which 200 are listed" in [item.message for item in found]


def test_a_list_with_too_many_wrong_items_is_cut(check: Check) -> None:
    found = check(HEAD + SPACE + f"tunerGpuIndices: {['x'] * 300}\n")

    assert sum("tunerGpuIndices[" in problem for problem in found) == 200
    assert "config.yml:1:1: has more errors than the 200 listed" in found


def test_the_hint_keeps_the_spelling_that_is_allowed() -> None:
    assert closest("TRIALCOMAND", ["trialCommand", "trialConcurrency"]) == (
        "did you mean 'trialCommand'?"
    )
    assert closest("zzz", ["trialCommand"]) is None
    assert closest(3, ["trialCommand"]) is None


@pytest.mark.parametrize("key", ["platfrom", "plattform", "trainingPlatform"])
def test_a_misspelt_platform_is_reported_at_its_key(check: Check, key: str) -> None:
    """Without a platform the service is unknown, but this is the error to report."""
    text = f"{HEAD}{SPACE}".replace("{platform: local}", f"{{{key}: local}}")

    problems = check(text)

    assert any(f"trainingService.{key}: unknown key" in problem for problem in problems)
    assert any("trainingService.platform: is required but missing" in each for each in problems)


def test_each_service_of_a_list_is_reported_with_its_place(check: Check) -> None:
    text = f"{HEAD}{SPACE}".replace("{platform: local}", "[{platform: local}, {platform: locla}]")

    (problem,) = check(text, nni_version="2.10.1")

    assert 'trainingService[1].platform: found "locla"' in problem


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "trainingService: {platform: local}",
            "trainingService: local",
            "4:1: trainingService: found text; allowed: a mapping (write {platform: local})",
        ),
        (
            "tuner: {name: TPE}",
            "tuner: TPE",
            "3:1: tuner: found text; allowed: a mapping (write {name: TPE})",
        ),
    ],
)
def test_the_main_value_of_a_section_is_not_a_section(
    check: Check, old: str, new: str, expected: str
) -> None:
    found = check(HEAD.replace(old, new) + SPACE)

    assert f"config.yml:{expected}" in found
    assert len(found) == 1


@pytest.mark.parametrize(
    ("field", "meant"),
    [
        ("maxExecDuration: 1h", "maxExperimentDuration"),
        ("logDir: /tmp", "experimentWorkingDirectory"),
        ("searchSpacePath: x", "searchSpaceFile"),
    ],
)
def test_a_field_of_the_other_format_is_reported_with_its_name_here(
    check: Check, field: str, meant: str
) -> None:
    (found,) = check(HEAD + SPACE + field + "\n")

    assert found.endswith(f"unknown key (did you mean '{meant}'?)")


def test_a_tuner_in_the_v1_format(check: Check) -> None:
    found = check(HEAD.replace("{name: TPE}", "{builtinTunerName: TPE}") + SPACE)

    assert "config.yml:3:9: tuner.builtinTunerName: unknown key; allowed: " in found[1]
    assert found[1].endswith("(did you mean 'name'?)")
