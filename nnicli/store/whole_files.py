"""Write files in one step, so that others never see a part of them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from nnicli.store.staging import staging_directory


def write_whole(path: Path, text: str) -> None:
    """Write a file in one step, or to the device or pipe of this name.

    An existing file keeps its mode, and a link stays a link; a new file gets the mode that the
    umask allows. What a killed process leaves is removed by the next one that writes there.

    Args:
        path: The file.
        text: Its content; line ends are not changed.

    Raises:
        OSError: It cannot be written; `filename` is the path as it was given.
    """
    try:
        mode = _find_mode(path)
        if mode is None or stat.S_ISREG(mode):
            # A rename would replace a link with a file.
            _replace(Path(os.path.realpath(path)), text, mode)
        else:
            path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def _find_mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _replace(path: Path, text: str, mode: int | None) -> None:
    with staging_directory(path.parent) as staging:
        draft = staging / "draft"
        with draft.open("x", encoding="utf-8", newline="") as file:
            if mode is not None:
                draft.chmod(stat.S_IMODE(mode))
            file.write(text)
            file.flush()
        draft.replace(path)
