"""Connecting to a server that is not a manager, or not at its address."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from pytest_httpserver import HTTPServer
from werkzeug import Request as WerkzeugRequest, Response as WerkzeugResponse

from nnicli import ConnectError, Experiment, NnicliError, Timeouts
from tests.unit.rest.servers import raw_server, saying

PAGE = "<!doctype html><html><head><title>s3cr3t</title></head></html>"
ANY_PATH = re.compile(".*")
STATUS = '{"status": "RUNNING", "errors": []}'


def _manager(server: HTTPServer, *, prefix: str = "", outside: int = 200) -> None:
    """Answer as a manager below a prefix does: its status, and everywhere else its web page."""

    def answer(request: WerkzeugRequest) -> WerkzeugResponse:
        if request.path == f"{prefix}/api/v1/nni/check-status":
            return WerkzeugResponse(STATUS)
        if outside == 404:
            return WerkzeugResponse(f'Outside prefix "{prefix}"', status=404)
        return WerkzeugResponse(PAGE, content_type="text/html")

    server.expect_request(ANY_PATH).respond_with_handler(answer)


def _connect(endpoint: str, **options: object) -> str:
    experiment = Experiment(timeouts=Timeouts(read_s=5), **options)  # type: ignore[arg-type]  # as the tests give them
    with pytest.raises(NnicliError) as caught:
        experiment.connect_experiment(endpoint)
    return str(caught.value)


@pytest.mark.parametrize("page", ["/oview", "/detail", "/experiment", "/team/oview/", "/a/b/c"])
def test_the_manager_s_address_is_suggested_for_a_web_page(
    httpserver: HTTPServer, page: str
) -> None:
    _manager(httpserver, prefix="/team" if page.startswith("/team") else "")
    right = httpserver.url_for("/team" if page.startswith("/team") else "").rstrip("/")

    message = _connect(httpserver.url_for(page))

    assert f"an NNI manager answers at {right}: use that address" in message
    assert "<" not in message
    assert "s3cr3t" not in message


def test_the_prefix_that_a_manager_names_is_suggested(httpserver: HTTPServer) -> None:
    """2.7 and later name it in the answer to every path that is not below it."""
    _manager(httpserver, prefix="/a/b", outside=404)

    message = _connect(httpserver.url_for(""))

    assert f"an NNI manager answers at {httpserver.url_for('/a/b')}: use that address" in message


@pytest.mark.parametrize("prefix", ["/../..", "@evil", "\\", "%2e%2e", " "])
def test_a_prefix_that_leads_outside_is_not_followed(httpserver: HTTPServer, prefix: str) -> None:
    httpserver.expect_request("/api/v1/nni/experiment").respond_with_data(
        f'Outside prefix "{prefix}"', status=404
    )

    assert "this is not an NNI manager" in _connect(httpserver.url_for(""))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (PAGE, 200),
        (PAGE, 404),
        (PAGE, 500),
        ("hello", 200),
        ("", 404),
        ('{"a": 1}', 200),
        ("", 200),
    ],
)
def test_a_server_that_is_not_a_manager_is_reported_as_such(
    httpserver: HTTPServer, body: str, status: int
) -> None:
    httpserver.expect_request(ANY_PATH).respond_with_data(body, status=status)

    message = _connect(httpserver.url_for("/x"))

    assert "this is not an NNI manager, or not its address" in message
    assert "<" not in message
    assert len(message) < 700


def test_a_server_of_another_protocol_is_reported_as_such() -> None:
    with raw_server(saying(b"SSH-2.0-OpenSSH_9.2\r\n\x1b[31m")) as endpoint:
        message = _connect(endpoint)

    assert "this is not an NNI manager" in message
    assert message.replace("\n", "").isprintable()
    assert "OpenSSH_9.2" in message


@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_server_that_requires_credentials_is_reported_as_such(
    httpserver: HTTPServer, status: int
) -> None:
    httpserver.expect_request(ANY_PATH).respond_with_data(PAGE, status=status)

    assert (
        "the server requires authentication; Experiment() takes a user and password as `auth`"
        in _connect(httpserver.url_for(""))
    )


def test_credentials_are_sent_only_to_the_given_address(httpserver: HTTPServer) -> None:
    _manager(httpserver)
    given = {"auth": ("u", "s3cr3t"), "headers": {"X-Token": "s3cr3t"}}

    message = _connect(httpserver.url_for("/oview"), **given)

    first, *later = [request for request, _ in httpserver.log]
    assert first.authorization is not None
    assert later
    assert not any(request.authorization or "X-Token" in request.headers for request in later)
    assert "s3cr3t" not in message


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[HTTPServer, str]]:
    """Return a manager behind TLS, and the CA bundle for its certificate."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    bundle = f"{tmp_path}/ca.pem"
    authority.cert_pem.write_to_path(bundle)
    with HTTPServer(host="localhost", ssl_context=context) as server:
        _manager(server)
        yield server, bundle


def test_https_is_suggested_for_http(tls_server: tuple[HTTPServer, str]) -> None:
    server, bundle = tls_server
    right = server.url_for("").rstrip("/")

    message = _connect(right.replace("https", "http"), verify=bundle)

    assert f"an NNI manager answers at {right}: use that address" in message


def test_http_is_suggested_for_https(httpserver: HTTPServer) -> None:
    _manager(httpserver)
    right = httpserver.url_for("").rstrip("/")

    message = _connect(right.replace("http", "https"))

    assert "the TLS handshake failed" in message
    assert f"an NNI manager answers at {right}: use that address" in message


def test_nothing_is_suggested_where_nothing_listens(free_port: Callable[[], int]) -> None:
    experiment = Experiment()

    with pytest.raises(ConnectError, match=r"is a manager running at http://127\.0\.0\.1:\d+\?$"):
        experiment.connect_experiment(f"http://127.0.0.1:{free_port()}")
