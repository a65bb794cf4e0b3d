"""The home directory, in which NNI keeps its registry of experiments."""

from __future__ import annotations

import os
from pathlib import Path

from nnicli.errors import RegistryError

ADVICE = (
    "NNI keeps its registry in the home directory, wherever the experiments are; set HOME to a "
    "directory that you can write to, for example: HOME=/tmp/nni nnicli ..."
)
"""What to do if the home directory cannot be used."""


def user_home() -> Path:
    """Return this user's home directory.

    Raises:
        RegistryError: There is none: HOME is not set, and the user has no passwd entry, as in
            containers that run with an arbitrary uid. NNI keeps its registry nowhere else.
    """
    try:
        return Path.home()
    except RuntimeError as error:
        raise RegistryError(
            f"home directory not found: HOME is not set, and user {os.getuid()} has no passwd "
            f"entry. {ADVICE}"
        ) from error


def find_user_home() -> Path | None:
    """Return this user's home directory, None if there is none."""
    try:
        return user_home()
    except RegistryError:
        return None
