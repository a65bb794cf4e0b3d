"""Deleting removes one experiment's files, and nothing else."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from nnicli import (
    DeletionError,
    Experiment,
    ExperimentNotFoundError,
    InvalidValueError,
    StateError,
    delete_experiments,
    list_experiments,
    prune_experiments,
)
from nnicli.housekeeping import deleting
from nnicli.removal import remove_tree
from nnicli.store import LAYOUTS, Registry
from nnicli.store.staging import staging_directory
from tests.support import KILLS, kill_manager, leftovers
from tests.unit.housekeeping.conftest import MakeExperiment


def everything_below(directory: Path) -> list[str]:
    """Return everything there except the registry's files."""
    return sorted(
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if not path.name.startswith((".experiment", ".nnicli.lock"))
    )


def test_one_experiment_is_deleted_completely_and_the_others_are_kept(
    make_experiment: MakeExperiment, parent: Path, tmp_path: Path
) -> None:
    kept, gone = make_experiment("kept"), make_experiment("gone", size=5000)
    (parent / "_latest").symlink_to(gone)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "data").touch()
    (gone / "data").symlink_to(tmp_path / "theirs")
    (gone / "environments").chmod(0o500)
    before = everything_below(kept)

    (deletion,) = delete_experiments("gone")

    assert deletion.is_done
    assert deletion.paths == (gone, parent / "_latest")
    assert deletion.size > 5000
    assert list(Registry().read()) == ["kept"]
    assert everything_below(parent) == sorted(["kept", *(f"kept/{name}" for name in before)])
    assert (tmp_path / "theirs" / "data").exists()


def test_of_two_with_one_id_only_the_registered_one_is_meant(
    make_experiment: MakeExperiment, tmp_path: Path
) -> None:
    """A copy in another directory is not NNI's; of two copies, it is unknown which is meant."""
    directory = make_experiment("twice")
    copies = [tmp_path / "a", tmp_path / "b"]
    for copy in copies:
        shutil.copytree(directory, copy / "twice")

    delete_experiments("twice", experiments_directories=copies)

    assert not directory.exists()
    with pytest.raises(InvalidValueError, match=r"'twice' is the id of 2 experiments: .*/a/twice"):
        delete_experiments("twice", experiments_directories=copies)
    assert all((copy / "twice").exists() for copy in copies)


@pytest.mark.parametrize("named", ["moved/stray", "moved/stray/db/nni.sqlite", "./moved/stray/"])
def test_an_experiment_is_named_by_its_directory_or_its_database(
    make_experiment: MakeExperiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: str,
) -> None:
    make_experiment("kept")
    (tmp_path / "moved").mkdir()
    make_experiment("stray", registered=False).rename(tmp_path / "moved" / "stray")
    monkeypatch.chdir(tmp_path)

    (deletion,) = delete_experiments([named, Path(named)])

    assert (deletion.record.exp_id, deletion.paths) == ("stray", (tmp_path / "moved" / "stray",))
    assert [record.exp_id for record in list_experiments()] == ["kept"]


def test_an_experiment_in_both_registries_is_one(
    make_experiment: MakeExperiment, home: Path
) -> None:
    """As when a later release views an experiment of 1.x."""
    directory = make_experiment("both")
    older = LAYOUTS[0].registry()
    older.path.parent.mkdir(parents=True)
    older.ensure("both", {"id": "both", "logDir": str(directory.parent), "fileName": "both"})

    (deletion,) = delete_experiments("both")

    assert deletion.paths == (directory,)
    assert not directory.exists()
    assert (home / ".local" / "nnictl").exists()


def test_an_id_never_means_a_directory_that_happens_to_be_here(
    make_experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = make_experiment("mine")
    shutil.copytree(registered, tmp_path / "copies" / "mine")
    monkeypatch.chdir(tmp_path / "copies")

    (deletion,) = delete_experiments("mine")

    assert deletion.paths == (registered,)
    assert (tmp_path / "copies" / "mine" / "db" / "nni.sqlite").exists()


def test_a_dry_run_reports_sizes_and_changes_nothing(
    make_experiment: MakeExperiment, parent: Path
) -> None:
    small, large = make_experiment("small"), make_experiment("large", size=100_000)
    before = everything_below(parent)

    deletions = delete_experiments(["small", "large"], dry_run=True)

    assert [deletion.paths for deletion in deletions] == [(small,), (large,)]
    assert deletions[1].size - deletions[0].size == 100_000
    assert not any(deletion.is_done for deletion in deletions)
    assert everything_below(parent) == before
    assert set(Registry().read()) == {"small", "large"}


def test_nothing_is_deleted_if_one_id_is_wrong(make_experiment: MakeExperiment) -> None:
    directory = make_experiment("there")

    with pytest.raises(ExperimentNotFoundError, match="experiment 'nosuch' not found; looked for"):
        delete_experiments(["there", "nosuch"])

    assert directory.exists()


def test_a_link_to_another_disk_is_deleted_and_its_target_is_kept(
    make_experiment: MakeExperiment, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = make_experiment("linked")
    elsewhere = directory.rename(tmp_path / "elsewhere")
    directory.symlink_to(elsewhere)

    delete_experiments("linked")

    assert not os.path.lexists(directory)
    assert (elsewhere / "db" / "nni.sqlite").exists()
    assert "is a link; only the link is deleted" in caplog.text


def test_a_registry_that_names_another_directory_deletes_only_its_entry(
    make_experiment: MakeExperiment, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise, anybody who may write to the registry could have any directory deleted."""
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "thesis").touch()
    make_experiment("documents", logDir=str(tmp_path)).rename(tmp_path / "moved")

    (deletion,) = delete_experiments("documents")

    assert deletion.paths == ()
    assert (documents / "thesis").exists()
    assert Registry().read() == {}
    assert "does not contain an experiment and is not deleted" in caplog.text


def test_the_launcher_directory_of_1_x_is_deleted_too(
    make_experiment: MakeExperiment, home: Path
) -> None:
    directory = make_experiment("older", registered=False)
    nnictl = home / ".local" / "nnictl"
    for name in ("w9rft6hm", "another"):
        (nnictl / name).mkdir(parents=True)
        (nnictl / name / "stdout").touch()
    entry = {"fileName": "w9rft6hm", "status": "STOPPED", "port": "8080"}
    LAYOUTS[0].registry().ensure("older", entry)

    delete_experiments("older")

    assert not directory.exists()
    assert everything_below(nnictl) == ["another", "another/stdout"]
    assert LAYOUTS[0].registry().read() == {}


@pytest.mark.parametrize("name", ["..", "../..", "/", "."])
def test_a_launcher_directory_that_leads_elsewhere_is_kept(
    make_experiment: MakeExperiment, home: Path, name: str
) -> None:
    make_experiment("older", registered=False)
    (home / ".local" / "nnictl").mkdir(parents=True)
    LAYOUTS[0].registry().ensure("older", {"fileName": name, "status": "STOPPED"})

    delete_experiments("older")

    assert LAYOUTS[0].registry().read() == {}
    assert (home / ".local" / "nnictl").is_dir()


def test_what_cannot_be_deleted_is_reported_and_can_be_deleted_again(
    make_experiment: MakeExperiment, parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as another user's file in a trial directory, as containers leave them."""
    directory = make_experiment("stuck")

    def fail(path: Path) -> None:
        if path.name == "environments":
            raise PermissionError(13, "Permission denied", str(path / "model.bin"))
        remove_tree(path)

    with monkeypatch.context() as patch:
        patch.setattr("nnicli.housekeeping.deleting.remove_tree", fail)
        for _ in range(2):
            with pytest.raises(
                DeletionError,
                match=rf"partly deleted: {directory}/environments/model.bin: Permission denied",
            ) as caught:
                delete_experiments("stuck")

            assert caught.value.path == directory
            assert (directory / "db" / "nni.sqlite").exists()
            assert list(Registry().read()) == ["stuck"]

    delete_experiments("stuck")

    assert everything_below(parent) == []
    assert Registry().read() == {}


def test_what_a_killed_delete_left_is_removed_by_the_next(
    make_experiment: MakeExperiment, parent: Path
) -> None:
    directory = make_experiment("killed")
    (parent / ".nnicli-staging-dead").mkdir()
    directory.rename(parent / ".nnicli-staging-dead" / "killed")

    delete_experiments("killed")

    assert everything_below(parent) == []
    assert Registry().read() == {}


@pytest.mark.parametrize("named", ["", "log/nnimanager.log", "db/other.sqlite", "~nobody/at/all"])
def test_only_a_directory_or_its_database_names_an_experiment(
    make_experiment: MakeExperiment, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """An unset variable in a shell is an empty name."""
    directory = make_experiment("mine")
    (directory / "log").mkdir(exist_ok=True)
    for name in ("log/nnimanager.log", "db/other.sqlite"):
        (directory / name).touch()
    monkeypatch.chdir(directory)

    with pytest.raises(ExperimentNotFoundError):
        delete_experiments(named)

    assert (directory / "db" / "nni.sqlite").exists()


# With processes


def test_a_running_experiment_is_not_deleted(
    running: Experiment, make_experiment: MakeExperiment
) -> None:
    other = make_experiment("other")
    exp_id = str(running.exp_id)

    with pytest.raises(StateError, match=f"{exp_id} still has processes .* was not deleted"):
        delete_experiments(["other", exp_id])

    assert other.exists()
    assert running.get_experiment_status()["errors"] == []


@pytest.mark.slow
def test_a_running_experiment_is_stopped_first_on_request(
    running: Experiment, parent: Path
) -> None:
    exp_id = str(running.exp_id)

    (deletion,) = delete_experiments(exp_id, stop_running=True)

    assert running.process is not None
    assert running.process.identity.pid in [process.pid for process in deletion.processes]
    assert leftovers(exp_id) == []
    assert everything_below(parent) == []
    assert Registry().read() == {}


def test_one_that_was_resumed_meanwhile_is_not_deleted(
    running: Experiment, make_experiment: MakeExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be started between the plan and its deletion, while others are deleted."""
    make_experiment("other")
    real = deleting.plan_deletion
    monkeypatch.setattr(
        deleting, "plan_deletion", lambda record, _: replace(real(record, []), processes=())
    )

    with pytest.raises(StateError, match="so it was not deleted"):
        delete_experiments(["other", str(running.exp_id)])

    assert {record.exp_id for record in list_experiments()} == {running.exp_id}
    assert running.get_experiment_status()["errors"] == []


def test_orphans_count_as_running(running: Experiment) -> None:
    """They would continue to write into a deleted directory."""
    exp_id = str(running.exp_id)
    kill_manager(running)

    with pytest.raises(StateError, match="still has processes"):
        delete_experiments(exp_id)
    delete_experiments(exp_id, stop_running=True)

    assert leftovers(exp_id) == []
    assert list_experiments() == []


# Pruning


def test_prune_needs_a_condition() -> None:
    with pytest.raises(InvalidValueError, match="prune needs a condition"):
        prune_experiments()


def test_prune_is_a_dry_run_by_default(make_experiment: MakeExperiment, parent: Path) -> None:
    make_experiment("one")

    (plan,) = prune_experiments(larger_than=0)
    assert (plan.record.exp_id, plan.is_done) == ("one", False)
    assert (parent / "one").exists()

    (done,) = prune_experiments(larger_than=0, dry_run=False)
    assert (done.record.exp_id, done.is_done) == ("one", True)
    assert not (parent / "one").exists()


def test_prune_deletes_what_meets_every_condition(make_experiment: MakeExperiment) -> None:
    now_ms, day_ms = int(time.time() * 1000), 24 * 3600 * 1000
    for exp_id, days, status, size in (
        ("young", 1, "STOPPED", 9_000_000),
        ("small", 40, "STOPPED", 0),
        ("failed", 40, "ERROR", 9_000_000),
        ("match", 40, "STOPPED", 9_000_000),
    ):
        ended = now_ms - days * day_ms
        directory = make_experiment(exp_id, size=size, status=status, endTime=ended)
        os.utime(directory / "db" / "nni.sqlite", (ended / 1000, ended / 1000))

    def pruned(**conditions: object) -> set[str]:
        found = prune_experiments(**conditions)  # type: ignore[arg-type]  # differs per test
        return {deletion.record.exp_id for deletion in found}

    assert pruned(older_than="30d") == {"small", "failed", "match"}
    assert pruned(statuses=["ERROR"]) == {"failed"}
    assert pruned(larger_than=5_000_000) == {"young", "failed", "match"}
    assert pruned(older_than="30d", statuses=["STOPPED"], larger_than=5_000_000) == {"match"}


def test_prune_spares_what_runs_what_is_not_registered_and_ghosts(
    running: Experiment, parent: Path
) -> None:
    """An unregistered directory may be another user's; a ghost's disk may not be mounted."""
    (parent / "stray" / "db").mkdir(parents=True)
    (parent / "stray" / "db" / "nni.sqlite").touch()
    Registry().ensure("ghost", {"id": "ghost", "logDir": "/nowhere", "status": "STOPPED"})

    assert prune_experiments(larger_than=-1, dry_run=False) == []

    assert {record.exp_id for record in list_experiments()} == {running.exp_id, "stray", "ghost"}


# Killed in the middle

_DELETE = """
import sys
from nnicli import delete_experiments
print("ready", flush=True)
delete_experiments(sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.timeout(120 + 10 * KILLS)
def test_a_killed_delete_has_deleted_all_or_nothing(
    make_experiment: MakeExperiment, parent: Path
) -> None:
    randomness = random.Random(1)
    kept = make_experiment("kept")
    for number in range(KILLS):
        exp_id = f"gone{number}"
        directory = make_experiment(exp_id)
        for trial in range(300):
            (directory / "environments" / f"trial{trial}").touch()
        before = everything_below(directory)
        process = subprocess.Popen(
            [sys.executable, "-c", _DELETE, exp_id], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(randomness.uniform(0, 0.3))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()

        if directory.exists():
            assert everything_below(directory) == before
        # The next deletion starts clean, if the registry still has it.
        if exp_id in Registry().read() or directory.exists():
            delete_experiments(exp_id)
        with staging_directory(parent) as swept:
            assert set(everything_below(parent)) == {
                swept.name,
                f"{swept.name}/.lock",
                "kept",
                *(f"kept/{name}" for name in everything_below(kept)),
            }
        assert list(Registry().read()) == ["kept"]
