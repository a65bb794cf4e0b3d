"""Paths in a config, as NNI resolves them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any


def absolute_path(text: str, base: Path) -> str:
    """Return a path as NNI resolves it: relative to `base`, with `~` and links resolved."""
    # Path.expanduser would raise for a user that does not exist.
    joined = os.path.join(base, os.path.expanduser(text))  # noqa: PTH111, PTH118
    try:
        return os.path.realpath(joined)
    except ValueError:
        # It has a character that no path can have, and is then not found.
        return os.path.abspath(joined)  # noqa: PTH100 - Path.absolute does not normalise


def is_there(look: Callable[[], bool]) -> bool:
    """Return what a path's `is_dir` or `is_file` returns, False where it raises.

    Names that are too long, and characters that no path can have, make it raise.
    """
    try:
        return look()
    except (OSError, ValueError):
        return False


def with_absolute_paths(
    section: Mapping[str, Any], names: Iterable[str], base: Path
) -> dict[str, Any]:
    """Return a section in which the named fields, if present, are absolute paths."""
    paths = {name: absolute_path(section[name], base) for name in names if name in section}
    return {**section, **paths}
