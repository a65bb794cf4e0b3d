"""A clean environment for every test: its own HOME, no proxies, nothing of an outer NNI."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

# What it asserts is explained only if it is registered before its import.
pytest.register_assert_rewrite("tests.contract.contract")

_INHERITED = ("proxy", "nni_", "nnicli_", "virtual_env", "pythonpath")


@pytest.fixture(scope="session", autouse=True)
def heed_ctrl_c() -> None:
    """Let children end on Ctrl-C also where a shell runs the tests in its background.

    There SIGINT is ignored, and children inherit that.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a HOME of its own and take away what would leak in from outside."""
    for name in tuple(os.environ):
        if any(word in name.lower() for word in _INHERITED):
            monkeypatch.delenv(name)
    directory = tmp_path / "home"
    directory.mkdir()
    monkeypatch.setenv("HOME", str(directory))
    return directory


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Return a function that gives another free port, above those that nnicli tries by itself.

    The worker processes of one run draw from separate ranges, so they cannot meet.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    candidates = iter(range(21_000 + 2_000 * worker, 23_000 + 2_000 * worker))

    def draw() -> int:
        for port in candidates:
            with ExitStack() as stack:
                probe = stack.enter_context(socket.socket())
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("0.0.0.0", port))
                except OSError:
                    continue
                return port
        raise RuntimeError("no free port is left in this worker's range")

    return draw
