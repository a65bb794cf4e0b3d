"""The manager's side of NNI's registry of experiments."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

_STALE_S = 2.0
_TRIES = 100
_PAUSE_S = 0.05


class RegistryUnusableError(Exception):
    """The registry could not be used; the real manager logs this and continues."""


def registry_path() -> Path:
    """Return the registry's path in this HOME, wherever the experiments directory is."""
    return Path(os.environ["HOME"]) / "nni-experiments" / ".experiment"


def read_registry() -> dict[str, Any]:
    """Return all entries by experiment id.

    Raises:
        RegistryUnusableError: The file is missing or not a JSON object.
    """
    try:
        document = json.loads(registry_path().read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RegistryUnusableError(f"ENOENT or unreadable: {registry_path()}: {error}") from error
    if not isinstance(document, dict):
        raise RegistryUnusableError(f"{registry_path()} is not a JSON object")
    return document


def write_status(experiment_id: str, changes: dict[str, Any]) -> None:
    """Update this experiment's entry in place, following NNI's lock protocol.

    Raises:
        RegistryUnusableError: The entry or the registry is missing, or the lock could not be taken.
    """
    with _lock():
        entries = read_registry()
        if experiment_id not in entries:
            raise RegistryUnusableError(f"AssertionError: {experiment_id} is not registered")
        entries[experiment_id].update(changes)
        # The real manager also truncates and rewrites, so unlocked readers may see half a file.
        registry_path().write_text(json.dumps(entries, indent=4), "utf-8")


class RegistryWriter:
    """Writes changes in order on its own thread, so that requests never wait for the lock."""

    def __init__(self, experiment_id: str, *, on_fault: Callable[[str], None]) -> None:
        self._experiment_id = experiment_id
        self._on_fault = on_fault
        self._changes: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def write(self, **changes: Any) -> None:
        """Change the entry soon."""
        self._changes.put(changes)

    def finish(self) -> None:
        """Wait until everything is written."""
        self._changes.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (changes := self._changes.get()) is not None:
            try:
                write_status(self._experiment_id, changes)
            except RegistryUnusableError as fault:
                self._on_fault(str(fault))


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    path = registry_path()
    own = path.with_name(f"{path.name}.lock.{os.getpid()}")
    for _ in range(_TRIES):
        if not _is_held(path):
            break
        time.sleep(_PAUSE_S)
    else:
        raise RegistryUnusableError(f"could not acquire the lock of {path}")
    try:
        os.close(os.open(own, os.O_CREAT | os.O_EXCL))
    except OSError as error:
        raise RegistryUnusableError(str(error)) from error
    try:
        yield
    finally:
        own.unlink(missing_ok=True)


def _is_held(path: Path) -> bool:
    for lock in path.parent.glob(f"{path.name}.lock.*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - lock.stat().st_mtime < _STALE_S:
                return True
    return False
