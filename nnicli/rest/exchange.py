"""Connections on which a request and its whole answer have one deadline and a bounded head.

The read timeout of requests, urllib3 and http.client starts again with every byte that arrives, so
a server that sends a byte a second is waited for without end. Here the socket's timeout is what is
left of the exchange, set before each read and each send. It reaches every phase that reads: the
answer of a proxy to CONNECT, status lines, `100 Continue`, headers, chunk sizes, trailers, bodies.
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
    """The status line, the headers and what came before them do not end."""


class _Exchange:
    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.head_bytes = 0
        self.is_head_read = False

    def limit(self, sock: socket.socket) -> None:
        """Give the next operation on a socket the time that is left."""
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
    """Do one request by a deadline; once its headers have come, say so by `is_head_read`."""
    one = _Exchange(deadline)
    token = _current.set(one)
    try:
        yield one
    finally:
        _current.reset(token)


class _Reader(io.RawIOBase):
    """What a socket receives during the current exchange."""

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
        # http.client counts on it: a socket lives until its last file is closed.
        self._received.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock))


class _Connection:
    """What is put before a connection class of urllib3."""

    sock: socket.socket | None
    response_class = _Response

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]  # that of urllib3's class
        if self.sock is not None:
            # The limit for the connection is not meant for what is sent over it.
            _current.get().limit(self.sock)

    def request(self, *args: Any, **options: Any) -> None:
        if self.sock is not None:
            # It was used before, and has what that exchange left.
            _current.get().limit(self.sock)
        super().request(*args, **options)  # type: ignore[misc]  # that of urllib3's class


@cache
def _pool_class(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    connection = pool.ConnectionCls
    bounded = type(connection.__name__, (_Connection, connection), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": bounded})


class Adapter(requests.adapters.HTTPAdapter):
    """Requests over such connections, whether directly or through whichever proxy."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Prepare for direct connections."""
        super().init_poolmanager(*args, **options)
        _bound(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        """Return what makes the connections through a proxy."""
        manager = super().proxy_manager_for(*args, **options)
        _bound(manager)
        return manager


def _bound(manager: Any) -> None:
    # A SOCKS proxy has classes of its own, so each is extended and none replaced.
    manager.pool_classes_by_scheme = {
        scheme: pool if issubclass(pool.ConnectionCls, _Connection) else _pool_class(pool)
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }
