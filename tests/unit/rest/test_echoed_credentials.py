"""No error shows our credentials, even when the server quotes them in its answer."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from pytest_httpserver import HTTPServer

from nnicli import Connection, ManagerClient, NnicliError, RestError
from nnicli.rest.credentials import KnownSecrets, check_headers
from tests.unit.rest.servers import raw_server, saying

TOKEN = "q7/Zr+9x=Lm"
PASSWORD = "pä ss/w0rd"
BASIC = base64.b64encode(f"me:{PASSWORD}".encode("latin-1")).decode()
GIVEN: dict[str, tuple[dict[str, Any], str]] = {
    "bearer": ({"headers": {"Authorization": f"Bearer {TOKEN}"}}, TOKEN),
    "custom": ({"headers": {"X-Team-Pass": TOKEN}}, TOKEN),
    "cookie": ({"headers": {"Cookie": f"lang=en; session={TOKEN}"}}, "q7/Zr+9x"),
    "auth": ({"auth": ("me", PASSWORD)}, PASSWORD),
    "basic": ({"auth": ("me", PASSWORD)}, BASIC),
    "basic header": ({"headers": {"Authorization": f"Basic {BASIC}"}}, PASSWORD),
}
FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "url": lambda secret: quote(secret, safe="", encoding="utf-8"),
    "lower url": lambda secret: quote(secret, safe="").replace("%2F", "%2f"),
    "json": lambda secret: json.dumps(secret)[1:-1],
    "json in json": lambda secret: json.dumps(secret).replace("/", "\\/")[1:-1],
    "base64": lambda secret: base64.b64encode(secret.encode("latin-1")).decode(),
}
ANSWERS: dict[str, Callable[[str], tuple[int, str]]] = {
    "plain 401": lambda quoted: (401, f"unknown user {quoted} here"),
    "json 500": lambda quoted: (500, json.dumps({"error": f"bad [{quoted}]"})),
    "long 500": lambda quoted: (500, "x" * 195 + f" {quoted}"),
    "structure 500": lambda quoted: (500, json.dumps({"error": {"seen": [quoted]}})),
    "not json": lambda quoted: (200, f"hello {quoted}!"),
    "not a list": lambda quoted: (200, json.dumps({"seen": quoted})),
    "odd item": lambda quoted: (200, json.dumps([{"trialJobId": [quoted], "status": 5}])),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=list(ANSWERS))
@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
@pytest.mark.parametrize(("given", "secret"), GIVEN.values(), ids=list(GIVEN))
def test_errors_hide_credentials_that_the_server_quotes(
    httpserver: HTTPServer,
    given: dict[str, Any],
    secret: str,
    form: Callable[[str], str],
    answer: Callable[[str], tuple[int, str]],
) -> None:
    """A proxy in front of a manager may include the request's headers in its error page."""
    quoted = form(secret)
    status, text = answer(quoted)
    httpserver.expect_request("/api/v1/nni/trial-jobs").respond_with_data(text, status=status)

    with (
        ManagerClient(Connection(httpserver.url_for(""), **given)) as client,
        pytest.raises(RestError) as caught,
    ):
        client.list_trial_jobs()

    shown = _everything(caught.value)
    assert "HTTP" in shown or "expected" in shown or "unexpected" in shown
    for piece in {quoted, secret}:
        assert piece not in shown
        assert piece[:6] not in shown


@pytest.mark.parametrize(
    "answer",
    [f"{TOKEN} 200 OK\r\n\r\n", f"HTTP/1.1 {TOKEN}\r\n\r\n"],
    ids=["status line", "status"],
)
def test_errors_hide_credentials_in_an_answer_that_is_not_http(answer: str) -> None:
    """http.client quotes the line in its error, which a traceback shows as the cause."""
    with (
        raw_server(saying(answer.encode())) as endpoint,
        ManagerClient(Connection(endpoint, headers={"Authorization": f"Bearer {TOKEN}"})) as client,
        pytest.raises(RestError) as caught,
    ):
        client.list_trial_jobs()

    assert TOKEN[:6] not in _everything(caught.value)


def test_errors_in_a_status_hide_credentials(httpserver: HTTPServer) -> None:
    """`wait()` raises them as the reason why an experiment failed."""
    errors = [f"denied: {TOKEN}", {"token": TOKEN}]
    httpserver.expect_request("/api/v1/nni/check-status").respond_with_json(
        {"status": "ERROR", "errors": errors}
    )
    headers = {"Authorization": f"Bearer {TOKEN}"}

    with ManagerClient(Connection(httpserver.url_for(""), headers=headers)) as client:
        status = client.get_experiment_status()

    assert status == {"status": "ERROR", "errors": ["denied: ***", "***"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pw is ab.", "pw is ***."),
        ("about cabs", "about cabs"),
        ("basic me", "basic me"),
        ("", ""),
    ],
)
def test_a_short_password_is_hidden_only_as_a_whole_word(text: str, expected: str) -> None:
    assert KnownSecrets.of({}, ("me", "ab")).hide(text) == expected


def test_without_credentials_nothing_is_hidden() -> None:
    assert KnownSecrets.of(check_headers({"X-A": "1"}), None).hide("a 1") == "a 1"
    assert KnownSecrets.of({}, ("me", "")).hide("me: ") == "me: "


def _everything(error: NnicliError) -> str:
    return (
        "".join(traceback.format_exception(error)[-1:])
        + "".join(traceback.format_exception_only(error))
        + repr(error)
        + repr(vars(error))
        + _causes(error)
    )


def _causes(error: BaseException) -> str:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "" if cause is None else str(cause) + _causes(cause)
