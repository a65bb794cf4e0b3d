"""The shipped schemas, judged by a second implementation of JSON Schema."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import jsonschema_rs
import pytest

from nnicli.config.schema.schemas import load_schema
from tests.config_cases import CASES, MISSING
from tests.sample_configs import SERVICES, V1_SECTIONS, v1_config, v2_config

SCHEMAS = ("experiment-v1", "experiment-v2", "search-space")


def _verdicts(name: str, document: Any) -> tuple[bool, bool]:
    schema = load_schema(name)
    first = jsonschema.Draft202012Validator(schema).is_valid(document)
    second = jsonschema_rs.Draft202012Validator(schema).is_valid(document)
    return first, second


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_are_schemas(name: str) -> None:
    schema = load_schema(name)

    jsonschema.Draft202012Validator.check_schema(schema)
    assert jsonschema_rs.meta.is_valid(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:nnicli:schema:{name}"
    assert schema["title"]
    assert schema["description"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_field_has_a_description(name: str) -> None:
    def fields(part: Any, way: str) -> list[str]:
        bare = []
        for key, value in part.get("properties", {}).items():
            described = {"title", "description", "$ref", "if"} & value.keys()
            bare += [] if described else [f"{way}.{key}"]
            bare += fields(value, f"{way}.{key}")
        for key, value in part.get("$defs", {}).items():
            if not key.startswith("classArgs"):
                bare += fields(value, key)
        return bare

    assert fields(load_schema(name), "") == []


@pytest.mark.parametrize("platform", V1_SECTIONS)
def test_both_accept_every_platform_of_v1(platform: str) -> None:
    assert _verdicts("experiment-v1", v1_config(platform)) == (True, True)


@pytest.mark.parametrize("platform", SERVICES)
def test_both_accept_every_service_of_v2(platform: str) -> None:
    service = {"platform": platform, **SERVICES[platform]}

    assert _verdicts("experiment-v2", v2_config(service)) == (True, True)
    assert _verdicts("experiment-v2", v2_config([service])) == (True, True)


@pytest.mark.slow
@pytest.mark.skipif(not CASES.is_dir(), reason=MISSING)
def test_both_agree_on_every_mutated_config() -> None:
    differing = []
    for line in (CASES / "mutations.jsonl").read_text("utf-8").splitlines():
        record = json.loads(line)
        if "config" in record:
            first, second = _verdicts(f"experiment-{record['format']}", record["config"])
            differing += [record["id"]] if first != second else []

    assert differing == []
