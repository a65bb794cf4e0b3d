"""The home directory, in which NNI keeps its registry of experiments."""

from __future__ import annotations

import os
from pathlib import Path

from nnicli.errors import RegistryError

ADVICE = (
    "NNI keeps its registry of experiments in the home directory, whatever folder they are in; set "
    "HOME to a folder that you may write, for example: HOME=/tmp/nni nnicli ..."
)
"""What to do where the home directory is of no use."""


def user_home() -> Path:
    """Return this user's home directory.

    Raises:
        RegistryError: There is none: HOME is not set, and the user has no passwd entry, as in
            containers that run with any uid. No NNI keeps its registry anywhere else.
    """
    try:
        return Path.home()
    except RuntimeError as error:
        raise RegistryError(
            f"there is no home directory: HOME is not set, and user {os.getuid()} has no passwd "
            f"entry. {ADVICE}"
        ) from error


def find_user_home() -> Path | None:
    """Return this user's home directory, None where there is none."""
    try:
        return user_home()
    except RegistryError:
        return None
