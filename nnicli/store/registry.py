"""NNI's registry of experiments, shared with nnictl and with every manager."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from nnicli.errors import RegistryError
from nnicli.waiting import Deadline, poll_until

try:
    import fcntl
except ImportError:  # Windows: NNI's own lock has to do.
    fcntl = None  # type: ignore[assignment]  # tested before each use

logger = logging.getLogger(__name__)

Entries = dict[str, dict[str, Any]]

# NNI takes a lock file older than this for one that a dead process has left.
_STALE_S = 2.0
_OWN_LOCK = ".nnicli.lock"
_LOCK_INTERVAL_S = 0.05
_LOCK_TIMEOUT_S = 15.0
# A manager truncates the file before it writes it anew, so a read may fall in between.
_SETTLE_S = 1.0
_SETTLE_INTERVAL_S = 0.02
# NNI's lock lets two writers in that come at the same moment; the later one wins.
_WRITES = 10
_VERIFY_AFTER_S = 0.005

# flock holds between open files, so it also keeps threads of one process apart.
_THREADS = threading.RLock()


class Registry:
    """The registry file of NNI 2.0 and later.

    Every change is made under NNI's own lock, and under one of nnicli's beside it, and replaces the
    file in one step. A file that cannot be understood is never written over.

    Args:
        path: The file; None: `~/nni-experiments/.experiment`, where every NNI keeps it, whatever
            folder its experiments are in.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or Path.home() / "nni-experiments" / ".experiment"

    def __repr__(self) -> str:
        return f"Registry({str(self.path)!r})"

    def read(self) -> Entries:
        """Return experiment id -> entry; empty without a file.

        Raises:
            RegistryError: The file cannot be read or understood.
        """
        deadline = Deadline(_SETTLE_S)
        failure: list[RegistryError] = []

        def probe() -> Entries | None:
            try:
                return self._parse()
            except RegistryError as error:
                failure[:] = [error]
                return None

        entries = poll_until(probe, deadline=deadline, interval_s=_SETTLE_INTERVAL_S)
        if entries is None:
            raise failure[0]
        return entries

    def get(self, exp_id: str) -> dict[str, Any] | None:
        """Return the entry of an experiment, None without one."""
        return self.read().get(exp_id)

    def ensure(self, entry: Mapping[str, Any]) -> None:
        """Write an entry under its `id`, and again if a writer at the same moment undid that.

        Raises:
            RegistryError: The file cannot be read, understood, locked or written.
        """
        exp_id, wanted = entry["id"], dict(entry)

        def is_there(entries: Entries) -> bool:
            found = entries.get(exp_id, {})
            # Its manager may have changed the status by now.
            return all(found.get(key) == wanted[key] for key in ("id", "pid") if key in wanted)

        self._change_until(lambda entries: entries.update({exp_id: dict(wanted)}), is_there)

    def update(self, exp_id: str, **fields: Any) -> None:
        """Change fields of an entry; one that is not there stays absent.

        Raises:
            RegistryError: The file cannot be read, understood, locked or written.
        """

        def change(entries: Entries) -> None:
            if exp_id in entries:
                entries[exp_id].update(fields)

        def is_there(entries: Entries) -> bool:
            return exp_id not in entries or fields.items() <= entries[exp_id].items()

        self._change_until(change, is_there)

    def remove(self, exp_id: str) -> None:
        """Take an entry away, if it is there.

        Raises:
            RegistryError: The file cannot be read, understood, locked or written.
        """
        self._change_until(
            lambda entries: entries.pop(exp_id, None), lambda entries: exp_id not in entries
        )

    @contextmanager
    def undisturbed(self, timeout_s: float) -> Iterator[None]:
        """Keep other writers out as far as that is to be had in time; go on all the same if not.

        For whoever has to kill a manager: it truncates this file before it writes it anew, and
        would take all entries with it if it died in between.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(self._locked(timeout_s))
            except RegistryError as error:
                logger.debug("going on without the registry's lock: %s", error)
            yield

    def _change_until(
        self, change: Callable[[Entries], object], is_done: Callable[[Entries], bool]
    ) -> None:
        for _ in range(_WRITES):
            with self._locked():
                entries = self.read()
                before = json.dumps(entries)
                change(entries)
                if json.dumps(entries) == before:
                    return
                self._replace(entries)
            time.sleep(_VERIFY_AFTER_S)
            if is_done(self.read()):
                return
            logger.debug("another writer undid a change of %s; it is made again", self.path)
        raise RegistryError(
            f"{self.path}: the change was undone {_WRITES} times by other writers; try again"
        )

    def _parse(self) -> Entries:
        try:
            text = self.path.read_text("utf-8")
        except FileNotFoundError:
            return {}
        except UnicodeDecodeError as error:
            raise self._corrupt("it is no UTF-8 text") from error
        except OSError as error:
            raise self._failure("read", error) from error
        try:
            entries = json.loads(text)
        except ValueError as error:
            raise self._corrupt(str(error)) from error
        if not isinstance(entries, dict) or not all(
            isinstance(entry, dict) for entry in entries.values()
        ):
            raise self._corrupt("it is no object of objects")
        return entries

    def _corrupt(self, reason: str) -> RegistryError:
        return RegistryError(
            f"NNI's registry of experiments {self.path} is damaged: {reason}. It was not touched; "
            "mend it, or move it away to begin a new one (the experiments' folders stay usable)"
        )

    def _failure(self, deed: str, error: OSError) -> RegistryError:
        return RegistryError(
            f"NNI's registry of experiments {self.path} cannot be {deed}: {error.strerror or error}"
        )

    def _replace(self, entries: Entries) -> None:
        """Write the file beside itself and rename it, so that no reader sees a part of it."""
        try:
            mode = self.path.stat().st_mode & 0o777 if self.path.exists() else 0o644
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=self.path.parent, prefix=".nnicli-", delete=False
            ) as file:
                try:
                    json.dump(entries, file, indent=4)
                    file.flush()
                    os.fchmod(file.fileno(), mode)
                    os.fsync(file.fileno())
                    Path(file.name).replace(self.path)
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise self._failure("written", error) from error

    @contextmanager
    def _locked(self, timeout_s: float = _LOCK_TIMEOUT_S) -> Iterator[None]:
        """Hold nnicli's lock, then NNI's."""
        deadline = Deadline(timeout_s)
        with ExitStack() as stack:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(_THREADS)
                stack.enter_context(self._own_lock(deadline))
                stack.enter_context(self._nni_lock(deadline))
            except OSError as error:
                if isinstance(error, RegistryError):
                    raise
                raise self._failure("locked", error) from error
            yield

    @contextmanager
    def _own_lock(self, deadline: Deadline) -> Iterator[None]:
        """Keep other nnicli processes out: NNI's lock alone has a hole.

        The lock file stays where it is, as deleting it would let two in. Its name does not match
        NNI's pattern. The folder itself would do on a local disk, but not on NFS.
        """
        if fcntl is None:
            yield
            return
        handle = os.open(self.path.parent / _OWN_LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:

            def attempt() -> bool | None:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return None
                return True

            if not poll_until(attempt, deadline=deadline, interval_s=_SETTLE_INTERVAL_S):
                raise RegistryError(
                    f"the lock {self.path.parent / _OWN_LOCK} was not to be had within "
                    f"{deadline.waited_s:.0f} s; another nnicli process holds it"
                )
            yield
        finally:
            os.close(handle)

    @contextmanager
    def _nni_lock(self, deadline: Deadline) -> Iterator[None]:
        """Hold a lock file of our own while no other process has a fresh one, as NNI wants it."""
        own = self.path.with_name(f"{self.path.name}.lock.{os.getpid()}")

        def attempt() -> bool | None:
            if any(age < _STALE_S for _, age in self._lock_files()):
                return None
            # What this process id had left, long ago, is stale by now.
            own.unlink(missing_ok=True)
            os.close(os.open(own, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
            return True

        if not poll_until(attempt, deadline=deadline, interval_s=_LOCK_INTERVAL_S):
            held = ", ".join(f"{path.name} ({age:.1f} s old)" for path, age in self._lock_files())
            raise RegistryError(
                f"the lock of {self.path} was not to be had within {deadline.waited_s:.0f} s; held "
                f"by {held or 'ever new processes'}"
            )
        try:
            yield
        finally:
            own.unlink(missing_ok=True)

    def _lock_files(self) -> list[tuple[Path, float]]:
        """Return the lock files of all processes with their age in seconds."""
        found = []
        for path in self.path.parent.glob(f"{self.path.name}.lock.*"):
            with suppress(FileNotFoundError):
                # Other processes' clocks are the file system's, so this is wall-clock time.
                found.append((path, time.time() - path.stat().st_mtime))
        return found
