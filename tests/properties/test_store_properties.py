"""What holds for any registry and any log of events."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings, strategies as st

from nnicli.store import Registry
from nnicli.store.database import javascript
from nnicli.store.database.replay import count_statuses, replay_trials

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
FINITE_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**300), 10**300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.integers(0, 5 * 10**9).map(str), inner)
    ),
    max_leaves=5,
)
ENTRIES = st.dictionaries(st.text(), st.dictionaries(st.text(), JSON_VALUES), max_size=4)

ENDS = ("SUCCEEDED", "FAILED", "USER_CANCELED", "SYS_CANCELED", "EARLY_STOPPED")
KINDS = (*ENDS, "WAITING", "RUNNING", "USER_TO_CANCEL", "ADD_HYPERPARAMETER", "ADD_RESUMED", "NEW")
EVENTS = st.lists(
    st.tuples(
        st.integers(min_value=0),
        st.sampled_from(("", "a", "b")),
        st.sampled_from(KINDS),
        st.none() | st.text() | JSON_VALUES.map(json.dumps),
        st.none() | st.text(),
        st.none() | st.integers(min_value=0),
        st.none() | st.text(),
        st.none() | st.text(),
        st.integers(min_value=1),
    )
)
"""Rows of TrialJobEvent."""


@given(entries=ENTRIES, entry=st.dictionaries(st.text(), JSON_VALUES))
@settings(max_examples=25, deadline=None)
def test_a_change_keeps_every_other_entry(entries: dict[str, Any], entry: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        registry = Registry(Path(directory) / ".experiment")
        registry.path.write_text(json.dumps(entries), "utf-8")

        registry.ensure("aBcD", {**entry, "id": "aBcD"})
        assert registry.read() == {**entries, "aBcD": {**entry, "id": "aBcD"}}

        registry.remove("aBcD")
        assert registry.read() == {key: kept for key, kept in entries.items() if key != "aBcD"}


@given(events=EVENTS)
def test_replaying_any_log_yields_each_trial_once(events: list[tuple[Any, ...]]) -> None:
    """A log may come from a newer release or be damaged; reading it must not fail."""
    trials = replay_trials(events, [])

    ids = [trial["trialJobId"] for trial in trials]
    assert ids == list(dict.fromkeys(name for _, name, *_ in events if name))
    for trial in trials:
        kinds = {kind for _, name, kind, *_ in events if name == trial["trialJobId"]}
        assert ("endTime" in trial) == bool(kinds & set(ENDS))
    assert sum(number for _, number in count_statuses(trials)) == len(trials)


@given(value=FINITE_VALUES)
def test_javascript_keeps_every_number_of_a_value(value: Any) -> None:
    """Except integers beyond 2**53, which become the nearest double."""
    once = javascript.parse(json.dumps(value))

    assert repr(javascript.parse(json.dumps(once))) == repr(once)
    assert _as_doubles(once) == _as_doubles(value)


def _as_doubles(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_doubles(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_doubles(item) for item in value]
    return float(value) if type(value) is int else value


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_is_unchanged(number: float) -> None:
    assert float(javascript.parse(json.dumps(number))) == number
