"""Errors in NNI's registry are found, reported, and repaired on request."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from nnicli import Experiment, Finding, list_experiments, reconcile_experiments
from nnicli.housekeeping import reconciling
from nnicli.store import LAYOUTS, Registry
from tests.contract.scenes import wait_for
from tests.support import kill_manager, leftovers
from tests.unit.housekeeping.conftest import MakeExperiment


def kinds(findings: list[Finding]) -> Mapping[str, list[str]]:
    """Return experiment -> the kinds of its findings."""
    found: dict[str, list[str]] = {}
    for finding in findings:
        found.setdefault(finding.record.exp_id, []).append(finding.kind)
    return found


def test_what_is_in_order_is_not_reported(make_experiment: MakeExperiment, tmp_path: Path) -> None:
    make_experiment("one")
    make_experiment("two")

    assert reconcile_experiments(repair=True) == []
    assert reconcile_experiments(experiments_directories=[tmp_path / "missing"]) == []


def test_ghosts_strays_and_stale_ones_are_reported_and_nothing_is_changed(
    make_experiment: MakeExperiment,
) -> None:
    make_experiment("fine")
    make_experiment("stray", registered=False)
    make_experiment("stale", status="RUNNING", endTime="N/A")
    make_experiment("ghost").rename(Path.home() / "moved")
    before = Registry().path.read_bytes()

    findings = reconcile_experiments()

    assert kinds(findings) == {"ghost": ["ghost"], "stray": ["stray"], "stale": ["stale"]}
    assert all(finding.repairable and not finding.repaired for finding in findings)
    assert Registry().path.read_bytes() == before


def test_a_repair_makes_the_registry_correct(make_experiment: MakeExperiment, parent: Path) -> None:
    make_experiment("stray", registered=False)
    stale = make_experiment("stale", status="RUNNING", endTime="N/A")
    os.utime(stale / "db" / "nni.sqlite", (1_795_000_000, 1_795_000_000))
    make_experiment("ghost").rename(Path.home() / "moved")

    findings = reconcile_experiments(repair=True)

    assert all(finding.repaired for finding in findings)
    assert reconcile_experiments() == []
    entries = Registry().read()
    assert entries.keys() == {"stray", "stale"}
    # It ended when it last wrote something, not when that was noticed.
    assert (entries["stale"]["status"], entries["stale"]["endTime"]) == ("STOPPED", 1795000000000)
    assert entries["stray"]["logDir"] == str(parent)
    assert (entries["stray"]["status"], entries["stray"]["pid"]) == ("STOPPED", None)
    (stray,) = [record for record in list_experiments() if record.exp_id == "stray"]
    assert stray.is_registered


def test_a_ghost_whose_disk_may_be_away_is_kept(make_experiment: MakeExperiment) -> None:
    make_experiment("away", logDir="/mnt/away").rename(Path.home() / "moved")

    (finding,) = reconcile_experiments(repair=True)

    assert (finding.kind, finding.repairable, finding.repaired) == ("ghost", False, False)
    assert "a disk that is not mounted" in finding.message
    assert list(Registry().read()) == ["away"]


def test_a_stray_without_a_readable_database_is_only_reported(parent: Path) -> None:
    (parent / "broken" / "db").mkdir(parents=True)
    (parent / "broken" / "db" / "nni.sqlite").write_text("no database", "utf-8")

    (finding,) = reconcile_experiments(repair=True)

    assert (finding.kind, finding.repaired) == ("stray", False)
    assert "not usable by NNI" in finding.message
    assert Registry().read() == {}


def test_a_stray_of_another_user_is_left_to_that_user(
    make_experiment: MakeExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Experiments of several users may be in one directory, each in its owner's registry."""
    make_experiment("theirs", registered=False)
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)

    assert reconcile_experiments(repair=True) == []
    assert Registry().read() == {}


def test_a_damaged_registry_is_rebuilt_only_on_request(
    make_experiment: MakeExperiment, running: Experiment, caplog: pytest.LogCaptureFixture
) -> None:
    make_experiment("one")
    # It has all of its trials, and reports so a moment after they start.
    wait_for(
        lambda: running.get_experiment_status()["status"] == "NO_MORE_TRIAL", "the last status"
    )
    path, exp_id = Registry().path, str(running.exp_id)
    path.write_text("{", "utf-8")

    findings = reconcile_experiments()

    assert kinds(findings) == {"one": ["stray"], exp_id: ["stray"]}
    assert path.read_text("utf-8") == "{"

    findings = reconcile_experiments(repair=True)

    assert all(finding.repaired for finding in findings)
    assert "was rebuilt from the experiment directories" in caplog.text
    entries = Registry().read()
    assert entries.keys() == {"one", exp_id}
    assert running.process is not None
    assert (entries[exp_id]["pid"], entries[exp_id]["port"], entries[exp_id]["status"]) == (
        running.process.identity.pid,
        running.port,
        running.get_experiment_status()["status"],
    )
    assert [file.read_text("utf-8") for file in path.parent.glob(".experiment*damaged*")] == ["{"]
    assert reconcile_experiments() == []


def test_without_experiments_no_file_is_made(home: Path) -> None:
    assert reconcile_experiments(repair=True) == []
    assert [path.name for path in home.rglob("*") if path.name == ".nnicli.lock"] == []


def test_a_running_experiment_is_in_order(running: Experiment) -> None:
    assert reconcile_experiments(repair=True) == []
    assert running.get_experiment_status()["errors"] == []


@pytest.mark.parametrize("has_directory", [True, False])
def test_orphans_are_reported_and_ended_on_request(
    running: Experiment, *, has_directory: bool
) -> None:
    exp_id = str(running.exp_id)
    kill_manager(running)
    directory = Path.home() / "nni-experiments" / exp_id
    if not has_directory:
        directory.rename(Path.home() / "moved")

    findings = reconcile_experiments()

    assert kinds(findings) == {exp_id: ["orphans", "stale" if has_directory else "ghost"]}
    orphans = {process.pid for process in findings[0].processes}
    # The tuner exits by itself after a while; the trials continue to sleep.
    assert orphans >= {process.pid for process in leftovers(exp_id)}
    assert len(orphans) >= 2

    reconcile_experiments(repair=True)

    assert leftovers(exp_id) == []
    assert reconcile_experiments() == []


@pytest.mark.parametrize("has_config", [True, False])
def test_a_stray_of_1_x_is_registered_with_its_launcher_directory(
    make_experiment: MakeExperiment,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    has_config: bool,
) -> None:
    make_experiment("older", registered=False)
    listed = [replace(record, version="1.x") for record in list_experiments()]
    monkeypatch.setattr(reconciling, "list_experiments", lambda **_: listed)
    for name, exp_id in (("w9rft6hm", "older"), ("another", "other")):
        if has_config or exp_id != "older":
            (home / ".local" / "nnictl" / name).mkdir(parents=True)
            document = json.dumps({"experimentId": exp_id, "experimentConfig": {}})
            (home / ".local" / "nnictl" / name / ".config").write_text(document, "utf-8")

    (finding,) = reconcile_experiments(repair=True)

    entries = LAYOUTS[0].registry().read()
    assert finding.repaired == has_config
    assert {key: entry["fileName"] for key, entry in entries.items()} == (
        {"older": "w9rft6hm"} if has_config else {}
    )
