"""The `node` of a fake installation.

`python __main__.py NNI_NODE_DIRECTORY [node options] main.js [flags]`
"""

from __future__ import annotations

import fcntl
import json
import sys
import threading
from pathlib import Path

# Run as a script by a Python that may not have nnicli installed.
sys.path[0] = str(Path(__file__).parents[3])

from nnicli.testing.behaviour import Behaviour  # noqa: E402 - needs the path above
from nnicli.testing.fake_node.command_line import (  # noqa: E402
    Arguments,
    CommandLineError,
    parse_arguments,
)
from nnicli.testing.fake_node.manager import Manager  # noqa: E402
from nnicli.testing.fake_node.releases import Release, release_for  # noqa: E402
from nnicli.testing.fake_node.server import ManagerServer  # noqa: E402

_LISTEN_POLL_S = 0.02

# The version that the node.js of NNI 3.0 prints.
_NODE_VERSION = "v18.15.0"


def main(nni_node: Path, argv: list[str]) -> int:
    """Run the manager until it is stopped, and return its exit code."""
    if argv == ["--version"]:
        sys.stdout.write(f"{_NODE_VERSION}\n")
        return 0
    behaviour = Behaviour.from_json(json.loads((nni_node / "behaviour.json").read_text("utf-8")))
    behaviour = behaviour.at_start(_count_start(nni_node / "starts"))
    version = json.loads((nni_node / "package.json").read_text("utf-8"))["version"]
    release = release_for(version)
    try:
        arguments = parse_arguments(argv, release)
    except CommandLineError as error:
        return _fail(str(error), 1)
    if behaviour.exits_before_ready is not None:
        early = behaviour.exits_before_ready
        return _fail(early.stderr, early.returncode)
    if behaviour.steals_port:
        return _fail(_port_in_use(arguments.port), 1)
    return _serve(arguments, release, behaviour, nni_node, version)


def _serve(
    arguments: Arguments, release: Release, behaviour: Behaviour, nni_node: Path, version: str
) -> int:
    manager = Manager(arguments, release, behaviour, version=version)
    if arguments.action != "create" and manager.journal.newest_profile() is None:
        manager.shut_down()
        return _fail(
            f"Error: experiment {arguments.experiment_id} not found; cannot {arguments.action} it",
            1,
        )
    try:
        server = ManagerServer(manager, requests_file=nni_node / "requests")
    except OSError:
        manager.shut_down()
        return _fail(_port_in_use(arguments.port), 1)
    listener = threading.Thread(target=server.serve_forever, args=(_LISTEN_POLL_S,))
    listener.start()
    manager.run()
    server.shutdown()
    server.socket.close()
    returncode = manager.shut_down()
    server.server_close()
    return returncode


def _count_start(path: Path) -> int:
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(".")
        file.flush()
        return path.stat().st_size


def _port_in_use(port: int) -> str:
    return f"Error: listen EADDRINUSE: address already in use :::{port}\n"


def _fail(text: str, returncode: int) -> int:
    sys.stderr.write(text)
    return returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
