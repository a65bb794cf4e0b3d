"""One deadline for a request and all of its answer, in every phase in which bytes arrive."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response as WerkzeugResponse

from nnicli.errors import RequestTimeoutError, ResponseError
from nnicli.rest import MAX_ANSWER_BYTES, Connection, Request, RequestsTransport
from tests.unit.rest.servers import Answer, endlessly, raw_server, saying

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LIMIT_S = 0.3
PAUSE_S = 0.02


def _send(endpoint: str, *, read_s: float = 20.0, most: int = MAX_ANSWER_BYTES) -> bytes:
    transport = RequestsTransport(Connection(endpoint, max_answer_bytes=most))
    try:
        return transport.send(Request("GET", "/x", read_s=read_s)).body
    finally:
        transport.close()


DRIPPING = {
    "nothing": endlessly(b"", b"", pause_s=PAUSE_S),
    "status line": endlessly(b"HTTP/1.1 200 ", b"O", pause_s=PAUSE_S),
    "header": endlessly(HEAD + b"X: ", b"a", pause_s=PAUSE_S),
    "headers": endlessly(HEAD, b"X: a\r\n", pause_s=PAUSE_S),
    "100 Continue": endlessly(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause_s=PAUSE_S),
    "chunk size": endlessly(CHUNKED, b"0", pause_s=PAUSE_S),
    "chunk extension": endlessly(CHUNKED + b"5;", b"a", pause_s=PAUSE_S),
    "chunk": endlessly(CHUNKED + b"ffff\r\n", b" ", pause_s=PAUSE_S),
    "trailer": endlessly(CHUNKED + b"0\r\n", b"X: a\r\n", pause_s=PAUSE_S),
    "body": endlessly(HEAD + b"Content-Length: 9999\r\n\r\n", b" ", pause_s=PAUSE_S),
    "body without length": endlessly(HEAD + b"\r\n", b" ", pause_s=PAUSE_S),
    "compressed body": endlessly(
        HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10],
        b"\0\0\0\xff\xff",
        pause_s=PAUSE_S,
    ),
}


@pytest.mark.parametrize("answer", DRIPPING.values(), ids=list(DRIPPING))
def test_a_dripping_answer_ends_at_the_deadline(answer: Answer) -> None:
    """The read timeout of requests restarts with each byte, so these never ended."""
    with (
        raw_server(answer) as endpoint,
        pytest.raises(RequestTimeoutError, match="no answer in time"),
    ):
        _send(endpoint, read_s=LIMIT_S)


@pytest.mark.parametrize("is_first", [True, False], ids=["new connection", "used connection"])
def test_a_request_that_is_not_read_ends_at_the_deadline(is_first: bool) -> None:
    """A suspended manager accepts what fits into the kernel's buffers, and no more."""
    has_given_up = threading.Event()

    def answer(connection: socket.socket) -> None:
        if not is_first:
            saying(HEAD + b"Content-Length: 2\r\n\r\n{}")(connection)
        has_given_up.wait(60)

    with raw_server(answer) as endpoint:
        transport = RequestsTransport(Connection(endpoint))
        if not is_first:
            transport.send(Request("GET", "/x"))
        try:
            with pytest.raises(RequestTimeoutError, match="no answer in time"):
                transport.send(Request("POST", "/x", body="a" * 20_000_000, read_s=LIMIT_S))
        finally:
            has_given_up.set()
            transport.close()


def test_a_short_limit_does_not_outlive_its_request() -> None:
    """The next request on the connection has a limit of its own, also for what it sends."""
    connections: list[socket.socket] = []

    def answer(connection: socket.socket) -> None:
        connections.append(connection)
        for _ in range(2):
            saying(HEAD + b"Content-Length: 2\r\n\r\n{}")(connection)

    with raw_server(answer) as endpoint:
        transport = RequestsTransport(Connection(endpoint))
        transport.send(Request("GET", "/x", read_s=LIMIT_S))
        time.sleep(LIMIT_S)

        assert transport.send(Request("GET", "/x")).body == b"{}"

        transport.close()
    assert len(connections) == 1


FLOODS = {
    "header": endlessly(HEAD + b"X: ", b"a" * 65_536),
    "headers": endlessly(HEAD, b"X: a\r\n" * 1000),
    "100 Continue": endlessly(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
}


@pytest.mark.parametrize("answer", FLOODS.values(), ids=list(FLOODS))
def test_endless_headers_are_refused_long_before_the_deadline(answer: Answer) -> None:
    with (
        raw_server(answer) as endpoint,
        pytest.raises(ResponseError, match=r"headers of more than 256 KB|not valid HTTP"),
    ):
        _send(endpoint, read_s=60)


def _bomb(megabytes: int, *, rounds: int = 1) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()
    for _ in range(rounds - 1):
        packed = gzip.compress(packed)
    return packed


def _compressed(content: bytes, *encodings: str) -> Answer:
    head = f"Content-Encoding: {', '.join(encodings)}\r\nContent-Length: {len(content)}\r\n\r\n"
    return saying(HEAD + head.encode(), content)


TOO_LARGE = {
    "announced length": saying(HEAD + b"Content-Length: 9999999999\r\n\r\n["),
    "no length": endlessly(HEAD + b"\r\n", b" " * 65_536),
    "chunks": endlessly(CHUNKED, b"8000\r\n" + b" " * 0x8000 + b"\r\n"),
    "gzip": _compressed(_bomb(20), "gzip"),
    "deflate": _compressed(zlib.compress(bytes(20 << 20)), "deflate"),
    "error page": endlessly(b"HTTP/1.1 500 Oops\r\n\r\n", b"<html>" * 10_000),
}


@pytest.mark.parametrize("answer", TOO_LARGE.values(), ids=list(TOO_LARGE))
def test_an_answer_over_the_limit_is_refused_and_does_not_fill_the_memory(answer: Answer) -> None:
    most = 1 << 20
    with raw_server(answer) as endpoint:
        tracemalloc.start()
        try:
            with pytest.raises(
                ResponseError, match=r"more than 1048576 bytes\); pass a larger max_answer"
            ):
                _send(endpoint, most=most)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak < 8 * most


@pytest.mark.parametrize("encodings", [("gzip", "gzip"), ("br",), ("zstd",), ("x" * 500,)])
def test_an_encoding_that_was_not_requested_is_refused(encodings: tuple[str, ...]) -> None:
    """With gzip inside gzip, a few bytes become gigabytes in one step."""
    answer = _compressed(_bomb(20, rounds=2), *encodings)

    with (
        raw_server(answer) as endpoint,
        pytest.raises(ResponseError, match="a Content-Encoding that was not requested"),
    ):
        _send(endpoint)


@pytest.mark.parametrize("encode", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 3_000_000])
def test_a_compressed_answer_is_read_whole(encode: Callable[[bytes], bytes], size: int) -> None:
    """Reverse proxies compress."""
    content = json.dumps("a" * size).encode()
    name = "gzip" if encode is gzip.compress else "deflate"

    with raw_server(_compressed(encode(content), name)) as endpoint:
        assert _send(endpoint) == content


@pytest.mark.parametrize("tail", [b"", b"more"])
def test_a_truncated_or_overlong_compressed_answer_is_refused(tail: bytes) -> None:
    packed = gzip.compress(b"[1, 2, 3]")
    content = packed + tail if tail else packed[:-9]

    with raw_server(_compressed(content, "gzip")) as endpoint, pytest.raises(ResponseError):
        _send(endpoint)


def test_an_answer_of_exactly_the_limit_is_read(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_handler(lambda _: WerkzeugResponse("a" * 1000))

    assert len(_send(httpserver.url_for(""), most=1000)) == 1000
    with pytest.raises(ResponseError, match="more than 999 bytes"):
        _send(httpserver.url_for(""), most=999)


def test_a_proxy_that_drips_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    drips = endlessly(b"HTTP/1.1 200 ", b"O", pause_s=PAUSE_S)
    with raw_server(drips) as proxy:
        monkeypatch.setenv("https_proxy", proxy)

        with pytest.raises(RequestTimeoutError):
            _send("https://manager.example", read_s=LIMIT_S)
