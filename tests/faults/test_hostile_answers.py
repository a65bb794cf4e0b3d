"""Hostile answers: nothing hangs, fills the memory or is shown unescaped."""

from __future__ import annotations

import gzip
import json
import socket
import time
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest

from nnicli import Connection, Experiment, ManagerClient, NnicliError, Timeouts
from tests.unit.rest.servers import Answer, endlessly, raw_server, saying

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LIMIT_S = 0.3
MOST_BYTES = 1 << 20
SECRET = "s3cr3t-t0k3n"
_TIMEOUTS = Timeouts(connect_s=LIMIT_S, read_s=LIMIT_S, scan_s=LIMIT_S)
_HEADERS = {"Authorization": f"Bearer {SECRET}"}


def _whole(body: bytes, head: bytes = b"", status: bytes = b"200 OK") -> Answer:
    return saying(
        b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, head, len(body), body)
    )


def _trial(**fields: object) -> bytes:
    trial = {"trialJobId": "a", "status": "RUNNING", "hyperParameters": []}
    return json.dumps([{**trial, **fields}]).encode()


def _echoing(connection: socket.socket) -> None:
    """Answer with an error that contains the whole request, headers included."""
    request = connection.recv(65_536)
    answer = b"HTTP/1.1 500 Oops\r\nContent-Length: %d\r\n\r\n%b" % (len(request), request)
    connection.sendall(answer)


def _closing_at_random(connection: socket.socket) -> None:
    connection.recv(65_536)
    connection.sendall(CHUNKED + b"5\r\n[1,")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def _garbage_between(connection: socket.socket) -> None:
    while connection.recv(65_536):
        connection.sendall(OK + b"Content-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n\x1b[31m garbage")
        time.sleep(0.01)


def _redirecting(connection: socket.socket) -> None:
    while connection.recv(65_536):
        connection.sendall(
            b"HTTP/1.1 302 Found\r\nLocation: http://u:s3cr3t-t0k3n@h/\x1b[31m?t=s3cr3t-t0k3n\r\n"
            b"Content-Length: 0\r\n\r\n"
        )


BOMB = gzip.compress(bytes(20 << 20))
ESCAPES = b"\x1b[31m\x07\x9b2J\x00\xff\xe2\x80\xae"
HOSTILE: dict[str, Answer] = {
    # Endless
    "silence": endlessly(b"", b"", pause_s=0.02),
    "status line, dripping": endlessly(b"HTTP/1.1 200 ", b"O", pause_s=0.02),
    "headers, dripping": endlessly(OK, b"X: a\r\n", pause_s=0.02),
    "a header, dripping": endlessly(OK + b"X: ", b"a", pause_s=0.02),
    "headers, flooding": endlessly(OK, b"X: a\r\n" * 999),
    "a header, flooding": endlessly(OK + b"X: ", b"a" * 65_536),
    "a status line, flooding": endlessly(b"HTTP/1.1 200 ", b"O" * 65_536),
    "100 Continue, dripping": endlessly(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause_s=0.02),
    "100 Continue, flooding": endlessly(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 999),
    "103 Early Hints, flooding": endlessly(b"", b"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n" * 999),
    "chunk size, dripping": endlessly(CHUNKED, b"0", pause_s=0.02),
    "chunk size, flooding": endlessly(CHUNKED, b"0" * 65_536),
    "chunk extension, flooding": endlessly(CHUNKED + b"5;", b"a" * 65_536),
    "tiny chunks, flooding": endlessly(CHUNKED, b"1\r\n \r\n" * 9999),
    "empty lines, flooding": endlessly(CHUNKED, b"\r\n" * 9999),
    "trailers, dripping": endlessly(CHUNKED + b"0\r\n", b"X: a\r\n", pause_s=0.02),
    "trailers, flooding": endlessly(CHUNKED + b"0\r\n", b"X: a\r\n" * 999),
    "body, dripping": endlessly(OK + b"Content-Length: 999\r\n\r\n", b" ", pause_s=0.02),
    "body, flooding": endlessly(OK + b"\r\n", b" " * 65_536),
    "error page, flooding": endlessly(b"HTTP/1.1 500 Oops\r\n\r\n", b"<html>" * 9999),
    # Larger than they look
    "a length of petabytes": saying(OK + b"Content-Length: 9999999999999999\r\n\r\n["),
    "gzip bomb": _whole(BOMB, b"Content-Encoding: gzip\r\n"),
    "gzip bomb in gzip": _whole(gzip.compress(BOMB), b"Content-Encoding: gzip, gzip\r\n"),
    "deflate bomb": _whole(zlib.compress(bytes(20 << 20)), b"Content-Encoding: deflate\r\n"),
    "endless gzip": endlessly(
        OK + b"Content-Encoding: gzip\r\n\r\n" + BOMB[:10], b"\0\0\0\xff\xff" * 9999
    ),
    # Contradictory, or not HTTP
    "a negative length": saying(OK + b"Content-Length: -5\r\n\r\n[]"),
    "a length that is not a number": saying(OK + b"Content-Length: two\r\n\r\n[]"),
    "two lengths": saying(OK + b"Content-Length: 2\r\nContent-Length: 9\r\n\r\n[]"),
    "a negative chunk": saying(CHUNKED + b"-5\r\n[]\r\n0\r\n\r\n"),
    "a chunk size that is not a number": saying(CHUNKED + b"zz" + ESCAPES + b"\r\n[]\r\n"),
    "not compressed": _whole(b"[]", b"Content-Encoding: gzip\r\n"),
    "an unknown encoding": _whole(b"[]", b"Content-Encoding: \x1b[31mbr\r\n"),
    "another protocol": saying(b"SSH-2.0-OpenSSH \x1b[31m\r\n"),
    "TLS": saying(b"\x15\x03\x01\x00\x02\x02\x46"),
    "HTTP/0.9": saying(b"[]"),
    "a status that is not a number": saying(b"HTTP/1.1 \x1b[31m OK\r\n\r\n[]"),
    "a status of 999": saying(b"HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\n[]"),
    "switching protocols": saying(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n" + ESCAPES),
    "no content": saying(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "cut off in a chunk": _closing_at_random,
    "cut off in the head": saying(b"HTTP/1.1 200 O"),
    "garbage between answers": _garbage_between,
    "redirects": _redirecting,
    "headers with escapes": saying(OK + b"X-" + ESCAPES + b": " + ESCAPES + b"\r\n\r\n" + ESCAPES),
    # Valid HTTP with harmful content
    "the request": _echoing,
    "escapes": _whole(ESCAPES),
    "escapes as an error": _whole(ESCAPES, status=b"500 Oops"),
    "escapes in JSON": _whole(b'{"error": "\\u001b[1m\\ud800\\u202e"}', status=b"500 O"),
    "escapes in ids": _whole(_trial(trialJobId=["\x1b[31m"])),
    "a web page": _whole(b"<!doctype html><html>" + b"a" * 9999),
    "a login page": _whole(b"<html><form action='?token=s3cr3t-t0k3n'>", status=b"403 No"),
    "deep JSON": _whole(b"[" * 100_000),
    "deep JSON as an error": _whole(b'{"error":' * 9999, status=b"500 Oops"),
    "a number of 10,000 digits": _whole(b"[" + b"9" * 10_000 + b"]"),
    "a word of 900 KB": _whole(_trial(status=["a" * 900_000])),
    "an error of 900 KB": _whole(json.dumps({"error": "a" * 900_000}).encode(), status=b"500 Oops"),
    "UTF-16": _whole('[{"a": 1}]'.encode("utf-16")),
    "NaN": _whole(_trial(sequenceId=float("nan"))),
    "null": _whole(b"null"),
}  # fmt: skip
CALLS: dict[str, Callable[[str], object]] = {
    "trials": lambda endpoint: _client(endpoint).list_trial_jobs(),
    "log": lambda endpoint: _client(endpoint).get_log_file("nnimanager.log"),
    "poll": lambda endpoint: _client(endpoint).poll_status(LIMIT_S),
    "connect": lambda endpoint: Experiment(
        timeouts=_TIMEOUTS, max_answer_bytes=MOST_BYTES, headers=_HEADERS
    ).connect_experiment(endpoint),
}


def _client(endpoint: str) -> ManagerClient:
    return ManagerClient(
        Connection(endpoint, timeouts=_TIMEOUTS, max_answer_bytes=MOST_BYTES, headers=_HEADERS)
    )


def test_there_are_many_hostile_answers() -> None:
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
@pytest.mark.parametrize("answer", HOSTILE.values(), ids=list(HOSTILE))
@pytest.mark.timeout(30)
def test_a_hostile_answer_is_limited_in_time_and_memory_and_not_shown_raw(
    answer: Answer, call: Callable[[str], object]
) -> None:
    """Each caused a hang, a MemoryError, a bare error, or bytes and secrets on the terminal."""
    shown = ""
    with raw_server(answer) as endpoint:
        tracemalloc.start()
        try:
            with suppress(NnicliError):
                try:
                    call(endpoint)
                except NnicliError as error:
                    shown = f"{error}{error!r}"
                    raise
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # Three times the caller's limit, for text, JSON and the error, and what the libraries need.
    assert peak < 12 * MOST_BYTES
    assert len(shown) < 6000
    assert shown.replace("\n", "").isprintable()
    assert SECRET not in shown
    assert "<html" not in shown.lower()
