"""NNI's registry of experiments, written by many processes at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnicli.store import Registry
from nnicli.testing.fake_node.registry import write_status
from tests.support import KILLS

CLEAN = {".experiment", ".nnicli.lock"}
WRITERS = Path(__file__).with_name("writers.py")
# Ends in the middle: the new file is written, and not yet in the old one's place.
DIES_IN_THE_MIDDLE = """
import os, signal, sys
from pathlib import Path
from nnicli.store import Registry
Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
Registry(Path(sys.argv[1])).ensure("late", {"id": "late", "pid": 1})
"""
# A thread forks while another one holds the lock; the child stays alive.
FORKS_WHILE_LOCKED = """
import os, sys
from pathlib import Path
from nnicli.store import Registry
from nnicli.store.locking import locked
path = Path(sys.argv[1])
end_of_parent, parent = os.pipe()
with locked(path, timeout_s=5):
    if os.fork() == 0:
        os.close(parent)
        os.read(end_of_parent, 1)
        os._exit(0)
Registry(path, lock_timeout_s=2).ensure("after", {"id": "after", "pid": 1})
"""


def start_writer(kind: str, path: Path, prefix: str, count: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, WRITERS, kind, path, prefix, str(count)])


def test_no_change_by_nnicli_is_lost(registry_path: Path) -> None:
    """nnictl, a manager and several nnicli write at once; NNI's lock is not reliable, ours is."""
    registry_path.write_text(json.dumps({"manager": {"id": "manager"}}))
    writers = [start_writer("nnicli", registry_path, f"ours{number}-", 6) for number in range(4)]
    writers.append(start_writer("nni", registry_path, "nni-", 12))

    # This process writes as the manager does, for as long as the others write.
    rounds = 0
    while any(writer.poll() is None for writer in writers):
        write_status("manager", {"status": f"round {rounds}"})
        rounds += 1
        time.sleep(0.02)

    assert [writer.returncode for writer in writers] == [0] * 5
    entries = Registry(registry_path).read()
    ours = {f"ours{number}-{entry}" for number in range(4) for entry in range(6)}
    assert ours <= set(entries)
    assert entries["manager"]["status"] == f"round {rounds - 1}"
    assert names_beside(registry_path) == CLEAN


def names_beside(registry_path: Path) -> set[str]:
    return {path.name for path in registry_path.parent.iterdir()}


def test_a_forked_child_does_not_keep_the_lock(registry_path: Path) -> None:
    """It also has the lock file open, as with multiprocessing, and may run for hours."""
    subprocess.run([sys.executable, "-c", FORKS_WHILE_LOCKED, registry_path], check=True)

    assert set(Registry(registry_path).read()) == {"after"}


def test_a_writer_killed_in_the_middle_leaves_a_whole_file(registry_path: Path) -> None:
    registry = Registry(registry_path)
    registry.ensure("early", {"id": "early", "pid": 1})

    killed = subprocess.run([sys.executable, "-c", DIES_IN_THE_MIDDLE, registry_path], check=False)

    assert killed.returncode == -signal.SIGKILL
    assert set(registry.read()) == {"early"}
    (lock,) = registry_path.parent.glob(".experiment.lock.*")
    long_ago = time.time() - 3
    os.utime(lock, (long_ago, long_ago))
    registry.ensure("next", {"id": "next", "pid": 1})
    assert set(registry.read()) == {"early", "next"}
    assert names_beside(registry_path) == CLEAN


def test_lock_files_of_nni_processes_are_left_alone(registry_path: Path) -> None:
    """A process that is only slow would fail if its lock file were gone."""
    lock = registry_path.with_name(".experiment.lock.4711")
    lock.touch()
    os.utime(lock, (0, 0))

    Registry(registry_path).ensure("next", {"id": "next", "pid": 1})

    assert names_beside(registry_path) == {*CLEAN, lock.name}


@pytest.mark.slow
@pytest.mark.timeout(60 + 2 * KILLS)
def test_writers_killed_at_any_moment_leave_a_whole_file(registry_path: Path) -> None:
    registry = Registry(registry_path)
    registry.ensure("early", {"id": "early", "pid": 1})
    for number in range(KILLS):
        writer = start_writer("nnicli", registry_path, f"killed{number}-", 1000)
        # Each a bit later; the first may not have begun to write.
        time.sleep(0.15 + 0.013 * (number % 16))
        writer.kill()
        writer.wait()
        for lock in registry_path.parent.glob(".experiment.lock.*"):
            os.utime(lock, (0, 0))

        assert "early" in json.loads(registry_path.read_text())

    registry.ensure("late", {"id": "late", "pid": 1})
    assert {"early", "late"} <= set(registry.read())
    # A process killed right after it made its lock file has left it empty.
    assert not [
        lock for lock in registry_path.parent.glob(".experiment.lock.*") if lock.read_bytes()
    ]
    assert names_beside(registry_path) >= CLEAN
