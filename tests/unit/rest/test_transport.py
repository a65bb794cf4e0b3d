"""The transport against servers that misbehave."""

from __future__ import annotations

import inspect
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import requests
import urllib3
from pytest_httpserver import HTTPServer
from werkzeug import Request as WerkzeugRequest, Response as WerkzeugResponse

from nnicli.errors import (
    ConnectError,
    ConnectionLostError,
    InvalidValueError,
    RequestTimeoutError,
    ResponseError,
    RestError,
)
from nnicli.rest import Connection, Request
from nnicli.rest.transport import (
    FOREIGN_ERRORS,
    RequestsTransport,
    is_loopback,
    translate_error,
)

GET = Request("GET", "/x", connect_s=5, read_s=5)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def _server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Yield the endpoint of a server that runs a function for one connection after the other."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        stack.callback(thread.join)
        stack.callback(listener.shutdown, socket.SHUT_RDWR)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def _send(endpoint: str, request: Request = GET) -> bytes:
    transport = RequestsTransport(Connection(endpoint))
    try:
        return transport.send(request).body
    finally:
        transport.close()


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def test_an_answer_has_status_body_and_url(httpserver: HTTPServer) -> None:
    httpserver.expect_request(
        "/x", query_string="a=1", method="PUT", json={"b": 2}
    ).respond_with_data("ä", status=418)
    transport = RequestsTransport(Connection(httpserver.url_for("")))

    response = transport.send(Request("PUT", "/x", query={"a": "1"}, body={"b": 2}))

    assert (response.status_code, response.text) == (418, "ä")
    assert response.url == httpserver.url_for("/x")
    transport.close()


def test_a_port_on_which_nothing_listens(free_port: Callable[[], int]) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(ConnectError, match=f"is a manager running at {endpoint}") as caught:
        _send(endpoint)

    assert "GET " in str(caught.value)
    assert "Connection refused" in str(caught.value)
    assert (caught.value.method, caught.value.url) == ("GET", f"{endpoint}/x")


def _lost_at_once(connection: socket.socket) -> None:
    connection.recv(1000)
    _reset(connection)


def _lost_in_the_body(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1, 2,")


def _lost_in_a_chunk(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n[1,")


@pytest.mark.parametrize("answer", [_lost_at_once, _lost_in_the_body, _lost_in_a_chunk])
def test_after_a_broken_answer_the_request_may_have_taken_effect(
    answer: Callable[[socket.socket], None],
) -> None:
    with _server(answer) as endpoint, pytest.raises(ConnectionLostError, match="connection broke"):
        _send(endpoint)


def _never(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.settimeout(5)
    connection.recv(1)


def _drips(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    try:
        for _ in range(100):
            connection.sendall(b" ")
            time.sleep(0.05)
    except OSError:
        return


@pytest.mark.parametrize("answer", [_never, _drips])
def test_no_complete_answer_in_time(answer: Callable[[socket.socket], None]) -> None:
    """requests restarts its limit with every byte; here it applies to the whole answer."""
    request = Request("GET", "/x", connect_s=5, read_s=0.3)
    with _server(answer) as endpoint, pytest.raises(RequestTimeoutError, match="no answer in time"):
        _send(endpoint, request)


def _not_http(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def test_a_server_of_another_protocol() -> None:
    with _server(_not_http) as endpoint, pytest.raises(RestError) as caught:
        _send(endpoint)

    assert not isinstance(caught.value, ConnectError)


def test_garbage_in_the_encoding(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data(
        b"not gzip", headers={"Content-Encoding": "gzip"}
    )

    with pytest.raises(ResponseError, match="not valid HTTP"):
        _send(httpserver.url_for(""))


def test_a_redirect_is_not_followed(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data(
        "", status=302, headers={"Location": "http://elsewhere.invalid/"}
    )
    transport = RequestsTransport(Connection(httpserver.url_for("")))

    response = transport.send(GET)

    assert (response.status_code, response.location) == (302, "http://elsewhere.invalid/")
    transport.close()


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_environment_proxies_are_ignored_on_loopback(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A proxy would connect to its own loopback; NNI's own tools make that mistake."""
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    httpserver.expect_request("/x").respond_with_data("{}")

    assert _send(httpserver.url_for("")) == b"{}"


def test_environment_proxies_are_used_for_other_hosts(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", httpserver.url_for("").rstrip("/"))
    seen: list[str] = []

    def answer(request: WerkzeugRequest) -> WerkzeugResponse:
        seen.append(request.headers["Host"])
        return WerkzeugResponse("{}")

    httpserver.expect_request("/x").respond_with_handler(answer)

    assert _send("http://manager.example:8080") == b"{}"
    assert seen == ["manager.example:8080"]


@pytest.mark.parametrize("close", [True, False])
def test_the_last_request_asks_to_close(httpserver: HTTPServer, close: bool) -> None:
    """An idle connection makes a manager that stops wait for 5 s."""
    seen: list[str] = []

    def answer(request: WerkzeugRequest) -> WerkzeugResponse:
        seen.append(request.headers.get("Connection", ""))
        return WerkzeugResponse("{}")

    httpserver.expect_request("/x").respond_with_handler(answer)

    _send(httpserver.url_for(""), Request("GET", "/x", close=close))

    assert (seen == ["close"]) == close


def test_close_ends_idle_connections_even_if_they_are_still_referenced() -> None:
    """With urllib3 2 a closed session keeps its sockets open until the pool is collected."""
    ended = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(OK)
        connection.settimeout(5)
        if connection.recv(1) == b"":
            ended.set()

    with _server(answer) as endpoint:
        transport = RequestsTransport(Connection(endpoint))
        transport.send(GET)
        # Held as by a request under way, so that nothing but close() ends its connection.
        adapter = transport._session.get_adapter(endpoint)  # noqa: SLF001 - it is made inside
        pool = adapter.poolmanager.connection_from_url(endpoint)  # type: ignore[attr-defined]  # an HTTPAdapter

        transport.close()

        assert ended.wait(5)
        assert pool is not None


def test_one_connection_serves_many_requests() -> None:
    connections: list[int] = []

    def answer(connection: socket.socket) -> None:
        connections.append(1)
        while connection.recv(1000):
            connection.sendall(OK)

    with _server(answer) as endpoint:
        transport = RequestsTransport(Connection(endpoint))
        for _ in range(5):
            transport.send(GET)
        transport.close()

    assert len(connections) == 1


def test_headers_and_credentials_are_sent_and_never_shown(
    httpserver: HTTPServer, caplog: pytest.LogCaptureFixture, free_port: Callable[[], int]
) -> None:
    httpserver.expect_request(
        "/x", headers={"Authorization": "Basic dXNlcjpzM2NyM3Q=", "X-Team": "t0k3n"}
    ).respond_with_data("{}")
    connection = Connection(
        httpserver.url_for(""), headers={"X-Team": "t0k3n"}, auth=("user", "s3cr3t")
    )
    transport = RequestsTransport(connection)
    broken = RequestsTransport(connection.at(f"http://127.0.0.1:{free_port()}"))

    with caplog.at_level(logging.DEBUG):
        assert transport.send(GET).body == b"{}"
        with pytest.raises(ConnectError) as caught:
            broken.send(GET)

    shown = caplog.text + repr(transport) + str(caught.value) + repr(caught.value)
    assert "GET " in caplog.text
    assert "s3cr3t" not in shown
    assert "t0k3n" not in shown
    transport.close()


def test_a_body_that_is_not_json_is_refused_before_it_is_sent(httpserver: HTTPServer) -> None:
    endless: list[object] = []
    endless.append(endless)

    with pytest.raises((InvalidValueError, ValueError)):
        _send(httpserver.url_for(""), Request("POST", "/x", body=endless))

    assert httpserver.log == []


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_what_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def _exceptions(module: object) -> list[type[Exception]]:
    return [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Exception) and not issubclass(member, Warning)
    ]


def _make(cls: type[Exception]) -> Exception:
    """Return an instance; the libraries' classes take up to three arguments."""
    choices: tuple[tuple[Any, ...], ...] = (("a",), (None, "a"), (None, None, "a"), (1, 2))
    for arguments in choices:
        try:
            error = cls(*arguments)
            str(error)
        except (TypeError, AttributeError):
            continue
        return error
    # InvalidChunkLength and IncompleteRead describe themselves by what they came from.
    response = urllib3.HTTPResponse(b"")
    return cls(response, b"\0")


@pytest.mark.parametrize("cls", _exceptions(requests.exceptions), ids=lambda cls: cls.__name__)
def test_every_error_of_requests_is_mapped(cls: type[Exception]) -> None:
    if not issubclass(cls, requests.exceptions.RequestException):
        # Classes that the module only imports are mapped with their own library.
        return
    ours = translate_error(cls.__new__(cls), method="GET", url="http://127.0.0.1:1/x")

    assert isinstance(ours, RestError)
    assert str(ours).startswith("GET http://127.0.0.1:1/x: ")
    rows = [row.error for foreign, row in FOREIGN_ERRORS if foreign is cls]
    assert rows == [type(ours)], "each class has its own row"


@pytest.mark.parametrize("cls", _exceptions(urllib3.exceptions), ids=lambda cls: cls.__name__)
def test_every_error_of_urllib3_is_mapped(cls: type[Exception]) -> None:
    """requests lets some through, from the middle of a body for instance."""
    if not issubclass(cls, urllib3.exceptions.HTTPError):
        return

    ours = translate_error(_make(cls), method="GET", url="http://127.0.0.1:1/x")

    assert isinstance(ours, RestError)


def test_rows_for_subclasses_come_before_their_parents() -> None:
    """The first row that matches is used."""
    classes = [foreign for foreign, _ in FOREIGN_ERRORS]

    for number, cls in enumerate(classes):
        assert not any(issubclass(cls, earlier) for earlier in classes[:number])
