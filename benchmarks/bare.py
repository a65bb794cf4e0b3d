"""The lower bound: a manager started and stopped over a bare socket, with no other work."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import string
import subprocess
import time
from pathlib import Path
from typing import Any

from nnicli import NniInstallation


class BareManager:
    """Spawn, poll until ready, POST; without validation, registry lock or any checks."""

    def __init__(self, installation: NniInstallation, home: Path, port: int) -> None:
        self.exp_id = "b" + "".join(random.sample(string.ascii_lowercase, 7))
        self.port = port
        self._installation = installation
        self._home = home
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, document: dict[str, Any]) -> float:
        """Return the seconds from before the spawn until the POST is answered."""
        started = time.perf_counter()
        node, entry = self._installation.node, self._installation.entry
        directory = self._home / "nni-experiments"
        directory.mkdir(exist_ok=True)
        self._register(directory / ".experiment")
        argv = (
            f"--port {self.port} --experiment-id {self.exp_id} --action create "
            "--log-level info --python-interpreter python3"
        ).split()
        self._child = subprocess.Popen(
            [node, entry, *argv, "--experiments-directory", directory],
            cwd=entry.parent,
            env={
                **os.environ,
                "PATH": f"{self._installation.bin_directory}:{os.environ['PATH']}",
                "no_proxy": "localhost,127.0.0.1",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while not self.is_ready():
            time.sleep(0.01)
        self.request("POST", "/experiment", document)
        return time.perf_counter() - started

    def _register(self, path: Path) -> None:
        entries = json.loads(path.read_text()) if path.exists() else {}
        entries[self.exp_id] = {"id": self.exp_id, "port": self.port, "status": "INITIALIZED"}
        path.write_text(json.dumps(entries))

    def is_ready(self) -> bool:
        try:
            return self.request("GET", "/check-status").startswith(b"{")
        except OSError:
            return False

    def request(self, method: str, path: str, body: object = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Content-Type": "application/json", "Connection": "close"}
        data = None if body is None else json.dumps(body)
        connection.request(method, "/api/v1/nni" + path, data, headers)
        answer = connection.getresponse().read()
        connection.close()
        return answer

    def stop(self) -> float:
        """Stop the manager; return the seconds until its process is gone."""
        assert self._child is not None
        started = time.perf_counter()
        self.request("DELETE", "/experiment")
        self._child.wait(65)
        taken = time.perf_counter() - started
        self.kill()
        return taken

    def kill(self) -> None:
        assert self._child is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
