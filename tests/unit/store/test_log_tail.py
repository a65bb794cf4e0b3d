"""Logs are read from their end or from a known position."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnicli.store import size_of, tail_text


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "dispatcher.log"


def test_a_missing_log_is_empty(log: Path) -> None:
    assert size_of(log) == 0
    assert tail_text(log) == ""


def test_the_tail_is_the_last_lines(log: Path) -> None:
    log.write_text("".join(f"line {number}\n" for number in range(50)))

    assert tail_text(log, lines=2) == "line 48\nline 49"
    assert len(tail_text(log).splitlines()) == 20


def test_only_the_end_of_a_large_log_is_read(log: Path) -> None:
    """A debug log may have gigabytes; a file with a hole is as large, and takes no disk space."""
    with log.open("wb") as file:
        file.seek(1 << 40)
        file.write(b"\nthe end\n")

    assert tail_text(log, lines=1) == "the end"


def test_invalid_utf_8_is_replaced(log: Path) -> None:
    log.write_bytes(b"caf\xe9\n")

    assert tail_text(log) == "caf\ufffd"
