"""Parse what one run of a manager and its tuner wrote to logs that all runs append to."""

from __future__ import annotations

import io
import math
import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from nnicli.regular_files import open_regular
from nnicli.safe_logging import get_logger
from nnicli.store.logs.tail import size_of

logger = get_logger(__name__)

# Of a longer line or record, only the beginning is kept.
_MOST_BYTES = 1 << 16
# How much of a log's end is searched for what was written last.
_TAIL_BYTES = 1 << 20
# How a record begins: with `[2026-11-24 11:16:12]` from the tuner and from managers since 2.x, with
# `[11/24/2026, 11:16:12 AM]` up to 1.9. The logger and the thread are in parentheses.
_HEADER = re.compile(
    rb"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\d{1,2}/\d{1,2}/\d{4}, \d{1,2}:\d\d:\d\d [AP]M)\] "
    rb"([A-Z]+) (?:\(([\w.]*)(?:/(?:[^()\n]|\([^()\n]*\))*)?\) )?"
)
_TIME_FORMATS = ("%Y-%m-%d %H:%M:%S", "%m/%d/%Y, %I:%M:%S %p")
# What the tuner's process writes once it has connected to its manager.
_STARTED = (b"Dispatcher started", b"Start dispatcher")
_TRACEBACK = b"Traceback (most recent call last):"
# The loggers of exceptions that end the tuner, or its thread that does all the work. Others, such
# as a tuner's own logger, log exceptions that it survives (1.8 to 3.0, source).
_FATAL_LOGGERS = ("nni.main", "nni.runtime.msg_dispatcher_base", "nni.msg_dispatcher_base")
# The loggers of an assessor's exception before it is raised again. 1.8 to 2.6 go on instead, and
# end with an unbound variable (seen live on 1.9 and 2.5).
_REPORTING_LOGGERS = ("nni.runtime.msg_dispatcher", "nni.msg_dispatcher")
# How a tuner's traceback ends if its manager was gone first.
_LOST_CONNECTION = re.compile(r"[\w.]*(Connection\w*|BrokenPipe)(Error)?\b")
# The last output of a manager that dies with its tuner (2.10 and 2.10.1, seen live).
_DIED_WITH_TUNER = b"Error: tuner_command_channel: "
_TRIAL_ENDED = re.compile(
    rb"Trial job \w+ status changed from \w+ to "
    rb"(?:SUCCEEDED|FAILED|USER_CANCELED|SYS_CANCELED|EARLY_STOPPED)\b"
)
_PROBLEM_LEVELS = ("WARNING", "ERROR", "CRITICAL")
_TUNER_SAID = b"NNIManager received command from dispatcher: "
_NOTHING_MORE = _TUNER_SAID + b"NO, "


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a log.

    Attributes:
        start: Where it begins in the file, in bytes.
        level: Such as `ERROR`; empty for text before the first record.
        logger: The name of the logger, empty if the release does not log it.
        body: All of its lines, without the header.
    """

    start: int
    level: str
    logger: str
    body: bytes

    @property
    def text(self) -> str:
        """The body, for people."""
        return self.body.decode("utf-8", "replace").strip()

    @property
    def traceback(self) -> str:
        """The traceback in it, empty without one."""
        _, found, rest = self.body.partition(_TRACEBACK)
        return (found + rest).decode("utf-8", "replace").strip()


@dataclass(frozen=True, slots=True)
class LogPart:
    """The part of a log that belongs to one run.

    Attributes:
        path: The file.
        since: Where the part begins, in bytes.
    """

    path: Path
    since: int = 0

    @classmethod
    def from_now(cls, path: Path) -> LogPart:
        """Return the part that will be written from now on."""
        return cls(path, size_of(path))

    @classmethod
    def from_moment(cls, path: Path, moment: float) -> LogPart:
        """Return the part whose records are not older than this, in seconds since 1970."""
        # Records are in order of time, so a binary search finds the first one fast in a large log.
        first, end = 0, size_of(path)
        while first < end:
            middle = (first + end) // 2
            found = _first_header(path, middle)
            if found is None or _seconds(found[1]) >= int(moment):
                end = middle
            else:
                first = found[0] + 1
        found = _first_header(path, first)
        return cls(path, size_of(path) if found is None else found[0])

    def is_empty(self) -> bool:
        """Return whether this run has written nothing yet."""
        return size_of(self.path) <= self.since

    def tuner_has_connected(self) -> bool:
        """Return whether dispatcher.log shows that the tuner has connected."""
        return any(word in line for _, line in _lines(self.path, self.since) for word in _STARTED)

    def crash(self, position: int = 0) -> tuple[str, int]:
        """Return the traceback with which the tuner, or its thread that does the work, ended.

        A tuner whose thread has ended stays alive but generates nothing more, which goes unnoticed
        until the next request (seen live on 1.9, 2.10.1 and 3.0).

        Args:
            position: What the last call returned, to read only what is new; 0 for all.

        Returns:
            The traceback, empty without one, and the position to continue from.
        """
        start, reported = max(self.since, position), ""
        for record in _records(self.path, start):
            start = record.start
            if record.logger in _REPORTING_LOGGERS:
                reported = record.traceback or reported
            if record.level == "ERROR" and record.logger in _FATAL_LOGGERS and record.traceback:
                return _with_cause(record.traceback, reported), start
        return "", start

    def last_traceback(self) -> str:
        """Return the last traceback in it, empty without one."""
        found = ""
        for record in _records(self.path, self._tail_start()):
            found = record.traceback or found
        return found

    def text_before_traceback(self) -> str:
        """Return the text before the first traceback: in the error output, the manager's.

        Node's last output comes before the traceback of the tuner that lost it (2.10.1, seen live).
        """
        words = bytearray()
        for _, line in _lines(self.path, self._tail_start()):
            if line.startswith(_TRACEBACK) or len(words) > _MOST_BYTES:
                break
            words += line
        return words.decode("utf-8", "replace").strip()

    def last_lines(self, number: int = 20) -> str:
        """Return the last lines, empty if there are none."""
        lines = deque((line for _, line in _lines(self.path, self._tail_start())), maxlen=number)
        return b"".join(lines).decode("utf-8", "replace").strip()

    def first_error(self) -> str:
        """Return the first record of level ERROR, empty without one; later ones are its effects."""
        records = _records(self.path, self.since)
        return next((record.text for record in records if record.level == "ERROR"), "")

    def last_problem(self) -> str:
        """Return the last error or warning, empty without one."""
        found = ""
        for record in _records(self.path, self._tail_start()):
            found = record.text if record.level in _PROBLEM_LEVELS else found
        return found

    def died_with_tuner(self) -> bool:
        """Return whether a manager's last output says that its tuner was gone."""
        lines = _lines(self.path, self._tail_start())
        return any(line.startswith(_DIED_WITH_TUNER) for _, line in lines)

    def tuner_has_answered(self) -> bool:
        """Return whether, after the last trial ended, the tuner said that it has no more trials.

        A manager asks for more whenever a trial has ended. What is not in nnimanager.log, as at a
        log level above info, counts as not said.
        """
        has_answered = False
        for _, line in _lines(self.path, self._tail_start()):
            if _TRIAL_ENDED.search(line) is not None:
                has_answered = False
            elif _TUNER_SAID in line:
                has_answered = _NOTHING_MORE in line
        return has_answered

    def _tail_start(self) -> int:
        return max(self.since, size_of(self.path) - _TAIL_BYTES)


@dataclass(frozen=True, slots=True)
class RunLogs:
    """The logs of one manager and its tuner.

    Attributes:
        manager: nnimanager.log.
        dispatcher: dispatcher.log.
        errors: The manager's standard error output, which includes the tuner's.
    """

    manager: LogPart
    dispatcher: LogPart
    errors: LogPart


def has_lost_connection(traceback: str) -> bool:
    """Return whether a tuner ended because its manager was gone: an effect, not a cause."""
    *_, last = traceback.splitlines() or [""]
    return _LOST_CONNECTION.match(last) is not None


def _with_cause(traceback: str, reported: str) -> str:
    if not reported or reported.splitlines()[-1] == traceback.splitlines()[-1]:
        return traceback
    return f"{reported}\n\n{traceback}"


def _records(path: Path, start: int) -> Iterator[Record]:
    """Return the records from a position on, after the text before the first record."""
    header: tuple[int, str, str] = (start, "", "")
    body = bytearray()
    for position, line in _lines(path, start):
        found = _HEADER.match(line)
        if found is None:
            body += line[: _MOST_BYTES - len(body)]
            continue
        if body:
            yield Record(*header, bytes(body))
        _, level, logger = (group.decode("ascii") for group in found.groups(b""))
        header = position, level, logger
        body = bytearray(line[found.end() :])
    if body:
        yield Record(*header, bytes(body))


def _first_header(path: Path, start: int) -> tuple[int, str] | None:
    """Return the position and the time of the first record that begins at or after a position."""
    for position, line in _lines(path, start):
        if found := _HEADER.match(line):
            return position, found[1].decode("ascii")
    return None


def _lines(path: Path, start: int) -> Iterator[tuple[int, bytes]]:
    """Return the lines from a position on, with their positions; a very long one comes in pieces.

    A file that is missing or cannot be read, such as a named pipe, counts as empty.
    """
    try:
        with io.BufferedReader(cast("io.RawIOBase", open_regular(path))) as file:
            file.seek(start)
            while line := file.readline(_MOST_BYTES):
                yield start, line
                start += len(line)
    except FileNotFoundError:
        return
    except OSError as error:
        # The end of a run can also be seen from the manager and the processes.
        logger.debug("could not read a log: %s", error)


def _seconds(written: str) -> float:
    """Return a record's time in seconds since 1970; infinite if it is not a valid time."""
    for form in _TIME_FORMATS:
        with suppress(ValueError):
            return time.mktime(time.strptime(written, form))
    return math.inf
