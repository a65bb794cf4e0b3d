"""The HTTP side of the fake manager, faults included."""

from __future__ import annotations

import os
import socket
import struct
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from nnicli.testing.fake_node.manager import Manager, NeverAnsweredError
from nnicli.testing.fake_node.routes import WEB_PAGE, Reply, Request, answer

_ROOT = "/api/v1/nni"


class ManagerServer(ThreadingMixIn, HTTPServer):
    """Serves a manager on one port of all interfaces, as NNI does.

    Closing waits for idle connections, up to their keep-alive timeout.
    """

    def __init__(self, manager: Manager, *, requests_file: Path) -> None:
        """Bind the port; raises OSError if it is in use."""
        super().__init__(("", manager.arguments.port), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = _listen(manager.arguments.port)
        self.manager = manager
        self.requests_file = requests_file
        self.ready_at = time.monotonic() + manager.behaviour.ready_delay_s

    @property
    def is_ready(self) -> bool:
        """Whether the router is mounted."""
        behaviour = self.manager.behaviour
        return not behaviour.never_ready and time.monotonic() >= self.ready_at

    def handle_error(self, _request: object, _client_address: object) -> None:
        """Ignore clients that hang up."""


def _listen(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        address = ("::", port)
        return socket.create_server(address, family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An idle connection is closed after 5 s, as node.js does.
    timeout = 5.0
    # Head and body are written separately; otherwise the body waits for the client's delayed ACK.
    disable_nagle_algorithm = True
    server: ManagerServer

    def handle_one_request(self) -> None:
        # Clients may reset their connections.
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, _format: str, *_args: Any) -> None:
        """Do not write an access log."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        with self.server.requests_file.open("a", encoding="utf-8") as file:
            file.write(f"{self.command} {self.path}\n")
        prefix = self.server.manager.arguments.url_prefix
        root = f"/{prefix}" if prefix else ""
        url = urlsplit(self.path)
        if not url.path.startswith(f"{root}/"):
            self._send(Reply(f'Outside prefix "{root}"'.encode(), 404, "text/plain"))
            return
        path = url.path.removeprefix(root)
        if not path.startswith(f"{_ROOT}/"):
            self._send(self._static(path))
            return
        request = Request(self.command, path.removeprefix(_ROOT), dict(parse_qsl(url.query)), body)
        self._serve_api(request)

    def _serve_api(self, request: Request) -> None:
        manager = self.server.manager
        route = f"{request.method} {request.path}"
        behaviour = manager.behaviour
        if route.startswith(behaviour.resets):
            self._reset()
        elif route.startswith(behaviour.never_answers):
            self._never_answer()
        elif behaviour.answers_html and route == "GET /check-status":
            self._send(Reply(WEB_PAGE.encode()))
        elif not self.server.is_ready:
            self._answer_too_early()
        else:
            self._answer(request, route)

    def _answer_too_early(self) -> None:
        # Older managers listen only when they can answer.
        if (
            self.server.manager.release.says_initializing
            or self.server.manager.behaviour.never_ready
        ):
            self._send(Reply(b"INITIALIZING", 200, "text/html; charset=utf-8"))
            return
        time.sleep(max(0.0, self.server.ready_at - time.monotonic()))
        self._reset()

    def _answer(self, request: Request, route: str) -> None:
        manager = self.server.manager
        try:
            with manager.lock:
                reply = answer(manager, request)
        except NeverAnsweredError:
            self._never_answer()
            return
        if route == "DELETE /experiment" and not self._may_answer_stop():
            return
        is_cut = route.startswith(manager.behaviour.truncates)
        self._send(reply, sent_bytes=len(reply.body) // 2 if is_cut else None)
        self._exit_if_due(route)

    def _may_answer_stop(self) -> bool:
        manager = self.server.manager
        if manager.release.answers_stop_at_once or manager.behaviour.hangs_on_stop:
            return True
        if manager.profile is None and manager.release.stop_before_post_drops:
            self._reset()
            return False
        manager.tuner_stopped.wait()
        return True

    def _exit_if_due(self, route: str) -> None:
        behaviour = self.server.manager.behaviour
        ends = {
            "GET /check-status": behaviour.exits_after_ready,
            "POST /experiment": behaviour.exits_after_post,
        }
        returncode = ends.get(route)
        if returncode is not None:
            # Node writes the registry in one go; here a thread may be writing it.
            self.server.manager.finish_registry()
            os._exit(returncode)

    def _send(self, reply: Reply, *, sent_bytes: int | None = None) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        body = reply.body if sent_bytes is None else reply.body[:sent_bytes]
        # Content-Length matches the truncated body, so only its JSON is broken.
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _static(self, path: str) -> Reply:
        name = path.removeprefix("/logs/")
        file = self.server.manager.root / "log" / name
        if name != path and "/" not in name and file.is_file():
            return Reply(file.read_bytes(), 200, "text/plain; charset=UTF-8")
        return Reply(WEB_PAGE.encode(), 200, "text/html; charset=UTF-8")

    def _never_answer(self) -> None:
        self.server.manager.stop_requested.wait()
        self.close_connection = True

    def _reset(self) -> None:
        # A linger time of zero makes closing send a reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
