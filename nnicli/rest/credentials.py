"""Checks of headers, passwords and certificates before they are used.

No error shows a value: each may be a secret, even where a server quotes it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote, quote_plus

from nnicli.errors import InvalidValueError
from nnicli.redaction import MASK

Credentials: TypeAlias = tuple[str, str]

# RFC 9110: a name is a token; a value has no control characters, and is sent as Latin-1.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_VALUE = re.compile(r"(?:[\x21-\x7e\xa0-\xff](?:[\t\x20-\x7e\xa0-\xff]*[\x21-\x7e\xa0-\xff])?)?")
# The user ends at the first colon.
_USER = re.compile(r"[^:\x00-\x1f\x7f-\x9f\ud800-\udfff]*")
_PASSWORD = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]*")
# The pieces of a header's value, such as a cookie.
_PIECE = re.compile(r"[^\s=;,\"]+")
# Shorter values are ordinary words or numbers, and shorter pieces are schemes or names.
_LEAST_HEADER = 4
_LEAST_PIECE = 8
# A shorter secret is hidden only as a whole word, so that other words keep their middle.
_LEAST_IN_WORDS = 6


@dataclass(frozen=True, slots=True)
class KnownSecrets:
    """Credentials that are sent to a server, which may quote them in its answers."""

    _pattern: re.Pattern[str] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, headers: Mapping[str, str], auth: Credentials | None) -> KnownSecrets:
        """Return the secrets in checked headers and in basic authentication."""
        secrets = {text for value in headers.values() for text in _secrets_in_header(value)}
        if auth is not None:
            secrets.update(_secrets_in_auth(*auth))
        forms = {form for secret in secrets for form in _forms(secret)} - {""}
        if not forms:
            return cls()
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        return cls(re.compile("|".join(map(_to_pattern, longest_first)), re.IGNORECASE))

    def hide(self, text: str) -> str:
        """Return the text with `***` for each secret, in whatever form it is quoted."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def are_in(self, text: str) -> bool:
        """Return whether the text quotes one of the secrets."""
        return self._pattern is not None and self._pattern.search(text) is not None


NO_SECRETS = KnownSecrets()


def _secrets_in_header(value: str) -> Iterator[str]:
    if len(value) >= _LEAST_HEADER:
        yield value
    scheme, _, rest = value.partition(" ")
    if len(rest) >= _LEAST_HEADER:
        # The token of `Bearer TOKEN`.
        yield rest
    if scheme.lower() == "basic":
        yield from _password_of(rest)
    yield from (piece for piece in _PIECE.findall(value) if len(piece) >= _LEAST_PIECE)


def _password_of(encoded: str) -> Iterator[str]:
    try:
        pair = base64.b64decode(encoded, validate=True)
    except ValueError:
        return
    password = pair.partition(b":")[2]
    try:
        yield password.decode("utf-8")
    except UnicodeDecodeError:
        yield password.decode("latin-1")


def _secrets_in_auth(user: str, password: str) -> Iterator[str]:
    yield password
    pair = encode_credential(user) + b":" + encode_credential(password)
    yield base64.b64encode(pair).decode("ascii")


def _forms(secret: str) -> Iterator[str]:
    """Return a secret as plain text, in URLs, base64 and JSON, and as Python and node print it."""
    yield secret
    yield from (quote(secret), quote(secret, safe=""), quote_plus(secret))
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(encode_credential(secret)).decode("ascii").rstrip("=")
    for is_ascii in (True, False):
        text = json.dumps(secret, ensure_ascii=is_ascii)[1:-1]
        yield from (text, text.replace("/", r"\/"))
    yield repr(secret)[1:-1]


def _to_pattern(form: str) -> str:
    pattern = re.escape(form)
    return pattern if len(form) >= _LEAST_IN_WORDS else rf"(?<!\w){pattern}(?!\w)"


def check_headers(headers: object) -> dict[str, str]:
    """Return headers that HTTP can transfer, empty for None.

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
            # A name such as "Authorization: Bearer x" would contain the secret.
            raise _refused("headers", "a name is not a valid HTTP name, such as 'Authorization'")
        if not isinstance(value, str):
            raise _refused(f"headers[{name!r}]", f"expected text, got {type(value).__name__}")
        if _VALUE.fullmatch(value) is None:
            raise _refused(f"headers[{name!r}]", _describe_problem(value))
    return checked


def _describe_problem(value: str) -> str:
    if _VALUE.fullmatch(value.strip()) is not None:
        return (
            "the value has white space around it, such as the line end of the file that it was "
            "read from; pass value.strip()"
        )
    if any(ord(character) > 0xFF for character in value):
        return "the value has characters that are not valid in a header (allowed: Latin-1)"
    return "the value has a line break or another control character"


def check_credentials(auth: object) -> Credentials | None:
    """Return user and password for basic authentication, None for None.

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
        raise _refused("auth", "expected (user, password), both text, or a function")
    user, password = auth
    if _USER.fullmatch(user) is None:
        raise _refused("auth", "the user has a colon or a control character")
    if _PASSWORD.fullmatch(password) is None:
        raise _refused("auth", "the password has a line break or another control character")
    return user, password


def encode_credential(text: str) -> bytes:
    """Return a user or password as bytes: Latin-1 as in browsers, else UTF-8 (RFC 7617)."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8")


def check_verify(verify: bool | str) -> bool | str:
    """Return whether to check certificates, or the path of the CA certificates.

    Raises:
        InvalidValueError: The path does not exist.
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
        "directory of CA certificates",
        field="verify",
        value=verify,
    )


def _refused(field: str, problem: str) -> InvalidValueError:
    return InvalidValueError(f"{field}: {problem}; the value is not shown", field=field, value=None)
