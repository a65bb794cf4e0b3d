"""Connections with one deadline for a request and its answer, and a limit for the headers.

The read timeout of requests, urllib3 and http.client starts again with every byte that arrives, so
a server that sends one byte per second is waited for forever. Here the socket's timeout is the time
left for the exchange, set before each read and each send. It covers every phase: the answer of a
proxy to CONNECT, status lines, `100 Continue`, headers, chunk sizes, trailers, bodies.
"""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import requests.adapters
from urllib3.connectionpool import HTTPConnectionPool

from nnicli.waiting import Deadline

# NNI's managers send less than 1 KB, and node itself refuses heads of more than 16 KB.
_MOST_HEAD_BYTES = 1 << 18


class HeadTooLargeError(Exception):
    """The status line, the headers and what precedes them are too long."""


class _Exchange:
    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.head_bytes = 0
        self.is_head_read = False

    def limit(self, sock: socket.socket) -> None:
        """Limit the next operation on a socket to the time left."""
        if self.deadline.expired:
            raise TimeoutError("the answer was not complete in time")
        sock.settimeout(self.deadline.remaining_s)

    def count(self, number: int) -> None:
        if self.is_head_read:
            return
        self.head_bytes += number
        if self.head_bytes > _MOST_HEAD_BYTES:
            raise HeadTooLargeError(f"headers of more than {_MOST_HEAD_BYTES >> 10} KB")


_current: ContextVar[_Exchange] = ContextVar("exchange")


@contextmanager
def exchange(deadline: Deadline) -> Iterator[_Exchange]:
    """Do one request by a deadline; set `is_head_read` once its headers have arrived."""
    one = _Exchange(deadline)
    token = _current.set(one)
    try:
        yield one
    finally:
        _current.reset(token)


class _Reader(io.RawIOBase):
    """The bytes that a socket receives during the current exchange."""

    def __init__(self, received: io.RawIOBase, sock: socket.socket) -> None:
        self._received = received
        self._socket = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        one = _current.get()
        one.limit(self._socket)
        number = self._received.readinto(buffer)
        one.count(number or 0)
        return number

    def close(self) -> None:
        # http.client relies on it: a socket stays open until its last file is closed.
        self._received.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock))


class _Connection:
    """A mixin for the connection classes of urllib3."""

    sock: socket.socket | None
    response_class = _Response

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]  # in urllib3's class
        if self.sock is not None:
            # The timeout for connecting does not apply to what is sent.
            _current.get().limit(self.sock)

    def request(self, *args: Any, **options: Any) -> None:
        if self.sock is not None:
            # A used connection still has the timeout of its last exchange.
            _current.get().limit(self.sock)
        super().request(*args, **options)  # type: ignore[misc]  # in urllib3's class


@cache
def _pool_class(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    connection = pool.ConnectionCls
    bounded = type(connection.__name__, (_Connection, connection), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": bounded})


class Adapter(requests.adapters.HTTPAdapter):
    """Sends requests over such connections, directly or through any proxy."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Prepare direct connections."""
        super().init_poolmanager(*args, **options)
        _bound(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        """Return the manager of connections through a proxy."""
        manager = super().proxy_manager_for(*args, **options)
        _bound(manager)
        return manager


def _bound(manager: Any) -> None:
    # A SOCKS proxy uses other classes, so each is extended rather than replaced.
    manager.pool_classes_by_scheme = {
        scheme: pool if issubclass(pool.ConnectionCls, _Connection) else _pool_class(pool)
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }
