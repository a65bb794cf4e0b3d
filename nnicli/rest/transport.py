"""Sending a request and reading its answer: the only module that uses requests."""

from __future__ import annotations

import http.client
import io
import ipaddress
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import requests
import requests.auth
import urllib3

from nnicli.errors import (
    ConnectError,
    ConnectionLostError,
    InvalidValueError,
    RequestTimeoutError,
    ResponseError,
    RestError,
)
from nnicli.printable import printable_line
from nnicli.rest.connection import Connection
from nnicli.rest.credentials import (
    NO_SECRETS,
    KnownSecrets,
    check_headers,
    encode_credential,
)
from nnicli.rest.exchange import Adapter, HeadTooLargeError, exchange
from nnicli.rest.messages import Request, Response
from nnicli.safe_logging import get_logger
from nnicli.waiting import Deadline

logger = get_logger(__name__)

_CHUNK_BYTES = 1 << 16
_COMPRESSIONS = ("gzip", "x-gzip", "deflate")
# Makes zlib detect which of them it is.
_ANY_COMPRESSION = zlib.MAX_WBITS | 32


@dataclass(frozen=True, slots=True)
class _Foreign:
    """How an error of another library is reported.

    Attributes:
        error: Our error class.
        message: What happened; the cause and what to do follow.
    """

    error: type[RestError]
    message: str


_REFUSED = _Foreign(ConnectError, "could not connect")
_LOST = _Foreign(ConnectionLostError, "the connection broke before the answer was complete")
_TIMEOUT = _Foreign(RequestTimeoutError, "no answer in time")
_NONSENSE = _Foreign(ResponseError, "the answer is not valid HTTP")
_UNSENT = _Foreign(ConnectError, "could not send the request")
_TOO_LARGE = _Foreign(ResponseError, "the answer is too large")


class _BodyTooLargeError(Exception):
    """The body is longer than the caller allows."""


# The first row whose class matches is used, so subclasses come before their parents.
FOREIGN_ERRORS: tuple[tuple[type[Exception], _Foreign], ...] = (
    (HeadTooLargeError, _TOO_LARGE),
    (_BodyTooLargeError, _TOO_LARGE),
    (zlib.error, _NONSENSE),
    (requests.exceptions.ConnectTimeout, _REFUSED),
    (requests.exceptions.ReadTimeout, _TIMEOUT),
    (requests.exceptions.Timeout, _TIMEOUT),
    (requests.exceptions.ProxyError, _Foreign(ConnectError, "could not connect through the proxy")),
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
    # Errors that requests lets through.
    (urllib3.exceptions.LocationValueError, _UNSENT),
    (urllib3.exceptions.NewConnectionError, _REFUSED),
    (urllib3.exceptions.ConnectTimeoutError, _REFUSED),
    (urllib3.exceptions.TimeoutError, _TIMEOUT),
    (urllib3.exceptions.ProtocolError, _LOST),
    (urllib3.exceptions.HTTPError, _NONSENSE),
    (ConnectionError, _LOST),
    (TimeoutError, _TIMEOUT),
    # For files that requests opens before it connects, such as a CA bundle.
    (OSError, _UNSENT),
    # http.client raises it for a negative chunk size.
    (ValueError, _NONSENSE),
)


class RequestsTransport:
    """Sends requests to one manager through a pooled session of requests."""

    def __init__(
        self,
        connection: Connection,
    ) -> None:
        """Prepare a session without sending anything."""
        self._connection = connection
        self._pid = os.getpid()
        self._session = requests.Session()
        self._session.headers["Accept-Encoding"] = ", ".join(_COMPRESSIONS)
        self._session.headers.update(connection.headers)
        if isinstance(connection.auth, tuple):
            user, password = map(encode_credential, connection.auth)
            self._session.auth = requests.auth.HTTPBasicAuth(user, password)
        self._secrets = self._secrets_with({})
        self._session.verify = connection.verify
        # The endpoint table decides on retries: only it knows what may be repeated.
        adapter = Adapter(pool_connections=1, pool_maxsize=4, max_retries=0)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)
        if is_loopback(urlsplit(connection.endpoint).hostname or ""):
            # A proxy would connect to its own loopback.
            self._session.trust_env = False

    def __repr__(self) -> str:
        return f"RequestsTransport({self._connection!r})"

    def send(self, request: Request) -> Response:
        """Send a request and return the answer, whatever its status.

        Raises:
            RestError: No answer; the subclass says whether the request may have taken effect.
        """
        if self._pid != os.getpid():
            # A forked process shares its parent's sockets, and each could read the other's answers.
            self._pid = os.getpid()
            self.close()
        request = self._authenticated(request)
        secrets = self._secrets_with(request.headers) if request.headers else self._secrets
        url = f"{self._connection.endpoint}{request.path}"
        body = None if request.body is None else _encode(request.body)
        deadline = Deadline(request.read_s)
        with _mapped_errors(request.method, url, secrets), exchange(deadline) as progress:
            answer = self._session.request(
                request.method,
                url,
                params=request.query or None,
                data=body,
                headers=_headers(request),
                timeout=(min(request.connect_s, request.read_s), request.read_s),
                allow_redirects=False,
                stream=True,
            )
            progress.is_head_read = True
            with answer:
                content = _read_body(answer, self._connection.max_answer_bytes)
        logger.debug(
            "%s %s: %d, %d bytes in %.3f s",
            request.method,
            url,
            answer.status_code,
            len(content),
            deadline.waited_s,
        )
        location = answer.headers.get("Location", "")
        return Response(answer.status_code, content, url, location, secrets)

    def _authenticated(self, request: Request) -> Request:
        """Return the request as the caller's `auth` function changes it."""
        auth = self._connection.auth
        if auth is None or isinstance(auth, tuple):
            return request
        changed = auth(request)
        if not isinstance(changed, Request):
            raise InvalidValueError(
                f"auth: expected the function to return a Request, got {type(changed).__name__}",
                field="auth",
                value=None,
            )
        return replace(changed, headers=check_headers(changed.headers))

    def _secrets_with(self, headers: Mapping[str, str]) -> KnownSecrets:
        """Return the credentials that are sent, including those in these headers."""
        auth = self._connection.auth
        credentials = auth if isinstance(auth, tuple) else None
        return KnownSecrets.of({**self._connection.headers, **headers}, credentials)

    def close(self) -> None:
        """Close every connection; a later request opens a new one."""
        for adapter in self._session.adapters.values():
            if isinstance(adapter, Adapter):
                pools = adapter.poolmanager.pools
                # With urllib3 2 Session.close() only drops the pools, which leaves their sockets
                # open as long as anything refers to them, a traceback for instance.
                for key in pools.keys():  # noqa: SIM118 - it is not a mapping
                    pools[key].close()
        self._session.close()


def is_loopback(host: str) -> bool:
    """Return whether a host name can only be this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _headers(request: Request) -> dict[str, str]:
    headers = dict(request.headers)
    if request.body is not None:
        headers["Content-Type"] = "application/json"
    if request.close:
        headers["Connection"] = "close"
    return headers


def _encode(body: Any) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        # The body itself may hold a password.
        raise InvalidValueError(
            f"body: {type(error).__name__} while encoding it as JSON; allowed: numbers except NaN "
            "and Infinity, text, booleans, None, lists and dicts with text as keys, nested a few "
            "hundred deep at most",
            field="body",
            value=None,
        ) from error


def _read_body(answer: requests.Response, most: int) -> bytes:
    """Return the whole body, decompressed.

    Not by urllib3, whose older releases decompress a chunk without a limit.
    """
    encoding = answer.headers.get("Content-Encoding", "").strip().lower()
    pieces: Iterable[bytes] = iter(
        lambda: answer.raw.read(_CHUNK_BYTES, decode_content=False) or b"", b""
    )
    if encoding in _COMPRESSIONS:
        pieces = _decompress(pieces)
    elif encoding not in ("", "identity"):
        raise zlib.error("a Content-Encoding that was not requested")
    elif (answer.raw.length_remaining or 0) > most:
        raise _too_large(most)
    body = io.BytesIO()
    for piece in pieces:
        if body.tell() + len(piece) > most:
            raise _too_large(most)
        body.write(piece)
    return body.getvalue()


def _decompress(pieces: Iterable[bytes]) -> Iterator[bytes]:
    stream = zlib.decompressobj(_ANY_COMPRESSION)
    is_cut_off = False
    for piece in pieces:
        while not stream.eof:
            content = stream.decompress(piece, _CHUNK_BYTES)
            yield content
            piece = stream.unconsumed_tail  # noqa: PLW2901 - what is left of it
            if not piece and len(content) < _CHUNK_BYTES:
                break
        is_cut_off = not stream.eof
    if is_cut_off or stream.unused_data:
        raise zlib.error("the compressed data is truncated, or has data after its end")


def _too_large(most: int) -> _BodyTooLargeError:
    return _BodyTooLargeError(f"more than {most} bytes")


@contextmanager
def _mapped_errors(method: str, url: str, secrets: KnownSecrets) -> Iterator[None]:
    """Translate the errors of requests, urllib3 and sockets into ours."""
    try:
        yield
    except UnicodeError as error:
        raise InvalidValueError(
            f"{method} {_origin(url)}: the host or the query has characters that cannot be sent",
            field="query",
            value=None,
        ) from error
    except tuple(foreign for foreign, _ in FOREIGN_ERRORS) as error:
        ours = translate_error(error, method=method, url=url, secrets=secrets)
        # The messages of the causes may quote the server's answer, too.
        raise ours from (None if _quotes(error, secrets) else error)


def _quotes(error: BaseException | None, secrets: KnownSecrets) -> bool:
    while error is not None:
        if secrets.are_in(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def translate_error(
    error: Exception, *, method: str, url: str, secrets: KnownSecrets = NO_SECRETS
) -> RestError:
    """Return our error for one of another library, by the table and without secrets."""
    row = next(row for foreign, row in FOREIGN_ERRORS if isinstance(error, foreign))
    cause = _root_cause(error)
    if row is _LOST and isinstance(cause, _NOTHING_SENT):
        row = _REFUSED
    if row is _LOST and isinstance(cause, (urllib3.exceptions.ReadTimeoutError, TimeoutError)):
        row = _TIMEOUT
    if row is _LOST and isinstance(cause, http.client.HTTPException):
        row = _LOST if isinstance(cause, _CUT_OFF) else _NONSENSE
    # For a timeout the cause adds nothing to the message.
    detail = "" if row is _TIMEOUT else f" ({_describe(cause, secrets)})"
    hint = f"; is a manager running at {_origin(url)}?" if row is _REFUSED else ""
    ours = row.error(f"{method} {url}: {row.message}{detail}{hint}", method=method, url=url)
    if not isinstance(error, _BodyTooLargeError):
        return ours
    return ours.with_advice(
        "pass a larger max_answer_bytes to Experiment() or Connection()", shell=""
    )


# As the cause of a plain ConnectionError of requests, these mean that no byte was sent.
_NOTHING_SENT = (
    ConnectionRefusedError,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
)
# The errors of http.client about a connection that ends; the others are about its content.
_CUT_OFF = (http.client.RemoteDisconnected, http.client.IncompleteRead)


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


def _describe(cause: BaseException, secrets: KnownSecrets) -> str:
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    # urllib3 puts the connection object before the reason. The reason may quote what a server sent
    # instead of HTTP.
    said = secrets.hide(str(cause)).rpartition(": ")[2].strip()
    return printable_line(said, most=100) or type(cause).__name__


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
