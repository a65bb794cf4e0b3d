"""Read the config that launchers of 1.x and 2.0 keep in a file for a resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nnicli.decoding import decode_json
from nnicli.errors import DecodingError
from nnicli.regular_files import read_regular

CONFIG_KEY = "experimentConfig"
"""The key of the config in the document."""

_LARGEST = 64 << 20


def read_kept_config(path: Path) -> dict[str, Any]:
    """Return the document that contains the config, among other things.

    Raises:
        DecodingError: It does not contain a config; the message quotes none of it, as it may have
            secrets.
        OSError: It cannot be read.
    """
    try:
        document = decode_json(read_regular(path, limit=_LARGEST).decode())
    except (DecodingError, UnicodeDecodeError):
        document = None
    if not isinstance(document, dict) or not isinstance(document.get(CONFIG_KEY), dict):
        raise DecodingError(f"{path} does not contain the config of an experiment as JSON")
    return document
