"""A clean environment for every test: its own HOME, no proxies, nothing of an outer NNI."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from nnicli import versions

# What it asserts is explained only if it is registered before its import.
pytest.register_assert_rewrite("tests.contract.contract", "tests.contract.endings")

_INHERITED = ("proxy", "nni_", "nnicli_", "virtual_env", "pythonpath")


@pytest.fixture(scope="session", autouse=True)
def heed_signals() -> None:
    """Let children end on Ctrl-C and hang-ups also where whoever runs the tests ignores them.

    A shell's background ignores SIGINT, nohup SIGHUP, and children inherit that.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


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


@pytest.fixture(autouse=True)
def nothing_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test see the warning about a newer release, which comes once a process."""
    monkeypatch.setattr(versions, "_reported", set())


@pytest.fixture
def free_port() -> Iterator[Callable[[], int]]:
    """Return a function that gives another free port, above those that nnicli tries by itself.

    No other test gets it meanwhile, in whichever process or run of the tests: each port has a
    socket in the kernel's abstract name space, which Linux alone has, for as long as it is taken.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    candidates = iter(range(21_000 + 1_000 * worker, 32_000))

    with ExitStack() as taken:

        def draw() -> int:
            for port in candidates:
                token = taken.enter_context(socket.socket(socket.AF_UNIX))
                if os.uname().sysname == "Linux" and not _can_bind(
                    token, f"\0nnicli-test-port-{port}"
                ):
                    continue
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    if _can_bind(probe, ("0.0.0.0", port)):
                        return port
            raise RuntimeError("no free port is left")

        yield draw


def _can_bind(token: socket.socket, address: str | tuple[str, int]) -> bool:
    try:
        token.bind(address)
    except OSError:
        return False
    return True
