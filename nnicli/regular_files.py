"""Files that others may have created, opened so that they cannot block nnicli or fill memory."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

# Without these, opening a FIFO waits for a writer, and a terminal becomes the controlling one.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_FLAGS |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(
    path: str | os.PathLike[str], *, follow_links: bool = True, buffering: int = -1
) -> BinaryIO:
    """Open a regular file for reading bytes.

    Args:
        path: The file.
        follow_links: Whether the path itself may be a link; a link to anything but a file is always
            refused.
        buffering: As for `open`; 0 for a file that is read repeatedly while it is written.

    Raises:
        IsADirectoryError: It is a directory.
        OSError: It is a named pipe, a socket or a device (EINVAL, and the message says which), a
            link that may not be followed (ELOOP), or cannot be opened. `filename` is the path.
    """
    # Checked before it is opened, as opening a device may already have an effect.
    status = Path(path).stat() if follow_links else Path(path).lstat()
    check_regular(status.st_mode, path)
    handle = os.open(path, _FLAGS | (0 if follow_links else _NO_FOLLOW))
    try:
        check_regular(os.fstat(handle).st_mode, path)
        return os.fdopen(handle, "rb", buffering=buffering)
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: str | os.PathLike[str], *, limit: int) -> bytes:
    """Return the content of a regular file.

    Args:
        path: The file.
        limit: Its maximum size in bytes.

    Raises:
        OSError: As for `open_regular`, or it is larger than the limit (EFBIG).
    """
    with open_regular(path) as file:
        # The size that the system reports may be wrong, for example in /proc.
        chunks, left = [], limit + 1
        while left > 0 and (chunk := file.read(min(left, 1 << 20))):
            chunks.append(chunk)
            left -= len(chunk)
    if left <= 0:
        raise OSError(
            errno.EFBIG, f"larger than the {limit:,} bytes that nnicli reads", os.fspath(path)
        )
    return b"".join(chunks)


def check_regular(mode: int, path: str | os.PathLike[str]) -> None:
    """Refuse what is not a regular file.

    Args:
        mode: Its `st_mode`.
        path: The file, for the error.

    Raises:
        OSError: As for `open_regular`.
    """
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, "a link, which is not followed here", os.fspath(path))
    kind = _KINDS.get(stat.S_IFMT(mode), "not a file")
    raise OSError(errno.EINVAL, f"expected a regular file, found {kind}", os.fspath(path))
