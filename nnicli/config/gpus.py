"""GPU indices, which a config may give as a list, a number or text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def to_gpu_list(value: Any) -> list[int]:
    """Return GPU indices as a list, given a list, a number, or text such as `0,1`."""
    if isinstance(value, int):
        return [value]
    if isinstance(value, str):
        return [int(part) for part in value.split(",")]
    return list(value)


def to_gpu_text(indices: Any) -> str:
    """Return GPU indices as text such as `0,1`, which is how the v1 format writes them."""
    return ",".join(map(str, to_gpu_list(indices)))


def with_gpu_text(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section with its GPU indices as text: managers refuse numbers (1.9, seen live)."""
    if "gpuIndices" not in section:
        return dict(section)
    return {**section, "gpuIndices": str(section["gpuIndices"])}
