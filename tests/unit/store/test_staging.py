"""Folders that do not outlive their process."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nnicli.store.staging import find_abandoned, staging_directory

_STAGE_AND_WAIT = """
import sys
from pathlib import Path
from nnicli.store.staging import find_abandoned, staging_directory
with staging_directory(Path(sys.argv[1])) as folder:
    (folder / "half").mkdir()
    (folder / "half" / "done").touch()
    print(folder, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    folder = tmp_path / "parent"
    folder.mkdir()
    return folder


def stage_elsewhere(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that works in a folder there until it is told to end."""
    process = subprocess.Popen(
        [sys.executable, "-c", _STAGE_AND_WAIT, str(parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_the_folder_is_the_owners_alone_and_is_gone_in_the_end(parent: Path) -> None:
    with staging_directory(parent) as folder:
        (folder / "file").touch()
        mode = folder.stat().st_mode & 0o777

    assert mode == 0o700
    assert list(parent.iterdir()) == []


def test_the_folder_is_gone_after_a_failure(parent: Path) -> None:
    def fail() -> None:
        with staging_directory(parent) as folder:
            (folder / "file").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()

    assert list(parent.iterdir()) == []


def test_what_a_killed_process_left_is_taken_away_by_the_next(parent: Path) -> None:
    process, abandoned = stage_elsewhere(parent)
    process.kill()
    process.communicate()
    assert (abandoned / "half" / "done").exists()

    with staging_directory(parent) as folder:
        assert list(parent.iterdir()) == [folder]


def test_what_a_living_process_works_in_is_left_alone(parent: Path) -> None:
    process, theirs = stage_elsewhere(parent)

    with staging_directory(parent):
        assert (theirs / "half" / "done").exists()

    process.communicate("\n")
    assert process.returncode == 0
    assert list(parent.iterdir()) == []


def test_a_half_deleted_folder_is_taken_away_too(parent: Path) -> None:
    """A process may be killed while it deletes, when the lock is gone already."""
    abandoned = parent / ".nnicli-staging-abandoned"
    abandoned.mkdir()
    (abandoned / "rest").touch()

    with staging_directory(parent) as folder:
        assert list(parent.iterdir()) == [folder]


def test_links_and_other_folders_of_that_place_are_left_alone(parent: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "file").touch()
    (parent / ".nnicli-staging-link").symlink_to(theirs)
    (parent / "experiment").mkdir()
    (parent / ".nnicli-config").mkdir()

    with staging_directory(parent):
        pass

    assert sorted(path.name for path in parent.iterdir()) == [
        ".nnicli-config",
        ".nnicli-staging-link",
        "experiment",
    ]
    assert (theirs / "file").exists()


@pytest.fixture
def planted(parent: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Return a folder that looks abandoned, with a lock that leads to a file, and that file."""
    folder, target = parent / ".nnicli-staging-planted", tmp_path / "target"
    folder.mkdir()
    (folder / ".lock").symlink_to(target)
    return folder, target


def test_a_link_in_the_place_of_a_lock_makes_no_file(
    parent: Path, planted: tuple[Path, Path]
) -> None:
    folder, target = planted

    with staging_directory(parent):
        pass

    assert not target.exists()
    assert folder.exists()


def test_another_users_folder_is_not_touched(
    parent: Path, planted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a shared folder anybody may make one, and put anything into it."""
    folder, _ = planted
    (folder / ".lock").unlink()
    (folder / "theirs").touch()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

    with staging_directory(parent):
        assert find_abandoned(parent) == []

    assert [path.name for path in folder.iterdir()] == ["theirs"]


def test_a_pipe_in_the_place_of_a_lock_is_not_waited_for(parent: Path) -> None:
    folder = parent / ".nnicli-staging-planted"
    folder.mkdir()
    os.mkfifo(folder / ".lock")

    with staging_directory(parent):
        pass

    assert not folder.exists()


@pytest.mark.timeout(20)
def test_where_nothing_can_be_locked_it_works_all_the_same(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Lustre without `flock` it made new folders without end."""

    def refuse(_handle: int, _operation: int) -> None:
        # What the kernel says there.
        assert len(list(parent.iterdir())) < 10
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)

    with staging_directory(parent) as folder:
        assert [folder] == list(parent.iterdir())
        assert find_abandoned(parent) == []

    assert list(parent.iterdir()) == []


def test_what_was_abandoned_is_found(parent: Path) -> None:
    process, abandoned = stage_elsewhere(parent)
    assert find_abandoned(parent) == []

    process.kill()
    process.communicate()

    assert find_abandoned(parent) == [abandoned]
    assert (abandoned / "half" / "done").exists()


def test_what_may_be_written_to_and_not_listed_is_worked_in(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("nnicli.store.staging.remove_abandoned", refuse)

    with staging_directory(parent) as folder:
        assert folder.is_dir()
