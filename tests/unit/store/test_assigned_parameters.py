"""The hyper-parameters of each trial are found in the log of a 3.0 manager."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from nnicli.store import AssignedParameters
from nnicli.store.logs import assigned_parameters

NAMES = ("aa0eS", "Kg7ia", "sw4jm")
SET = '{"parameter_id": 0, "parameters": {"x": "ü"}}'


def _created(trial: str, service: str = "LocalV3.local", rest: str = "") -> str:
    return f"[2026-11-26 17:24:42] INFO ({service}) Created trial {trial}{rest}\n"


def _assigned(trial: str, text: str, service: str = "LocalV3.local") -> str:
    return f"[2026-11-26 17:24:58] INFO ({service}) Trial parameter: {trial} {text}\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "nnimanager.log"


@pytest.mark.parametrize(
    ("service", "rest"), [("LocalV3.local", ""), ("RemoteV3.remote", " on worker 1")]
)
def test_a_trial_has_its_assigned_hyper_parameters(log: Path, service: str, rest: str) -> None:
    log.write_text(
        _created(NAMES[0], service, rest)
        + _created(NAMES[1], service, rest)
        + "{\n  more: 'of another record'\n}\n"
        + _assigned(NAMES[0], SET, service),
        "utf-8",
    )

    assert AssignedParameters(log).find(NAMES) == {NAMES[0]: SET, NAMES[1]: None}


def test_the_last_one_counts_for_a_trial_that_was_submitted_again(log: Path) -> None:
    """It is created again after the resume, and may be ended before it asks."""
    again = SET.replace("0", "7")
    log.write_text(
        _created("a") + _assigned("a", SET) + _created("a") + _assigned("a", again) + _created("a")
    )

    assert AssignedParameters(log).find(["a"]) == {"a": again}


@pytest.mark.parametrize(
    "line",
    [
        f"[2026-11-26 17:24:58] INFO (NNIManager) (LocalV3.local) Trial parameter: aa0eS {SET}\n",
        f"LocalV3.local) Trial parameter: aa0eS {SET}\n",
        f"[2026-11-26 17:24:58] INFO (LocalV3.local) Trial parameter: aa0eS {SET}"[:-9],
    ],
    ids=["inside another record", "no record", "not written to its end"],
)
def test_only_whole_records_of_the_training_service_count(log: Path, line: str) -> None:
    log.write_text(_created("aa0eS") + line)

    assert AssignedParameters(log).find(NAMES) == {"aa0eS": None}


def test_only_what_is_new_is_read(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of gigabytes is not read each time the trials are read."""
    monkeypatch.setattr(assigned_parameters, "_PORTION", 7)
    whole = _created("a") + _assigned("a", SET)
    log.write_text(whole[:-20])
    assigned = AssignedParameters(log)
    before = assigned.find(["a"])
    # What was read once is not read again, even if it has changed since.
    with log.open("r+") as file:
        file.write("#" * 20)
        file.seek(0, os.SEEK_END)
        file.write(whole[-20:])

    assert before == {"a": None}
    assert assigned.find(["a"]) == {"a": SET}


def test_a_truncated_or_replaced_log_is_read_from_its_beginning(log: Path) -> None:
    log.write_text(_created("a") + _assigned("a", SET))
    assigned = AssignedParameters(log)
    assigned.find(["a"])
    log.write_text(_created("b"))
    cut = assigned.find(["a", "b"])
    log.rename(log.with_name("old.log"))
    log.write_text(_created("c") * 9)

    assert cut == {"b": None}
    assert assigned.find(["b", "c"]) == {"c": None}


def test_a_missing_or_unreadable_log_counts_as_empty(log: Path) -> None:
    missing = AssignedParameters(log).find(NAMES)
    os.mkfifo(log)

    assert missing == AssignedParameters(log).find(NAMES) == {}


def test_a_log_that_is_too_large_counts_as_empty(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write_text(_created("a"))
    monkeypatch.setattr(assigned_parameters, "_MOST_BYTES", 10)

    assert AssignedParameters(log).find(["a"]) == {}


@pytest.mark.slow
@pytest.mark.timeout(30)
def test_a_line_without_an_end_takes_neither_memory_nor_time(log: Path) -> None:
    """Sparse files cost nothing to make, and copies of what was read so far take minutes."""
    with log.open("wb") as file:
        file.write(_created("a").encode())
        file.truncate(1 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + _created("b").encode())
    tracemalloc.start()
    try:
        assert AssignedParameters(log).find(["a", "b"]) == {"a": None, "b": None}
        assert tracemalloc.get_traced_memory()[1] < 300 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.timeout(30)
def test_records_in_the_middle_of_a_line_take_no_time(log: Path) -> None:
    log.write_bytes(b"V3.a) Created trial b\r" * 1_000_000 + b"\n" + _created("a").encode())

    assert AssignedParameters(log).find(["a", "b"]) == {"a": None}
