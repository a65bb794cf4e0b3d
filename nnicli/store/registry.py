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

# Enough for a million experiments.
_LARGEST = 512 << 20
# A directory without write permission.
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_TEMPORARY = ".nnicli.tmp"
_DAMAGED = ".damaged-"
# A manager truncates the file before it rewrites it, so a read may fall in between.
_SETTLE_S = 1.0
_SETTLE_INTERVAL_S = 0.02
# NNI's lock is not reliable: another writer may still get in, and the later one wins.
_VERIFY_AFTER_S = 0.005
_WRITES = 10
# What distinguishes one run's entry from another's: the process, or in 1.x the launcher directory.
_IDENTITY = ("id", "pid", "fileName")


class Registry:
    """The file in which NNI records every experiment.

    Every change is made under NNI's lock and an additional one of nnicli's, and replaces the file
    in one step. A damaged file is never overwritten.

    Args:
        path: The file; None: `~/nni-experiments/.experiment`, where NNI 2.0 and later keep it,
            wherever their experiments are.
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
            RegistryError: The file cannot be read, or is damaged.
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
        """Write an entry, and again if a concurrent writer undid that.

        Raises:
            RegistryError: The file cannot be read, locked or written, or is damaged.
        """
        wanted = dict(entry)

        def is_there(entries: Entries) -> bool:
            found = entries.get(exp_id, {})
            # Its manager may have changed the status by now.
            return all(found.get(key) == wanted[key] for key in _IDENTITY if key in wanted)

        self._change_until(exp_id, lambda _: dict(wanted), is_there)

    def update(self, exp_id: str, **fields: Any) -> None:
        """Change fields of an entry; a missing entry is not created.

        Raises:
            RegistryError: The file cannot be read, locked or written, or is damaged.
        """

        def is_there(entries: Entries) -> bool:
            return exp_id not in entries or fields.items() <= entries[exp_id].items()

        self._change_until(
            exp_id, lambda entry: None if entry is None else {**entry, **fields}, is_there
        )

    def remove(self, exp_id: str) -> None:
        """Remove an entry, if it exists.

        Raises:
            RegistryError: The file cannot be read, locked or written, or is damaged.
        """
        self._change_until(exp_id, lambda _: None, lambda entries: exp_id not in entries)

    def rebuild(self, entries: Mapping[str, Mapping[str, Any]]) -> Path | None:
        """Replace a damaged file with these entries, and keep a copy of it.

        Args:
            entries: Experiment id -> entry, found from the experiment directories.

        Returns:
            The copy of the damaged file; None if the file is missing or not damaged, and nothing
            was changed.

        Raises:
            RegistryError: The file cannot be locked, copied or written.
        """
        # Locking makes a directory and a file, which is needless if the file is not damaged.
        if self._find_damage() is None:
            return None
        with self._locked(self._lock_timeout_s):
            damage = self._find_damage()
            if damage is None:
                return None
            logger.warning("%s", damage)
            kept = self._copy_damaged()
            self._replace({exp_id: dict(entry) for exp_id, entry in entries.items()})
        logger.info("rebuilt %s; the damaged file is kept as %s", self.path, kept)
        return kept

    def _find_damage(self) -> RegistryError | None:
        """Return why the file cannot be read; None if it can be, or does not exist."""
        try:
            self.read()
        except RegistryError as error:
            return error
        return None

    def _copy_damaged(self) -> Path:
        """Copy the file to another name, so that it is never missing."""
        try:
            content = read_regular(self.path, limit=_LARGEST)
            names = (
                self.path.with_name(f"{self.path.name}{_DAMAGED}{number}")
                for number in itertools.count(1)
            )
            aside = next(name for name in names if not name.exists())
            with aside.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            shutil.copystat(self.path, aside)
        except OSError as error:
            raise self._failure("copied", error) from error
        return aside

    def leftovers(self) -> list[Path]:
        """Return the files that killed nnicli processes left here."""
        # Such files are in use only while their process holds the lock.
        if is_locked(self.path):
            return []
        temporary = Path(os.path.realpath(self.path)).with_name(_TEMPORARY)
        return [*own_locks(self.path), *([temporary] if temporary.exists() else [])]

    def sweep(self) -> None:
        """Delete what killed nnicli processes left here.

        Raises:
            RegistryError: The registry cannot be locked.
        """
        with self._locked(self._lock_timeout_s):
            # Taking the lock has already swept the lock files.
            Path(os.path.realpath(self.path)).with_name(_TEMPORARY).unlink(missing_ok=True)

    @contextmanager
    def undisturbed(self, timeout_s: float) -> Iterator[None]:
        """Keep other writers out if the lock can be acquired in time; otherwise go on without it.

        For killing a manager: it truncates this file before it rewrites it, so all entries would be
        lost if it died in between.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(self._locked(timeout_s))
            except RegistryError as error:
                logger.debug("continuing without the registry's lock: %s", error)
            yield

    def _change_until(
        self,
        exp_id: str,
        change: Callable[[Mapping[str, Any] | None], dict[str, Any] | None],
        is_done: Callable[[Entries], bool],
    ) -> None:
        """Write the result of `change` for an entry, until it is there; None removes the entry."""
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
            logger.debug("another writer undid a change of %s; repeating it", self.path)
        raise RegistryError(
            f"{self.path}: the change was undone {_WRITES} times by other writers; try again"
        )

    def _parse(self) -> Entries:
        try:
            text = read_regular(self.path, limit=_LARGEST).decode()
        except FileNotFoundError:
            return {}
        except UnicodeDecodeError as error:
            raise self._damaged("not valid UTF-8") from error
        except OSError as error:
            raise self._failure("read", error) from error
        if not text.strip():
            raise self._damaged("it is empty")
        try:
            with collection_paused():
                entries = json.loads(text)
        except RecursionError as error:
            raise self._damaged("it is nested too deeply") from error
        except ValueError as error:
            raise self._damaged(str(error)) from error
        if not isinstance(entries, dict) or not all(
            isinstance(entry, dict) for entry in entries.values()
        ):
            raise self._damaged("expected an object of objects")
        return entries

    def _damaged(self, reason: str) -> RegistryError:
        return RegistryError(
            f"NNI's registry of experiments {self.path} is damaged: {reason}. It was not changed; "
            "repair it, or move it away to start a new one (the experiment directories stay usable)"
        )

    def _failure(self, action: str, error: OSError) -> RegistryError:
        hint = f". {ADVICE}" if error.errno in _CLOSED else ""
        return RegistryError(
            f"NNI's registry of experiments {self.path} cannot be {action}: "
            f"{error.strerror or error}{hint}"
        )

    def _replace(self, entries: Entries) -> None:
        """Write a temporary file and rename it, so that readers never see a part of it."""
        # NNI writes through a link; a rename would replace the link with a file.
        target = Path(os.path.realpath(self.path))
        temporary = target.with_name(_TEMPORARY)
        try:
            # A killed process may have left one; the lock keeps live processes apart.
            temporary.unlink(missing_ok=True)
            # A new file gets the mode that the umask allows, as from NNI; nothing in it is secret.
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
    """Return the same text as `json.dumps(entries, indent=4)`, in a fifth of the time.

    With an indent, json does not use its C encoder, and takes 40 s for 200,000 experiments.
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
