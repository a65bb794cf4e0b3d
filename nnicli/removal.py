"""Folders deleted with all that is in them, and nothing that is mounted in them or linked there.

A mount below a folder that is deleted belongs to somebody else: NNI leaves its NFS share mounted
in the experiment's folder after kubeflow experiments in reuse mode.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_MOUNT_ID = re.compile(rb"^mnt_id:\s*(\d+)", re.MULTILINE)
_ESCAPED = re.compile(rb"\\([0-7]{3})")
_HAS_HANDLES = {os.open, os.stat, os.unlink, os.rmdir} <= os.supports_dir_fd
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0) | _NO_FOLLOW
_PATH_ONLY = getattr(os, "O_PATH", 0)

_Place = tuple[int, int | None]
"""The device of a file and, where the system tells it, the mount by which it was reached."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A file system that is mounted somewhere.

    Attributes:
        path: Where.
        kind: What it is, such as `nfs4`; that of the disk for a bind mount; empty if unknown.
    """

    path: Path
    kind: str


def find_mounts(folder: Path) -> list[Mount]:
    """Return what is mounted at a folder or below it.

    Linux tells all of them, bind mounts too; elsewhere those of another device are found.
    """
    root = os.path.realpath(folder)
    try:
        lines = _MOUNTS.read_bytes().splitlines()
    except OSError:
        # Only Linux has it.
        return list(_other_devices(root))
    found = []
    for line in lines:
        # Fields of their own number stand before the dash (proc(5)).
        fields, _, rest = line.partition(b" - ")
        path = os.fsdecode(_ESCAPED.sub(lambda match: bytes([int(match[1], 8)]), fields.split()[4]))
        if path == root or path.startswith(f"{root.rstrip('/')}/"):
            found.append(Mount(Path(path), os.fsdecode(rest.split()[0])))
    return found


def _other_devices(root: str) -> Iterator[Mount]:
    if os.path.ismount(root):
        yield Mount(Path(root), "")
        return
    device = os.lstat(root).st_dev
    folders = [root]
    while folders:
        # What may not be read cannot be deleted either, and that is reported then.
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    continue
                if entry.stat(follow_symlinks=False).st_dev != device:
                    yield Mount(Path(entry.path), "")
                else:
                    folders.append(entry.path)


def check_unmounted(folder: Path) -> None:
    """Refuse a folder at which, or below which, something is mounted.

    Raises:
        OSError: With the first of the mounts as `filename` (EBUSY).
    """
    for mount in find_mounts(folder):
        raise _mounted_error(str(mount.path), mount.kind)


def _mounted_error(path: str, kind: str = "") -> OSError:
    what = f"a file system ({kind})" if kind else "a file system"
    return OSError(
        errno.EBUSY,
        f"{what} is mounted here, and nothing on it may be deleted; unmount it first "
        f"(umount {shlex.quote(path)})",
        path,
    )


def remove_tree(folder: Path) -> None:
    """Delete a folder with all that is in it, read-only folders included; links are not followed.

    Raises:
        OSError: Something is mounted in it, which is found before anything is deleted, and kept if
            it is mounted later; or something cannot be deleted.
    """
    check_unmounted(folder)
    if not _HAS_HANDLES:
        shutil.rmtree(folder)  # noqa: TID251 - on Windows, where it follows no junction
        return
    handle = open_folder(folder)
    try:
        empty_folder(handle, folder)
    finally:
        os.close(handle)
    folder.rmdir()


def open_folder(folder: Path) -> int:
    """Return a handle of a folder that is neither a link nor a place where something is mounted.

    Raises:
        OSError: It is one of these, or cannot be opened.
    """
    parent = os.open(folder.parent, _FOLDER & ~_NO_FOLLOW)
    try:
        return _descend(parent, folder.name, folder, _place_of(parent))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error
    finally:
        os.close(parent)


def empty_folder(handle: int, folder: Path) -> None:
    """Delete all that is in an open folder.

    Args:
        handle: Of `open_folder`; it stays open.
        folder: What errors call it.

    Raises:
        OSError: Something is mounted in it, or cannot be deleted; the rest of it is still there.
    """
    _Emptying(handle, folder).run()


class _Emptying:
    """The way through a tree, in which one folder at a time is open, however deep it is.

    No path is looked up, so nobody can lead it elsewhere by moving folders meanwhile.
    """

    def __init__(self, root: int, folder: Path) -> None:
        self._root = root
        self._folder = folder
        self._place = _place_of(root)
        # Of the folders on the way down: their names below the root, and who they are.
        self._names: list[str] = []
        self._identities: list[tuple[int, int]] = []
        # The folders in each of them that are left to do.
        self._left: list[list[str]] = []

    def run(self) -> None:
        handle = os.dup(self._root)
        try:
            self._enter(handle)
            while self._left[-1] or self._names:
                if self._left[-1]:
                    handle = self._go_down(handle, self._left[-1].pop())
                else:
                    handle = self._go_up(handle)
        finally:
            os.close(handle)

    def _enter(self, handle: int) -> None:
        """Delete the files of a folder, and note its folders."""
        with self._naming():
            status = os.fstat(handle)
            if status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
                os.fchmod(handle, stat.S_IRWXU)
            with os.scandir(handle) as entries:
                listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
            for name, is_folder in listed:
                # Somebody else may be deleting here, too.
                with suppress(FileNotFoundError):
                    if not is_folder:
                        os.unlink(name, dir_fd=handle)
        self._left.append([name for name, is_folder in listed if is_folder])
        self._identities.append((status.st_dev, status.st_ino))

    def _go_down(self, handle: int, name: str) -> int:
        with self._naming():
            child = _descend(handle, name, self._here / name, self._place)
        self._names.append(name)
        try:
            self._enter(child)
        except BaseException:
            os.close(child)
            raise
        os.close(handle)
        return child

    def _go_up(self, handle: int) -> int:
        self._left.pop()
        self._identities.pop()
        name = self._names.pop()
        with self._naming():
            parent = os.open("..", _FOLDER, dir_fd=handle)
            try:
                status = os.fstat(parent)
                if (status.st_dev, status.st_ino) != self._identities[-1]:
                    raise OSError(errno.EBUSY, "the folder was moved while it was deleted", name)
                with suppress(FileNotFoundError):
                    os.rmdir(name, dir_fd=parent)
            except BaseException:
                os.close(parent)
                raise
        os.close(handle)
        return parent

    @property
    def _here(self) -> Path:
        return self._folder.joinpath(*self._names)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Raise errors with the whole path, of which the system has the last name only."""
        try:
            yield
        except OSError as error:
            # A path that is whole already stays as it is.
            path = str(self._here / os.fsdecode(error.filename or ""))
            raise OSError(error.errno, error.strerror, path) from error


def _descend(parent: int, name: str, path: Path, place: _Place) -> int:
    """Return a handle of a folder in an open one, unless it is a link or a mount."""
    try:
        handle = os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:
        _open_up(parent, name, path, place)
        handle = os.open(name, _FOLDER, dir_fd=parent)
    try:
        _check_place(handle, path, place)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _open_up(parent: int, name: str, path: Path, place: _Place) -> None:
    """Let the owner into a folder; one that is a mount, or has become a link, stays closed."""
    if not _PATH_ONLY:
        if os.stat(name, dir_fd=parent, follow_symlinks=False).st_dev != place[0]:
            raise _mounted_error(str(path))
        os.chmod(name, stat.S_IRWXU, dir_fd=parent)
        return
    handle = os.open(name, _FOLDER | _PATH_ONLY, dir_fd=parent)
    try:
        _check_place(handle, path, place)
        Path(f"/proc/self/fd/{handle}").chmod(stat.S_IRWXU)
    finally:
        os.close(handle)


def _check_place(handle: int, path: Path, place: _Place) -> None:
    if _place_of(handle) != place:
        raise _mounted_error(str(path))


def _place_of(handle: int) -> _Place:
    device = os.fstat(handle).st_dev
    try:
        # A bind mount has the device of the folder around it, and another number here.
        found = _MOUNT_ID.search(Path(f"/proc/self/fdinfo/{handle}").read_bytes())
    except OSError:
        # Only Linux has it.
        return device, None
    return device, None if found is None else int(found[1])
