"""What real tuners did with search spaces, as recorded by `python -m tests.tuners.record`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from nnicli.config.documents.document import Document, find_non_finite
from nnicli.config.releases import release_for
from nnicli.config.search_space.checks import check_search_space
from nnicli.errors import Problem
from tests.tuners.spaces import CASES, MISTAKES

DATA = Path(__file__).parents[1] / "data" / "tuner-verdicts.json"

# Any working tuner has generated that many parameter sets, and has received their results.
_AT_ONCE = 8
# The manager of 1.9 runs trials with NaN and infinity (seen live); 2.10.1 and 3.0 crash on them.
_RUNS_WITHOUT_JSON = ("1.9",)
_NOT_JSON = ("ValueError: Out of range float values", "NotJsonError")
# If a tuner fails with these after some parameter sets, it is not about the search space: a
# library is too new for it, or it has a defect.
_SOUND = ("choice/integers", "uniform/plain")


@dataclass(frozen=True)
class Verdict:
    """What a tuner did with a search space.

    Attributes:
        release: NNI's.
        tuner: Its built-in name.
        case: Name of the search space, a key of `CASES`.
        sets: How many parameter sets it generated before it failed.
        failure: What it failed with, None if it ran.
    """

    release: str
    tuner: str
    case: str
    sets: int
    failure: str | None

    @property
    def fails_at_once(self) -> bool:
        """Whether every experiment ends within its first few trials."""
        return self.failure is not None and self.sets < _AT_ONCE

    @property
    def should_be_refused(self) -> bool:
        """Whether a check should refuse it: a plain mistake, or a tuner that fails at once.

        NaN and infinity are mistakes too: the JSON that is sent does not have them.
        """
        is_json = next(find_non_finite(CASES[self.case]), None) is None
        return self.case in MISTAKES or not is_json or self.fails_at_once

    def problems(self) -> list[Problem]:
        """Return the problems that nnicli reports."""
        document = Document(None, data=CASES[self.case])
        release = release_for(self.release)
        check_search_space(document, tuner=self.tuner, release=release)
        return document.problems


def read_verdicts(release: str) -> Iterator[Verdict]:
    """Yield what every tuner installed with a release did with every search space."""
    for title, failures in _read().items():
        if title == "cases":
            continue
        version, _, tuner = title.partition(" ")
        if version != release or None in failures.values():
            continue
        found = {case: (sets, text) for text in failures for case, sets in failures[text].items()}
        always = {found[case][1] for case in _SOUND if case in found and found[case][0]}
        for case in recorded_cases():
            sets, text = found.get(case, (0, None))
            runs = text in always or (
                release in _RUNS_WITHOUT_JSON and str(text).startswith(_NOT_JSON)
            )
            yield Verdict(release, tuner, case, sets, None if runs else text)


def recorded_cases() -> list[str]:
    """Return the names of the recorded search spaces."""
    cases: list[str] = _read()["cases"]
    return cases


@cache
def _read() -> Any:
    return json.loads(DATA.read_text("utf-8"))
