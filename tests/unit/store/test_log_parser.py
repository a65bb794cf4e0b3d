"""The parts of logs that belong to one run: crashes, first errors, the tuner's last answer."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from nnicli.store import LogPart, has_lost_connection

# From dispatcher.log of 2.x and 3.0, and of 1.9.
STARTED = (
    "[2026-11-24 11:16:12] INFO (nni.runtime.msg_dispatcher_base/MainThread) Dispatcher started\n"
)
STARTED_1_9 = (
    "[11/24/2026, 11:16:12 AM] INFO (nni.msg_dispatcher_base/MainThread) Start dispatcher\n"
)
TRACEBACK = (
    "Traceback (most recent call last):\n"
    '  File "/nni/tuner.py", line 7, in receive_trial_result\n'
    "    raise KeyError(value)\n"
    "KeyError: 1\n"
)
TERMINATED = "[2026-11-24 11:16:20] INFO (nni.runtime) Dispatcher terminated\n"
FATAL = (
    "[2026-11-24 11:16:15] ERROR (nni.runtime.msg_dispatcher_base/Thread-1 (command_queue_worker)) "
    f"1\n{TRACEBACK}"
)
FATAL_1_9 = (
    f"[11/24/2026, 11:16:15 AM] ERROR (nni.msg_dispatcher_base/Thread-1) two\nlines\n{TRACEBACK}"
)
FATAL_AT_IMPORT = f"[2026-11-24 11:16:12] ERROR (nni.main/MainThread) boom\n{TRACEBACK}"
SURVIVED = (
    f"[2026-11-24 11:16:14] ERROR (nni.tuner.mine/Thread-1) division by zero\n{TRACEBACK}",
    # It tries again.
    "[2026-11-24 11:16:14] ERROR (nni.runtime.command_channel.websocket.channel/MainThread) Retry\n"
    + TRACEBACK,
    # Not an exception.
    "[2026-11-24 11:16:14] ERROR (nni.main/MainThread) Assessor is ignored.\n",
)

TR = 'NNIManager received command from dispatcher: TR, {"parameter_id": 2}'
NO = 'NNIManager received command from dispatcher: NO, {"parameter_id": 3}'
ENDED = "Trial job YmKsI status changed from RUNNING to SUCCEEDED"


def _manager_log(*texts: str) -> str:
    return "".join(f"[2026-11-24 11:16:12] INFO (NNIManager) {text}\n" for text in texts)


def _manager_log_1_9(*texts: str) -> str:
    return "".join(f"[11/24/2026, 9:16:12 AM] INFO [ '{text}' ]\n" for text in texts)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "some.log"


def test_a_missing_log_counts_as_empty(log: Path) -> None:
    part = LogPart.from_now(log)

    assert part.is_empty()
    assert not part.tuner_has_connected()
    assert part.crash() == ("", 0)
    assert (part.last_traceback(), part.first_error(), part.last_problem()) == ("", "", "")
    assert not part.died_with_tuner()
    assert not part.tuner_has_answered()


@pytest.mark.parametrize("line", [STARTED, STARTED_1_9], ids=["2.x", "1.9"])
def test_a_tuner_of_an_earlier_run_does_not_count(log: Path, line: str) -> None:
    """A resumed manager appends to the log, where the old line would match at once."""
    log.write_text(line)
    part = LogPart.from_now(log)

    assert LogPart(log).tuner_has_connected()
    assert not part.tuner_has_connected()

    with log.open("a") as file:
        file.write(line)
    assert part.tuner_has_connected()
    assert not part.is_empty()


@pytest.mark.parametrize("record", [FATAL, FATAL_1_9, FATAL_AT_IMPORT], ids=["2.x", "1.9", "main"])
def test_what_ends_the_tuner_or_its_worker_is_a_crash(log: Path, record: str) -> None:
    """If a tuner's worker thread is dead, its process stays alive but generates nothing more."""
    log.write_text(STARTED + record + TERMINATED)

    assert LogPart(log).crash()[0] == TRACEBACK.strip()


@pytest.mark.parametrize("record", SURVIVED, ids=["own-logger", "retry", "no-exception"])
def test_what_a_tuner_survives_is_not_a_crash(log: Path, record: str) -> None:
    log.write_text(STARTED + record + TERMINATED)

    assert LogPart(log).crash()[0] == ""


@pytest.mark.parametrize(
    ("reported", "is_shown"), [("ValueError: in assess_trial", True), ("KeyError: 1", False)]
)
def test_an_assessor_s_error_is_shown_with_the_one_that_follows_from_it(
    log: Path, reported: str, is_shown: bool
) -> None:
    """1.9 continues after it and ends with an error of its own; later releases raise it again."""
    cause = f"Traceback (most recent call last):\n  in assess_trial\n{reported}"
    header = "[11/24/2026, 11:16:14 AM] ERROR (nni.msg_dispatcher/Thread-2) "
    log.write_text(f"{header}Assessor error\n{header}it\n{cause}\n{FATAL_1_9}")

    expected = f"{cause}\n\n{TRACEBACK.strip()}" if is_shown else TRACEBACK.strip()
    assert LogPart(log).crash()[0] == expected


def test_a_crash_is_found_when_it_comes_and_only_what_is_new_is_read(log: Path) -> None:
    log.write_text(STARTED + TERMINATED)
    part = LogPart(log)
    nothing, position = part.crash()

    with log.open("a") as file:
        file.write(FATAL)

    assert nothing == ""
    assert position == len(STARTED)
    assert part.crash(position) == (TRACEBACK.strip(), len(STARTED + TERMINATED))


def test_a_crash_of_an_earlier_run_does_not_count(log: Path) -> None:
    log.write_text(FATAL)
    part = LogPart.from_now(log)
    with log.open("a") as file:
        file.write(STARTED)

    assert part.crash()[0] == ""
    assert part.last_traceback() == ""


def test_the_last_traceback_is_found_among_several(log: Path) -> None:
    second = TRACEBACK.replace("KeyError: 1", "KeyError: 2")
    log.write_text(STARTED + TRACEBACK + TERMINATED + second + TERMINATED)

    assert LogPart(log).last_traceback() == second.strip()


@pytest.mark.parametrize(
    ("last_line", "is_effect"),
    [
        ("websockets.exceptions.ConnectionClosedError: no close frame received or sent", True),
        ("ConnectionRefusedError: [Errno 111] Connect call failed", True),
        ("BrokenPipeError: [Errno 32] Broken pipe", True),
        ("KeyError: 'Connection'", False),
        ("ValueError: boom", False),
    ],
)
def test_a_tuner_that_lost_its_manager_is_an_effect(last_line: str, is_effect: bool) -> None:
    assert has_lost_connection(f"{TRACEBACK}{last_line}") is is_effect


def test_the_first_error_is_the_cause_and_whole(log: Path) -> None:
    """3.0 with an unreachable host: errors about the closed database follow."""
    cause = (
        "Training srevice initialize failed: Error: connect ECONNREFUSED 127.0.0.1:1\n"
        "    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1494:16) {\n"
        "  port: 1\n}"
    )
    log.write_text(
        _manager_log("Start NNI manager")
        + f"[2026-11-26 17:27:35] ERROR (TrainingServiceCompat) {cause}\n"
        + _manager_log("Stopping REST server.")
        + "[2026-11-26 17:27:40] ERROR (NNIRestHandler) Error: SQLITE_MISUSE: Database is closed\n"
    )

    assert LogPart(log).first_error() == cause
    assert LogPart(log).last_problem() == "Error: SQLITE_MISUSE: Database is closed"


def test_the_first_error_of_a_1_9_manager(log: Path) -> None:
    log.write_text(
        _manager_log_1_9("RestServer start")
        + "[11/26/2026, 5:28:06 PM] ERROR [ 'Dispatcher error: read ECONNRESET' ]\n"
    )

    assert LogPart(log).first_error() == "[ 'Dispatcher error: read ECONNRESET' ]"


@pytest.mark.parametrize("write", [_manager_log, _manager_log_1_9], ids=["2.x", "1.9"])
@pytest.mark.parametrize(
    ("lines", "has_answered"),
    [
        ((), False),
        ((TR, NO), True),
        ((TR, ENDED), False),
        ((TR, NO, ENDED), False),
        ((TR, ENDED, NO), True),
        # PBT: the next generation comes after a moment without trials.
        ((ENDED, NO, TR), False),
        ((TR, ENDED, NO, "Change NNIManager status from: RUNNING to: X"), True),
    ],
)
def test_only_the_tuner_s_answer_after_the_last_end_counts(
    log: Path, write: object, lines: tuple[str, ...], has_answered: bool
) -> None:
    assert callable(write)
    log.write_text(write(*lines))

    assert LogPart(log).tuner_has_answered() is has_answered


def test_a_manager_s_last_output_shows_that_its_tuner_was_gone(log: Path) -> None:
    """2.10 and 2.10.1 die with their tuner; a tuner that was killed leaves no traceback."""
    log.write_text(
        "node:events:504\n      throw er;\n\n"
        "Error: tuner_command_channel: Tuner closed connection\n    at WebSocket.emit\n"
    )
    part = LogPart.from_now(log)
    with log.open("a") as file:
        file.write("Error: listen EADDRINUSE: address already in use\n")

    assert LogPart(log).died_with_tuner()
    assert not part.died_with_tuner()


def test_a_log_that_is_a_named_pipe_has_no_lines(log: Path) -> None:
    os.mkfifo(log)

    assert LogPart(log).crash() == ("", 0)
    assert not LogPart(log).tuner_has_connected()


def test_a_manager_s_output_is_distinguished_from_its_tuner_s(log: Path) -> None:
    log.write_text("of an earlier run\n")
    part = LogPart.from_now(log)
    with log.open("a") as file:
        file.write(f"Error: refused\n    at Client.emit\n{TRACEBACK}")

    assert part.text_before_traceback() == "Error: refused\n    at Client.emit"
    assert part.last_lines(1) == TRACEBACK.strip().splitlines()[-1]
    assert part.last_lines(100).startswith("Error: refused")
    assert LogPart.from_now(log).last_lines() == ""


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S", "%m/%d/%Y, %I:%M:%S %p"])
def test_a_part_begins_with_the_first_record_since_a_moment(log: Path, form: str) -> None:
    """For a manager that was only connected to, its creation time is known."""
    start, lines = time.mktime((2026, 11, 24, 11, 58, 0, 0, 0, -1)), []
    for number in range(500):
        moment = time.strftime(form, time.localtime(start + 60 * number))
        lines.append(f"[{moment}] INFO (a) {number}\nmore of {number}\n")
    log.write_text("".join(lines))

    for number in (0, 1, 250, 499):
        part = LogPart.from_moment(log, start + 60 * number + 0.7)

        assert part.since == len("".join(lines[:number]))
    assert LogPart.from_moment(log, start + 60 * 499 + 2).is_empty()
