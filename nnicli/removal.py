"""Deletion of whole directories, sparing what is mounted in them or linked from them.

A mount below a deleted directory belongs to somebody else: NNI leaves its NFS share mounted in the
experiment's directory after kubeflow experiments in reuse mode.
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
_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0) | _NO_FOLLOW
_PATH_ONLY = getattr(os, "O_PATH", 0)

_Place = tuple[int, int | None]
"""The device of a file and, if the system reports it, the mount through which it was reached."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A file system that is mounted somewhere.

    Attributes:
        path: Its mount point.
        kind: Its type, such as `nfs4`; that of the disk for a bind mount; empty if unknown.
    """

    path: Path
    kind: str


def find_mounts(directory: Path) -> list[Mount]:
    """Return the mounts at or below a directory.

    On Linux all are found, including bind mounts; on other systems only those of another device.
    """
    root = os.path.realpath(directory)
    try:
        lines = _MOUNTS.read_bytes().splitlines()
    except OSError:
        # Only Linux has it.
        return list(_other_devices(root))
    found = []
    for line in lines:
        # The number of fields before the dash varies (proc(5)).
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
    directories = [root]
    while directories:
        # What cannot be read cannot be deleted either, which is reported later.
        with suppress(OSError), os.scandir(directories.pop()) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    continue
                if entry.stat(follow_symlinks=False).st_dev != device:
                    yield Mount(Path(entry.path), "")
                else:
                    directories.append(entry.path)


def check_unmounted(directory: Path) -> None:
    """Refuse a directory if something is mounted at or below it.

    Raises:
        OSError: Something is; `filename` is the first of the mounts (EBUSY).
    """
    for mount in find_mounts(directory):
        raise _mounted_error(str(mount.path), mount.kind)


def _mounted_error(path: str, kind: str = "") -> OSError:
    what = f"a file system ({kind})" if kind else "a file system"
    return OSError(
        errno.EBUSY,
        f"{what} is mounted here, and nothing on it may be deleted; unmount it first "
        f"(umount {shlex.quote(path)})",
        path,
    )


def remove_tree(directory: Path) -> None:
    """Delete a directory with everything in it, even if read-only; links are not followed.

    Raises:
        OSError: Something is mounted in it (checked before anything is deleted; what is mounted
            later is kept), or something cannot be deleted.
    """
    check_unmounted(directory)
    if not _HAS_HANDLES:
        shutil.rmtree(directory)  # noqa: TID251 - on Windows, where it does not follow junctions
        return
    handle = open_directory(directory)
    try:
        empty_directory(handle, directory)
    finally:
        os.close(handle)
    directory.rmdir()


def open_directory(directory: Path) -> int:
    """Return a handle of a directory that is neither a link nor a mount point.

    Raises:
        OSError: It is either of these, or cannot be opened.
    """
    parent = os.open(directory.parent, _DIRECTORY & ~_NO_FOLLOW)
    try:
        return _descend(parent, directory.name, directory, _place_of(parent))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(directory)) from error
    finally:
        os.close(parent)


def empty_directory(handle: int, directory: Path) -> None:
    """Delete everything in an open directory.

    Args:
        handle: From `open_directory`; it stays open.
        directory: Its path, for errors.

    Raises:
        OSError: Something is mounted in it, or cannot be deleted; what remains is still there.
    """
    _Emptying(handle, directory).run()


class _Emptying:
    """Empties a tree with only one directory open at a time, at any depth.

    No path is resolved, so moving directories in the meantime cannot divert it.
    """

    def __init__(self, root: int, directory: Path) -> None:
        self._root = root
        self._directory = directory
        self._place = _place_of(root)
        # For each directory on the way down: its name below the root, and its identity.
        self._names: list[str] = []
        self._identities: list[tuple[int, int]] = []
        # The subdirectories of each that are still to do.
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
        """Delete the files of a directory, and record its subdirectories."""
        with self._naming():
            status = os.fstat(handle)
            if status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
                os.fchmod(handle, stat.S_IRWXU)
            with os.scandir(handle) as entries:
                listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
            for name, is_directory in listed:
                # Another process may be deleting here too.
                with suppress(FileNotFoundError):
                    if not is_directory:
                        os.unlink(name, dir_fd=handle)
        self._left.append([name for name, is_directory in listed if is_directory])
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
            parent = os.open("..", _DIRECTORY, dir_fd=handle)
            try:
                status = os.fstat(parent)
                if (status.st_dev, status.st_ino) != self._identities[-1]:
                    raise OSError(errno.EBUSY, "the directory was moved while it was deleted", name)
                with suppress(FileNotFoundError):
                    os.rmdir(name, dir_fd=parent)
            except BaseException:
                os.close(parent)
                raise
        os.close(handle)
        return parent

    @property
    def _here(self) -> Path:
        return self._directory.joinpath(*self._names)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Raise errors with the whole path; the system only has its last name."""
        try:
            yield
        except OSError as error:
            # A path that is already whole is not changed.
            path = str(self._here / os.fsdecode(error.filename or ""))
            raise OSError(error.errno, error.strerror, path) from error


def _descend(parent: int, name: str, path: Path, place: _Place) -> int:
    """Return a handle of a directory inside an open one, unless it is a link or a mount."""
    try:
        handle = os.open(name, _DIRECTORY, dir_fd=parent)
    except PermissionError:
        _open_up(parent, name, path, place)
        handle = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        _check_place(handle, path, place)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _open_up(parent: int, name: str, path: Path, place: _Place) -> None:
    """Give the owner access to a directory, unless it is a mount or has become a link."""
    if not _PATH_ONLY:
        if os.stat(name, dir_fd=parent, follow_symlinks=False).st_dev != place[0]:
            raise _mounted_error(str(path))
        os.chmod(name, stat.S_IRWXU, dir_fd=parent)
        return
    handle = os.open(name, _DIRECTORY | _PATH_ONLY, dir_fd=parent)
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
        # A bind mount has the device of the directory around it, but a different number here.
        found = _MOUNT_ID.search(Path(f"/proc/self/fdinfo/{handle}").read_bytes())
    except OSError:
        # Only Linux has it.
        return device, None
    return device, None if found is None else int(found[1])
