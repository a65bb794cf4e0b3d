"""Find the hyper-parameters that a manager assigned to each trial, from its log."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from nnicli.regular_files import open_regular

_PORTION = 1 << 20
# The rest of a longer line is ignored; a set of hyper-parameters has a few KB.
_LONGEST_LINE = 64 << 20
# Reading this much takes seconds; a 3.0 manager logs it for a million trials.
_MOST_BYTES = 1 << 31
_RECORD = re.compile(rb"V3\.\w+\) (Created trial|Trial parameter:) (\w+)([^\r\n]*)")
_HEAD = re.compile(rb"\[[-\d]{10} [:\d]{8}\] INFO \((?:Local|Remote)")
_LONGEST_HEAD = 64
_ASSIGNED = b"Trial parameter:"


class AssignedParameters:
    """The hyper-parameters of an experiment's trials, as recorded in its `nnimanager.log`.

    The 3.0 manager logs each trial that it creates, and the hyper-parameters when it assigns them,
    on a local machine and over SSH (`local_v3/local.js`, `remote_v3/remote.js`), at the log level
    `info` and below. All runs append to the same file. Each call reads only what has been written
    since the last one.

    Args:
        path: The log; a file that is missing or cannot be read counts as empty.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._file: tuple[int, int] | None = None
        self._position = 0
        self._texts: dict[bytes, bytes | None] = {}

    def __repr__(self) -> str:
        return f"AssignedParameters({str(self._path)!r})"

    def find(self, trial_job_ids: Collection[str]) -> dict[str, str | None]:
        """Return the hyper-parameters last assigned to trials, as the tuner's JSON text.

        Args:
            trial_job_ids: The trials.

        Returns:
            Trial job id -> the text, None for a trial that was created but has not asked for its
            hyper-parameters. Trials whose creation is not in the log are absent.
        """
        with self._lock:
            try:
                with open_regular(self._path) as file:
                    self._read_on(file)
            except OSError:
                return {}
            found = {name: name.encode() for name in trial_job_ids}
            return {
                name: None
                if (text := self._texts[key]) is None
                else text.decode("utf-8", "replace")
                for name, key in found.items()
                if key in self._texts
            }

    def _read_on(self, file: BinaryIO) -> None:
        status = os.fstat(file.fileno())
        identity = (status.st_dev, status.st_ino)
        if identity != self._file or status.st_size < self._position:
            self._file, self._position = identity, 0
            self._texts.clear()
        if status.st_size - self._position > _MOST_BYTES:
            return
        file.seek(self._position)
        rest = bytearray()
        while portion := file.read(_PORTION):
            lines, end, begun = portion.rpartition(b"\n")
            if not end:
                if len(rest) < _LONGEST_LINE:
                    rest += portion
                continue
            self._take(bytes(rest) + lines)
            self._position = file.tell() - len(begun)
            rest = bytearray(begun)

    def _take(self, lines: bytes) -> None:
        for record in _RECORD.finditer(lines):
            # Records do not begin further away, and searching for one would take long.
            near = max(0, record.start() - _LONGEST_HEAD)
            start = max(near, lines.rfind(b"\n", near, record.start()) + 1)
            if not _HEAD.fullmatch(lines, start, record.start()):
                continue
            what, trial, text = record.groups()
            if what == _ASSIGNED:
                self._texts[trial] = text.strip()
            else:
                self._texts.setdefault(trial, None)
