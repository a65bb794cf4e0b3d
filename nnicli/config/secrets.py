"""Values in the form in which messages may show them: short, and without secrets."""

from __future__ import annotations

import difflib
import json
from functools import lru_cache
from typing import Any

from nnicli.redaction import MASK, redact

Loc = tuple[str | int, ...]
"""Where a value is, from the top of its document: mapping keys and list indices."""

_SECRET_WORDS = ("password", "passwd", "passphrase", "token", "secret", "key", "pwd", "credential")
# These are recognised even if misspelt: `pasword`, `passprase`.
_LONG_WORDS = ("password", "passphrase", "passwd", "credential")
_LEAST_LIKENESS = 0.8
_MOST_SHOWN = 80
# Keys in these are names chosen by the user, such as `max_tokens`.
_SPACES = ("searchSpace",)


def is_secret(loc: Loc) -> bool:
    """Return whether a value is, or is inside, a field whose name suggests a secret."""
    if loc and loc[0] in _SPACES:
        return False
    return any(names_secret(key) for key in loc if isinstance(key, str))


@lru_cache(maxsize=4096)
def names_secret(key: str) -> bool:
    """Return whether the name of a field suggests a secret, even misspelt."""
    name = key.lower()
    if name == "pass" or any(word in name for word in _SECRET_WORDS):
        return True
    return any(
        difflib.SequenceMatcher(None, name, word).ratio() >= _LEAST_LIKENESS for word in _LONG_WORDS
    )


def show(value: Any, loc: Loc) -> str:
    """Return a value as a message may show it: `***` for a secret, its start when it is long."""
    if is_secret(loc):
        return MASK
    # Long text is cut below, so long lists need not be shown whole.
    masked = mask_secrets(value, most=_MOST_SHOWN)
    text = json.dumps(masked, ensure_ascii=False, default=str)
    if not text.isprintable():
        text = json.dumps(masked, default=str)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def show_path(text: str, resolved: str) -> str:
    """Return a path as a message may show it: not if it is the content of a file."""
    if len(text) > 4 * _MOST_SHOWN or "-----BEGIN" in text or not text.isprintable():
        return "this looks like the content of the file; give its path"
    return resolved


def show_key(key: str) -> str:
    """Return a key as a message may show it; `password:x` is a secret with a missing space."""
    name, sign, _ = key.partition(":" if ":" in key else "=")
    return f"{name}{sign}{MASK}" if sign and names_secret(name) else key


def mask_secrets(value: Any, *, most: int | None = None) -> Any:
    """Return a value with `***` for every field whose name suggests a secret, and in URLs.

    Args:
        value: JSON values.
        most: How many items to keep of each list, None for all.
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {
            show_key(key): MASK if names_secret(key) else mask_secrets(item, most=most)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [mask_secrets(item, most=most) for item in value[:most]]
    return value
