"""Requests to a manager, with their answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from nnicli.rest.credentials import NO_SECRETS, KnownSecrets


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a manager.

    Attributes:
        method: HTTP method.
        path: Path below the endpoint, quoted already.
        query: Query parameters.
        headers: Headers beyond those of the connection.
        body: Sent as JSON; None sends no body.
        connect_s: Limit for the connection.
        read_s: Limit for the whole exchange, from the connection to the answer's last byte.
        close: Whether the connection is closed after the answer. One that stays open makes a
            manager that stops sit out its keep-alive timer of 5 s (2.10 to 3.0, seen live).
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
    """What a manager answered.

    Attributes:
        status_code: HTTP status.
        body: All of it, in bytes.
        url: Where it came from, without user, password and query.
        location: Where a redirect points to, empty without one.
        secrets: What was sent with the request and may be quoted in the answer.
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
            RestError: There is none; the subclass says whether the request may have been done.
        """

    def close(self) -> None:
        """Close every connection."""
