"""Values as messages may show them: short, and never a secret."""

from __future__ import annotations

import json
from typing import Any

from nnicli.config.document import Keys

_SECRET_WORDS = ("password", "passwd", "passphrase", "token", "secret", "key")
_MOST_SHOWN = 80


def is_secret(keys: Keys) -> bool:
    """Return whether a value is, or lies inside, a field whose name tells of a secret."""
    names = [key.lower() for key in keys if isinstance(key, str)]
    return any(word in name for name in names for word in _SECRET_WORDS)


def show(value: Any, keys: Keys) -> str:
    """Return a value as a message may show it: `***` for a secret, its start when it is long."""
    if is_secret(keys):
        return "***"
    # Long lists are cut anyhow.
    masked = mask_secrets(value, most=_MOST_SHOWN)
    text = json.dumps(masked, ensure_ascii=False, default=str)
    if not text.isprintable():
        text = json.dumps(masked, default=str)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def mask_secrets(value: Any, *, most: int | None = None) -> Any:
    """Return a value with `***` in every field whose name tells of a secret.

    Args:
        value: JSON values.
        most: How many items to keep of each list, None for all.
    """
    if isinstance(value, dict):
        return {
            key: "***" if is_secret((key,)) else mask_secrets(item, most=most)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [mask_secrets(item, most=most) for item in value[:most]]
    return value
