"""How to reach a manager, as one value for every client."""

from __future__ import annotations

import traceback
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from nnicli import Connection, Experiment, InvalidValueError, ManagerClient, RestError, StatusError
from nnicli.rest import Request

SECRET = "q7Zr9xLmS3cr3t"
TRIALS = "/api/v1/nni/trial-jobs"


def _with_token(request: Request) -> Request:
    return replace(request, headers={"Authorization": f"Bearer {SECRET}"})


def test_a_user_and_password_in_the_endpoint_are_taken_out_of_it() -> None:
    connection = Connection(f"http://me:{SECRET}@host:8080/lab/")

    assert connection.endpoint == "http://host:8080/lab"
    assert connection.port == 8080
    assert connection.auth == ("me", SECRET)


def test_given_credentials_take_precedence_over_those_in_the_endpoint() -> None:
    assert Connection("http://a:b@host", auth=("me", SECRET)).auth == ("me", SECRET)
    assert Connection("http://a:b@host", auth=_with_token).auth is _with_token


@pytest.mark.parametrize(
    "connection",
    [
        Connection(f"http://me:{SECRET}@host"),
        Connection(headers={"X-Token": SECRET}),
        Connection(auth=("me", SECRET)),
    ],
)
def test_no_secret_is_shown(connection: Connection) -> None:
    client = ManagerClient(connection)

    assert SECRET not in repr(connection) + repr(client) + str(connection.at("http://other"))


def test_a_connection_cannot_be_changed() -> None:
    headers = {"X": "1"}
    connection = Connection(headers=headers)
    headers["X"] = "2"

    assert connection.headers == {"X": "1"}
    with pytest.raises(FrozenInstanceError):
        connection.endpoint = "http://other"  # type: ignore[misc]  # that is the test
    with pytest.raises(TypeError):
        connection.headers["X"] = "3"  # type: ignore[index]  # that is the test


def test_at_changes_only_the_endpoint() -> None:
    connection = Connection("http://a", headers={"X": "1"}, auth=("me", "b"), max_answer_bytes=9)

    other = connection.at("http://b:1")

    assert other == replace(connection, endpoint="http://b:1")
    assert (other.headers, other.auth, other.max_answer_bytes) == ({"X": "1"}, ("me", "b"), 9)


def test_without_credentials_drops_headers_and_auth() -> None:
    connection = Connection("http://me:pass@a", headers={"X": "1"}, max_answer_bytes=9)

    assert connection.without_credentials() == Connection("http://a", max_answer_bytes=9)


def test_a_function_is_called_before_each_request(httpserver: HTTPServer) -> None:
    """A token may have expired since the last request."""
    tokens = iter(["first", "second"])
    httpserver.expect_ordered_request(
        TRIALS, headers={"X-Token": "first", "X-Team": "a"}
    ).respond_with_json([])
    httpserver.expect_ordered_request(
        TRIALS, headers={"X-Token": "second", "X-Team": "a"}
    ).respond_with_json([])

    def add_token(request: Request) -> Request:
        assert (request.method, request.path) == ("GET", TRIALS)
        return replace(request, headers={"X-Token": next(tokens)})

    connection = Connection(httpserver.url_for(""), headers={"X-Team": "a"}, auth=add_token)
    with ManagerClient(connection) as client:
        assert client.list_trial_jobs() == []
        assert client.list_trial_jobs() == []


def test_no_error_shows_what_a_function_added(httpserver: HTTPServer) -> None:
    httpserver.expect_request(TRIALS).respond_with_data(f"bad token {SECRET}", status=401)

    with (
        ManagerClient(Connection(httpserver.url_for(""), auth=_with_token)) as client,
        pytest.raises(StatusError, match=r"bad token \*\*\*") as caught,
    ):
        client.list_trial_jobs()

    assert SECRET not in "".join(traceback.format_exception(caught.value)) + repr(
        vars(caught.value)
    )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "auth: expected the function to return a Request, got NoneType"),
        ({"X": SECRET}, "auth: expected the function to return a Request, got dict"),
        (Request("GET", TRIALS, headers={"X": f"{SECRET}\n"}), r"headers\['X'\]: .*line end"),
    ],
)
def test_a_function_that_returns_something_else_is_an_error(
    httpserver: HTTPServer, answer: Any, message: str
) -> None:
    with (
        ManagerClient(Connection(httpserver.url_for(""), auth=lambda _: answer)) as client,
        pytest.raises(InvalidValueError, match=message) as caught,
    ):
        client.list_trial_jobs()

    assert SECRET not in str(caught.value)
    assert httpserver.log == []


def test_an_experiment_takes_a_function_too(httpserver: HTTPServer) -> None:
    """Similar addresses, which are tried when no manager answers, do not get the token."""
    httpserver.expect_request("/api/v1/nni/experiment").respond_with_data("gone", status=500)

    with pytest.raises(RestError):
        Experiment(auth=_with_token).connect_experiment(httpserver.url_for("/"))

    (first, *others) = [request.headers.get("Authorization") for request, _ in httpserver.log]
    assert first == f"Bearer {SECRET}"
    assert set(others) <= {None}
