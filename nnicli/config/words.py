"""The allowed word that a misspelt one was probably meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Longer text is not a misspelt word, and is slow to compare.
_LONGEST_WORD = 60


def closest(value: object, allowed: Iterable[object]) -> str | None:
    """Return a "did you mean" for the closest allowed word, None if none is close."""
    if not isinstance(value, str) or len(value) > _LONGEST_WORD:
        return None
    words = {str(word).lower(): str(word) for word in allowed if isinstance(word, str)}
    near = difflib.get_close_matches(value.lower(), words, n=1)
    return f"did you mean '{words[near[0]]}'?" if near else None
