"""The table of where managers of each release keep their files."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest

from nnicli.errors import InvalidValueError, UnsupportedVersionError
from nnicli.store import LAYOUTS, ExperimentPaths, Layout, Run
from nnicli.store.layouts import layout_with
from nnicli.versions import NEWEST_KNOWN, parse_version

RUN = Run(
    exp_id="aBcD",
    port=8081,
    pid=4711,
    started_ms=1_600_000_000_000,
    platform="local",
    name="mnist",
    experiments_directory=Path("/data"),
    url_prefix="a",
    launcher_name="x7f3",
)


def test_rows_rise() -> None:
    assert all(
        parse_version(earlier.since) < parse_version(later.since)
        for earlier, later in pairwise(LAYOUTS)
    )


@pytest.mark.parametrize(
    ("version", "since"),
    [
        ("1.9", "1.8"),
        ("2.0", "2.0"),
        ("2.1", "2.1"),
        ("2.5", "2.2"),
        ("2.10.1", "2.6"),
        ("3.0.0", "3.0"),
    ],
)
def test_a_release_has_the_row_of_its_family(version: str, since: str) -> None:
    assert LAYOUTS.row_for(version).since == since


def test_an_unknown_newer_release_has_the_newest_row_and_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert LAYOUTS.row_for("4.1") is LAYOUTS[-1]
    assert f"NNI 4.1 is newer than {NEWEST_KNOWN}" in caplog.text


@pytest.mark.parametrize(
    ("entry", "ended"),
    [({"endTime": "N/A"}, 7), ({}, 7), ({"endTime": None}, 7), ({"endTime": 5}, 5)],
)
def test_a_stop_keeps_the_end_time_that_the_manager_wrote(
    entry: dict[str, object], ended: int
) -> None:
    stopped = {**entry, **LAYOUTS.row_for("3.0").encode_stop(entry, ended_ms=7)}

    assert stopped == {"status": "STOPPED", "endTime": ended}


def test_an_older_release_is_refused() -> None:
    with pytest.raises(UnsupportedVersionError, match=r"NNI 1\.7 is not supported"):
        LAYOUTS.row_for("1.7")


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.since)
def test_a_database_shows_its_family(layout: Layout) -> None:
    found = layout_with(layout.trial_event_columns)

    assert found.trial_event_columns == layout.trial_event_columns
    assert found.trial_directory == layout.trial_directory


def test_an_unknown_database_is_treated_as_of_the_newest_family() -> None:
    assert layout_with(("timestamp", "event", "addedIn4")) is LAYOUTS[-1]


def test_trial_files_are_in_the_experiment_directory() -> None:
    path = ExperimentPaths(Path("/exp")).trial_log(LAYOUTS.row_for("3.0"), "aBcD", "stderr")

    assert path == Path("/exp/environments/local-env/trials/aBcD/trial.stderr")


@pytest.mark.parametrize("trial_id", ["", ".", "..", "../x", "a/b", "/etc", "a/", "a\0b"])
def test_an_id_that_is_not_a_name_is_refused(trial_id: str) -> None:
    with pytest.raises(InvalidValueError, match=r"trial_job_id: .* is not a valid directory name"):
        ExperimentPaths(Path("/exp")).trial_log(LAYOUTS.row_for("2.7"), trial_id, "stdout")


def test_the_entry_of_a_run_in_2_x() -> None:
    entry = LAYOUTS.row_for("2.10.1").encode_run(RUN)

    assert entry == {
        "id": "aBcD",
        "port": 8081,
        "startTime": 1_600_000_000_000,
        "endTime": "N/A",
        "status": "INITIALIZED",
        "platform": "local",
        "experimentName": "mnist",
        "tag": [],
        "pid": 4711,
        "webuiUrl": ["http://127.0.0.1:8081/a"],
        "logDir": "/data",
        "prefixUrl": "a",
    }


def test_the_entry_of_a_run_in_1_x(monkeypatch: pytest.MonkeyPatch) -> None:
    """As nnictl 1.9 writes it, which later looks there for the directory with the config."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()

    entry = LAYOUTS.row_for("1.9").encode_run(RUN)

    assert entry == {
        "port": "8081",
        "startTime": "2020-09-13 12:26:40",
        "endTime": "N/A",
        "status": "RUNNING",
        "fileName": "x7f3",
        "platform": "local",
        "experimentName": "mnist",
    }


def test_each_release_has_its_own_registry_and_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")

    def paths_of(layout: Layout) -> ExperimentPaths:
        return ExperimentPaths(Path("/data/aBcD"), layout.launcher_directory("x7f3"))

    places = {
        layout.since: (
            str(layout.registry().path),
            str(paths_of(layout).errors(layout)),
            str(paths_of(layout).kept_config(layout)),
        )
        for layout in LAYOUTS[:3]
    }

    assert places == {
        "1.8": (
            "/home/me/.local/nnictl/.experiment",
            "/home/me/.local/nnictl/x7f3/stderr",
            "/home/me/.local/nnictl/x7f3/.config",
        ),
        "2.0": (
            "/home/me/nni-experiments/.experiment",
            "/data/aBcD/log/nnictl_stderr.log",
            "/data/aBcD/.config",
        ),
        "2.1": (
            "/home/me/nni-experiments/.experiment",
            "/data/aBcD/log/nnictl_stderr.log",
            "None",
        ),
    }
