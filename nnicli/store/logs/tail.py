"""Read log files from their end."""

from __future__ import annotations

from pathlib import Path

from nnicli.regular_files import open_regular

_TAIL_BYTES = 1 << 16


def size_of(path: Path) -> int:
    """Return a file's size in bytes, 0 if it is missing."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def tail_text(path: Path, lines: int = 20) -> str:
    """Return the last lines of a file, empty if it is missing; only its end is read."""
    text = _read_from(path, max(0, size_of(path) - _TAIL_BYTES)).decode("utf-8", "replace")
    return "\n".join(text.splitlines()[-lines:])


def _read_from(path: Path, offset: int) -> bytes:
    """Return a file's content from an offset on, up to a limit."""
    try:
        with open_regular(path) as file:
            file.seek(offset)
            return file.read(_TAIL_BYTES)
    except FileNotFoundError:
        return b""
