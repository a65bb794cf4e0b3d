"""Which hyper-parameters are points of a search space."""

from __future__ import annotations

from typing import Any

import pytest

from nnicli.config import find_mismatch


def space(kind: str, *value: Any) -> dict[str, Any]:
    return {"x": {"_type": kind, "_value": list(value)}}


NESTED = space("choice", {"_name": "conv", "size": {"_type": "choice", "_value": [3, 5]}}, "none")
OBJECTS = space("choice", {"lr": 0.1}, {"lr": 0.2})
CONSTANT = space(
    "choice", {"_name": "a", "size": 3, "n": {"_type": "choice", "_value": [1, 2]}}, {"_name": "b"}
)
BATCH = space("choice", {"lr": 0.1, "size": 8}, {"lr": 0.2, "size": 4})

INSIDE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (space("uniform", 0, 1), {"x": 0.5}),
    (space("uniform", 0, 1), {"x": 1}),
    (space("loguniform", 0.1, 10), {"x": 0.1}),
    (space("quniform", 0, 1, 0.25), {"x": 0.25}),
    (space("randint", 0, 3), {"x": 2}),
    (space("randint", 0, 3), {"x": 2.0}),
    (space("normal", 0, 1), {"x": -77}),
    (space("choice", 1, "a", True), {"x": "a"}),
    (space("choice", True), {"x": True}),
    (NESTED, {"x": {"_name": "conv", "size": 5}}),
    (NESTED, {"x": "none"}),
    (space("choice", None, [1, 2]), {"x": None}),
    (space("choice", None, [1, 2]), {"x": [1, 2]}),
    (space("uniform", 0.25, 0.25), {"x": 0.25}),
    (space("uniform", 2, 1), {"x": 1.5}),
    (space("randint", 1.0, 4.0), {"x": 3}),
    (OBJECTS, {"x": {"lr": 0.2}}),
    (CONSTANT, {"x": {"_name": "a", "size": 3, "n": 2}}),
    (BATCH, {"lr": 0.2, "size": 4}),
    (space("layer_choice", "a"), {"x": 7}),
]
OUTSIDE: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (space("uniform", 0, 1), {"x": 1.5}, "has x = 1.5; the search space has uniform [0, 1]"),
    (space("uniform", 0, 1), {"x": "0.5"}, "has x = '0.5'"),
    (space("uniform", 0, 1), {"x": True}, "has x = True"),
    (space("uniform", 0, 1), {}, "lacks x, which is in the search space"),
    (space("uniform", 0, 1), {"x": 0, "y": 1}, "has y, which is not in the search space"),
    (space("randint", 0, 3), {"x": 3}, "has x = 3"),
    (space("randint", 0, 3), {"x": 0.5}, "has x = 0.5"),
    (space("normal", 0, 1), {"x": None}, "has x = None"),
    (space("choice", 0, 1), {"x": True}, "has x = True"),
    (space("choice", 0, 1), {"x": 2}, "has x = 2"),
    (NESTED, {"x": {"_name": "conv", "size": 4}}, "has x = "),
    (NESTED, {"x": {"_name": "pool"}}, "has x = "),
    (space("choice", None, [1, 2]), {"x": [2, 1]}, "has x = [2, 1]"),
    (OBJECTS, {"x": {"lr": 0.3}}, "has x = {'lr': 0.3}"),
    (CONSTANT, {"x": {"_name": "a", "size": 4, "n": 2}}, "has x = "),
    (CONSTANT, {"x": {"_name": "a", "n": 2}}, "has x = "),
    (BATCH, {"lr": 0.2, "size": 8}, "is not one of the sets"),
]


@pytest.mark.parametrize(("given", "parameters"), INSIDE)
def test_points_of_the_space_are_accepted(
    given: dict[str, Any], parameters: dict[str, Any]
) -> None:
    assert find_mismatch(parameters, given) is None


@pytest.mark.parametrize(("given", "parameters", "text"), OUTSIDE)
def test_other_points_are_refused_with_the_reason(
    given: dict[str, Any], parameters: dict[str, Any], text: str
) -> None:
    assert text in str(find_mismatch(parameters, given))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("kind", ["uniform", "randint", "normal", "qlognormal"])
def test_a_value_that_is_not_a_finite_number_is_outside(kind: str, value: float) -> None:
    assert find_mismatch({"x": value}, space(kind, 0, 3)) is not None
