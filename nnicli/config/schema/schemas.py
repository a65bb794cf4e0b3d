"""The shipped JSON schemas."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any


@cache
def load_schema(name: str) -> dict[str, Any]:
    """Return a shipped schema: `experiment-v1`, `experiment-v2` or `search-space`."""
    file = f"{name}.schema.json"
    packaged = importlib.resources.files("nnicli") / "schemas" / file
    if packaged.is_file():
        text = packaged.read_text("utf-8")
    else:
        # In a checkout they are next to the package.
        text = (Path(__file__).parents[3] / "schemas" / file).read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def find_part(name: str, reference: str) -> Mapping[str, Any]:
    """Return the part of a shipped schema that a `$ref` refers to."""
    part: Any = load_schema(name)
    for step in reference.removeprefix("#/").split("/"):
        part = part[step]
    found: Mapping[str, Any] = part
    return found


@cache
def described_algorithms(name: str) -> frozenset[str]:
    """Return the built-in algorithms whose arguments a schema describes."""
    return frozenset(
        part.removeprefix("classArgs")
        for part in load_schema(name)["$defs"]
        if part.startswith("classArgs")
    )


@cache
def known_fields() -> frozenset[str]:
    """Return the names of all fields that a config of either format may have."""
    found: set[str] = set()
    pending: list[Any] = [load_schema("experiment-v1"), load_schema("experiment-v2")]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            properties = part.get("properties")
            found.update(properties if isinstance(properties, dict) else ())
            pending += part.values()
        elif isinstance(part, list):
            pending += part
    return frozenset(found)
