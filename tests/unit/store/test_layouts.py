"""The table of what managers of each release leave where."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from nnicli.errors import InvalidValueError, UnsupportedVersionError
from nnicli.store import LAYOUTS, Layout, layout_for
from nnicli.store.layouts import layout_with
from nnicli.versions import parse_version


def test_rows_rise() -> None:
    assert all(
        parse_version(earlier.since) < parse_version(later.since)
        for earlier, later in pairwise(LAYOUTS)
    )


@pytest.mark.parametrize(
    ("version", "since"),
    [("2.7", "2.7"), ("2.8", "2.7"), ("2.10.1", "2.7"), ("3.0", "3.0"), ("3.0.0", "3.0")],
)
def test_a_release_has_the_row_of_its_family(version: str, since: str) -> None:
    assert layout_for(version).since == since


def test_an_unknown_newer_release_has_the_newest_row_and_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert layout_for("4.1") is LAYOUTS[-1]
    assert "NNI 4.1 is newer than 3.0" in caplog.text


def test_an_older_release_is_refused() -> None:
    with pytest.raises(UnsupportedVersionError, match=r"NNI 1\.9 is not supported"):
        layout_for("1.9")


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.since)
def test_a_database_tells_its_family(layout: Layout) -> None:
    assert layout_with(layout.trial_event_columns) is layout


def test_an_unknown_database_is_taken_for_the_newest_family() -> None:
    assert layout_with(("timestamp", "event", "addedIn4")) is LAYOUTS[-1]


def test_trial_files_lie_in_the_experiments_folder() -> None:
    path = layout_for("3.0").trial_log_path(Path("/exp"), "aBcD", "stderr")

    assert path == Path("/exp/environments/local-env/trials/aBcD/trial.stderr")


@pytest.mark.parametrize("trial_id", ["", ".", "..", "../x", "a/b", "/etc", "a/", "a\0b"])
def test_an_id_that_is_no_name_is_refused(trial_id: str) -> None:
    with pytest.raises(InvalidValueError, match=r"trial_job_id: .* cannot be the name"):
        layout_for("2.7").trial_log_path(Path("/exp"), trial_id, "stdout")
