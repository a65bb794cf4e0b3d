"""The fake tuner draws points within the search space."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest

from nnicli.testing.fake_nni.sampling import sample_space


@pytest.mark.parametrize(
    ("kind", "value", "low", "high"),
    [
        ("uniform", [2, 3], 2, 3),
        ("quniform", [0, 10, 2.5], 0, 10),
        ("loguniform", [0.001, 1], 0.001, 1),
        ("qloguniform", [1, 100, 10], 1, 100),
        ("normal", [0, 1], -math.inf, math.inf),
        ("qnormal", [5, 1, 1], -math.inf, math.inf),
        ("lognormal", [0, 1], 0, math.inf),
        ("qlognormal", [0, 1, 0.5], 0, math.inf),
        ("randint", [3, 6], 3, 5),
    ],
)
def test_numbers_stay_within_their_limits(
    kind: str, value: list[float], low: float, high: float
) -> None:
    random = Random(1)
    space = {"x": {"_type": kind, "_value": value}}

    points = [sample_space(space, random)["x"] for _ in range(200)]

    assert all(low <= point <= high for point in points)
    assert len(set(points)) > 1


def test_quantised_number_is_a_multiple_of_its_step() -> None:
    random = Random(1)
    space = {"x": {"_type": "quniform", "_value": [0, 1, 0.25]}}

    points = {sample_space(space, random)["x"] for _ in range(100)}

    assert points == {0, 0.25, 0.5, 0.75, 1}


def test_nested_choice_has_a_name_and_its_own_parameters() -> None:
    inner = {"_name": "conv", "size": {"_type": "choice", "_value": [3]}}
    space: dict[str, Any] = {"layer": {"_type": "choice", "_value": [inner, {"_name": "none"}]}}
    random = Random(1)

    points = [sample_space(space, random)["layer"] for _ in range(20)]

    assert {"_name": "conv", "size": 3} in points
    assert {"_name": "none"} in points
