"""Deletion of whole directories, sparing what is mounted or linked there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nnicli.removal import find_mounts, remove_tree
from tests.mounts import needs_mounts, run_mounted

REMOVE = """
from nnicli.removal import remove_tree
with pytest.raises(OSError) as caught:
    remove_tree(Path(sys.argv[1]))
print(caught.value.filename, caught.value.strerror, sep="|")
"""
# As if the mount appeared after the check for mounts.
REMOVE_LATE = (
    """
import nnicli.removal
nnicli.removal.check_unmounted = lambda directory: None
"""
    + REMOVE
)


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """Return somebody's directory with a file in it."""
    directory = tmp_path / "share"
    directory.mkdir()
    (directory / "precious").write_text("data")
    return directory


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    directory = tmp_path / "tree"
    (directory / "a" / "b").mkdir(parents=True)
    (directory / "a" / "file").touch()
    return directory


def test_a_tree_is_deleted_without_following_links(tree: Path, share: Path) -> None:
    share.chmod(0o500)
    (tree / "a" / "link").symlink_to(share)
    (tree / "a" / "b" / "file").symlink_to(share / "precious")

    remove_tree(tree)

    assert not tree.exists()
    assert share.stat().st_mode & 0o777 == 0o500
    assert (share / "precious").read_text() == "data"


def test_a_link_in_place_of_the_tree_is_not_followed(tmp_path: Path, share: Path) -> None:
    (tmp_path / "link").symlink_to(share)

    with pytest.raises(OSError, match="link"):
        remove_tree(tmp_path / "link")

    assert (share / "precious").exists()


@pytest.mark.slow
def test_a_tree_too_deep_for_any_path_is_deleted(tmp_path: Path) -> None:
    root = tmp_path / "deep"
    root.mkdir()
    handle = os.open(root, os.O_RDONLY)
    for _ in range(3_000):
        os.mkdir("d", dir_fd=handle)
        below = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(handle)

    remove_tree(root)

    assert not root.exists()


def test_directories_without_permissions_for_their_owner_are_deleted(tree: Path) -> None:
    """Root may do everything, so as root the test runs as another user."""
    (tree / "a" / "b").chmod(0)
    (tree / "a").chmod(0o500)
    if os.geteuid() == 0:
        for path in (tree.parent, tree, tree / "a", tree / "a" / "b", tree / "a" / "file"):
            os.chown(path, 65_534, 65_534)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.chdir(tree.parent)
            if os.geteuid() == 0:
                os.setgid(65_534)
                os.setuid(65_534)
            remove_tree(Path(tree.name))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert not tree.exists()


def test_what_cannot_be_deleted_is_named_with_its_whole_path(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted", "file")

    monkeypatch.setattr(os, "unlink", refuse)

    with pytest.raises(PermissionError) as caught:
        remove_tree(tree)

    assert caught.value.filename == str(tree / "a" / "file")


@needs_mounts
@pytest.mark.parametrize("code", [REMOVE, REMOVE_LATE], ids=["known", "late"])
@pytest.mark.parametrize("place", ["tree/a/b", "tree"])
def test_mounts_are_kept_and_named(tree: Path, share: Path, code: str, place: str) -> None:
    """A bind mount has the device of the directory around it."""
    mounted = tree.parent / place

    done = run_mounted([(share, mounted)], code, tree)

    assert done.stderr == ""
    name, _, message = done.stdout.strip().partition("|")
    assert name == str(mounted)
    assert f"unmount it first (umount {mounted})" in message
    assert (share / "precious").read_text() == "data"


@needs_mounts
def test_nothing_is_deleted_if_something_is_mounted(tree: Path, share: Path) -> None:
    run_mounted([(share, tree / "a" / "b")], REMOVE, tree)

    assert (tree / "a" / "file").exists()


@needs_mounts
@pytest.mark.parametrize("code", [REMOVE, REMOVE_LATE], ids=["known", "late"])
def test_another_device_is_kept_even_without_proc(tree: Path, code: str) -> None:
    """As on systems without /proc, where only the device shows it."""
    without = """
import nnicli.removal
nnicli.removal._MOUNTS = Path("/nonexistent")
nnicli.removal._MOUNT_ID = nnicli.removal.re.compile(b"nothing of the kind")
"""
    prepare = "Path(sys.argv[1], 'a', 'b', 'kept').touch()\n"
    check = "assert Path(sys.argv[1], 'a', 'b', 'kept').exists()\n"

    done = run_mounted([(None, tree / "a" / "b")], prepare + without + code + check, tree)

    assert done.stderr == ""
    assert done.stdout.startswith(f"{tree / 'a' / 'b'}|a file system is mounted here")


@needs_mounts
def test_a_mounted_file_is_kept(tree: Path, share: Path) -> None:
    done = run_mounted([(share / "precious", tree / "a" / "file")], REMOVE_LATE, tree)

    assert done.stdout.startswith(f"{tree / 'a' / 'file'}|")
    assert (share / "precious").read_text() == "data"


@needs_mounts
def test_mounts_are_found_by_their_real_path_with_any_name(tmp_path: Path) -> None:
    odd = tmp_path / "tree" / "a b\tc\\040\nd"
    odd.mkdir(parents=True)
    (tmp_path / "tree-2").mkdir()
    (tmp_path / "link").symlink_to("tree")
    code = """
from nnicli.removal import find_mounts
print([(str(mount.path), mount.kind) for mount in find_mounts(Path(sys.argv[1]))])
"""

    done = run_mounted([(None, odd), (None, tmp_path / "tree-2")], code, tmp_path / "link")

    assert done.stdout.strip() == str([(str(odd), "tmpfs")])


def test_nothing_is_mounted_in_an_ordinary_directory(tree: Path) -> None:
    assert find_mounts(tree) == []
