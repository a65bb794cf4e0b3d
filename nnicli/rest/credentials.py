"""Headers, passwords and certificates as callers give them, checked before any is used.

No error shows a value: each of them may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from nnicli.errors import InvalidValueError

Auth: TypeAlias = tuple[str, str]

# RFC 9110: a name is a token; a value holds no control character, and travels as Latin-1.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_VALUE = re.compile(r"(?:[\x21-\x7e\xa0-\xff](?:[\t\x20-\x7e\xa0-\xff]*[\x21-\x7e\xa0-\xff])?)?")
# A user with a colon would end before it.
_USER = re.compile(r"[^:\x00-\x1f\x7f-\x9f\ud800-\udfff]*")
_PASSWORD = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]*")


def check_headers(headers: object) -> dict[str, str]:
    """Return headers that HTTP can carry; None is none.

    Raises:
        InvalidValueError: One of them cannot be sent. Its value is not shown.
    """
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise _refused("headers", f"expected a dict, got {type(headers).__name__}")
    checked = dict(headers)
    for name, value in checked.items():
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            # Whoever writes "Authorization: Bearer x" as the name has the secret in it.
            raise _refused("headers", "a name is not one that HTTP allows, such as 'Authorization'")
        if not isinstance(value, str):
            raise _refused(f"headers[{name!r}]", f"expected text, got {type(value).__name__}")
        if _VALUE.fullmatch(value) is None:
            raise _refused(f"headers[{name!r}]", _why(value))
    return checked


def _why(value: str) -> str:
    if _VALUE.fullmatch(value.strip()) is not None:
        return (
            "there is white space around the value, such as the line end of a file that it was "
            "read from; pass value.strip()"
        )
    if any(ord(character) > 0xFF for character in value):
        return "the value has characters that a header cannot carry (allowed: Latin-1)"
    return "the value has a line break or another control character"


def check_auth(auth: object) -> Auth | None:
    """Return user and password for basic authentication; None is none.

    Raises:
        InvalidValueError: They cannot be sent. Neither is shown.
    """
    if auth is None:
        return None
    if (
        not isinstance(auth, tuple | list)
        or len(auth) != 2
        or not all(isinstance(part, str) for part in auth)
    ):
        raise _refused("auth", "expected (user, password), two texts")
    user, password = auth
    if _USER.fullmatch(user) is None:
        raise _refused("auth", "the user has a colon or a control character")
    if _PASSWORD.fullmatch(password) is None:
        raise _refused("auth", "the password has a line break or another control character")
    return user, password


def encode_credential(text: str) -> bytes:
    """Return a user or password as it is sent: Latin-1 as browsers do, else UTF-8 (RFC 7617)."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8")


def check_verify(verify: bool | str) -> bool | str:
    """Return whether to check certificates, or the path of those to check by.

    Raises:
        InvalidValueError: There is no such file or folder.
    """
    if isinstance(verify, bool):
        return verify
    try:
        if Path(verify).exists():
            return verify
    except (OSError, TypeError, ValueError):
        pass
    raise InvalidValueError(
        f"verify: {verify!r:.200} is not allowed; allowed: True, False, or the path of a file or "
        "folder of CA certificates",
        field="verify",
        value=verify,
    )


def _refused(field: str, why: str) -> InvalidValueError:
    return InvalidValueError(f"{field}: {why}; the value is not shown", field=field, value=None)
