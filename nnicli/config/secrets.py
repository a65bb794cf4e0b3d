"""Values as messages may show them: short, and never a secret."""

from __future__ import annotations

import json
from typing import Any

from nnicli.config.document import Keys

_SECRET_WORDS = ("password", "passwd", "passphrase", "token", "secret", "key")
_MOST_SHOWN = 80


def is_secret(keys: Keys) -> bool:
    """Return whether a value is, or lies inside, a field whose name tells of a secret."""
    return any(names_secret(key) for key in keys if isinstance(key, str))


def names_secret(key: str) -> bool:
    """Return whether the name of a field tells of a secret."""
    return any(word in key.lower() for word in _SECRET_WORDS)


def show(value: Any, keys: Keys) -> str:
    """Return a value as a message may show it: `***` for a secret, its start when it is long."""
    if is_secret(keys):
        return "***"
    text = json.dumps(_masked(value), ensure_ascii=False, default=str)
    if not text.isprintable():
        text = json.dumps(_masked(value), default=str)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "***" if is_secret((key,)) else _masked(item) for key, item in value.items()}
    if isinstance(value, list):
        # Long lists are cut anyhow.
        return [_masked(item) for item in value[:_MOST_SHOWN]]
    return value
