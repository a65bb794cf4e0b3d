"""Headers, passwords and certificates: checked when they are given, and never shown."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pytest_httpserver import HTTPServer

from nnicli import Connection, Experiment, InvalidValueError, ManagerClient, NnicliError
from nnicli.rest import RequestsTransport
from nnicli.rest.credentials import check_credentials, check_headers

ENDPOINT = "http://127.0.0.1:9"
TAKERS: dict[str, Callable[..., object]] = {
    "Experiment": Experiment,
    "Connection": lambda **given: Connection(ENDPOINT, **given),
    "ManagerClient": lambda **given: ManagerClient(Connection(ENDPOINT, **given)),
    "RequestsTransport": lambda **given: RequestsTransport(Connection(ENDPOINT, **given)),
}
BAD = [
    ({"headers": {"Authorization": "Bearer s3cr3t\n"}}, r"headers\['Authorization'\].*value.strip"),
    ({"headers": {"Authorization": "\tBearer s3cr3t"}}, r"headers\['Authorization'\].*value.strip"),
    ({"headers": {"Authorization": "Bearer s3cr3t "}}, r"headers\['Authorization'\].*value.strip"),
    ({"headers": {"X": "a\r\nHost: s3cr3t"}}, r"headers\['X'\]: .* line break or another control"),
    ({"headers": {"X": "s3cr3t\0"}}, r"headers\['X'\]: .* control character"),
    ({"headers": {"X": "s3cr3t\x7f"}}, r"headers\['X'\]: .* control character"),
    ({"headers": {"X": "s3cr3t€"}}, r"headers\['X'\]: .* \(allowed: Latin-1"),
    ({"headers": {"X": "s3cr3t\ud800"}}, r"headers\['X'\]: .* \(allowed: Latin-1"),
    ({"headers": {"X": 53}}, r"headers\['X'\]: expected text, got int"),
    ({"headers": {"X": b"s3cr3t"}}, r"headers\['X'\]: expected text, got bytes"),
    ({"headers": {"X": None}}, r"headers\['X'\]: expected text, got NoneType"),
    ({"headers": {"Authorization: Bearer s3cr3t": ""}}, "headers: a name is not a valid HTTP name"),
    ({"headers": {"": "s3cr3t"}}, "headers: a name is not a valid HTTP name"),
    ({"headers": {"s3cr3t\n": ""}}, "headers: a name is not a valid HTTP name"),
    ({"headers": {"s3cr3tä": ""}}, "headers: a name is not a valid HTTP name"),
    ({"headers": {5: "s3cr3t"}}, "headers: a name is not a valid HTTP name"),
    ({"headers": "Authorization: s3cr3t"}, "headers: expected a dict, got str"),
    ({"headers": [("X", "s3cr3t")]}, "headers: expected a dict, got list"),
    ({"auth": ("user", "s3cr3t\n")}, "auth: the password has a line break"),
    ({"auth": ("user", "s3cr3t\ud800")}, "auth: the password has a line break"),
    ({"auth": ("us:er", "s3cr3t")}, "auth: the user has a colon"),
    ({"auth": ("s3cr3t\r", "")}, "auth: the user has a colon or a control"),
    ({"auth": "user:s3cr3t"}, r"auth: expected \(user, password\)"),
    ({"auth": ("s3cr3t",)}, r"auth: expected \(user, password\)"),
    ({"auth": (b"user", b"s3cr3t")}, r"auth: expected \(user, password\)"),
    ({"auth": ("user", None)}, r"auth: expected \(user, password\)"),
    ({"verify": "/no/such/bundle.pem"}, "verify: '/no/such/bundle.pem' is not allowed"),
    ({"verify": "a\0b"}, r"verify: 'a\\x00b' is not allowed"),
    ({"verify": None}, "verify: None is not allowed"),
    ({"max_answer_bytes": 0}, "max_answer_bytes: 0 is not allowed; allowed: an integer from 1"),
    ({"max_answer_bytes": True}, "max_answer_bytes: True is not allowed"),
    ({"max_answer_bytes": "512MB"}, "max_answer_bytes: '512MB' is not allowed"),
]


@pytest.mark.parametrize("taker", TAKERS.values(), ids=list(TAKERS))
@pytest.mark.parametrize(("given", "message"), BAD, ids=[repr(given)[:40] for given, _ in BAD])
def test_values_that_cannot_be_sent_are_refused_when_they_are_given(
    taker: Callable[..., object], given: dict[str, Any], message: str
) -> None:
    """If requests found out later, its error would contain the token."""
    with pytest.raises(InvalidValueError, match=message) as caught:
        taker(**given)

    shown = traceback.format_exception_only(caught.value)
    assert "s3cr3t" not in "".join(shown) + repr(caught.value) + repr(caught.value.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        (("user", "pass"), "Basic dXNlcjpwYXNz"),
        (("é", "é"), "Basic 6Trp"),
        (("ключ", "€"), "Basic 0LrQu9GO0Yc64oKs"),
        (["user", "pa:ss"], "Basic dXNlcjpwYTpzcw=="),
        (("", ""), "Basic Og=="),
    ],
)
def test_users_and_passwords_of_any_letters_are_sent(
    httpserver: HTTPServer, auth: Any, sent: str
) -> None:
    """Other than Latin-1 raised a bare UnicodeEncodeError that contained the password."""
    httpserver.expect_request(
        "/api/v1/nni/version", headers={"Authorization": sent}
    ).respond_with_data("3.0.0")

    with ManagerClient(Connection(httpserver.url_for(""), auth=auth)) as client:
        assert client.get_version() == "3.0.0"


@pytest.mark.parametrize("value", ["", "a", "Bearer a.b-c_d~+/=", "é", "a\tb", "a  b"])
def test_valid_headers_are_accepted(value: str) -> None:
    assert check_headers({"X-Token_1": value}) == {"X-Token_1": value}


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3))
def test_any_header_is_refused_or_can_be_sent(headers: dict[str, str]) -> None:
    try:
        checked = check_headers(headers)
    except InvalidValueError:
        return
    for name, value in checked.items():
        assert (name.encode("ascii") + value.encode("latin-1")).count(b"\n") == 0
        assert value == value.strip()


@given(st.tuples(st.text(max_size=9), st.text(max_size=9)))
def test_any_credentials_are_refused_or_can_be_sent(auth: tuple[str, str]) -> None:
    try:
        checked = check_credentials(auth)
    except InvalidValueError:
        return
    assert checked == auth
    RequestsTransport(Connection(ENDPOINT, auth=checked)).close()


@given(st.text(max_size=30).map("http://u:s3cr3t".__add__))
def test_no_endpoint_shows_its_password(endpoint: str) -> None:
    try:
        shown = repr(ManagerClient(endpoint)) if "@" in endpoint else ""
    except NnicliError as error:
        shown = f"{error}{error!r}" if "@" in endpoint else ""

    assert "s3cr3t" not in shown


def test_no_repr_shows_a_secret() -> None:
    secrets = {"headers": {"X": "s3cr3t"}, "auth": ("u", "s3cr3t")}

    shown = [repr(taker(**secrets)) for taker in TAKERS.values()]

    assert "s3cr3t" not in "".join(shown)


def test_a_query_that_is_not_valid_text_is_refused() -> None:
    with (
        ManagerClient(ENDPOINT) as client,
        pytest.raises(InvalidValueError, match="characters that cannot be sent"),
    ):
        client.list_trial_jobs("\ud800")


@pytest.mark.parametrize("value", [float("nan"), object(), {1}, {(1, 2): 3}, [float("inf")]])
def test_a_value_that_json_does_not_have_is_refused_before_it_is_sent(value: object) -> None:
    with (
        ManagerClient(ENDPOINT) as client,
        pytest.raises(
            InvalidValueError, match="while encoding it as JSON; allowed: numbers except NaN"
        ),
    ):
        client.submit_trial({"x": value, "password": "s3cr3t"})
