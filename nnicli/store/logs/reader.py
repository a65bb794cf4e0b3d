"""Read logs as text, from their beginning or their end, or while they are being written."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from nnicli.errors import InvalidValueError
from nnicli.regular_files import open_regular
from nnicli.units import to_whole
from nnicli.waiting import Deadline, within

_INTERVAL_S = 0.2
# At most this share of the time is spent on asking whether a log is complete.
_ASKING_SHARE = 0.1
PORTION = 1 << 16
# Anything larger must be read in pieces, as one text may take four times its size.
_LARGEST_TEXT = 256 << 20
# A file is still the same if this many bytes before the current position have not changed.
_MARK = 64


_Piece = TypeVar("_Piece", str, bytes)


class Log(Protocol):
    """A text that is written line by line."""

    def text(self, *, head: int | None = None, tail: int | None = None) -> str:
        """Return all of it, or its first or last lines; empty if nothing was written yet.

        Args:
            head: Only the first `head` lines.
            tail: Only the last `tail` lines.

        Raises:
            InvalidValueError: A number is negative, both are given, or the text is so large that
                it can only be read in pieces.
            OSError: It cannot be read, or is not a file.
        """

    def follow(
        self, *, deadline: Deadline, is_complete: Callable[[], bool], tail: int | None = None
    ) -> Iterator[str]:
        """Return its text in pieces, as it is written; joined, they are the whole text.

        Args:
            deadline: When to end at the latest.
            is_complete: Called whenever there is nothing new; once it returns True, what has been
                written by then is the rest.
            tail: How many of the lines already written to start with; None: all of them.
        """


class LogFile:
    """A log on disk; a missing file counts as empty."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"LogFile({str(self.path)!r})"

    def text(self, *, head: int | None = None, tail: int | None = None) -> str:
        """Return all of it, or its first or last lines; only these are read.

        The file is read as bytes: reading it as text would turn progress bars into lines.
        """
        _check_lines(head, tail)
        try:
            with open_regular(self.path) as file:
                if head is not None:
                    content = self._first_lines(file, head)
                else:
                    file.seek(0 if tail is None else _start_of_tail(file, tail))
                    content = self._rest(file, tail)
        except FileNotFoundError:
            return ""
        return content.decode("utf-8", "replace")

    def _first_lines(self, file: BinaryIO, number: int) -> bytes:
        lines, left = [], _LARGEST_TEXT
        for _ in range(number):
            line = file.readline(left + 1)
            if not line:
                break
            lines.append(line)
            left -= len(line)
            if left < 0:
                raise self._size_error("head", number)
        return b"".join(lines)

    def _rest(self, file: BinaryIO, tail: int | None) -> bytes:
        chunks, left = [], _LARGEST_TEXT
        while chunk := file.read(PORTION):
            chunks.append(chunk)
            left -= len(chunk)
            if left < 0:
                raise self._size_error("tail", tail)
        return b"".join(chunks)

    def _size_error(self, field: str, value: int | None) -> InvalidValueError:
        return InvalidValueError(
            f"{field}: {self.path} has more than {_LARGEST_TEXT >> 20} MB "
            f"{'' if value is None else f'in {value} lines '}and cannot be read as one text; "
            "ask for fewer lines, or read it piece by piece with follow_...(timeout=0)",
            field=field,
            value=value,
        )

    def follow(
        self, *, deadline: Deadline, is_complete: Callable[[], bool], tail: int | None = None
    ) -> Iterator[str]:
        """Return its text in pieces, even if the file is replaced or truncated meanwhile."""
        _check_lines(None, tail)
        return self._follow(deadline, is_complete, tail)

    def _follow(
        self, deadline: Deadline, is_complete: Callable[[], bool], tail: int | None
    ) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        with _GrowingFile(self.path, tail) as file:
            for content in _pieces(file.read, deadline, is_complete):
                yield decoder.decode(content)
        if rest := decoder.decode(b"", final=True):
            yield rest


class FetchedLog:
    """A log that can only be fetched as a whole, such as one that a manager sends.

    Args:
        fetch: Returns its text.
    """

    def __init__(self, fetch: Callable[[], str]) -> None:
        self._fetch = fetch

    def text(self, *, head: int | None = None, tail: int | None = None) -> str:
        """Return all of it, or its first or last lines."""
        _check_lines(head, tail)
        text = self._fetch()
        if head is not None:
            return "".join(_lines(text)[:head])
        return text if tail is None else _last_lines(text, tail)

    def follow(
        self, *, deadline: Deadline, is_complete: Callable[[], bool], tail: int | None = None
    ) -> Iterator[str]:
        """Return its text in pieces; if its beginning has changed, all of it is returned again."""
        _check_lines(None, tail)
        return self._follow(deadline, is_complete, tail)

    def _follow(
        self, deadline: Deadline, is_complete: Callable[[], bool], tail: int | None
    ) -> Iterator[str]:
        seen = ""
        if tail is not None:
            with within(deadline):
                seen = self._fetch()
            yield _last_lines(seen, tail)

        def read() -> str:
            nonlocal seen
            before, seen = seen, self._fetch()
            return seen.removeprefix(before)

        yield from _pieces(read, deadline, is_complete)


def _lines(text: str) -> list[str]:
    # splitlines() also splits at characters other than \n.
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _last_lines(text: str, number: int) -> str:
    return "".join(_lines(text)[-number:]) if number else ""


def _pieces(
    read: Callable[[], _Piece], deadline: Deadline, is_complete: Callable[[], bool]
) -> Iterator[_Piece]:
    """Return what is read until the log is complete, and then the rest."""
    is_last = False
    while True:
        with within(deadline):
            piece = read()
        if piece:
            yield piece
        elif is_last:
            return
        else:
            asked = Deadline(None)
            with within(deadline):
                is_last = deadline.expired or is_complete()
            if not is_last:
                deadline.sleep(max(_INTERVAL_S, asked.waited_s / _ASKING_SHARE))


class _GrowingFile:
    """A file that other processes append to, and may replace or truncate."""

    def __init__(self, path: Path, tail: int | None) -> None:
        self._path = path
        self._tail = tail
        self._file: BinaryIO | None = None
        self._position = 0
        self._mark = b""

    def __enter__(self) -> _GrowingFile:  # noqa: PYI034 - typing.Self needs Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def read(self) -> bytes:
        """Return what is new, empty if nothing is."""
        if content := self._read_on():
            return content
        if self._was_replaced():
            # The old file may have been written to just before.
            if content := self._read_on():
                return content
            self._open()
            return self._read_on()
        return b""

    def _read_on(self) -> bytes:
        if self._file is None:
            return b""
        self._file.seek(self._position - len(self._mark))
        content = self._file.read(len(self._mark) + PORTION)
        if content[: len(self._mark)] == self._mark:
            content = content[len(self._mark) :]
        else:
            # The file was truncated, and may have grown again since.
            self._file.seek(0)
            self._position, self._mark = 0, b""
            content = self._file.read(PORTION)
        self._position += len(content)
        self._mark = (self._mark + content)[-_MARK:]
        return content

    def _was_replaced(self) -> bool:
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False
        if self._file is None:
            return True
        return not os.path.samestat(now, os.fstat(self._file.fileno()))

    def _open(self) -> None:
        try:
            file = open_regular(self._path, buffering=0)
        except FileNotFoundError:
            return
        if self._file is not None:
            self._file.close()
        elif self._tail is not None:
            self._position = _start_of_tail(file, self._tail)
            self._file, self._mark = file, b""
            return
        self._file, self._position, self._mark = file, 0, b""


def _start_of_tail(file: BinaryIO, lines: int) -> int:
    """Return where the last lines of a file begin, reading backwards from its end."""
    end = position = file.seek(0, os.SEEK_END)
    if lines == 0:
        return end
    # If the last line is complete, its line end does not precede another line.
    file.seek(max(0, end - 1))
    wanted = lines if file.read(1) != b"\n" else lines + 1
    while position > 0:
        start = max(0, position - PORTION)
        file.seek(start)
        portion = file.read(position - start)
        at = len(portion)
        while (at := portion.rfind(b"\n", 0, at)) != -1:
            wanted -= 1
            if wanted == 0:
                return start + at + 1
        position = start
    return 0


def _check_lines(head: int | None, tail: int | None) -> None:
    if head is not None and tail is not None:
        raise InvalidValueError(
            f"head and tail: {head!r} and {tail!r} together are not allowed; pass one of them",
            field="head",
            value=head,
        )
    for name, value in (("head", head), ("tail", tail)):
        if value is not None and ((lines := to_whole(value)) is None or lines < 0):
            raise InvalidValueError(
                f"{name}: {value!r} is not allowed; allowed: a number of lines, 0 or more",
                field=name,
                value=value,
            )
