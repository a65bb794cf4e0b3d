"""Servers on raw sockets, which send what no HTTP library would."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

Answer = Callable[[socket.socket], None]


@contextmanager
def raw_server(answer: Answer) -> Iterator[str]:
    """Yield the endpoint of a server that runs a function for each connection, in a new thread.

    At the end connections are shut down, so that a function that sends forever gets an OSError.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        connections: list[socket.socket] = []
        threads: list[threading.Thread] = []

        def serve(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                answer(connection)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connections.append(connection)
                thread = threading.Thread(target=serve, args=(connection,))
                threads.append(thread)
                thread.start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()

        def end() -> None:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for connection in connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()

        stack.callback(end)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def saying(*pieces: bytes) -> Answer:
    """Answer with these bytes."""

    def answer(connection: socket.socket) -> None:
        connection.recv(65_536)
        for piece in pieces:
            connection.sendall(piece)

    return answer


def endlessly(start: bytes, piece: bytes, *, pause_s: float = 0.0) -> Answer:
    """Answer with `start`, then with `piece` forever, with a pause before each."""
    stopped = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(start)
        while not stopped.wait(pause_s):
            connection.sendall(piece)

    return answer
