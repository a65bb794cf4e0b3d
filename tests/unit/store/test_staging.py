"""Staging directories are deleted by their process, or by the next one if it was killed."""

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
with staging_directory(Path(sys.argv[1])) as directory:
    (directory / "half").mkdir()
    (directory / "half" / "done").touch()
    print(directory, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    directory = tmp_path / "parent"
    directory.mkdir()
    return directory


def stage_elsewhere(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that works in a directory there until its input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", _STAGE_AND_WAIT, str(parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_the_directory_is_private_and_is_deleted_in_the_end(parent: Path) -> None:
    with staging_directory(parent) as directory:
        (directory / "file").touch()
        mode = directory.stat().st_mode & 0o777

    assert mode == 0o700
    assert list(parent.iterdir()) == []


def test_the_directory_is_deleted_after_a_failure(parent: Path) -> None:
    def fail() -> None:
        with staging_directory(parent) as directory:
            (directory / "file").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()

    assert list(parent.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(parent: Path) -> None:
    process, abandoned = stage_elsewhere(parent)
    process.kill()
    process.communicate()
    assert (abandoned / "half" / "done").exists()

    with staging_directory(parent) as directory:
        assert list(parent.iterdir()) == [directory]


def test_the_directory_of_a_live_process_is_left_alone(parent: Path) -> None:
    process, theirs = stage_elsewhere(parent)

    with staging_directory(parent):
        assert (theirs / "half" / "done").exists()

    process.communicate("\n")
    assert process.returncode == 0
    assert list(parent.iterdir()) == []


def test_a_half_deleted_directory_is_removed_too(parent: Path) -> None:
    """A process may be killed while it deletes, when the lock is already gone."""
    abandoned = parent / ".nnicli-staging-abandoned"
    abandoned.mkdir()
    (abandoned / "rest").touch()

    with staging_directory(parent) as directory:
        assert list(parent.iterdir()) == [directory]


def test_links_and_other_directories_are_left_alone(parent: Path, tmp_path: Path) -> None:
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
    """Return a directory that looks abandoned, with a lock that leads to a file, and that file."""
    directory, target = parent / ".nnicli-staging-planted", tmp_path / "target"
    directory.mkdir()
    (directory / ".lock").symlink_to(target)
    return directory, target


def test_a_link_in_place_of_a_lock_creates_no_file(
    parent: Path, planted: tuple[Path, Path]
) -> None:
    directory, target = planted

    with staging_directory(parent):
        pass

    assert not target.exists()
    assert directory.exists()


def test_another_users_directory_is_left_alone(
    parent: Path, planted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a shared directory anybody may create one, with anything in it."""
    directory, _ = planted
    (directory / ".lock").unlink()
    (directory / "theirs").touch()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

    with staging_directory(parent):
        assert find_abandoned(parent) == []

    assert [path.name for path in directory.iterdir()] == ["theirs"]


def test_a_pipe_in_place_of_a_lock_does_not_block(parent: Path) -> None:
    directory = parent / ".nnicli-staging-planted"
    directory.mkdir()
    os.mkfifo(directory / ".lock")

    with staging_directory(parent):
        pass

    assert not directory.exists()


@pytest.mark.timeout(20)
def test_it_works_where_locking_does_not(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Lustre without `flock` it created new directories for ever."""

    def refuse(_handle: int, _operation: int) -> None:
        # The kernel's error there.
        assert len(list(parent.iterdir())) < 10
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)

    with staging_directory(parent) as directory:
        assert [directory] == list(parent.iterdir())
        assert find_abandoned(parent) == []

    assert list(parent.iterdir()) == []


def test_abandoned_directories_are_found(parent: Path) -> None:
    process, abandoned = stage_elsewhere(parent)
    assert find_abandoned(parent) == []

    process.kill()
    process.communicate()

    assert find_abandoned(parent) == [abandoned]
    assert (abandoned / "half" / "done").exists()


def test_a_writable_directory_that_cannot_be_listed_can_be_used(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("nnicli.store.staging.remove_abandoned", refuse)

    with staging_directory(parent) as directory:
        assert directory.is_dir()
