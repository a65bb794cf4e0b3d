"""Logs, read from their end or from a known place."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnicli.store import died_with_tuner, has_started, last_error, size_of, tail_text

# As dispatcher.log has it (3.0).
STARTED = (
    "[2026-11-24 11:16:12] INFO (nni.runtime.msg_dispatcher_base/MainThread) Dispatcher started\n"
)
TRACEBACK = (
    "Traceback (most recent call last):\n"
    '  File "/nni/tuner.py", line 7, in receive_trial_result\n'
    "    raise KeyError(value)\n"
    "KeyError: {number}\n"
)
TERMINATED = "[2026-11-24 11:16:20] INFO (nni.runtime) Dispatcher terminated\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "dispatcher.log"


def test_a_missing_log_is_empty(log: Path) -> None:
    assert size_of(log) == 0
    assert tail_text(log) == ""
    assert not has_started(log, since=0)
    assert last_error(log, since=0) == ""
    assert not died_with_tuner(log, since=0)


def test_a_manager_s_last_words_tell_that_its_tuner_was_gone(log: Path) -> None:
    """2.10 and 2.10.1 die with their tuner; a tuner that was killed leaves no traceback."""
    log.write_text(
        "node:events:504\n      throw er;\n\n"
        "Error: tuner_command_channel: Tuner closed connection\n    at WebSocket.emit\n"
    )

    assert died_with_tuner(log, since=0)


def test_the_last_words_of_an_earlier_manager_do_not_count(log: Path) -> None:
    """A resumed manager appends to the output of the one before."""
    log.write_text("Error: tuner_command_channel: Tuner closed connection\n")
    since = size_of(log)
    with log.open("a") as file:
        file.write("Error: listen EADDRINUSE: address already in use\n")

    assert not died_with_tuner(log, since=since)


def test_the_tail_is_the_last_lines(log: Path) -> None:
    log.write_text("".join(f"line {number}\n" for number in range(50)))

    assert tail_text(log, lines=2) == "line 48\nline 49"
    assert len(tail_text(log).splitlines()) == 20


def test_only_the_end_of_a_large_log_is_read(log: Path) -> None:
    """A debug log of days has gigabytes; a file with a hole is as large and costs no disk."""
    with log.open("wb") as file:
        file.seek(1 << 40)
        file.write(b"\nthe end\n")

    assert tail_text(log, lines=1) == "the end"


def test_bytes_that_are_no_text_do_no_harm(log: Path) -> None:
    log.write_bytes(b"caf\xe9\n")

    assert tail_text(log) == "caf\ufffd"


def test_a_tuner_of_an_earlier_run_does_not_count(log: Path) -> None:
    """A resumed manager appends to the log, where the old line would match at once."""
    log.write_text(STARTED)
    since = size_of(log)

    assert has_started(log, since=0)
    assert not has_started(log, since=since)

    with log.open("a") as file:
        file.write(STARTED)
    assert has_started(log, since=since)


def test_the_last_traceback_is_the_error(log: Path) -> None:
    first, second = (TRACEBACK.replace("{number}", number) for number in "12")
    log.write_text(STARTED + first + TERMINATED + second + TERMINATED)

    assert last_error(log, since=0) == second.strip()


def test_a_traceback_of_an_earlier_run_does_not_count(log: Path) -> None:
    log.write_text(TRACEBACK)
    since = size_of(log)
    with log.open("a") as file:
        file.write(STARTED)

    assert last_error(log, since=since) == ""


def test_a_traceback_at_the_very_end_is_whole(log: Path) -> None:
    log.write_text(STARTED + TRACEBACK)

    assert last_error(log, since=0) == TRACEBACK.strip()
