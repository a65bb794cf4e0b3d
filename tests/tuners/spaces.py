"""Search spaces to try on tuners: every kind of parameter with every kind of value.

`CASES` has a name for each, `group/what is odd about it`. `MISTAKES` are clear mistakes, which a
checker refuses even if a tuner accepts them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Space = Any

_INF = float("inf")
_NAN = float("nan")


def _one(kind: Any, value: Any) -> Space:
    return {"x": {"_type": kind, "_value": value}}


_PLAIN: Mapping[str, Any] = {
    "randint": [1, 5],
    "uniform": [0.5, 2.5],
    "quniform": [0, 10, 2],
    "loguniform": [0.001, 0.1],
    "qloguniform": [1, 100, 3],
    "normal": [0, 1],
    "qnormal": [5, 2, 1],
    "lognormal": [0, 1],
    "qlognormal": [1, 1, 0.5],
}
"""A valid value for every kind with numbers."""

_CHOICES: Mapping[str, list[Any]] = {
    "integers": [32, 64, 128],
    "floats": [0.1, 0.01],
    "integers and floats": [1, 0.5, 2],
    "strings": ["relu", "tanh"],
    "strings and numbers": ["auto", 5, 0.5],
    "quoted numbers": ["1", "2"],
    "booleans": [True, False],
    "booleans and numbers": [True, 2, 0],
    "booleans and strings": [True, "auto"],
    "one and true": [1, True],
    "null and numbers": [None, 5, 10],
    "null and strings": [None, "relu"],
    "null last": [5, 10, None],
    "null only": [None],
    "lists": [[32, 32], [64, 64]],
    "lists of other lengths": [[32], [64, 64]],
    "lists of one": [[32], [64]],
    "empty lists": [[], []],
    "lists of strings": [["a", "b"], ["c", "d"]],
    "lists of mixed": [["a", 1], ["b", 2]],
    "lists of lists": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]],
    "lists of objects": [[{"a": 1}], [{"a": 2}]],
    "lists of named objects": [[{"_name": "a"}], [{"_name": "b"}]],
    "lists with null": [[None, 1], [2, 3]],
    "lists and numbers": [[1, 2], 3],
    "lists and strings": [[1, 2], "none"],
    "lists and null": [None, [32, 32]],
    "objects": [{"a": 1, "b": 2}, {"a": 3, "b": 4}],
    "objects of strings": [{"opt": "sgd"}, {"opt": "adam"}],
    "objects with lists": [{"a": [1, 2]}, {"a": [3, 4]}],
    "objects with objects": [{"a": {"b": 1}}, {"a": {"b": 2}}],
    "objects of other keys": [{"a": 1}, {"b": 2}],
    "empty objects": [{}, {}],
    "objects and numbers": [{"a": 1}, 5],
    "objects and null": [{"a": 1}, None],
    "objects and strings": ["none", {"a": 1}],
    "objects with parameters": [
        {"a": {"_type": "uniform", "_value": [0, 1]}},
        {"a": {"_type": "uniform", "_value": [1, 2]}},
    ],
    "duplicates": [1, 1, 2],
    "equal options": [7, 7],
    "one number": [5],
    "one string": ["relu"],
    "empty string": ["", "a"],
    "unicode": ["größe", "寸"],
    "large integers": [10**15, 10**16],
    "huge integers": [10**20, 10**25],
    "negative": [-1, -2.5],
    "infinity": [1.0, _INF],
    "nan": [1.0, _NAN],
    "many": list(range(200)),
}

_BRANCHES: Mapping[str, list[Any]] = {
    "names only": [{"_name": "a"}, {"_name": "b"}],
    "a choice inside": [{"_name": "a", "n": {"_type": "choice", "_value": [1, 2]}}, {"_name": "b"}],
    "strings inside": [
        {"_name": "a", "n": {"_type": "choice", "_value": ["p", "q"]}},
        {"_name": "b", "n": {"_type": "choice", "_value": ["r", "s"]}},
    ],
    "null inside": [
        {"_name": "a", "n": {"_type": "choice", "_value": [None, 5]}},
        {"_name": "b"},
    ],
    "lists inside": [
        {"_name": "a", "n": {"_type": "choice", "_value": [[1, 2], [3, 4]]}},
        {"_name": "b"},
    ],
    "objects inside": [
        {"_name": "a", "n": {"_type": "choice", "_value": [{"k": 1}, {"k": 2}]}},
        {"_name": "b"},
    ],
    "two levels": [
        {
            "_name": "a",
            "n": {
                "_type": "choice",
                "_value": [{"_name": "p", "m": {"_type": "choice", "_value": [1, 2]}}],
            },
        },
        {"_name": "b"},
    ],
    "two inside": [
        {
            "_name": "a",
            "m": {"_type": "choice", "_value": [1, 2]},
            "n": {"_type": "uniform", "_value": [0, 1]},
        },
        {"_name": "b"},
    ],
    "one option": [{"_name": "a", "n": {"_type": "choice", "_value": [1, 2]}}],
    "same name": [{"_name": "a"}, {"_name": "a"}],
    "same name, other parameters": [
        {"_name": "a", "n": {"_type": "choice", "_value": [1, 2]}},
        {"_name": "a", "m": {"_type": "choice", "_value": [3, 4]}},
    ],
    "names that are numbers": [{"_name": 1}, {"_name": 2}],
    "names that are null": [{"_name": None}, {"_name": "b"}],
    "names that are lists": [{"_name": ["a"]}, {"_name": ["b"]}],
    "unicode names": [{"_name": "größe"}, {"_name": "b"}],
    "and numbers": [{"_name": "a"}, 5],
    "and strings": ["none", {"_name": "a"}],
    "and null": [None, {"_name": "a"}],
    "and lists": [{"_name": "a"}, [1, 2]],
    "and unnamed objects": [{"_name": "a"}, {"k": 1}],
    "and unnamed parameters": [
        {"_name": "a"},
        {"n": {"_type": "choice", "_value": [1, 2]}},
    ],
    "constants inside": [{"_name": "a", "size": 3}, {"_name": "b"}],
    "string constants inside": [{"_name": "a", "size": "big"}, {"_name": "b"}],
    "list constants inside": [{"_name": "a", "size": [1, 2]}, {"_name": "b"}],
    "null constants inside": [{"_name": "a", "size": None}, {"_name": "b"}],
    "object constants inside": [{"_name": "a", "size": {"w": 1}}, {"_name": "b"}],
    "a parameter named like another": [
        {"_name": "a", "x": {"_type": "choice", "_value": [1, 2]}},
        {"_name": "b"},
    ],
}
"""Options of a nested choice."""

_RANGES: Mapping[str, tuple[Any, Any]] = {
    "integers": (1, 5),
    "floats": (0.5, 4.5),
    "whole floats": (1.0, 4.0),
    "integer and float": (1, 4.5),
    "next to each other": (1, 2),
    "one point": (3, 3),
    "one point, floats": (0.25, 0.25),
    "reversed": (5, 1),
    "from zero": (0, 5),
    "negative": (-5, -1),
    "from below zero": (-5, 5),
    "reversed, floats": (2.5, 0.5),
    "at zero": (0, 0),
    "small": (1e-9, 1e-8),
    "wide": (0, 10**6),
    "large": (0, 2**40),
    "beyond 64 bits": (0, 2**70),
    "huge floats": (1.0, 1e300),
    "full width": (-1.7e308, 1.7e308),
    "infinite": (0, _INF),
    "nan": (0, _NAN),
}
_STEPS: Mapping[str, Any] = {
    "wide step": 100,
    "odd step": 0.7,
    "zero step": 0,
    "negative step": -1,
    "infinite step": _INF,
}
_SPREADS: Mapping[str, tuple[Any, Any]] = {
    "floats": (0.5, 1.5),
    "zero sigma": (1, 0),
    "zero sigma, float": (0.0, 0.0),
    "negative sigma": (1, -1),
    "small sigma": (0, 1e-9),
    "wide sigma": (0, 100),
    "huge sigma": (0, 1e6),
    "huge mean": (1e6, 1),
    "negative mean": (-5, 1),
    "infinite sigma": (0, _INF),
    "nan": (0, _NAN),
}
_UNIFORM = ("uniform", "quniform", "loguniform", "qloguniform")
_NORMAL = ("normal", "qnormal", "lognormal", "qlognormal")


def _wrong_values(kind: str) -> Iterator[tuple[str, Any]]:
    sound = _PLAIN[kind]
    yield "quoted", [str(number) for number in sound]
    yield "first quoted", [str(sound[0]), *sound[1:]]
    yield "a bound is missing", sound[:-1]
    yield "one bound", sound[:1]
    yield "no bounds", []
    yield "a bound too many", [*sound, 1]
    yield "null bound", [None, *sound[1:]]
    yield "list bound", [[sound[0]], *sound[1:]]
    yield "booleans", [False, True, *sound[2:]]
    yield "a number", 5
    yield "a string", "1,2"
    yield "null", None
    yield "an object", {"low": 1, "high": 2}


def _numbers() -> Iterator[tuple[str, Space]]:
    for kind, value in _PLAIN.items():
        yield f"{kind}/plain", _one(kind, value)
    for name, (low, high) in _RANGES.items():
        yield f"randint/{name}", _one("randint", [low, high])
        for kind in _UNIFORM:
            step = [1] if kind.startswith("q") else []
            yield f"{kind}/{name}", _one(kind, [low, high, *step])
    for kind in ("quniform", "qloguniform"):
        yield f"{kind}/float step", _one(kind, [1.0, 9.0, 0.5])
        yield f"{kind}/floats, step one", _one(kind, [1.0, 9.0, 1.0])
        yield f"{kind}/integers, step one", _one(kind, [1, 9, 1])
        yield f"{kind}/floats, integer step one", _one(kind, [1.0, 9.0, 1])
        yield f"{kind}/fractions, step one", _one(kind, [0.5, 9.5, 1])
        for name, step in _STEPS.items():
            yield f"{kind}/{name}", _one(kind, [1, 9, step])
    for kind in _NORMAL:
        for name, (mu, sigma) in _SPREADS.items():
            quantum = [0.5] if kind.startswith("q") else []
            yield f"{kind}/{name}", _one(kind, [mu, sigma, *quantum])
        if kind.startswith("q"):
            for name, step in _STEPS.items():
                yield f"{kind}/{name}", _one(kind, [1, 1, step])


def _choices() -> Iterator[tuple[str, Space]]:
    for name, options in _CHOICES.items():
        yield f"choice/{name}", _one("choice", options)
    for name, options in _BRANCHES.items():
        yield f"nested/{name}", _one("choice", options)
    for kind, value in _PLAIN.items():
        inner = {"_type": kind, "_value": value}
        yield f"nested/{kind} inside", _one("choice", [{"_name": "a", "n": inner}, {"_name": "b"}])


def _together() -> Iterator[tuple[str, Space]]:
    def space(**parameters: Any) -> Space:
        return {
            name: {"_type": kind, "_value": value} for name, (kind, value) in parameters.items()
        }

    yield "together/two choices", space(a=("choice", [1, 2]), b=("choice", [3, 4]))
    yield "together/choices of strings", space(a=("choice", ["p", "q"]), b=("choice", ["r", "s"]))
    yield "together/null and lists", space(a=("choice", [None, 5]), b=("choice", [[1, 2], [3, 4]]))
    yield "together/numbers", space(a=("randint", [0, 9]), b=("uniform", [0, 1]))
    yield "together/every range", space(**{kind: (kind, _PLAIN[kind]) for kind in _UNIFORM})
    yield "together/every normal", space(**{kind: (kind, _PLAIN[kind]) for kind in _NORMAL})
    yield (
        "together/every kind",
        space(choice=("choice", [1, 2]), **{kind: (kind, value) for kind, value in _PLAIN.items()}),
    )
    yield (
        "together/a nested choice",
        space(a=("choice", _BRANCHES["a choice inside"]), b=("uniform", [0, 1])),
    )
    yield "together/a point and a range", space(a=("uniform", [1, 1]), b=("uniform", [0, 1]))
    yield (
        "together/objects and a range",
        space(a=("choice", _CHOICES["objects"]), b=("uniform", [0, 1])),
    )
    yield (
        "together/layers",
        space(
            a=("layer_choice", ["conv", "pool"]),
            b=("input_choice", {"candidates": ["p", "q"], "n_chosen": 1}),
        ),
    )
    yield (
        "together/layers and a choice",
        space(a=("layer_choice", ["conv", "pool"]), b=("choice", [1, 2])),
    )


def _architecture() -> Iterator[tuple[str, Space]]:
    yield "layer_choice/strings", _one("layer_choice", ["conv", "pool"])
    yield "layer_choice/one", _one("layer_choice", ["conv"])
    yield "layer_choice/numbers", _one("layer_choice", [1, 2])
    for name, number in {
        "one": 1,
        "two": 2,
        "none": 0,
        "all": None,
        "zero or one": [0, 1],
        "one or two": [1, 2],
        "too many": 5,
    }.items():
        value = {"candidates": ["p", "q", "r"], "n_chosen": number}
        yield f"input_choice/{name}", _one("input_choice", value)


_NAMES = (
    "größe",
    "层",
    "optim.lr",
    "optim/lr",
    "with blank",
    "_lr",
    "__lr",
    "0",
    "a[0]",
    "",
    "_name",
    "_type",
    "_value",
    "_index",
    "x" * 200,
)


def _names() -> Iterator[tuple[str, Space]]:
    for name in _NAMES:
        label = f"{name[:3]} x 200" if len(name) > 100 else name or "empty"
        yield f"name/{label}", {name: {"_type": "choice", "_value": [1, 2]}}
    yield (
        "name/_lr with another",
        {
            "_lr": {"_type": "uniform", "_value": [0, 1]},
            "b": {"_type": "choice", "_value": [1, 2]},
        },
    )
    yield "space/empty", {}


def _mistakes() -> Iterator[tuple[str, Space]]:
    for kind in _PLAIN:
        for name, value in _wrong_values(kind):
            yield f"{kind}/{name}", _one(kind, value)
    for name, value in {
        "a string": "ab",
        "null": None,
        "an object": {"a": 1},
        "a number": 3,
    }.items():
        yield f"choice/{name}", _one("choice", value)
    yield "choice/no options", _one("choice", [])
    for name, wrong in {
        "misspelt": "choise",
        "capital": "Choice",
        "empty": "",
        "null": None,
        "number": 3,
        "Python's": "int",
    }.items():
        yield f"kind/{name}", _one(wrong, [1, 2])
    yield "kind/misspelt range", _one("unifrom", [0, 1])
    yield "kind/missing", {"x": {"_value": [1, 2]}}
    yield "parameter/without a value", {"x": {"_type": "choice"}}
    yield "parameter/another key", {"x": {"_type": "choice", "_value": [1, 2], "note": "z"}}
    yield "parameter/a number", {"x": 5}
    yield "parameter/a list", {"x": [1, 2]}
    yield "parameter/a string", {"x": "choice"}
    yield "parameter/null", {"x": None}
    yield "parameter/empty", {"x": {}}
    yield "parameter/keys without underscore", {"x": {"type": "choice", "value": [1, 2]}}
    yield "space/a list", [{"_type": "choice", "_value": [1, 2]}]
    yield "space/null", None
    yield (
        "nested/misspelt kind inside",
        _one(
            "choice", [{"_name": "a", "n": {"_type": "choise", "_value": [1, 2]}}, {"_name": "b"}]
        ),
    )
    yield (
        "nested/quoted numbers inside",
        _one(
            "choice",
            [{"_name": "a", "n": {"_type": "uniform", "_value": ["0", "1"]}}, {"_name": "b"}],
        ),
    )
    yield (
        "nested/a bound missing inside",
        _one("choice", [{"_name": "a", "n": {"_type": "uniform", "_value": [1]}}, {"_name": "b"}]),
    )
    yield "input_choice/without candidates", _one("input_choice", {"n_chosen": 1})
    yield "layer_choice/no layers", _one("layer_choice", [])


MISTAKES: Mapping[str, Space] = dict(_mistakes())
"""Plain mistakes."""

CASES: Mapping[str, Space] = {
    **dict(_choices()),
    **dict(_numbers()),
    **dict(_architecture()),
    **dict(_together()),
    **dict(_names()),
    **MISTAKES,
}
"""All of them."""
