"""Requests to a manager and their answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from nnicli.rest.credentials import NO_SECRETS, KnownSecrets


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a manager.

    Attributes:
        method: HTTP method.
        path: Path below the endpoint, already quoted.
        query: Query parameters.
        headers: Headers in addition to those of the connection.
        body: Sent as JSON; None sends no body.
        connect_s: Limit for the connection.
        read_s: Limit for the whole exchange, from the connection to the answer's last byte.
        close: Whether the connection is closed after the answer. For an open one, a manager that
            stops waits out its keep-alive timer of 5 s (2.10 to 3.0, seen live).
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Any = field(default=None, repr=False)
    connect_s: float = 5.0
    read_s: float = 20.0
    close: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """The answer of a manager.

    Attributes:
        status_code: HTTP status.
        body: The whole body, in bytes.
        url: The URL of the request, without user, password and query.
        location: The target of a redirect, empty without one.
        secrets: Credentials that were sent with the request and that the answer may quote.
    """

    status_code: int
    body: bytes = field(repr=False)
    url: str
    location: str = ""
    secrets: KnownSecrets = NO_SECRETS

    @property
    def text(self) -> str:
        """The body as text; managers write UTF-8."""
        return self.body.decode("utf-8", "replace")


class Transport(Protocol):
    """Sends requests to one manager."""

    def send(self, request: Request) -> Response:
        """Send a request and return the answer, whatever its status.

        Raises:
            RestError: No answer; the subclass says whether the request may have taken effect.
        """

    def close(self) -> None:
        """Close every connection."""
