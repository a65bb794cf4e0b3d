"""Parsing and checking the URL of a manager."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from nnicli.errors import InvalidValueError
from nnicli.rest.credentials import Credentials, check_credentials

_DEFAULT_PORTS = {"http": 80, "https": 443}
# The longest possible name of a file; ids are far shorter.
_MOST_SEGMENT_BYTES = 255
_SEPARATORS = frozenset("/\\?#%")
_PREFIX_PART = re.compile(r"[A-Za-z0-9._~-]+")


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a manager.

    Attributes:
        url: `scheme://host:port[/prefix]`, without credentials, query and trailing slash.
        port: The port, the scheme's default if none was given.
        credentials: User and password in the URL, None without.
    """

    url: str
    port: int
    credentials: Credentials | None

    def __repr__(self) -> str:
        return f"Address({self.url!r})"


def parse_endpoint(endpoint: str) -> Address:
    """Return the address of an endpoint; a query or fragment is dropped.

    Raises:
        InvalidValueError: It is not `http(s)://host[:port][/prefix]`; no password is shown.
    """
    try:
        text = endpoint.strip()
        if not _is_plain(text):
            raise ValueError("white space or a control character")
        parts = urlsplit(text)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        if not parts.hostname:
            raise ValueError("no host")
        if "@" in parts.path + parts.query + parts.fragment:
            raise ValueError("an @ after the host")
        if not all(is_segment(unquote(part)) for part in _segments(parts.path)):
            raise ValueError("a path that leads outside")
    except (AttributeError, TypeError, KeyError, ValueError):
        # Their messages may quote a part of a password.
        raise _refused(endpoint) from None
    credentials = check_credentials(_credentials(parts))
    return Address(_rebuild(parts, port), port, credentials)


def _refused(endpoint: object) -> InvalidValueError:
    shown = _without_credentials(endpoint)
    hint = ""
    if isinstance(endpoint, str) and "@" in endpoint:
        hint = (
            "; in a user or password write / as %2F, ? as %3F, # as %23 and @ as %40, or pass "
            "auth=(user, password)"
        )
    return InvalidValueError(
        f"endpoint: {shown!r:.300} is not allowed; allowed: the manager's URL, such as "
        f"'http://127.0.0.1:8080' or 'https://host/prefix'{hint}",
        field="endpoint",
        value=shown,
    )


def check_prefix(url_prefix: object) -> str:
    """Return a URL prefix without slashes at its ends, empty for None.

    Raises:
        InvalidValueError: It is not a path of letters, digits and `-._~`. Anything else may be a
            pattern to a manager, such as `:name(.*)` (express, 2.3 to 3.0).
    """
    if url_prefix is None:
        return ""
    prefix = url_prefix.strip("/") if isinstance(url_prefix, str) else None
    if prefix is None or not all(
        is_segment(part) and _PREFIX_PART.fullmatch(part) for part in _segments(f"/{prefix}")
    ):
        raise InvalidValueError(
            f"url_prefix: {url_prefix!r:.100} is not allowed; allowed: a path of letters, digits "
            "and -._~, such as 'team/a'",
            field="url_prefix",
            value=url_prefix,
        )
    return prefix


def check_segment(value: object, field: str) -> str:
    """Return an id or a name as text that is one part of a path.

    Raises:
        InvalidValueError: It would change the path, or is empty.
    """
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not is_segment(text):
        raise InvalidValueError(
            f"{field}: {value!r:.100} is not allowed; allowed: up to {_MOST_SEGMENT_BYTES} bytes "
            r"of text, except . and .., without control characters and / \ ? # %",
            field=field,
            value=value,
        )
    return text


def is_segment(text: str) -> bool:
    """Return whether a text stays one part of a path, even if it is decoded twice."""
    return (
        0 < len(text) <= _MOST_SEGMENT_BYTES
        and text.isprintable()
        and text not in (".", "..")
        and not _SEPARATORS & set(text)
        and len(text.encode()) <= _MOST_SEGMENT_BYTES
    )


def _segments(path: str) -> list[str]:
    stripped = path.rstrip("/")
    return stripped.split("/")[1:] if stripped else []


def _is_plain(text: str) -> bool:
    # urlsplit() silently drops tabs and line breaks, and browsers treat \ as /.
    return text.isprintable() and not {" ", "\\"} & set(text)


def _rebuild(parts: SplitResult, port: int) -> str:
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    if parts.port is not None:
        host = f"{host}:{port}"
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}"


def _credentials(parts: SplitResult) -> Credentials | None:
    if parts.username is None:
        return None
    return unquote(parts.username), unquote(parts.password or "")


def _without_credentials(endpoint: object) -> object:
    if not isinstance(endpoint, str):
        # Bytes may contain a password, too.
        return type(endpoint).__name__
    if "@" not in endpoint:
        return endpoint
    scheme, slashes, rest = endpoint.partition("://")
    return f"{scheme}{slashes}***@{rest.rpartition('@')[2]}" if rest else "***"
