"""A process that writes to a registry, either as nnicli does or as NNI's Python does."""

from __future__ import annotations

import glob
import json
import os
import sys
import time
from pathlib import Path

from nnicli.store import Registry

_STALE_S = 2.0


def write_as_nnicli(path: Path, exp_id: str) -> None:
    """Add an entry."""
    Registry(path).ensure(exp_id, {"id": exp_id, "pid": os.getpid(), "status": "INITIALIZED"})


def write_as_nni(path: Path, exp_id: str) -> None:
    """Add an entry: check for locks, make one, truncate the file and rewrite it."""
    own = Path(f"{path}.lock.{os.getpid()}")
    while True:
        if not any(_is_fresh(lock) for lock in glob.glob(f"{path}.lock.*")):  # noqa: PTH207 - as NNI
            try:
                os.close(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
                break
            except FileExistsError:
                pass
        time.sleep(0.01)
    try:
        entries = json.loads(path.read_text("utf-8"))
        entries[exp_id] = {"id": exp_id, "status": "INITIALIZED"}
        with path.open("w", encoding="utf-8") as file:
            json.dump(entries, file, indent=4)
    finally:
        own.unlink()


def _is_fresh(lock: str) -> bool:
    try:
        return time.time() - Path(lock).stat().st_mtime < _STALE_S
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    kind, registry, prefix, count = sys.argv[1:]
    write = {"nnicli": write_as_nnicli, "nni": write_as_nni}[kind]
    for number in range(int(count)):
        write(Path(registry), f"{prefix}{number}")
