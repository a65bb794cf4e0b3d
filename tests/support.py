"""What several test folders need: the real manager, and a search for an experiment's remains."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil

from nnicli import Experiment
from nnicli.errors import ProcessIdentity
from nnicli.store import Registry

REAL_NNIS = tuple(
    os.path.abspath(place)  # noqa: PTH100 - a link to it stays one
    for place in os.environ.get("NNICLI_TEST_NNI", "").split(os.pathsep)
    if place
)
"""Virtual environments of real managers, read before the tests clean their environment."""

KILLS = int(os.environ.get("NNICLI_TEST_KILLS", "20"))
"""How often each test of a `kill -9` at a random moment kills."""


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that only waits for init to reap it does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill_manager(experiment: Experiment) -> None:
    """Kill an experiment's manager, but not while it writes NNI's registry.

    It truncates that file first, and would leave it empty (2.0 to 3.0).
    """
    process = experiment.process
    assert process is not None
    with Registry().undisturbed(10):
        os.kill(process.identity.pid, signal.SIGKILL)
    assert process.wait(60)


def leftovers(exp_id: str) -> list[ProcessIdentity]:
    """Return every live process of an experiment, found without any help of nnicli."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE or not _belongs(process, exp_id):
                continue
            argv = process.cmdline()
            found.append(ProcessIdentity(process.pid, process.create_time(), tuple(argv)))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def _belongs(process: psutil.Process, exp_id: str) -> bool:
    argv, environ = process.cmdline(), process.environ()
    if environ.get("NNI_EXP_ID") == exp_id:
        return True
    if exp_id in Path(environ.get("NNI_LOG_DIRECTORY", "")).parts:
        return True
    if not any(argument.endswith("main.js") for argument in argv):
        return False
    # A manager of 1.x is not told the id that it makes up.
    return exp_id in argv or any(exp_id in Path(one.path).parts for one in process.open_files())
