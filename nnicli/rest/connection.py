"""How to reach a manager."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias

from nnicli.errors import InvalidValueError
from nnicli.rest.address import parse_endpoint
from nnicli.rest.credentials import Credentials, check_credentials, check_headers, check_verify
from nnicli.rest.messages import Request
from nnicli.waiting import Timeouts

Auth: TypeAlias = Credentials | Callable[[Request], Request]
"""User and password for basic authentication, or a function that returns each request to send.

The function is called right before each try of a request, so it can add a token that expires:
`replace(request, headers={"Authorization": f"Bearer {token()}"})`.
"""

MAX_ANSWER_BYTES = 1 << 29
"""Default limit for the body of an answer, 512 MB of 2^20 bytes.

node.js cannot create a longer text (2^29 - 24 characters), so no manager sends more JSON than that;
100,000 trials take 60 MB, a million metrics 160 MB.
"""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a manager: its URL, and what is sent with each request.

    Attributes:
        endpoint: `http(s)://host[:port][/prefix]`, by default where NNI starts its first manager. A
            user and password in it become `auth`, unless that is given.
        headers: Sent with each request.
        auth: User and password for basic authentication, or a function that takes each `Request`
            and returns the one to send, with a token in its headers for instance.
        verify: Whether to check TLS certificates, or the path of a CA bundle.
        timeouts: Limits for connections and answers.
        max_answer_bytes: A longer answer is a ResponseError, so that none fills the memory.

    Raises:
        InvalidValueError: One of them is not valid; no secret is shown.
    """

    endpoint: str = "http://127.0.0.1:8080"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: Auth | None = field(default=None, repr=False)
    verify: bool | str = True
    timeouts: Timeouts = Timeouts()  # noqa: RUF009 - frozen
    max_answer_bytes: int = MAX_ANSWER_BYTES

    def __post_init__(self) -> None:
        """Check and normalize every value."""
        address = parse_endpoint(self.endpoint)
        checked = {
            "endpoint": address.url,
            "headers": MappingProxyType(check_headers(self.headers)),
            "auth": _check_auth(self.auth) or address.credentials,
            "verify": check_verify(self.verify),
            "max_answer_bytes": _check_max_answer_bytes(self.max_answer_bytes),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def port(self) -> int:
        """The manager's port, the scheme's default if the endpoint has none."""
        return parse_endpoint(self.endpoint).port

    def at(self, endpoint: str) -> Connection:
        """Return the same connection to another endpoint."""
        return replace(self, endpoint=endpoint)

    def without_credentials(self) -> Connection:
        """Return the same connection without headers and authentication."""
        return replace(self, headers={}, auth=None)


def _check_auth(auth: object) -> Auth | None:
    return auth if callable(auth) else check_credentials(auth)


def _check_max_answer_bytes(value: object) -> int:
    """Return the limit for answers.

    Raises:
        InvalidValueError: It is not an integer above zero.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidValueError(
            f"max_answer_bytes: {value!r:.100} is not allowed; allowed: an integer from 1",
            field="max_answer_bytes",
            value=value,
        )
    return value
