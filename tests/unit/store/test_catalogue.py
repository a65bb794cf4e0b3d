"""Experiments are found in NNI's registries and in the experiments directories."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from nnicli.errors import ExperimentNotFoundError, RegistryError
from nnicli.store import find_experiment_directory, list_recorded, platform_of
from tests.unit.store.recordings import RECORDINGS, close

ENTRY = {
    "id": "aBcD1234",
    "port": 8080,
    "startTime": 1_700_000_000_000,
    "endTime": "N/A",
    "status": "RUNNING",
    "platform": "local",
    "experimentName": "mnist",
    "tag": [],
    "pid": 4711,
    "webuiUrl": ["http://127.0.0.1:8080"],
    "logDir": None,
    "prefixUrl": None,
}


def make_experiment(parent: Path, exp_id: str, release: str = "3.0") -> Path:
    """Put a recorded experiment's database into a directory, and return that."""
    database = parent / exp_id / "db" / "nni.sqlite"
    database.parent.mkdir(parents=True)
    shutil.copyfile(RECORDINGS / release / "store-nni.sqlite", database)
    return parent / exp_id


def register(path: Path, **entries: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entries), "utf-8")


def store_params(directory: Path, params: str | bytes | None, **columns: object) -> None:
    """Replace the config and the given fields in an experiment's database."""
    values = {"params": params, **columns}
    changes = ", ".join(f"{name} = ?" for name in values)
    with closing(sqlite3.connect(directory / "db" / "nni.sqlite")) as connection, connection:
        connection.execute(f"update ExperimentProfile set {changes}", tuple(values.values()))


def test_without_experiments_the_list_is_empty(home: Path) -> None:
    assert list_recorded() == []
    assert list(home.iterdir()) == []


def test_a_registered_experiment_has_every_field(registry_path: Path, tmp_path: Path) -> None:
    directory = make_experiment(tmp_path / "elsewhere", "aBcD1234")
    entry = {**ENTRY, "logDir": str(directory.parent)}
    register(registry_path, aBcD1234=entry)

    (record,) = list_recorded()

    assert record.exp_id == "aBcD1234"
    assert record.name == "mnist"
    assert record.status == record.registry_status == "RUNNING"
    assert record.platform == "local"
    assert record.port == 8080
    assert record.url == "http://127.0.0.1:8080"
    assert record.started_at == datetime.fromtimestamp(1_700_000_000, timezone.utc)
    assert record.ended_at is None
    assert record.directory == directory
    assert record.version == "3.0"
    assert record.owner is None
    assert record.registry == registry_path
    assert record.raw == entry


def test_an_experiment_of_1_x_is_found_by_the_config_of_its_launcher(
    home: Path, tmp_path: Path
) -> None:
    """In 1.x the registry names nnictl's directory, and only the config there has the logDir."""
    directory = make_experiment(tmp_path / "logs", "old", "2.7")
    launcher = home / ".local" / "nnictl"
    entry = {
        "port": "8081",
        "startTime": "2023-11-14 22:13:20",
        "endTime": "2023/11/14 22:14:20",
        "status": "STOPPED",
        "fileName": "k2l3m4n5",
        "platform": "local",
        "experimentName": "old one",
    }
    register(launcher / ".experiment", old=entry)
    (launcher / "k2l3m4n5").mkdir()
    config = {"experimentConfig": {"logDir": str(directory.parent)}}
    (launcher / "k2l3m4n5" / ".config").write_text(json.dumps(config), "utf-8")

    (record,) = list_recorded()

    assert record.directory == directory
    assert record.port == 8081
    assert record.name == "old one"
    started = time.mktime((2023, 11, 14, 22, 13, 20, 0, 0, -1))
    assert record.started_at == datetime.fromtimestamp(started, timezone.utc)
    assert record.ended_at == datetime.fromtimestamp(started + 60, timezone.utc)
    assert record.registry == launcher / ".experiment"


def test_an_unregistered_directory_is_listed(home: Path) -> None:
    directory = make_experiment(home / "nni-experiments", "stray", "2.7")

    (record,) = list_recorded()

    assert record.directory == directory
    assert record.name == "recorded"
    assert (record.status, record.registry_status) == ("STOPPED", None)
    assert record.platform == "local"
    assert record.version == "2.2-2.10"
    assert record.started_at is not None
    assert not record.is_registered


def test_an_experiment_without_a_directory_is_listed(registry_path: Path) -> None:
    register(registry_path, ghost={**ENTRY, "id": "ghost"})

    (record,) = list_recorded()

    assert record.directory is None
    assert record.is_registered
    assert record.version is None


def test_several_directories_are_searched_and_none_twice(
    registry_path: Path, tmp_path: Path
) -> None:
    """The given ones, NNI's default, and those that the registry names."""
    named = make_experiment(tmp_path / "named", "named")
    sibling = make_experiment(tmp_path / "named", "sibling")
    default = make_experiment(registry_path.parent, "default")
    given = make_experiment(tmp_path / "given", "given")
    (given.parent / "_latest").symlink_to(given)
    (tmp_path / "alias").symlink_to(given.parent)
    register(registry_path, named={**ENTRY, "id": "named", "logDir": str(named.parent)})

    records = list_recorded([given.parent, tmp_path / "alias", tmp_path / "missing"])

    found = {record.exp_id: record.directory for record in records}
    assert found == {"named": named, "sibling": sibling, "default": default, "given": given}
    assert len(records) == 4


def test_one_id_in_two_directories_is_two_experiments(registry_path: Path, tmp_path: Path) -> None:
    """A copy of a registered experiment is a stray."""
    registered = make_experiment(registry_path.parent, "twin")
    copied = make_experiment(tmp_path / "copies", "twin")
    register(registry_path, twin={**ENTRY, "logDir": str(registered.parent)})

    records = list_recorded([copied.parent])

    assert {(record.directory, record.is_registered) for record in records} == {
        (registered, True),
        (copied, False),
    }


def test_the_newest_start_comes_first(registry_path: Path) -> None:
    starts = {"middle": 2_000, "oldest": 1_000, "newest": 3_000, "unknown": "N/A"}
    register(
        registry_path, **{name: {**ENTRY, "startTime": start} for name, start in starts.items()}
    )

    assert [record.exp_id for record in list_recorded()] == [
        "newest",
        "middle",
        "oldest",
        "unknown",
    ]


def test_a_damaged_registry_is_an_error_or_reported(registry_path: Path) -> None:
    directory = make_experiment(registry_path.parent, "kept")
    registry_path.write_text('{"kept": {"id"', "utf-8")
    errors: list[RegistryError] = []

    with pytest.raises(RegistryError, match="is damaged"):
        list_recorded()
    (record,) = list_recorded(on_damage=errors.append)

    assert record.directory == directory
    assert ["is damaged" in str(error) for error in errors] == [True]
    assert registry_path.read_text("utf-8") == '{"kept": {"id"'


@pytest.mark.parametrize("content", [b"", b"no database" * 100], ids=["empty", "other"])
def test_a_damaged_database_costs_only_its_own_fields(home: Path, content: bytes) -> None:
    directory = make_experiment(home / "nni-experiments", "broken")
    (directory / "db" / "nni.sqlite").write_bytes(content)

    (record,) = list_recorded()

    assert record.directory == directory
    assert (record.name, record.version, record.started_at) == (None, None, None)


@pytest.mark.parametrize("params", ["null", "[]", "5", '"text"', "{", b"{}", b"\xff", None])
def test_an_odd_config_costs_only_its_own_fields(home: Path, params: str | bytes | None) -> None:
    directory = make_experiment(home / "nni-experiments", "odd")
    fine = make_experiment(home / "nni-experiments", "fine")
    store_params(directory, params)

    records = {record.exp_id: record for record in list_recorded()}

    assert records["odd"].directory == directory
    assert (records["odd"].name, records["odd"].platform) == (None, None)
    assert records["fine"].directory == fine
    assert records["fine"].name == "recorded"


def test_odd_values_in_a_database_are_treated_as_absent(home: Path) -> None:
    directory = make_experiment(home / "nni-experiments", "odd")
    params = {"experimentName": ["a"], "trainingService": {}}
    store_params(directory, json.dumps(params), startTime="soon", endTime=b"late")

    (record,) = list_recorded()

    assert (record.name, record.platform) == (None, "unknown")
    assert (record.started_at, record.ended_at) == (None, None)


@pytest.mark.parametrize("odd", [5, 1.5, True, None, [], [5], {}, {"a": 1}, "", "\0"], ids=repr)
def test_odd_values_in_a_registry_are_treated_as_absent_or_text(
    registry_path: Path, odd: object
) -> None:
    fine = make_experiment(registry_path.parent, "fine")
    entry = dict.fromkeys((*ENTRY, "fileName"), odd)
    register(registry_path, odd=entry, fine={**ENTRY, "logDir": str(fine.parent)})

    records = {record.exp_id: record for record in list_recorded()}

    assert records["fine"].directory == fine
    record = records["odd"]
    for text in (record.name, record.status, record.platform, record.url):
        assert text is None or isinstance(text, str)
    assert record.port in {None, 5}
    assert record.started_at is None or odd == 5
    assert record.raw == entry


def test_a_number_in_a_registry_is_a_name_too(registry_path: Path) -> None:
    entry = {**ENTRY, "experimentName": 5, "port": 65_536, "webuiUrl": "http://127.0.0.1:8080"}
    register(registry_path, aBcD1234=entry)

    (record,) = list_recorded()

    assert (record.name, record.port, record.url) == ("5", None, "http://127.0.0.1:8080")


def test_directories_of_other_users_are_skipped(
    registry_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Experiment directories are private to their owners, even in a shared directory."""
    shared = tmp_path / "shared"
    mine = make_experiment(shared, "mine")
    make_experiment(shared, "theirs")
    registered = make_experiment(shared, "registered")
    register(registry_path, registered={**ENTRY, "logDir": str(shared)})
    for name in ("theirs", "registered"):
        close(monkeypatch, shared / name)

    records = {record.exp_id: record for record in list_recorded([shared])}

    assert set(records) == {"mine", "registered"}
    assert (records["mine"].directory, records["mine"].name) == (mine, "recorded")
    assert records["registered"].directory == registered
    assert records["registered"].version is None
    assert find_experiment_directory("mine", [shared]) == mine


def test_an_unreadable_parent_is_skipped(
    registry_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_experiment(tmp_path / "closed", "ghost")
    register(registry_path, ghost={**ENTRY, "logDir": str(tmp_path / "closed")})
    close(monkeypatch, tmp_path / "closed")

    (record,) = list_recorded()

    assert record.directory is None
    with pytest.raises(ExperimentNotFoundError, match=r"closed/ghost \(Permission denied\)\n"):
        find_experiment_directory("ghost")


def test_the_home_of_an_unknown_user_is_empty(home: Path) -> None:
    directory = make_experiment(home / "nni-experiments", "kept")

    assert [record.directory for record in list_recorded(["~nosuchuser/nni"])] == [directory]
    assert find_experiment_directory("kept", ["~nosuchuser/nni"]) == directory


@pytest.mark.parametrize("exp_id", ["../outside", "/etc", ".."])
def test_no_id_in_a_registry_leads_out_of_the_directory(
    registry_path: Path, home: Path, exp_id: str
) -> None:
    make_experiment(home, "outside")
    register(registry_path, **{exp_id: {**ENTRY, "logDir": str(registry_path.parent)}})

    (record,) = list_recorded()

    assert record.directory is None


def test_a_directory_is_found_by_its_id(registry_path: Path, tmp_path: Path) -> None:
    named = make_experiment(tmp_path / "named", "named")
    given = make_experiment(tmp_path / "given", "given")
    register(registry_path, named={**ENTRY, "logDir": str(named.parent)})

    assert find_experiment_directory("named") == named
    assert find_experiment_directory("given", [given.parent]) == given


def test_a_directory_is_found_although_the_registry_is_damaged(registry_path: Path) -> None:
    directory = make_experiment(registry_path.parent, "kept")
    registry_path.write_text("{", "utf-8")

    assert find_experiment_directory("kept") == directory


@pytest.mark.parametrize("exp_id", ["nope", "../kept", ""])
def test_an_unknown_id_is_reported_with_the_searched_directories(
    registry_path: Path, tmp_path: Path, exp_id: str
) -> None:
    make_experiment(registry_path.parent, "kept")

    with pytest.raises(ExperimentNotFoundError, match="looked for its database in:") as caught:
        find_experiment_directory(exp_id, [tmp_path])

    assert caught.value.exp_id == exp_id
    assert f"\n  {tmp_path / exp_id}\n" in str(caught.value)


@pytest.mark.parametrize(
    ("params", "platform"),
    [
        ({"trainingService": {"platform": "remote"}}, "remote"),
        ({"trainingService": [{"platform": "local"}, {"platform": "remote"}]}, "hybrid"),
        ({"trainingServicePlatform": "pai"}, "pai"),
        ({}, "local"),
    ],
)
def test_the_platform_is_found_in_either_format(params: dict[str, Any], platform: str) -> None:
    assert platform_of(params) == platform
