"""TCP ports on this machine: finding free ones, finding a holder, reserving one for a start."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psutil

from nnicli.errors import InvalidValueError, LaunchError, PortInUseError, ProcessIdentity
from nnicli.launcher.process import identify
from nnicli.units import to_whole

FIRST_PORT = 8080
"""Where the search for a free port begins: NNI's default."""

_LOWEST, _HIGHEST = 1025, 65_535
_LOOPBACK = "127.0.0.1"
_LOOPBACK_TIMEOUT_S = 5.0


def check_port(port: object) -> int:
    """Return the port as a number, also if it is text.

    Raises:
        InvalidValueError: It is not an integer from 1025 to 65535; managers refuse lower ones.
    """
    number = to_whole(port)
    if number is None or not _LOWEST <= number <= _HIGHEST:
        raise InvalidValueError(
            f"port: {port!r} is not allowed; allowed: an integer from {_LOWEST} to {_HIGHEST}",
            field="port",
            value=port,
        ).with_advice(
            f"None is the first free port from {FIRST_PORT}",
            shell=f"without --port it is the first free port from {FIRST_PORT}",
        )
    return number


def is_free(port: int) -> bool:
    """Return whether a manager could listen on this port right now."""
    with ExitStack() as stack:
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104 - what node binds
            try:
                probe = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
                # As node sets it; without it a port in TIME_WAIT would look busy.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((address, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return False
                if family == socket.AF_INET:
                    raise
                # This machine has no IPv6.
    return True


def check_loopback() -> None:
    """Refuse a machine on which 127.0.0.1 is not reachable.

    Raises:
        LaunchError: The loopback interface does not work.
    """
    try:
        with (
            socket.create_server((_LOOPBACK, 0)) as server,
            socket.create_connection(server.getsockname(), timeout=_LOOPBACK_TIMEOUT_S),
        ):
            pass
    except OSError as error:
        raise LaunchError(
            f"{_LOOPBACK} is not reachable ({error.strerror or error}), and nnicli needs it to "
            "connect to the managers that it starts; bring the loopback interface up: "
            "ip link set lo up"
        ) from error


def find_listener(port: int) -> ProcessIdentity | None:
    """Return the process that listens on a port, None if unknown."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        # macOS shows the sockets of other processes only to root.
        return None
    for connection in connections:
        if _is_listening(connection, port) and connection.pid is not None:
            return identify(connection.pid)
    return None


def listens(pid: int, port: int) -> bool | None:
    """Return whether this process listens on this port, None if unknown."""
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return None
    return any(_is_listening(connection, port) for connection in connections)


def _is_listening(connection: Any, port: int) -> bool:
    # psutil types the address of an unbound socket as an empty tuple.
    return bool(connection.status == psutil.CONN_LISTEN and connection.laddr.port == port)


def port_in_use_error(port: int) -> PortInUseError:
    """Return the error that names the process that holds the port."""
    owner = find_listener(port)
    holder = "another process" if owner is None else str(owner)
    return PortInUseError(
        f"port {port} is already in use by {holder}; stop it, or pass another port",
        port=port,
        owner=owner,
    )


@contextmanager
def reserve(port: int) -> Iterator[bool]:
    """Keep other nnicli processes off a port while a manager is started on it.

    Yields whether the port was free and could be reserved. A socket in the kernel's abstract
    namespace needs no file and vanishes with its process, however that ends. On systems without
    such sockets, a start that loses the race notices it by its manager and takes the next port.
    """
    with ExitStack() as stack:
        if os.uname().sysname == "Linux":
            token = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            try:
                token.bind(f"\0nnicli-port-{port}")
            except OSError:
                yield False
                return
        yield is_free(port)


def candidates(port: int) -> Iterator[int]:
    """Return the ports to try: only the given one, or for 0 all from the default on."""
    return iter((port,)) if port else iter(range(FIRST_PORT, _HIGHEST + 1))
