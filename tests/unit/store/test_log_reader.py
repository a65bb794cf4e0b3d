"""Logs are read as text, or while they are being written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nnicli.errors import InvalidValueError
from nnicli.store import FetchedLog, Log, LogFile
from nnicli.store.logs.reader import PORTION
from nnicli.waiting import Deadline

TEXTS = ["", "\n", "one", "one\n", "one\ntwo", "one\ntwo\n", "\n\ntwo\n\n", "10%\r100%\nü\u2028x\n"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trial.log"


@pytest.fixture(params=["file", "fetched"])
def make_log(request: pytest.FixtureRequest, path: Path) -> Callable[[str], Log]:
    def make(text: str) -> Log:
        path.write_bytes(text.encode())
        return (
            LogFile(path)
            if request.param == "file"
            else FetchedLog(lambda: path.read_bytes().decode())
        )

    return make


def lines_of(text: str) -> list[str]:
    """Return its lines with their ends, found character by character."""
    lines = [""]
    for character in text:
        lines[-1] += character
        if character == "\n":
            lines.append("")
    return [line for line in lines if line]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("number", [0, 1, 2, 9])
def test_the_first_and_the_last_lines(
    make_log: Callable[[str], Log], text: str, number: int
) -> None:
    log = make_log(text)

    assert log.text() == text
    assert log.text(head=number) == "".join(lines_of(text)[:number])
    assert log.text(tail=number) == "".join(lines_of(text)[::-1][:number][::-1])


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_last_lines_of_a_long_file(path: Path, number: int) -> None:
    """It is read backwards in portions, which may begin anywhere."""
    lines = [f"{'x' * (PORTION - 3)}\n", f"{'y' * PORTION}\n", "z\n"]
    path.write_text("".join(lines))

    assert LogFile(path).text(tail=number) == "".join(lines[-number:])


def test_a_missing_file_is_empty(path: Path) -> None:
    assert LogFile(path).text() == LogFile(path).text(tail=3) == LogFile(path).text(head=3) == ""


def test_invalid_utf_8_is_replaced(path: Path) -> None:
    path.write_bytes(b"a\xffb\n")

    assert LogFile(path).text() == "a\ufffdb\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"head": -1}, "head: -1 is not allowed; allowed: a number of lines"),
        ({"tail": -1}, "tail: -1 is not allowed"),
        ({"head": 1, "tail": 1}, "head and tail: 1 and 1 together are not allowed"),
    ],
)
def test_invalid_numbers_are_refused(
    make_log: Callable[[str], Log], arguments: dict[str, int], message: str
) -> None:
    with pytest.raises(InvalidValueError, match=message):
        make_log("text").text(**arguments)


def test_following_refuses_at_once(make_log: Callable[[str], Log]) -> None:
    with pytest.raises(InvalidValueError, match="tail: -1"):
        make_log("text").follow(deadline=Deadline(0), is_complete=lambda: True, tail=-1)


class Scene:
    """Changes to a log, one each time that its reader finds nothing new."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self._steps = list(steps)

    def is_complete(self) -> bool:
        if self._steps:
            self._steps.pop(0)()
        return not self._steps

    def follow(self, log: Log, tail: int | None = None) -> Iterator[str]:
        return log.follow(deadline=Deadline(60), is_complete=self.is_complete, tail=tail)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnicli.store.logs.reader._INTERVAL_S", 0)


def append(path: Path, content: bytes) -> Callable[[], object]:
    def step() -> None:
        with path.open("ab") as file:
            file.write(content)

    return step


def test_what_is_appended_comes_as_it_is_written(
    make_log: Callable[[str], Log], path: Path
) -> None:
    log = make_log("one\n")
    scene = Scene(append(path, b"10%\r"), append(path, b""), append(path, b"100%\ntwo\n"))

    assert list(scene.follow(log)) == ["one\n", "10%\r", "100%\ntwo\n"]


def test_following_begins_with_the_last_lines(make_log: Callable[[str], Log], path: Path) -> None:
    log = make_log("one\ntwo\nthree\n")

    pieces = list(Scene(append(path, b"four\n")).follow(log, tail=1))

    assert "".join(pieces) == "three\nfour\n"


def test_a_file_that_comes_later_is_followed(path: Path) -> None:
    assert list(Scene(lambda: None, append(path, b"late")).follow(LogFile(path))) == ["late"]


def test_a_character_that_comes_in_two_parts_is_one(path: Path) -> None:
    scene = Scene(append(path, b"\xc3"), append(path, b"\xbc\n"))

    assert "".join(scene.follow(LogFile(path))) == "ü\n"


def test_half_a_character_at_the_end_is_replaced(path: Path) -> None:
    assert "".join(Scene(append(path, b"a\xc3")).follow(LogFile(path))) == "a\ufffd"


def test_a_file_that_is_rotated_is_read_to_its_end_and_then_the_new_one(path: Path) -> None:
    path.write_bytes(b"old\n")

    def rotate() -> None:
        append(path, b"last\n")()
        path.rename(path.with_suffix(".1"))
        path.write_bytes(b"new\n")

    assert "".join(Scene(rotate).follow(LogFile(path))) == "old\nlast\nnew\n"


def test_a_file_that_is_away_for_a_moment_is_waited_for(path: Path) -> None:
    path.write_bytes(b"old\n")

    scene = Scene(path.unlink, lambda: None, append(path, b"new\n"))

    assert "".join(scene.follow(LogFile(path))) == "old\nnew\n"


@pytest.mark.parametrize("again", [b"x\n", b"longer than it was before\n"], ids=["short", "long"])
def test_a_truncated_file_is_read_from_its_beginning(path: Path, again: bytes) -> None:
    """The size alone would not show it, if it has already grown beyond the old one."""
    path.write_bytes(b"what it was\n")

    pieces = Scene(lambda: path.write_bytes(again)).follow(LogFile(path))

    assert "".join(pieces) == f"what it was\n{again.decode()}"


def test_a_file_truncated_to_nothing_is_followed(path: Path) -> None:
    path.write_bytes(b"old\n")

    scene = Scene(lambda: path.write_bytes(b""), append(path, b"new\n"))

    assert "".join(scene.follow(LogFile(path))) == "old\nnew\n"


def test_a_text_with_a_new_beginning_is_returned_again(path: Path) -> None:
    path.write_bytes(b"old\n")
    log = FetchedLog(path.read_text)

    assert "".join(Scene(lambda: path.write_bytes(b"new\n")).follow(log)) == "old\nnew\n"


def test_the_time_limit_ends_it(make_log: Callable[[str], Log]) -> None:
    pieces = make_log("one\n").follow(deadline=Deadline(0), is_complete=lambda: False)

    assert list(pieces) == ["one\n"]


def test_no_file_stays_open(path: Path) -> None:
    """Neither at the end nor if the caller stops in the middle."""
    path.write_bytes(b"one\n")
    before = set(Path("/proc/self/fd").iterdir())
    list(Scene().follow(LogFile(path)))
    pieces = Scene(lambda: None).follow(LogFile(path))
    assert next(pieces) == "one\n"
    pieces.close()  # type: ignore[attr-defined]  # it is a generator

    assert set(Path("/proc/self/fd").iterdir()) == before
