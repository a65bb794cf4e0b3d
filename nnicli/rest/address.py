"""The URL of a manager, taken apart and checked."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from nnicli.errors import InvalidValueError

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a manager answers.

    Attributes:
        url: `scheme://host:port[/prefix]`, without credentials, query and a slash at its end.
        port: The port, the scheme's own where none was given.
        auth: User and password that stood in the URL, None without.
    """

    url: str
    port: int
    auth: tuple[str, str] | None

    def __repr__(self) -> str:
        return f"Address({self.url!r})"


def parse_endpoint(endpoint: str) -> Address:
    """Return the address that an endpoint names.

    Raises:
        InvalidValueError: It is no `http(s)://host[:port][/prefix]`; a password in it is not shown.
    """
    try:
        parts = urlsplit(endpoint.strip())
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        if not parts.hostname:
            raise ValueError("no host")
    except (AttributeError, KeyError, ValueError) as error:
        shown = _without_credentials(endpoint)
        raise InvalidValueError(
            f"endpoint: {shown!r} is not allowed; allowed: the manager's URL, such as "
            "'http://127.0.0.1:8080' or 'https://host/prefix'",
            field="endpoint",
            value=shown,
        ) from error
    return Address(_rebuild(parts, port), port, _credentials(parts))


def _rebuild(parts: SplitResult, port: int) -> str:
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    if parts.port is not None:
        host = f"{host}:{port}"
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}"


def _credentials(parts: SplitResult) -> tuple[str, str] | None:
    if parts.username is None:
        return None
    return unquote(parts.username), unquote(parts.password or "")


def _without_credentials(endpoint: object) -> object:
    if not isinstance(endpoint, str) or "@" not in endpoint:
        return endpoint
    scheme, slashes, rest = endpoint.rpartition("//")
    return f"{scheme}{slashes}***@{rest.rpartition('@')[2]}"
