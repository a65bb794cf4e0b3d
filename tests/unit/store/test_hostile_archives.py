"""Hostile archives do not hang nnicli, fill memory or the disk, or leave nonsense behind."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nnicli import ArchiveError, DecodingError, NnicliError, load_experiment, save_experiment
from nnicli.store import Registry, archive
from nnicli.store.archive import open_archive
from tests.unit.store.recordings import load_recording
from tests.unit.store.test_hostile_databases import PARTS, write_journal

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Return an experiment directory that is named by its id."""
    database = load_recording("3.0", tmp_path).database
    exp_id = database.get_experiment_profile()["id"]
    return database.directory.rename(tmp_path / exp_id)


@pytest.fixture
def saved(recorded: Path, tmp_path: Path) -> Path:
    return save_experiment(recorded, tmp_path / "saved.zip").path


def add(plain: zipfile.ZipFile, name: str, content: bytes | str, mode: int = stat.S_IFREG) -> None:
    info = zipfile.ZipInfo(name)
    info.external_attr = (mode | 0o600) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    plain.writestr(info, content)


def repack(saved: Path, file: Path, changes: dict[str, bytes]) -> Path:
    """Write an archive with other members, and without the lists that would show it."""
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(file, "w") as new:
        for info in old.infolist():
            if info.filename not in (*changes, "SHA256SUMS", "MEMBERS"):
                new.writestr(info, old.read(info))
        for name, content in changes.items():
            add(new, name, content)
    return file


def nothing_is_left(home: Path) -> bool:
    return Registry().read() == {} and not list((home / "nni-experiments").glob("[!.]*"))


@pytest.mark.slow
@pytest.mark.parametrize("script", PARTS.values(), ids=PARTS)
def test_nothing_in_a_database_runs_when_it_is_loaded(
    home: Path, recorded: Path, saved: Path, tmp_path: Path, script: str
) -> None:
    database = recorded / "db" / "nni.sqlite"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript(script)
    file = repack(saved, tmp_path / "bad.zip", {"experiment/db/nni.sqlite": database.read_bytes()})

    with pytest.raises(DecodingError):
        load_experiment(file)

    assert nothing_is_left(home)


def test_a_journal_in_an_archive_deletes_no_file(
    home: Path, recorded: Path, saved: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "precious"
    victim.write_text("data")
    write_journal(recorded / "db" / "nni.sqlite", victim)
    journal = (recorded / "db" / "nni.sqlite-journal").read_bytes()
    file = repack(saved, tmp_path / "bad.zip", {"experiment/db/nni.sqlite-journal": journal})

    with pytest.raises(DecodingError, match="names another file"):
        load_experiment(file)

    assert victim.exists()
    assert nothing_is_left(home)


def test_an_archive_that_would_fill_the_disk_is_refused(
    home: Path, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_SUSPICIOUS_FROM", 1 << 20)
    file = repack(saved, tmp_path / "bomb.zip", {"experiment/log/bomb": bytes(20 << 20)})

    with pytest.raises(ArchiveError, match="more than 200 times as many"):
        load_experiment(file)

    assert nothing_is_left(home)


def test_more_members_than_fit_into_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_LARGEST_LIST", 10_000)
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as plain:
        for number in range(500):
            add(plain, f"experiment/{number}", "")

    with pytest.raises(ArchiveError, match="its list of members has"):
        load_experiment(tmp_path / "many.zip")


@pytest.mark.parametrize("name", ["SHA256SUMS", "MEMBERS"])
def test_lists_longer_than_their_members_are_refused(
    saved: Path, tmp_path: Path, name: str
) -> None:
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(tmp_path / "bad.zip", "w") as new:
        for info in old.infolist():
            long = b"x" * 1_000_000 if info.filename == name else old.read(info)
            new.writestr(info, long)

    with pytest.raises(ArchiveError, match=rf"its {name} is 1,000,000 bytes long"):
        load_experiment(tmp_path / "bad.zip")


def test_a_link_with_a_long_text_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as plain:
        add(plain, "tree/link", "x" * 100_000, stat.S_IFLNK)

    with (
        open_archive(tmp_path / "bad.zip") as reader,
        pytest.raises(ArchiveError, match="100,000 bytes long"),
    ):
        reader.unpack({"tree": tmp_path / "out"})


def test_directories_deeper_than_any_path_are_an_error(
    saved: Path, tmp_path: Path, home: Path
) -> None:
    file = repack(saved, tmp_path / "deep.zip", {"experiment/" + "d/" * 5_000 + "f": b""})

    with pytest.raises(ArchiveError, match="too long"):
        load_experiment(file)

    assert nothing_is_left(home)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_not_a_file_does_not_block(tmp_path: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(tmp_path / "a.zip")
    else:
        (tmp_path / "a.zip").symlink_to("/dev/zero")

    with pytest.raises(ArchiveError, match=f"found a (named )?{kind}"):
        load_experiment(tmp_path / "a.zip")


NONSENSE: list[Any] = [
    None,
    1,
    True,
    "",
    "\0",
    "\ud800",
    "..",
    "a/b",
    float("nan"),
    10**30,
    [],
    [None],
    {},
    {"": ""},
    {"code": 1},
    {"code/../x": "/"},
]


@pytest.mark.parametrize("value", NONSENSE, ids=lambda value: repr(value)[:12])
def test_nonsense_in_a_manifest_is_an_error_and_is_not_registered(
    saved: Path, tmp_path: Path, value: Any
) -> None:
    with zipfile.ZipFile(saved) as plain:
        manifest = json.loads(plain.read("manifest.json"))
    fields = [*manifest, "unknown"]
    for field in fields:
        content = json.dumps({**manifest, field: value}).encode()
        file = repack(saved, tmp_path / f"{field}.zip", {"manifest.json": content})
        try:
            load_experiment(file, experiments_directory=tmp_path / field)
        except NnicliError:
            continue
        Registry().remove(manifest["exp_id"])
    assert Registry().read() == {}


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format":' * 100_000, "9" * 5_000, "\x00"])
def test_a_manifest_that_is_not_an_object_is_an_error(
    saved: Path, tmp_path: Path, text: str
) -> None:
    file = repack(saved, tmp_path / "bad.zip", {"manifest.json": text.encode()})

    with pytest.raises(ArchiveError, match=r"its manifest\.json is not valid JSON"):
        load_experiment(file)


def test_nonsense_in_the_entry_of_an_archive_is_not_registered(saved: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(saved) as plain:
        manifest = json.loads(plain.read("manifest.json"))
    nonsense = {"startTime": 10**300, "endTime": {}, "experimentName": "x" * 10**6, "port": [1]}
    manifest["entry"] = {**nonsense, "tag": ["fine"], "platform": {"a": 1}, "evil": "\x1b]0;x"}
    file = repack(saved, tmp_path / "a.zip", {"manifest.json": json.dumps(manifest).encode()})

    load_experiment(file)
    (entry,) = Registry().read().values()

    assert entry["tag"] == ["fine"]
    assert entry["platform"] == "local"
    assert isinstance(entry["port"], int)
    assert entry["startTime"] < 2**53
    assert "evil" not in entry
    assert len(json.dumps(entry)) < 1_000
