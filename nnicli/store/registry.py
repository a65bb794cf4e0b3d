"""NNI's registry of experiments, shared with nnictl and with every manager."""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from nnicli.bulk import collection_paused
from nnicli.errors import RegistryError
from nnicli.regular_files import read_regular
from nnicli.safe_logging import get_logger
from nnicli.store.locking import is_locked, locked, own_locks
from nnicli.user_home import ADVICE, user_home
from nnicli.waiting import Deadline, poll_until

logger = get_logger(__name__)

Entries = dict[str, dict[str, Any]]

# A million experiments.
_LARGEST = 512 << 20
# A folder in which one may not write.
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_TEMPORARY = ".nnicli.tmp"
_DAMAGED = ".damaged-"
# A manager truncates the file before it writes it anew, so a read may fall in between.
_SETTLE_S = 1.0
_SETTLE_INTERVAL_S = 0.02
# NNI's lock has a hole through which another writer may still come; the later one wins.
_VERIFY_AFTER_S = 0.005
_WRITES = 10
# What tells one run's entry from another's: the process, in 1.x the launcher's folder.
_IDENTITY = ("id", "pid", "fileName")


class Registry:
    """The file in which NNI notes every experiment.

    Every change is made under NNI's own lock, and under one of nnicli's beside it, and replaces the
    file in one step. A file that cannot be understood is never written over.

    Args:
        path: The file; None: `~/nni-experiments/.experiment`, where NNI 2.0 and later keep it,
            whatever folder their experiments are in.
        lock_timeout_s: How long a change may wait for other writers.
    """

    def __init__(self, path: Path | None = None, *, lock_timeout_s: float = 15.0) -> None:
        self.path = path or user_home() / "nni-experiments" / ".experiment"
        self._lock_timeout_s = lock_timeout_s

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

    def ensure(self, exp_id: str, entry: Mapping[str, Any]) -> None:
        """Write an entry, and again if a writer at the same moment undid that.

        Raises:
            RegistryError: The file cannot be read, understood, locked or written.
        """
        wanted = dict(entry)

        def is_there(entries: Entries) -> bool:
            found = entries.get(exp_id, {})
            # Its manager may have changed the status by now.
            return all(found.get(key) == wanted[key] for key in _IDENTITY if key in wanted)

        self._change_until(exp_id, lambda _: dict(wanted), is_there)

    def update(self, exp_id: str, **fields: Any) -> None:
        """Change fields of an entry; one that is not there stays absent.

        Raises:
            RegistryError: The file cannot be read, understood, locked or written.
        """

        def is_there(entries: Entries) -> bool:
            return exp_id not in entries or fields.items() <= entries[exp_id].items()

        self._change_until(
            exp_id, lambda entry: None if entry is None else {**entry, **fields}, is_there
        )

    def remove(self, exp_id: str) -> None:
        """Take an entry away, if it is there.

        Raises:
            RegistryError: The file cannot be read, understood, locked or written.
        """
        self._change_until(exp_id, lambda _: None, lambda entries: exp_id not in entries)

    def rebuild(self, entries: Mapping[str, Mapping[str, Any]]) -> Path | None:
        """Put entries in the place of a file that is damaged, and keep that one beside it.

        Args:
            entries: Experiment id -> entry, as the experiments' folders tell them.

        Returns:
            Where the damaged file is kept; None where the file can be understood, or there is none:
            then nothing was changed.

        Raises:
            RegistryError: The file cannot be locked, kept or written.
        """
        # Locking makes a folder and a file, which one that is in order does not need.
        if self._find_damage() is None:
            return None
        with self._locked(self._lock_timeout_s):
            damage = self._find_damage()
            if damage is None:
                return None
            logger.warning("%s", damage)
            kept = self._keep_aside()
            self._replace({exp_id: dict(entry) for exp_id, entry in entries.items()})
        logger.info("%s is rebuilt; the damaged file is kept as %s", self.path, kept)
        return kept

    def _find_damage(self) -> RegistryError | None:
        """Return why the file cannot be read, None where it can be, or there is none."""
        try:
            self.read()
        except RegistryError as error:
            return error
        return None

    def _keep_aside(self) -> Path:
        """Copy the file as it is, so that it is missing at no moment."""
        try:
            content = read_regular(self.path, limit=_LARGEST)
            places = (
                self.path.with_name(f"{self.path.name}{_DAMAGED}{number}")
                for number in itertools.count(1)
            )
            aside = next(place for place in places if not place.exists())
            with aside.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            shutil.copystat(self.path, aside)
        except OSError as error:
            raise self._failure("kept aside", error) from error
        return aside

    def leftovers(self) -> list[Path]:
        """Return the files that processes of nnicli left here when they were killed."""
        # What is in use is there only while its process holds the lock around them.
        if is_locked(self.path):
            return []
        temporary = Path(os.path.realpath(self.path)).with_name(_TEMPORARY)
        return [*own_locks(self.path), *([temporary] if temporary.exists() else [])]

    def sweep(self) -> None:
        """Delete what processes of nnicli left here when they were killed.

        Raises:
            RegistryError: The registry cannot be locked.
        """
        with self._locked(self._lock_timeout_s):
            # Lock files are swept by whoever takes the lock.
            Path(os.path.realpath(self.path)).with_name(_TEMPORARY).unlink(missing_ok=True)

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
        self,
        exp_id: str,
        change: Callable[[Mapping[str, Any] | None], dict[str, Any] | None],
        is_done: Callable[[Entries], bool],
    ) -> None:
        """Write what `change` makes of an entry, None for no entry, until it is there."""
        for _ in range(_WRITES):
            with self._locked(self._lock_timeout_s):
                entries = self.read()
                before = entries.get(exp_id)
                after = change(before)
                if after == before:
                    return
                if after is None:
                    del entries[exp_id]
                else:
                    entries[exp_id] = after
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
            text = read_regular(self.path, limit=_LARGEST).decode()
        except FileNotFoundError:
            return {}
        except UnicodeDecodeError as error:
            raise self._corrupt("it is no UTF-8 text") from error
        except OSError as error:
            raise self._failure("read", error) from error
        if not text.strip():
            raise self._corrupt("it is empty")
        try:
            with collection_paused():
                entries = json.loads(text)
        except RecursionError as error:
            raise self._corrupt("it is nested too deeply") from error
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
        hint = f". {ADVICE}" if error.errno in _CLOSED else ""
        return RegistryError(
            f"NNI's registry of experiments {self.path} cannot be {deed}: "
            f"{error.strerror or error}{hint}"
        )

    def _replace(self, entries: Entries) -> None:
        """Write the file beside itself and rename it, so that no reader sees a part of it."""
        # NNI writes through a link; a rename would put a file in the link's place.
        target = Path(os.path.realpath(self.path))
        temporary = target.with_name(_TEMPORARY)
        try:
            # A process that was killed may have left one; the lock keeps the living apart.
            temporary.unlink(missing_ok=True)
            # A new file gets what the umask allows, as from NNI; it holds nothing secret.
            with temporary.open("x", encoding="utf-8") as file:
                file.write(_to_text(entries))
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                shutil.copymode(target, temporary)
            temporary.replace(target)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise self._failure("written", error) from error

    @contextmanager
    def _locked(self, timeout_s: float) -> Iterator[None]:
        with ExitStack() as stack:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(self.path, timeout_s=timeout_s))
            except RegistryError:
                raise
            except OSError as error:
                raise self._failure("locked", error) from error
            yield


def _to_text(entries: Entries) -> str:
    """Return what `json.dumps(entries, indent=4)` does in a fifth of its time.

    With an indent json leaves its encoder in C, and takes 40 s for 200,000 experiments.
    """
    texts = (f"{json.dumps(exp_id)}: {_entry_text(entry)}" for exp_id, entry in entries.items())
    return _in_lines(texts, "    ") + "}"


def _entry_text(entry: Mapping[str, Any]) -> str:
    fields = (f"{json.dumps(key)}: {_value_text(value)}" for key, value in entry.items())
    return _in_lines(fields, "        ") + ("    }" if entry else "}")


def _value_text(value: Any) -> str:
    if value and isinstance(value, list | dict):
        return json.dumps(value, indent=4).replace("\n", "\n        ")
    return json.dumps(value)


def _in_lines(texts: Iterable[str], indent: str) -> str:
    lines = f",\n{indent}".join(texts)
    return f"{{\n{indent}{lines}\n" if lines else "{"
