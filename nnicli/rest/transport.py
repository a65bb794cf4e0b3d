"""One request, one answer, over HTTP: the only place that knows requests."""

from __future__ import annotations

import ipaddress
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
import requests.adapters
import urllib3

from nnicli.errors import (
    ConnectError,
    ConnectionLostError,
    DecodingError,
    InvalidValueError,
    RequestTimeoutError,
    RestError,
)
from nnicli.waiting import Deadline

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a manager.

    Attributes:
        method: HTTP method.
        path: Path below the endpoint, quoted already.
        query: Query parameters.
        body: Sent as JSON; None sends no body.
        connect_s: Limit for the connection.
        read_s: Limit for the whole answer, its last byte included.
        close: Whether the connection is closed after the answer. One that stays open makes a
            manager that stops sit out its keep-alive timer of 5 s (2.10 to 3.0, seen live).
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
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
    """

    status_code: int
    body: bytes
    url: str
    location: str = ""

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


@dataclass(frozen=True, slots=True)
class _Foreign:
    """How an error of another library is told.

    Attributes:
        error: The class of ours.
        message: What was seen; the cause and what to do follow.
    """

    error: type[RestError]
    message: str


_REFUSED = _Foreign(ConnectError, "no connection")
_LOST = _Foreign(ConnectionLostError, "the connection broke before the answer was complete")
_TIMEOUT = _Foreign(RequestTimeoutError, "no answer in time")
_NONSENSE = _Foreign(DecodingError, "the answer is no proper HTTP")
_UNSENT = _Foreign(ConnectError, "the request could not be made")

# The first row whose class fits holds, so subclasses stand before their parents.
FOREIGN_ERRORS: tuple[tuple[type[Exception], _Foreign], ...] = (
    (requests.exceptions.ConnectTimeout, _REFUSED),
    (requests.exceptions.ReadTimeout, _TIMEOUT),
    (requests.exceptions.Timeout, _TIMEOUT),
    (requests.exceptions.ProxyError, _Foreign(ConnectError, "the proxy gave no connection")),
    (requests.exceptions.SSLError, _Foreign(ConnectError, "the TLS handshake failed")),
    (requests.exceptions.ChunkedEncodingError, _LOST),
    (requests.exceptions.ContentDecodingError, _NONSENSE),
    (requests.exceptions.InvalidHeader, _UNSENT),
    (requests.exceptions.InvalidProxyURL, _UNSENT),
    (requests.exceptions.InvalidURL, _UNSENT),
    (requests.exceptions.InvalidSchema, _UNSENT),
    (requests.exceptions.MissingSchema, _UNSENT),
    (requests.exceptions.URLRequired, _UNSENT),
    (requests.exceptions.JSONDecodeError, _NONSENSE),
    (requests.exceptions.InvalidJSONError, _UNSENT),
    (requests.exceptions.UnrewindableBodyError, _UNSENT),
    (requests.exceptions.StreamConsumedError, _NONSENSE),
    (requests.exceptions.TooManyRedirects, _NONSENSE),
    (requests.exceptions.RetryError, _LOST),
    (requests.exceptions.HTTPError, _NONSENSE),
    (requests.exceptions.ConnectionError, _LOST),
    (requests.exceptions.RequestException, _NONSENSE),
    # What requests lets through.
    (urllib3.exceptions.LocationValueError, _UNSENT),
    (urllib3.exceptions.NewConnectionError, _REFUSED),
    (urllib3.exceptions.ConnectTimeoutError, _REFUSED),
    (urllib3.exceptions.TimeoutError, _TIMEOUT),
    (urllib3.exceptions.ProtocolError, _LOST),
    (urllib3.exceptions.HTTPError, _NONSENSE),
    (ConnectionError, _LOST),
    (TimeoutError, _TIMEOUT),
)


class RequestsTransport:
    """Speaks with one manager through a pooled session of requests."""

    def __init__(
        self,
        endpoint: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        verify: bool | str = True,
    ) -> None:
        """Prepare a session; nothing is sent yet.

        Args:
            endpoint: `http(s)://host[:port][/prefix]` without user and password.
            headers: Sent with each request.
            auth: User and password for basic authentication.
            verify: Whether to check TLS certificates, or the path of a CA bundle.
        """
        self._endpoint = endpoint.rstrip("/")
        self._pid = os.getpid()
        self._session = requests.Session()
        self._session.headers.update(headers or {})
        self._session.auth = auth
        self._session.verify = verify
        # Retries are a matter of the endpoint table: only it knows what may be repeated.
        adapter = requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=4, max_retries=0)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)
        if is_loopback(urlsplit(endpoint).hostname or ""):
            # A proxy would look for its own loopback.
            self._session.trust_env = False

    def __repr__(self) -> str:
        return f"RequestsTransport({self._endpoint!r})"

    def send(self, request: Request) -> Response:
        """Send a request and return the answer, whatever its status.

        Raises:
            RestError: There is none; the subclass says whether the request may have been done.
        """
        if self._pid != os.getpid():
            # A forked process shares its parent's sockets, and each would take the other's answers.
            self._pid = os.getpid()
            self.close()
        url = f"{self._endpoint}{request.path}"
        deadline = Deadline(request.read_s)
        with _mapped_errors(request.method, url):
            answer = self._session.request(
                request.method,
                url,
                params=request.query or None,
                data=None if request.body is None else json.dumps(request.body).encode(),
                headers=_headers(request),
                timeout=(request.connect_s, request.read_s),
                allow_redirects=False,
                stream=True,
            )
            with answer:
                body = _read_body(answer, deadline)
        logger.debug(
            "%s %s: %d, %d bytes in %.3f s",
            request.method,
            url,
            answer.status_code,
            len(body),
            deadline.waited_s,
        )
        return Response(answer.status_code, body, url, answer.headers.get("Location", ""))

    def close(self) -> None:
        """Close every connection; a later request opens a new one."""
        for adapter in self._session.adapters.values():
            if isinstance(adapter, requests.adapters.HTTPAdapter):
                pools = adapter.poolmanager.pools
                # Dropping a pool, which is all that Session.close() does with urllib3 2, leaves its
                # sockets open for as long as anything refers to it, a traceback for instance.
                for key in pools.keys():  # noqa: SIM118 - it is no mapping
                    pools[key].close()
        self._session.close()


def is_loopback(host: str) -> bool:
    """Return whether a host name can only be this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _headers(request: Request) -> dict[str, str]:
    headers = {} if request.body is None else {"Content-Type": "application/json"}
    if request.close:
        headers["Connection"] = "close"
    return headers


def _read_body(answer: requests.Response, deadline: Deadline) -> bytes:
    """Read all of it by the deadline; the read timeout of requests starts anew with each byte."""
    # read1 returns what has arrived; urllib3 1 has only read, which waits for a whole chunk.
    read = getattr(answer.raw, "read1", answer.raw.read)
    chunks: list[bytes] = []
    while chunk := read(_CHUNK_BYTES, decode_content=True):
        chunks.append(chunk)
        if deadline.expired:
            raise requests.exceptions.ReadTimeout("the answer drips in too slowly")
    return b"".join(chunks)


@contextmanager
def _mapped_errors(method: str, url: str) -> Iterator[None]:
    """Turn the errors of requests, urllib3 and the socket into ours."""
    try:
        yield
    except tuple(foreign for foreign, _ in FOREIGN_ERRORS) as error:
        raise translate_error(error, method=method, url=url) from error
    except RecursionError as error:
        raise InvalidValueError(
            "body: nested too deeply for JSON", field="body", value=None
        ) from error


def translate_error(error: Exception, *, method: str, url: str) -> RestError:
    """Return our error for one of another library, by the table."""
    row = next(row for foreign, row in FOREIGN_ERRORS if isinstance(error, foreign))
    cause = _root_cause(error)
    if row is _LOST and isinstance(cause, _NOTHING_SENT):
        row = _REFUSED
    if row is _LOST and isinstance(cause, urllib3.exceptions.ReadTimeoutError):
        row = _TIMEOUT
    hint = f"; is a manager running at {_origin(url)}?" if row is _REFUSED else ""
    return row.error(
        f"{method} {url}: {row.message} ({_describe(cause)}){hint}", method=method, url=url
    )


# Below a plain ConnectionError of requests these tell that no byte was sent.
_NOTHING_SENT = (
    ConnectionRefusedError,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
)


def _root_cause(error: BaseException) -> BaseException:
    """Return the innermost reason; requests and urllib3 keep it in `args` or `reason`."""
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((arg for arg in error.args if isinstance(arg, BaseException)), None)
        if inner is None:
            break
        if isinstance(error, (*_NOTHING_SENT, urllib3.exceptions.ReadTimeoutError)):
            break
        error = inner
    return error


def _describe(cause: BaseException) -> str:
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    # urllib3 puts the object of the connection before the reason.
    return str(cause).rpartition(": ")[2] or type(cause).__name__


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
