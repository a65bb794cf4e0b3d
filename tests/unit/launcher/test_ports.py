from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from nnicli.errors import InvalidValueError
from nnicli.launcher import ports


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


@pytest.mark.parametrize("port", [1025, 8080, 65_535, "9001"])
def test_allowed_ports(port: int | str) -> None:
    """NNI's own nnicli took digits as text."""
    assert ports.check_port(port) == int(port)


@pytest.mark.parametrize("port", [0, 80, 1024, 65_536, -1, True, " 8080", "+8080", 8080.0])
def test_other_ports_are_refused_and_the_range_is_named(port: Any) -> None:
    with pytest.raises(InvalidValueError, match="an integer from 1025 to 65535") as caught:
        ports.check_port(port)

    assert caught.value.field == "port"
    assert caught.value.value == port


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_port_is_busy_on_whatever_address_it_is_used(
    host: str, free_port: Callable[[], int]
) -> None:
    port = free_port()

    with _listen(host, port):
        assert not ports.is_free(port)
    assert ports.is_free(port)


def test_a_port_in_time_wait_is_free(free_port: Callable[[], int]) -> None:
    """Right after a stop the manager's connections linger there; node binds nevertheless."""
    port = free_port()
    with _listen("127.0.0.1", port) as server, socket.create_connection(("127.0.0.1", port)):
        connection, _ = server.accept()
        connection.close()

    assert ports.is_free(port)


def test_the_error_names_the_holder(free_port: Callable[[], int]) -> None:
    port = free_port()
    with _listen("0.0.0.0", port):
        error = ports.port_in_use_error(port)

    assert error.port == port
    assert error.owner is not None
    assert error.owner.pid == os.getpid()
    assert f"port {port} is already in use by pid {os.getpid()} (" in str(error)
    assert "stop it, or pass another port" in str(error)


def test_whether_a_process_listens_on_a_port(free_port: Callable[[], int]) -> None:
    port, other = free_port(), free_port()
    with _listen("::", port):
        assert ports.listens(os.getpid(), port)
        assert not ports.listens(os.getpid(), other)


def test_a_reserved_port_is_kept_from_other_processes(free_port: Callable[[], int]) -> None:
    port = free_port()
    code = (
        f"from nnicli.launcher import ports\nwith ports.reserve({port}) as is_ours: print(is_ours)"
    )

    def ask_another_process() -> str:
        argv = [sys.executable, "-c", code]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    with ports.reserve(port) as is_ours:
        assert is_ours
        assert ask_another_process() == "False"
    assert ask_another_process() == "True"


def test_a_busy_port_cannot_be_reserved(free_port: Callable[[], int]) -> None:
    port = free_port()
    with _listen("0.0.0.0", port), ports.reserve(port) as is_ours:
        assert not is_ours
