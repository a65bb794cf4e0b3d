"""Log files of a manager and its tuner, read from their end or from a known place."""

from __future__ import annotations

import re
from pathlib import Path

from nnicli.regular_files import open_regular

_TAIL_BYTES = 1 << 16
# What NNI's tuner process writes once it has connected to its manager (1.8 to 3.0).
_STARTED = b"Dispatcher started"
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\):$", re.MULTILINE)
# The last words of a manager that dies with its tuner (2.10 and 2.10.1, seen live).
_DIED_WITH_TUNER = re.compile(rb"^Error: tuner_command_channel: ", re.MULTILINE)
# A record of NNI's Python side, which ends a traceback that stands before it.
_RECORD = re.compile(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\]", re.MULTILINE)


def size_of(path: Path) -> int:
    """Return a file's size in bytes, 0 when it is missing."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def tail_text(path: Path, lines: int = 20) -> str:
    """Return the last lines of a file, empty when it is missing; only its end is read."""
    text = _read_from(path, max(0, size_of(path) - _TAIL_BYTES)).decode("utf-8", "replace")
    return "\n".join(text.splitlines()[-lines:])


def has_started(path: Path, *, since: int) -> bool:
    """Return whether the tuner has connected, according to dispatcher.log.

    Args:
        path: The log.
        since: Where this tuner's part begins, in bytes; older runs stand before it.
    """
    try:
        with open_regular(path) as file:
            file.seek(since)
            before = b""
            while portion := file.read(_TAIL_BYTES):
                if _STARTED in before + portion:
                    return True
                before = portion[-len(_STARTED) :]
    except FileNotFoundError:
        pass
    return False


def last_error(path: Path, *, since: int) -> str:
    """Return the last traceback in a log with its message, empty without one.

    Args:
        path: The log.
        since: Where to begin, in bytes.
    """
    start = max(since, size_of(path) - _TAIL_BYTES)
    text = _read_from(path, start).decode("utf-8", "replace")
    found = list(_TRACEBACK.finditer(text))
    if not found:
        return ""
    text = text[found[-1].start() :]
    end = _RECORD.search(text)
    return text[: end.start() if end else None].strip()


def died_with_tuner(path: Path, *, since: int) -> bool:
    """Return whether a manager died because its tuner was gone, according to its error output.

    Args:
        path: The error output.
        since: Where this manager's part begins, in bytes; earlier runs stand before it.
    """
    start = max(since, size_of(path) - _TAIL_BYTES)
    return _DIED_WITH_TUNER.search(_read_from(path, start)) is not None


def _read_from(path: Path, offset: int) -> bytes:
    """Return what stands at the end of a file, but no more than that."""
    try:
        with open_regular(path) as file:
            file.seek(offset)
            return file.read(_TAIL_BYTES)
    except FileNotFoundError:
        return b""
