"""The tree that errors.py draws is the tree that it defines, and every error survives a pickle."""

from __future__ import annotations

import inspect
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

import nnicli
from nnicli import errors
from nnicli.errors import NnicliError, ProcessIdentity

# Indented by four, which is code to Markdown, and by two more for each parent.
_LINE = re.compile(r"^ {4}( *)(\w+)(?:\((\w+)\))?$")
CLASSES = [
    member
    for member in vars(errors).values()
    if inspect.isclass(member) and issubclass(member, NnicliError)
]
# A value for every keyword that an error takes.
VALUES: dict[str, Any] = {
    "errors": ("one",),
    "exp_id": "aBcD1234",
    "field": "port",
    "found": 1,
    "identity": ProcessIdentity(1, 2.0, ("node",)),
    "location": "10.0.0.7:~/trial",
    "log_tail": "tail",
    "method": "GET",
    "path": Path("/archive.zip"),
    "port": 8080,
    "returncode": 1,
    "status": "RUNNING",
    "status_code": 500,
    "trial_job_id": "aBcDe",
    "url": "http://127.0.0.1:8080",
    "value": -1,
    "waited_s": 1.5,
    "wanted": 3,
}


def _drawn() -> dict[str, tuple[str | None, str | None]]:
    """Return class -> (parent in the drawing, other base in parentheses)."""
    tree: dict[str, tuple[str | None, str | None]] = {}
    stack: list[str] = []
    for line in inspect.getdoc(errors).splitlines()[2:]:  # type: ignore[union-attr]  # it has one
        match = _LINE.match(line)
        if match is None:
            break
        depth = len(match[1]) // 2
        del stack[depth:]
        tree[match[2]] = (stack[-1] if stack else None, match[3])
        stack.append(match[2])
    return tree


def _keywords(cls: type[NnicliError]) -> list[str]:
    if cls.__init__ is Exception.__init__ or not inspect.isfunction(cls.__init__):
        return []
    return [
        name
        for name, parameter in inspect.signature(cls.__init__).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]


def test_the_drawing_names_every_class_and_no_other() -> None:
    assert set(_drawn()) == {cls.__name__ for cls in CLASSES}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_parents_are_as_drawn(cls: type[NnicliError]) -> None:
    parent, builtin = _drawn()[cls.__name__]
    bases = [base.__name__ for base in cls.__bases__]

    assert bases == [name for name in (parent or "Exception", builtin) if name]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_survives_a_pickle(cls: type[NnicliError]) -> None:
    """Errors cross process borders in pools and test runners."""
    fields = {name: VALUES[name] for name in _keywords(cls) if name in VALUES}
    error = cls("what was tried, what was seen", **fields)

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is cls
    assert str(copy) == str(error) == "what was tried, what was seen"
    assert copy.__dict__ == error.__dict__
    assert fields.items() <= copy.__dict__.items()


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_is_a_public_name(cls: type[NnicliError]) -> None:
    assert getattr(nnicli, cls.__name__) is cls
