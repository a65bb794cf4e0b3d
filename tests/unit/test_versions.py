from __future__ import annotations

import logging
from dataclasses import dataclass

import pytest
from hypothesis import given, strategies as st

from nnicli.errors import UnsupportedVersionError
from nnicli.versions import ReleaseTable, parse_version


@dataclass(frozen=True)
class Row:
    since: str


ROWS = ReleaseTable(Row("1.8"), Row("2.10"), Row("3.0"), through="3.0")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("2.10.1", (2, 10, 1)),
        ("3.0.0", (3,)),
        ("3.0", (3,)),
        ("v1.5", (1, 5)),
        ("999.0.0-developing", (999,)),
        ("3.0rc1", (3,)),
        (" 2.9\n", (2, 9)),
    ],
)
def test_spellings_of_a_release(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_version(text) == numbers


@pytest.mark.parametrize("text", ["", "latest", "<html>", "3.", "-1.0"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an NNI release number"):
        parse_version(text)


@given(st.text())
def test_any_text_is_a_release_or_a_value_error(text: str) -> None:
    try:
        numbers = parse_version(text)
    except ValueError:
        return
    assert all(number >= 0 for number in numbers)


def test_releases_compare_as_numbers_and_not_as_text() -> None:
    assert parse_version("2.10") > parse_version("2.9.1")


@pytest.mark.parametrize(
    ("version", "since"), [("1.8", "1.8"), ("2.9", "1.8"), ("2.10.1", "2.10"), ("3.0.0", "3.0")]
)
def test_the_row_is_the_last_one_that_is_not_newer(version: str, since: str) -> None:
    assert ROWS.row_for(version).since == since


def test_a_development_build_counts_as_the_newest_without_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        row = ROWS.row_for("999.0.0-developing")

    assert row.since == "3.0"
    assert caplog.text == ""


@pytest.mark.parametrize("version", ["1.7", "not a release"])
def test_a_release_without_a_row_is_unsupported(version: str) -> None:
    with pytest.raises(UnsupportedVersionError):
        ROWS.row_for(version)


def test_a_newer_release_is_treated_as_the_newest_and_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Six warnings at each start were too many; managers say 3.1.0 where packages say 3.1."""
    with caplog.at_level(logging.WARNING):
        rows = [ROWS.row_for(version).since for version in ("3.1", "3.1.0", "v3.1")]

    assert rows == ["3.0", "3.0", "3.0"]
    (said,) = caplog.messages
    assert said == (
        "NNI 3.1 is newer than 3.0, the newest release that nnicli knows; treating it as 3.0"
    )
