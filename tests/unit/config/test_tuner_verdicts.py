"""What nnicli reports for a search space is what real tuners do with it.

`tests/data/tuner-verdicts.json` has what the tuners of three releases did with some 450 search
spaces each; `python -m tests.tuners.record` writes it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache

import pytest

from nnicli.errors import Problem
from tests.tuners.spaces import CASES
from tests.tuners.verdicts import DATA, Verdict, read_verdicts, recorded_cases

# Each judges thousands of search spaces.
pytestmark = pytest.mark.slow

_BY_JAVASCRIPT = (
    "the class distinguishes floats from integers, but the manager turns them into integers"
)
_SENSELESS = "the tuner accepts it and draws meaningless values"
_ONE_BY_ONE = "a rare value, not worth a rule"
# Where nnicli and the class differ: tuner -> search space -> why.
_DIFFERENCES = {
    **{(tuner, "layer_choice/numbers"): _SENSELESS for tuner in ("TPE", "Random", "GridSearch")},
    **{
        ("MetisTuner", f"quniform/{name}"): _BY_JAVASCRIPT
        for name in ("whole floats", "floats, step one", "floats, integer step one", "huge floats")
    },
    ("Anneal", "randint/whole floats"): _BY_JAVASCRIPT,
    ("MetisTuner", "quniform/full width"): _ONE_BY_ONE,
    ("MetisTuner", "uniform/full width"): _ONE_BY_ONE,
    # 1.9 sends a search space as text, so floats stay floats; its Python refuses them.
    ("MetisTuner", "randint/whole floats"): "an older Python accepts whole floats",
    **{
        ("Hyperband", f"{kind}/huge sigma"): "by luck none of the first draws was infinite"
        for kind in ("lognormal", "qlognormal")
    },
    **{
        ("GridSearch", name): _ONE_BY_ONE
        for name in (
            "choice/lists of one",
            "choice/empty lists",
            "choice/lists of lists",
            "choice/lists of objects",
            "choice/lists of named objects",
            "choice/objects of strings",
            "choice/objects with lists",
            "nested/names that are numbers",
            "nested/names that are null",
            "nested/names that are lists",
            "nested/and unnamed parameters",
            "nested/string constants inside",
            "nested/list constants inside",
            "randint/small",
            "quniform/large",
            "quniform/beyond 64 bits",
            "quniform/huge floats",
            "quniform/full width",
        )
    },
}
_RELEASES = ("3.0", "2.10.1", "1.9")


@dataclass(frozen=True)
class Judgement:
    """A verdict, and the problems that nnicli reports."""

    verdict: Verdict
    problems: list[Problem]

    @property
    def differs(self) -> bool:
        is_refused = any(problem.severity == "error" for problem in self.problems)
        return is_refused != self.verdict.should_be_refused


@cache
def _judge(release: str) -> list[Judgement]:
    return [Judgement(verdict, verdict.problems()) for verdict in read_verdicts(release)]


def test_the_recorded_spaces_are_those_of_the_generator() -> None:
    assert recorded_cases() == list(CASES)


def test_the_probe_runs_in_the_python_of_the_oldest_manager() -> None:
    text = (DATA.parents[1] / "tuners" / "probe.py").read_text("utf-8")

    assert ast.parse(text, feature_version=(3, 7)).body


@pytest.mark.parametrize("release", _RELEASES)
def test_nnicli_agrees_with_the_tuners_of_a_release(release: str) -> None:
    """At least 99 % agree, and each difference is known."""
    judged = _judge(release)

    differing = [one.verdict for one in judged if one.differs]

    assert len({one.verdict.tuner for one in judged}) >= 10
    assert len(differing) <= len(judged) / 100
    assert [
        f"{one.tuner} {one.case}: {one.failure or 'runs'}"
        for one in differing
        if (one.tuner, one.case) not in _DIFFERENCES
    ] == []


def test_every_recorded_difference_still_exists() -> None:
    """A reason that is no longer needed hides the next mistake."""
    differing = {
        (one.verdict.tuner, one.verdict.case)
        for release in _RELEASES
        for one in _judge(release)
        if one.differs
    }

    assert set(_DIFFERENCES) - differing == set()


@pytest.mark.parametrize("release", _RELEASES)
def test_a_tuner_that_fails_later_is_reported(release: str) -> None:
    """It runs for a while, so it is not refused, but a failure overnight would be costly."""
    later = [
        one for one in _judge(release) if one.verdict.failure and not one.verdict.should_be_refused
    ]

    silent = [one.verdict.case for one in later if not one.problems]

    assert len(later) > 20
    assert len(silent) <= len(later) / 2, silent
