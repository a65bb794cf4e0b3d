"""The address that was meant, where no manager answers at the one that was given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from urllib.parse import SplitResult, urlsplit

from nnicli.errors import ConnectError, InvalidValueError, RestError, StatusError
from nnicli.rest.client import ManagerClient
from nnicli.rest.connection import Connection
from nnicli.waiting import Deadline

_PROBE_S = 1.0
_LOOK_S = 5.0
# A status with its errors is less than 1 KB.
_PROBE_BYTES = 1 << 16
_OTHER_SCHEME = {"http": "https", "https": "http"}
# A manager of 2.7 and later says so of every path that is not below its prefix.
_OUTSIDE_PREFIX = re.compile(r'Outside prefix "([^"]*)"')
_NEEDS_CREDENTIALS = (401, 403, 407)


def advise_on_address(
    error: RestError, connection: Connection, *, known: Iterable[str] = ()
) -> RestError:
    """Return the error of a connection with advice on its address.

    Addresses near it are asked for a manager's status, without headers and passwords, as they may
    be another's: the prefix that the manager names; shorter paths, since `/oview` and the like are
    pages of the web UI; the other scheme.

    Args:
        error: Why the connection failed.
        connection: How the manager was to be reached.
        known: Addresses of managers that are known by other means.
    """
    if isinstance(error, StatusError) and error.status_code in _NEEDS_CREDENTIALS:
        return error.with_advice(
            "the server asks who you are; Experiment() takes a user with a password as `auth`, and "
            "anything else as `headers`",
            shell="the server asks who you are",
        )
    endpoint = connection.endpoint
    probe = replace(connection.without_credentials(), max_answer_bytes=_PROBE_BYTES)
    is_unreachable = isinstance(error, ConnectError)
    if (is_unreachable and endpoint.startswith("http://")) or _answers(probe):
        # Nobody is there, or it is a manager and the error is about something else.
        return error
    deadline = Deadline(_LOOK_S)
    for candidate in dict.fromkeys((*known, *_candidates(error, endpoint))):
        if candidate != endpoint and not deadline.expired and _answers_at(candidate, probe):
            advice = f"an NNI manager answers at {candidate}: use that address"
            return error.with_advice(advice, shell=advice)
    if is_unreachable:
        return error
    advice = (
        "this is not an NNI manager, or not its address: give http(s)://host:port, with the URL "
        "prefix if it has one, and without the page that a browser shows"
    )
    return error.with_advice(advice, shell=advice)


def _answers(connection: Connection) -> bool:
    with ManagerClient(connection) as client:
        return client.poll_status(_PROBE_S) is not None


def _answers_at(url: str, connection: Connection) -> bool:
    try:
        return _answers(connection.at(url).without_credentials())
    except InvalidValueError:
        # What a server calls its prefix may be anything.
        return False


def _candidates(error: RestError, endpoint: str) -> Iterator[str]:
    parts = urlsplit(endpoint)
    if isinstance(error, StatusError) and (told := _OUTSIDE_PREFIX.search(error.server_message)):
        yield _at(parts, told[1])
    for scheme in (parts.scheme, _OTHER_SCHEME[parts.scheme]):
        path = parts.path
        yield _at(parts, path, scheme)
        while path:
            path = path.rpartition("/")[0]
            yield _at(parts, path, scheme)


def _at(parts: SplitResult, path: str, scheme: str = "") -> str:
    return f"{scheme or parts.scheme}://{parts.netloc}/{path.strip('/')}".rstrip("/")
