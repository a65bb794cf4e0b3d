"""What several test folders need: the real manager, and a search for an experiment's remains."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from nnicli.errors import ProcessIdentity

REAL_NNI = os.environ.get("NNICLI_TEST_NNI")
"""The virtual environment of the real manager, read before the tests clean their environment."""


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that only waits for init to reap it does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def leftovers(exp_id: str) -> list[ProcessIdentity]:
    """Return every live process of an experiment, found without any help of nnicli."""
    found = []
    for process in psutil.process_iter():
        try:
            argv, environ = process.cmdline(), process.environ()
            if process.status() == psutil.STATUS_ZOMBIE or not _belongs(argv, environ, exp_id):
                continue
            found.append(ProcessIdentity(process.pid, process.create_time(), tuple(argv)))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def _belongs(argv: list[str], environ: dict[str, str], exp_id: str) -> bool:
    log_directory = environ.get("NNI_LOG_DIRECTORY", "")
    return (
        environ.get("NNI_EXP_ID") == exp_id
        or exp_id in Path(log_directory).parts
        or ("--experiment-id" in argv and exp_id in argv)
    )
