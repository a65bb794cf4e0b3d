"""One request, one answer, over HTTP: the only place that knows requests."""

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
# Tells zlib to find out by itself which of them it is.
_ANY_COMPRESSION = zlib.MAX_WBITS | 32


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
_NONSENSE = _Foreign(ResponseError, "the answer is no proper HTTP")
_UNSENT = _Foreign(ConnectError, "the request could not be made")
_TOO_LARGE = _Foreign(ResponseError, "the answer is too large")


class _BodyTooLargeError(Exception):
    """The body is longer than the caller wants to hold in memory."""


# The first row whose class fits holds, so subclasses stand before their parents.
FOREIGN_ERRORS: tuple[tuple[type[Exception], _Foreign], ...] = (
    (HeadTooLargeError, _TOO_LARGE),
    (_BodyTooLargeError, _TOO_LARGE),
    (zlib.error, _NONSENSE),
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
    # Of files that requests opens before it connects, such as a bundle of certificates.
    (OSError, _UNSENT),
    # Over a negative chunk size http.client fails so.
    (ValueError, _NONSENSE),
)


class RequestsTransport:
    """Speaks with one manager through a pooled session of requests."""

    def __init__(
        self,
        connection: Connection,
    ) -> None:
        """Prepare a session; nothing is sent yet."""
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
        # Retries are a matter of the endpoint table: only it knows what may be repeated.
        adapter = Adapter(pool_connections=1, pool_maxsize=4, max_retries=0)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)
        if is_loopback(urlsplit(connection.endpoint).hostname or ""):
            # A proxy would look for its own loopback.
            self._session.trust_env = False

    def __repr__(self) -> str:
        return f"RequestsTransport({self._connection!r})"

    def send(self, request: Request) -> Response:
        """Send a request and return the answer, whatever its status.

        Raises:
            RestError: There is none; the subclass says whether the request may have been done.
        """
        if self._pid != os.getpid():
            # A forked process shares its parent's sockets, and each would take the other's answers.
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
        """Return the request as the caller's own function wants it to be sent."""
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
        """Return what is sent to authenticate, with these headers beside the connection's."""
        auth = self._connection.auth
        credentials = auth if isinstance(auth, tuple) else None
        return KnownSecrets.of({**self._connection.headers, **headers}, credentials)

    def close(self) -> None:
        """Close every connection; a later request opens a new one."""
        for adapter in self._session.adapters.values():
            if isinstance(adapter, Adapter):
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
            f"body: {type(error).__name__} on the way to JSON; allowed: numbers but NaN and "
            "Infinity, text, booleans, None, lists and dicts with text as keys, nested a few "
            "hundred deep at most",
            field="body",
            value=None,
        ) from error


def _read_body(answer: requests.Response, most: int) -> bytes:
    """Return the whole body, decompressed.

    Not by urllib3, whose older releases decompress a chunk to whatever size it has.
    """
    encoding = answer.headers.get("Content-Encoding", "").strip().lower()
    pieces: Iterable[bytes] = iter(
        lambda: answer.raw.read(_CHUNK_BYTES, decode_content=False) or b"", b""
    )
    if encoding in _COMPRESSIONS:
        pieces = _decompress(pieces)
    elif encoding not in ("", "identity"):
        raise zlib.error("a Content-Encoding that was not asked for")
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
        raise zlib.error("the compressed data is cut off, or goes on after its end")


def _too_large(most: int) -> _BodyTooLargeError:
    return _BodyTooLargeError(f"more than {most} bytes")


@contextmanager
def _mapped_errors(method: str, url: str, secrets: KnownSecrets) -> Iterator[None]:
    """Turn the errors of requests, urllib3 and the socket into ours."""
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
        # What the server sent is in the texts of its causes, too.
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
    """Return our error for one of another library, by the table, without the secrets."""
    row = next(row for foreign, row in FOREIGN_ERRORS if isinstance(error, foreign))
    cause = _root_cause(error)
    if row is _LOST and isinstance(cause, _NOTHING_SENT):
        row = _REFUSED
    if row is _LOST and isinstance(cause, (urllib3.exceptions.ReadTimeoutError, TimeoutError)):
        row = _TIMEOUT
    if row is _LOST and isinstance(cause, http.client.HTTPException):
        row = _LOST if isinstance(cause, _CUT_OFF) else _NONSENSE
    # Of a limit the cause says no more than the row, in the words of a library.
    detail = "" if row is _TIMEOUT else f" ({_describe(cause, secrets)})"
    hint = f"; is a manager running at {_origin(url)}?" if row is _REFUSED else ""
    ours = row.error(f"{method} {url}: {row.message}{detail}{hint}", method=method, url=url)
    if not isinstance(error, _BodyTooLargeError):
        return ours
    return ours.with_advice(
        "a larger max_answer_bytes of Experiment() or ManagerClient() lets it through", shell=""
    )


# Below a plain ConnectionError of requests these tell that no byte was sent.
_NOTHING_SENT = (
    ConnectionRefusedError,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
)
# Of the errors of http.client these are about a connection that ends; the rest about what it says.
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
    # urllib3 puts the object of the connection before the reason.
    # What a server said in place of HTTP is in it, too.
    said = secrets.hide(str(cause)).rpartition(": ")[2].strip()
    return printable_line(said, most=100) or type(cause).__name__


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
