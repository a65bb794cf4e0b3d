"""The published reference of NNI's nnicli, compared with the code word for word."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import nnicli

REFERENCE = (Path(__file__).parent / "seed-api.txt").read_text("utf-8")
_CLASS = re.compile(r"^class nnicli\.(\w+)(?:\((\w*)\))?\[source\]$")
_METHOD = re.compile(r"^(\w+)\((.*)\)\[source\]$")
_ATTRIBUTE = re.compile(r"^[A-Za-z_]\w*$")


def _entries() -> dict[str, dict[str, str | None]]:
    """Return class -> member -> signature text, None for an attribute."""
    classes: dict[str, dict[str, str | None]] = {}
    members: dict[str, str | None] = {}
    lines = REFERENCE[REFERENCE.index("References") :].splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if match := _CLASS.match(line):
            members = classes.setdefault(match[1], {})
            if match[2]:
                members["__init__"] = match[2]
        elif match := _METHOD.match(line):
            members[match[1]] = match[2]
        elif _ATTRIBUTE.match(line) and following == "" and line != "References":
            members[line] = None
    return classes


ENTRIES = _entries()
METHODS = [
    (owner, member, signature)
    for owner, members in ENTRIES.items()
    for member, signature in members.items()
    if signature is not None
]
ATTRIBUTES = [
    (owner, member)
    for owner, members in ENTRIES.items()
    for member, signature in members.items()
    if signature is None
]
# What each data class is made from, as a manager sends it.
WIRE: dict[str, dict[str, Any]] = {
    "TrialJob": {"trialJobId": "a", "status": "WAITING", "hyperParameters": []},
    "TrialHyperParameters": {
        "parameter_id": 0,
        "parameter_source": "algorithm",
        "parameters": {"x": 1},
        "parameter_index": 0,
    },
    "TrialMetricData": {
        "timestamp": 1,
        "trialJobId": "a",
        "parameterId": "0",
        "type": "FINAL",
        "sequence": 0,
        "data": '"1"',
    },
    "TrialResult": {"parameter": {"x": 1}, "value": "1", "trialJobId": "a"},
}


def test_the_whole_reference_is_parsed() -> None:
    """A parser that missed an entry would let it go untested."""
    assert {owner: len(members) for owner, members in ENTRIES.items()} == {
        "Experiment": 16,
        "TrialJob": 9,
        "TrialHyperParameters": 5,
        "TrialMetricData": 7,
        "TrialResult": 4,
    }


@pytest.mark.parametrize(("owner", "member", "signature"), METHODS)
def test_every_method_takes_the_published_parameters(
    owner: str, member: str, signature: str
) -> None:
    published = [part.strip() for part in signature.split(",") if part.strip()]
    parameters = list(
        inspect.signature(getattr(getattr(nnicli, owner), member)).parameters.values()
    )[1:]

    assert published == [
        parameter.name
        if parameter.default is inspect.Parameter.empty
        else f"{parameter.name}={parameter.default!r}"
        for parameter in parameters
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    # What nnicli adds has a name and a default, so that no published call means something else.
    added = [one for one in parameters if one.kind is not one.POSITIONAL_OR_KEYWORD]
    assert all(one.kind is one.KEYWORD_ONLY for one in added)
    assert all(one.default is not one.empty for one in added)


@pytest.mark.parametrize(("owner", "attribute"), ATTRIBUTES)
def test_every_attribute_can_be_read(owner: str, attribute: str) -> None:
    instance = getattr(nnicli, owner)(WIRE[owner])

    assert hasattr(instance, attribute)


def test_the_seed_example_needs_no_argument_to_construct() -> None:
    experiment = nnicli.Experiment()

    assert (experiment.endpoint, experiment.exp_id, experiment.port) == (None, None, None)
