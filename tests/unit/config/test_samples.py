"""The configs of `tests/data/configs/`, as they are and with one thing changed."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import jsonschema_rs
import pytest

from nnicli.config import check_config, convert_config
from nnicli.config.field_names import Format
from nnicli.config.schema.schemas import load_schema
from nnicli.errors import Problem
from tests.mutations import Mutation, mutate
from tests.sample_configs import SAMPLES, Sample

# Without these it is not known which fields are allowed.
DECIDING = ("trainingServicePlatform", "trainingService", "platform")
each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)


def _errors(source: Any, sample: Sample) -> list[Problem]:
    problems = check_config(source, base_path=sample.path.parent, nni_version=sample.release)
    return [one for one in problems if one.severity == "error"]


def _find(value: Any, name: str) -> list[Any]:
    """Return the values of every key of that name."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    inner = [found for item in items for found in _find(item, name)]
    return ([value[name]] if isinstance(value, dict) and name in value else []) + inner


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_every_service_and_algorithm_has_a_sample(name: str) -> None:
    """A training service or an algorithm without one would not be covered by the tests below."""
    schema = load_schema(f"experiment-{name}")
    key = "trainingServicePlatform" if name == "v1" else "platform"
    words = (key, "name", "builtinTunerName", "builtinAssessorName", "builtinAdvisorName")
    allowed = {
        value
        for word in words
        for part in _find(schema, word)
        if isinstance(part, dict)
        for value in part.get("enum", [part.get("const")])
        if value
    }
    used = {
        value
        for sample in SAMPLES
        if sample.name.startswith(f"{name}/")
        for word in words
        for value in _find(sample.document, word)
    }

    assert sorted(allowed - used - {"TPE_legacy"}) == []


@each_sample
def test_a_sample_is_valid(sample: Sample) -> None:
    assert _errors(sample.path, sample) == []


@each_sample
def test_a_misspelt_key_is_reported_with_the_right_one(sample: Sample) -> None:
    """A setting under a key that nobody reads is lost silently."""
    silent = []
    for mutation in mutate(sample.document):
        if mutation.kind == "misspelt":
            right = str(mutation.keys[-1])
            errors = _errors(mutation.document, sample)
            texts = [f"{error.message} {error.suggestion}" for error in errors]
            is_named = any(right in text for text in texts)
            silent += [] if is_named or (errors and right in DECIDING) else [str(mutation)]

    assert silent == []


@each_sample
def test_a_value_that_fits_nowhere_is_an_error_at_its_field(sample: Sample) -> None:
    for mutation in mutate(sample.document):
        if mutation.kind == "nested":
            assert any(_is_at(one, mutation) for one in _errors(mutation.document, sample)), (
                mutation
            )


def _is_at(problem: Problem, mutation: Mutation) -> bool:
    place = ""
    for key in mutation.keys:
        place += f"[{key}]" if isinstance(key, int) else f".{key}"
    return problem.location.startswith(place.removeprefix("."))


@each_sample
def test_both_validators_agree_on_every_changed_config(sample: Sample) -> None:
    schema = load_schema(f"experiment-{'v1' if sample.is_v1 else 'v2'}")
    first, second = (
        jsonschema.Draft202012Validator(schema),
        jsonschema_rs.validator_for(schema),
    )

    differing = [
        str(mutation)
        for mutation in mutate(sample.document)
        if first.is_valid(mutation.document) != second.is_valid(mutation.document)
    ]

    assert differing == []


@pytest.mark.slow
@each_sample
def test_a_changed_config_is_refused_or_can_be_converted(sample: Sample) -> None:
    """Every config that the checker accepts is converted, with a report of what is lost."""
    other: Format = "v2" if sample.is_v1 else "v1"
    unconverted = []
    for mutation in mutate(sample.document):
        if not _errors(mutation.document, sample):
            conversion = convert_config(mutation.document, to=other)
            json.dumps(conversion.document)
            is_whole = conversion.format == other or any(conversion.notes)
            unconverted += [] if is_whole else [str(mutation)]

    assert unconverted == []


def test_the_samples_do_not_refer_to_anything_outside() -> None:
    texts = [sample.path.read_text("utf-8") for sample in SAMPLES]

    assert [text for text in texts if "/home" in text or "~" in text] == []
