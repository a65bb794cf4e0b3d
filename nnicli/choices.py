"""Values of which only a few are allowed, with suggestions for others."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from nnicli.errors import InvalidValueError
from nnicli.printable import printable_line


def check_choice(value: object, allowed: Collection[str], *, field: str) -> None:
    """Refuse a value that is not allowed.

    Raises:
        InvalidValueError: It is not allowed; the message suggests the closest that is.
    """
    if value in allowed:
        return
    words = ", ".join(map(printable_line, allowed))
    raise InvalidValueError(
        f"{field}: {value!r} is not allowed; {_guess(value, allowed)}allowed: {words}",
        field=field,
        value=value,
    )


def _guess(value: object, allowed: Collection[str]) -> str:
    if not isinstance(value, str) or not value:
        return ""
    by_case = {one.lower(): one for one in allowed}
    word = value.lower()
    begun = [one for one in by_case if one.startswith(word)]
    near = begun if len(begun) == 1 else difflib.get_close_matches(word, by_case, n=1)
    return f"did you mean {by_case[near[0]]!r}? " if near else ""
