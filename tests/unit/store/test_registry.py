"""NNI's registry of experiments, written by one process."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnicli.errors import RegistryError
from nnicli.store import Registry

ENTRY: dict[str, Any] = {
    "id": "aBcD",
    "port": 8080,
    "startTime": 1_795_518_869_156,
    "endTime": "N/A",
    "status": "INITIALIZED",
    "platform": "local",
    "experimentName": None,
    "tag": [],
    "pid": 4711,
    "webuiUrl": ["http://127.0.0.1:8080"],
    "logDir": "/home/user/größe",
    "prefixUrl": None,
}

CHANGES: dict[str, Callable[[Registry], None]] = {
    "ensure": lambda registry: registry.ensure("aBcD", ENTRY),
    "update": lambda registry: registry.update("aBcD", status="STOPPED"),
    "remove": lambda registry: registry.remove("aBcD"),
}
DAMAGED = {
    "cut": b'{"aBcD": {"id": "aBcD", ',
    "empty": b"",
    "binary": b"\xff\xfe\x00",
    "list": b"[]",
    "entry is not an object": b'{"aBcD": 1}',
    "nested too deeply": b"[" * 100_000,
}


@pytest.fixture
def registry(registry_path: Path) -> Registry:
    return Registry(registry_path, lock_timeout_s=0.3)


def age(path: Path, seconds: float) -> None:
    """Make a file look as if it was written that long ago."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_the_default_is_below_the_current_home(home: Path) -> None:
    path = home / "nni-experiments" / ".experiment"

    assert Registry().path == path
    assert repr(Registry()) == f"Registry({str(path)!r})"


def test_a_missing_file_is_an_empty_registry(home: Path) -> None:
    assert Registry().read() == {}
    assert Registry().get("aBcD") is None
    assert not (home / "nni-experiments").exists()


def test_an_entry_is_written_as_nni_writes_it(home: Path) -> None:
    """Other programs read it too, so the text matters; the directory may be missing."""
    Registry().ensure("aBcD", ENTRY)

    text = (home / "nni-experiments" / ".experiment").read_text("ascii")
    assert text == json.dumps({"aBcD": ENTRY}, indent=4)
    assert Registry().get("aBcD") == ENTRY


def test_other_entries_and_unknown_keys_are_kept(registry: Registry) -> None:
    other = {"id": "other", "addedIn": "4.0"}
    registry.path.write_text(json.dumps({"other": other, "aBcD": {**ENTRY, "addedIn": "4.0"}}))

    registry.update("aBcD", status="STOPPED", endTime=1_795_518_889_785)

    expected = {**ENTRY, "addedIn": "4.0", "status": "STOPPED", "endTime": 1_795_518_889_785}
    assert registry.read() == {"other": other, "aBcD": expected}


def test_an_update_does_not_create_an_entry(registry: Registry) -> None:
    registry.ensure("aBcD", ENTRY)
    before = registry.path.stat()

    registry.update("other", status="STOPPED")

    assert registry.read() == {"aBcD": ENTRY}
    assert registry.path.stat() == before


def test_an_entry_is_removed_once(registry: Registry) -> None:
    registry.ensure("aBcD", ENTRY)

    registry.remove("aBcD")
    registry.remove("aBcD")

    assert registry.read() == {}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_reported_and_never_overwritten(
    registry: Registry,
    content: bytes,
    change: Callable[[Registry], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """NNI reads it as empty, and its next write makes the loss permanent for everybody."""
    monkeypatch.setattr("nnicli.store.registry._SETTLE_S", 0.02)
    registry.path.write_bytes(content)

    with pytest.raises(RegistryError, match=r"damaged: .*not changed.*move it away") as caught:
        change(registry)

    assert str(registry.path) in str(caught.value)
    assert registry.path.read_bytes() == content
    assert not list(registry.path.parent.glob("*.lock.*"))


@pytest.mark.parametrize("content", [b"", b'{"early": {"id"', b"\xff\xfe", b"[]"])
def test_a_damaged_file_is_copied_and_rebuilt(registry: Registry, content: bytes) -> None:
    registry.path.write_bytes(content)
    registry.path.chmod(0o640)

    kept = registry.rebuild({"found": {"id": "found", "status": "STOPPED"}})

    assert kept is not None
    assert kept.read_bytes() == content
    assert kept.stat().st_mode & 0o777 == registry.path.stat().st_mode & 0o777 == 0o640
    assert registry.read() == {"found": {"id": "found", "status": "STOPPED"}}
    registry.ensure("next", {"id": "next", "pid": 1})
    assert set(registry.read()) == {"found", "next"}


def test_a_damaged_file_does_not_overwrite_an_earlier_copy(registry: Registry) -> None:
    kept = []
    for content in ("{", "["):
        registry.path.write_text(content)
        kept.append(registry.rebuild({}))

    assert [path.read_text() for path in kept if path is not None] == ["{", "["]


def test_a_sound_file_is_not_rebuilt(registry: Registry) -> None:
    registry.ensure("early", {"id": "early", "pid": 1})
    content = registry.path.read_bytes()

    assert registry.rebuild({}) is None

    assert registry.path.read_bytes() == content


def test_without_a_file_nothing_is_rebuilt(registry: Registry) -> None:
    assert registry.rebuild({"found": {"id": "found"}}) is None

    assert not registry.path.exists()


def test_a_damaged_file_that_cannot_be_copied_is_not_changed(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.path.write_text("{")

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", refuse)

    with pytest.raises(RegistryError, match="cannot be copied: No space left"):
        registry.rebuild({})
    assert registry.path.read_text() == "{"


def test_a_read_waits_while_a_manager_rewrites_the_file(registry: Registry) -> None:
    """The manager truncates first, so a reader that does not wait would find it damaged."""
    registry.path.write_text("")
    content = json.dumps({"aBcD": ENTRY})
    rewrite = threading.Timer(0.1, lambda: registry.path.write_text(content))
    rewrite.start()

    entries = registry.read()

    rewrite.join()
    assert entries == {"aBcD": ENTRY}


@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_the_mode_of_the_file_is_kept(registry: Registry, mode: int) -> None:
    registry.ensure("aBcD", ENTRY)
    registry.path.chmod(mode)

    registry.update("aBcD", status="STOPPED")

    assert stat.S_IMODE(registry.path.stat().st_mode) == mode


def test_a_new_file_has_the_mode_that_the_umask_allows(registry: Registry) -> None:
    previous = os.umask(0o027)
    try:
        registry.ensure("aBcD", ENTRY)
    finally:
        os.umask(previous)

    assert stat.S_IMODE(registry.path.stat().st_mode) == 0o640


def test_a_registry_behind_a_link_is_written_through_it(registry: Registry, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.json"
    target.write_text("{}")
    registry.path.symlink_to(target)

    registry.ensure("aBcD", ENTRY)

    assert registry.path.is_symlink()
    assert json.loads(target.read_text()) == {"aBcD": ENTRY}


def test_what_a_killed_writer_left_next_to_the_file_does_no_harm(registry: Registry) -> None:
    (registry.path.parent / ".nnicli.tmp").write_text('{"aBc')

    registry.ensure("aBcD", ENTRY)

    assert registry.read() == {"aBcD": ENTRY}
    assert {path.name for path in registry.path.parent.iterdir()} == {".experiment", ".nnicli.lock"}


@pytest.mark.parametrize(
    ("function", "code", "text"),
    [
        ("pathlib.Path.replace", errno.EROFS, "Read-only file system"),
        ("os.fsync", errno.ENOSPC, "No space left on device"),
    ],
)
def test_a_write_that_fails_leaves_the_file_as_it_was(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, function: str, code: int, text: str
) -> None:
    registry.ensure("aBcD", ENTRY)

    def refuse(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(function, refuse)
        with pytest.raises(RegistryError, match=f"cannot be written: {text}"):
            registry.update("aBcD", status="STOPPED")

    assert registry.read() == {"aBcD": ENTRY}
    assert {path.name for path in registry.path.parent.iterdir()} == {".experiment", ".nnicli.lock"}


def test_a_directory_in_place_of_the_file_cannot_be_read(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnicli.store.registry._SETTLE_S", 0.02)
    registry.path.mkdir()

    with pytest.raises(RegistryError, match=r"\.experiment cannot be read: Is a directory"):
        registry.ensure("aBcD", ENTRY)


def test_a_file_in_place_of_the_directory_cannot_be_locked(home: Path) -> None:
    (home / "nni-experiments").write_text("")

    with pytest.raises(RegistryError, match=r"\.experiment cannot be locked: File exists"):
        Registry().ensure("aBcD", ENTRY)


def test_a_change_that_another_writer_undid_is_made_again(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As NNI's lock is not reliable, a writer may get in that read the file before us."""
    registry.path.write_text("{}")
    undone: list[int] = []

    def undo(_seconds: float) -> None:
        if not undone and "aBcD" in registry.path.read_text():
            undone.append(registry.path.write_text("{}"))

    monkeypatch.setattr(time, "sleep", undo)

    registry.ensure("aBcD", ENTRY)

    assert undone
    assert registry.read() == {"aBcD": ENTRY}


def test_a_change_that_is_always_undone_is_an_error(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.path.write_text("{}")
    monkeypatch.setattr(time, "sleep", lambda _seconds: registry.path.write_text("{}"))

    with pytest.raises(RegistryError, match="undone 10 times by other writers; try again"):
        registry.ensure("aBcD", ENTRY)


def test_an_entry_whose_manager_has_gone_on_is_not_written_again(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manager sets RUNNING as soon as it can; INITIALIZED must not come back."""

    def go_on(_seconds: float) -> None:
        if registry.path.exists():
            registry.path.write_text(json.dumps({"aBcD": {**ENTRY, "status": "RUNNING"}}))

    monkeypatch.setattr(time, "sleep", go_on)

    registry.ensure("aBcD", ENTRY)

    assert registry.read() == {"aBcD": {**ENTRY, "status": "RUNNING"}}


def test_a_lock_that_nni_holds_is_named_with_its_age(registry: Registry) -> None:
    lock = registry.path.with_name(".experiment.lock.4711")
    lock.touch()

    with pytest.raises(RegistryError, match=r"held by \.experiment\.lock\.4711 \(\d\.\d s old\)"):
        registry.ensure("aBcD", ENTRY)

    assert not registry.path.exists()
    assert lock.exists()


def test_a_lock_that_nni_releases_is_acquired(registry_path: Path) -> None:
    lock = registry_path.with_name(".experiment.lock.4711")
    lock.touch()
    release = threading.Timer(0.1, lock.unlink)
    release.start()

    Registry(registry_path).ensure("aBcD", ENTRY)

    release.join()
    assert Registry(registry_path).read() == {"aBcD": ENTRY}


@pytest.mark.parametrize("pid", [4711, os.getpid()], ids=["another's", "our own number's"])
def test_a_lock_that_a_dead_process_left_does_not_count(registry: Registry, pid: int) -> None:
    lock = registry.path.with_name(f".experiment.lock.{pid}")
    lock.touch()
    age(lock, 2.1)

    registry.ensure("aBcD", ENTRY)

    assert registry.read() == {"aBcD": ENTRY}


def test_a_concurrent_writer_goes_first(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NNI checks for locks, then makes its own: both may have checked before either made one."""
    rival = registry.path.with_name(".experiment.lock.4711")
    real_sleep = time.sleep

    def come_too(seconds: float) -> None:
        rival.touch()
        real_sleep(seconds)

    monkeypatch.setattr(time, "sleep", come_too)

    with pytest.raises(RegistryError, match=r"held by \.experiment\.lock\.4711"):
        registry.ensure("aBcD", ENTRY)

    assert [lock.name for lock in registry.path.parent.glob("*.lock.*")] == [rival.name]


def test_a_process_with_the_same_pid_in_another_container_goes_first(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_open = os.open
    refusals = [1, 2]

    def open_late(path: Path, flags: int, mode: int = 0o777) -> int:
        if ".lock." in Path(path).name and refusals:
            refusals.pop()
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        return real_open(path, flags, mode)

    monkeypatch.setattr("nnicli.store.locking.os.open", open_late)

    registry.ensure("aBcD", ENTRY)

    assert refusals == []
    assert registry.read() == {"aBcD": ENTRY}


def test_without_flock_only_the_lock_of_nni_is_used(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows has none."""
    monkeypatch.setattr("nnicli.store.locking.fcntl", None)

    with registry.undisturbed(1), pytest.raises(RegistryError, match=r"held by \.experiment\.lock"):
        Registry(registry.path, lock_timeout_s=0.1).ensure("aBcD", ENTRY)
    registry.ensure("aBcD", ENTRY)

    assert registry.read() == {"aBcD": ENTRY}
    assert not registry.path.with_name(".nnicli.lock").exists()


def test_nnicli_processes_exclude_each_other(registry: Registry) -> None:
    """NNI's lock alone lets two in; threads exclude each other as processes do."""
    with (
        Registry(registry.path).undisturbed(1),
        pytest.raises(
            RegistryError, match=r"could not acquire the lock .*\.nnicli\.lock .*another nnicli"
        ),
    ):
        registry.ensure("aBcD", ENTRY)

    registry.ensure("aBcD", ENTRY)
    assert registry.read() == {"aBcD": ENTRY}


def test_threads_do_not_lose_changes_of_each_other(registry_path: Path) -> None:
    def write(number: int) -> None:
        Registry(registry_path).ensure(str(number), {"id": str(number), "pid": number})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(Registry(registry_path).read()) == {str(number) for number in range(8)}


def test_no_other_process_writes_while_a_manager_is_killed(registry: Registry) -> None:
    with registry.undisturbed(1):
        locks = [lock.name for lock in registry.path.parent.glob("*.lock.*")]

    assert locks == [f".experiment.lock.{os.getpid()}"]
    assert not list(registry.path.parent.glob("*.lock.*"))


def test_a_manager_is_killed_even_if_the_lock_cannot_be_acquired(registry: Registry) -> None:
    registry.path.with_name(".experiment.lock.4711").touch()
    done = []

    with registry.undisturbed(0.1):
        done.append(True)

    assert done
