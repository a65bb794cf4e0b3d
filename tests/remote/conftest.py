"""An OpenSSH server on loopback for each test."""

from __future__ import annotations

import fcntl
import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from nnicli.waiting import Deadline, poll_until

# Debian does not have it on users' PATH.
SSHD = shutil.which("sshd", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin")))
INSTALL_HINT = "sshd not found; install the OpenSSH server (Debian: openssh-server)"
FAR_DIRECTORY = Path("/tmp/nni-experiments")
"""Where the managers before 3.0 keep an experiment's files on the other machine."""
# Required by a server started by root.
_RUNTIME = Path("/run/sshd")
# The managers of 1.x and 2.0 use SSH as of 2020: their signatures use SHA-1.
_CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
PidFile {directory}/sshd.pid
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/user_key.pub
HostKeyAlgorithms +ssh-rsa
PubkeyAcceptedAlgorithms +ssh-rsa
KexAlgorithms +diffie-hellman-group14-sha1
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
Subsystem sftp internal-sftp
SetEnv PATH={path} HOME={directory}/home
"""


@dataclass(frozen=True)
class Machine:
    """A machine reached over SSH, which is in fact this one.

    Attributes:
        port: Port of its SSH server.
        user: User who can log in.
        key: The user's private key.
    """

    port: int
    user: str
    key: Path


@pytest.fixture
def system_directories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Create the directory that a root server needs, and remove what did not exist before.

    Only one such test runs at a time, so that none removes what another uses.
    """
    with (tmp_path_factory.getbasetemp().parent / "sshd.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        new = [directory for directory in (_RUNTIME, FAR_DIRECTORY) if not directory.exists()]
        if os.geteuid() == 0:
            _RUNTIME.mkdir(mode=0o755, exist_ok=True)
        yield
        for directory in new:
            with suppress(OSError):
                directory.rmdir()


@pytest.fixture
def start_machine(
    system_directories: None,  # noqa: ARG001 - they must exist first
    tmp_path: Path,
    free_port: Callable[[], int],
) -> Iterator[Callable[[Path], Machine]]:
    """Return a function that starts a machine whose `python3` is from an environment."""
    servers: list[subprocess.Popen[bytes]] = []

    def start(environment: Path) -> Machine:
        directory, port = tmp_path / "ssh", free_port()
        # A separate home: the user's shell start-up files would change PATH again.
        (directory / "home").mkdir(parents=True)
        for name in ("host_key", "user_key"):
            # Old managers cannot read other key formats.
            key = str(directory / name)
            command = ["ssh-keygen", "-q", "-t", "rsa", "-m", "PEM", "-N", "", "-f", key]
            subprocess.run(command, check=True)
        path = os.pathsep.join((str(environment / "bin"), os.defpath))
        # 1.9 runs trials in a login shell, which resets PATH to the system's.
        (directory / "home" / ".profile").write_text(f"export PATH='{path}'\n")
        config = directory / "sshd_config"
        config.write_text(_CONFIG.format(port=port, directory=directory, path=path))
        assert SSHD is not None, INSTALL_HINT
        log = directory / "sshd.log"
        servers.append(subprocess.Popen([SSHD, "-D", "-f", config, "-E", log]))
        deadline = Deadline(20)
        is_up = poll_until(lambda: _answers(port) or None, deadline=deadline, interval_s=0.05)
        assert is_up, log.read_text()
        return Machine(port, getpass.getuser(), directory / "user_key")

    yield start
    for server in servers:
        server.terminate()
        server.wait(20)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
