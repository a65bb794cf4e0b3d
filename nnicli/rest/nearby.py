"""Finding the right address when no manager answers at the given one."""

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
_SEARCH_S = 5.0
# A status with its errors is less than 1 KB.
_PROBE_BYTES = 1 << 16
_OTHER_SCHEME = {"http": "https", "https": "http"}
# The answer of a 2.7 or later manager to every path that is not below its prefix.
_OUTSIDE_PREFIX = re.compile(r'Outside prefix "([^"]*)"')
_NEEDS_CREDENTIALS = (401, 403, 407)


def advise_on_address(
    error: RestError, connection: Connection, *, known: Iterable[str] = ()
) -> RestError:
    """Return the error of a failed connection with advice on its address.

    Similar addresses are asked for a manager's status, without headers and passwords, as they may
    belong to others: the prefix that the manager names; shorter paths, since `/oview` and the like
    are pages of the web UI; the other scheme.

    Args:
        error: Why the connection failed.
        connection: The connection that failed.
        known: Addresses of managers that are known from other sources.
    """
    if isinstance(error, StatusError) and error.status_code in _NEEDS_CREDENTIALS:
        return error.with_advice(
            "the server requires authentication; Experiment() takes a user and password as `auth`, "
            "and anything else as `headers`",
            shell="the server requires authentication",
        )
    endpoint = connection.endpoint
    probe = replace(connection.without_credentials(), max_answer_bytes=_PROBE_BYTES)
    is_unreachable = isinstance(error, ConnectError)
    if (is_unreachable and endpoint.startswith("http://")) or _answers(probe):
        # Nothing listens there, or it is a manager and the error is about something else.
        return error
    deadline = Deadline(_SEARCH_S)
    for candidate in dict.fromkeys((*known, *_candidates(error, endpoint))):
        if candidate != endpoint and not deadline.expired and _answers_at(candidate, probe):
            advice = f"an NNI manager answers at {candidate}: use that address"
            return error.with_advice(advice, shell=advice)
    if is_unreachable:
        return error
    advice = (
        "this is not an NNI manager, or not its address; use http(s)://host:port, with the URL "
        "prefix if it has one, and without the web UI's page"
    )
    return error.with_advice(advice, shell=advice)


def _answers(connection: Connection) -> bool:
    with ManagerClient(connection) as client:
        return client.poll_status(_PROBE_S) is not None


def _answers_at(url: str, connection: Connection) -> bool:
    try:
        return _answers(connection.at(url).without_credentials())
    except InvalidValueError:
        # The prefix that a server names may be anything.
        return False


def _candidates(error: RestError, endpoint: str) -> Iterator[str]:
    parts = urlsplit(endpoint)
    if isinstance(error, StatusError) and (outside := _OUTSIDE_PREFIX.search(error.server_message)):
        yield _at(parts, outside[1])
    for scheme in (parts.scheme, _OTHER_SCHEME[parts.scheme]):
        path = parts.path
        yield _at(parts, path, scheme)
        while path:
            path = path.rpartition("/")[0]
            yield _at(parts, path, scheme)


def _at(parts: SplitResult, path: str, scheme: str = "") -> str:
    return f"{scheme or parts.scheme}://{parts.netloc}/{path.strip('/')}".rstrip("/")
