"""Pipes, devices, huge files and deep nesting in place of a registry or a log."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest

from nnicli.errors import DecodingError, InvalidValueError, RegistryError
from nnicli.launcher.installation import read_version
from nnicli.store import (
    LogFile,
    LogPart,
    Registry,
    list_recorded,
    read_kept_config,
    tail_text,
)
from nnicli.store.logs import reader
from nnicli.waiting import Deadline

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def registry(home: Path) -> Registry:
    """Return the registry of the test's home, whose directory exists."""
    registry = Registry(home / "nni-experiments" / ".experiment")
    registry.path.parent.mkdir()
    return registry


def test_a_registry_that_is_a_pipe_is_an_error_at_once(registry: Registry) -> None:
    os.mkfifo(registry.path)

    with pytest.raises(RegistryError, match="expected a regular file, found a named pipe"):
        registry.read()
    with pytest.raises(RegistryError, match="named pipe"):
        registry.rebuild({})


def test_a_registry_that_is_a_link_to_a_device_is_an_error(registry: Registry) -> None:
    registry.path.symlink_to("/dev/zero")

    with pytest.raises(RegistryError, match="found a device"):
        registry.read()


@pytest.mark.slow
def test_an_implausibly_large_registry_is_an_error(registry: Registry) -> None:
    """Sparse files cost nothing to make."""
    with registry.path.open("wb") as file:
        file.truncate(1 << 40)

    with pytest.raises(RegistryError, match="larger than the 536,870,912 bytes"):
        registry.read()


@pytest.mark.parametrize("lock", [".nnicli.lock", ".experiment.lock.1"])
def test_pipes_in_place_of_locks_do_not_block_and_links_are_not_followed(
    registry: Registry, tmp_path: Path, lock: str
) -> None:
    target = tmp_path / "target"
    place = registry.path.with_name(lock)
    os.mkfifo(place)
    os.utime(place, (1, 1))
    if lock == ".nnicli.lock":
        with pytest.raises(RegistryError, match="found a named pipe"):
            registry.ensure("aBcD", {"id": "aBcD"})
        place.unlink()
        place.symlink_to(target)
        with pytest.raises(RegistryError, match="cannot be locked"):
            registry.ensure("aBcD", {"id": "aBcD"})
    else:
        assert registry.leftovers() == []
        registry.ensure("aBcD", {"id": "aBcD"})

    assert not target.exists()


def test_where_locking_does_not_work_nothing_counts_as_abandoned(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.ensure("aBcD", {"id": "aBcD"})
    registry.path.with_name(".nnicli.tmp").touch()
    assert len(registry.leftovers()) == 1

    monkeypatch.setattr(fcntl, "flock", _refuse_locks)

    assert registry.leftovers() == []


def _refuse_locks(_handle: int, _operation: int) -> None:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a": ' * 100_000,
        '{"a": {"startTime": ' + "9" * 5_000 + "}}",
        '{"a": 1}',
        "[]",
        "null",
        '{"a": {"b": 1}',
        "\x00",
    ],
    ids=["lists", "objects", "digits", "numbers", "list", "null", "cut", "nul"],
)
def test_a_file_that_is_not_a_registry_is_an_error(registry: Registry, text: str) -> None:
    registry.path.write_text(text)

    if "9" * 5_000 in text:
        # Python itself refuses such numbers from 3.10.7 on.
        assert _outcome(registry) in (RegistryError, list)
        return
    with pytest.raises(RegistryError, match=r"is damaged"):
        registry.read()


def _outcome(registry: Registry) -> type:
    try:
        registry.read()
    except RegistryError as error:
        return type(error)
    return list


NONSENSE: list[Any] = [
    None,
    "",
    "x" * 10_000,
    "\0",
    "\ud800",
    "../../../etc",
    -1,
    10**300,
    float("nan"),
    float("-inf"),
    True,
    [],
    [[]],
    {},
    {"a": None},
]


@pytest.mark.parametrize("value", NONSENSE, ids=lambda value: repr(value)[:12])
def test_nonsense_in_one_entry_does_not_keep_others_from_being_listed(
    registry: Registry, value: Any
) -> None:
    fields = ["id", "port", "startTime", "endTime", "status", "platform"]
    fields += ["experimentName", "tag", "pid", "webuiUrl", "logDir", "prefixUrl", "fileName"]
    entries = {f"bad-{field}": {"id": "bad", field: value} for field in fields}
    entries["all"] = dict.fromkeys(fields, value)
    registry.path.write_text(json.dumps({**entries, str(value): {}, "good": {"status": "DONE"}}))

    listed = {record.exp_id: record for record in list_recorded()}

    assert entries.keys() <= listed.keys()
    assert listed["good"].status == "DONE"
    assert all(record.directory is None for record in listed.values())


def test_an_entry_is_found_in_the_directory_of_another(registry: Registry, tmp_path: Path) -> None:
    """As after the experiments were moved by hand, and one of them was registered there."""
    place = tmp_path / "place"
    (place / "moved" / "db").mkdir(parents=True)
    registry.path.write_text(
        json.dumps({"moved": {"logDir": str(tmp_path / "gone")}, "other": {"logDir": str(place)}})
    )

    (record,) = [record for record in list_recorded() if record.exp_id == "moved"]

    assert record.directory == place / "moved"


def test_many_entries_in_many_directories_are_looked_up_once_each(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checking every directory for every experiment took hours."""
    registry.path.write_text(
        json.dumps({f"e{n}": {"logDir": str(tmp_path / str(n))} for n in range(300)})
    )
    looks: list[Path] = []
    is_dir = Path.is_dir

    def look(path: Path) -> bool:
        looks.append(path)
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", look)

    assert len(list_recorded()) == 300
    assert len(looks) <= 300 * 3


def test_the_file_is_written_as_nnictl_does(registry: Registry) -> None:
    entries = {
        "a": {},
        "é\ud800": {"tag": ["x", {"y": []}], "url": [], "none": None, "text": 'a"\n'},
    }
    registry.path.write_text(json.dumps(entries))

    registry.ensure("b", {"id": "b", "n": 1.5, "deep": {"a": {"b": [1, 2]}}})
    text = registry.path.read_text()

    assert text == json.dumps(json.loads(text), indent=4)
    for exp_id in ("a", "b", "é\ud800"):
        registry.remove(exp_id)
    assert registry.path.read_text() == json.dumps({}, indent=4)


def test_a_log_that_is_a_pipe_is_an_error_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")

    for read in (
        lambda: LogFile(tmp_path / "log").text(),
        lambda: LogFile(tmp_path / "log").text(tail=3),
        lambda: list(
            LogFile(tmp_path / "log").follow(deadline=Deadline(5), is_complete=lambda: True)
        ),
        lambda: tail_text(tmp_path / "log"),
    ):
        with pytest.raises(OSError, match="found a named pipe"):
            read()


@pytest.fixture
def huge_log(tmp_path: Path) -> LogFile:
    """Return a sparse log of 5 GB, all but its end in one line."""
    path = tmp_path / "log"
    with path.open("wb") as file:
        file.seek(5 << 30)
        file.write(b"\nlast\nwords")
    return LogFile(path)


def test_the_end_of_a_huge_log_is_read_from_its_end(huge_log: LogFile) -> None:
    assert huge_log.text(tail=2) == "last\nwords"
    assert tail_text(huge_log.path, 2) == "last\nwords"


@pytest.mark.parametrize("portion", [{}, {"head": 1}, {"tail": 3}], ids=str)
def test_a_text_too_large_for_memory_is_refused(
    huge_log: LogFile, portion: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_LARGEST_TEXT", 1 << 20)
    with huge_log.path.open("r+b") as file:
        file.truncate(16 << 20)

    with pytest.raises(InvalidValueError, match="piece by piece with follow_") as caught:
        huge_log.text(**portion)

    assert caught.value.field == next(iter(portion), "tail")


def test_a_log_of_any_size_can_be_read_piece_by_piece(huge_log: LogFile) -> None:
    pieces = huge_log.follow(deadline=Deadline(0), is_complete=lambda: True)

    assert len(next(pieces)) <= 1 << 20


def test_a_mark_is_found_across_portions(tmp_path: Path) -> None:
    mark = b"\nDispatcher started\n"
    (tmp_path / "log").write_bytes(bytes((1 << 16) - 5) + mark + bytes(1 << 17))

    assert LogPart(tmp_path / "log").tuner_has_connected()
    assert not LogPart(tmp_path / "log", since=(1 << 16) + 10).tuner_has_connected()


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "null", '{"experimentConfig": 1}', "{", "\ud800"], ids=range(5)
)
def test_a_damaged_kept_config_is_an_error_without_its_text(tmp_path: Path, text: str) -> None:
    (tmp_path / ".config").write_bytes(text.encode("utf-8", "surrogatepass"))

    with pytest.raises(DecodingError, match="does not contain the config") as caught:
        read_kept_config(tmp_path / ".config")

    assert text[:1] not in str(caught.value).replace(str(tmp_path), "") or text == "null"


def test_an_installation_that_is_a_pipe_does_not_block(tmp_path: Path) -> None:
    """Any process of another user may claim to run a `main.js`."""
    (tmp_path / "nni_node").mkdir()
    os.mkfifo(tmp_path / "nni_node" / "package.json")

    with pytest.raises(FileNotFoundError, match="found a named pipe"):
        read_version(tmp_path / "nni_node")
