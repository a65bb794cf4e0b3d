"""Facts derived from the record of an experiment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from nnicli.models import ExperimentRecord
from nnicli.store import LAYOUTS, ExperimentDatabase, Layout


def are_same_experiment(records: Sequence[ExperimentRecord]) -> bool:
    """Return whether all are of one experiment; the registries of 1.x and 2.x may both list it."""
    return len({(record.exp_id, _real_directory(record)) for record in records}) == 1


def _real_directory(record: ExperimentRecord) -> str | None:
    return None if record.directory is None else os.path.realpath(record.directory)


def layout_of(record: ExperimentRecord) -> Layout:
    """Return the first layout with the registry that lists the experiment.

    For an unregistered experiment, that is the registry that would list it.
    """
    if record.registry is None:
        # The version is exact (1.9) for a running experiment, else a family found from its files.
        return LAYOUTS[0] if (record.version or "").startswith("1.") else LAYOUTS[1]
    return next(layout for layout in LAYOUTS if layout.registry().path == record.registry)


def launcher_directory(record: ExperimentRecord) -> Path | None:
    """Return the launcher directory of an experiment, None if it does not exist."""
    directory = layout_of(record).launcher_directory(str(record.raw.get("fileName") or ""))
    return directory if directory is not None and directory.is_dir() else None


def last_written(record: ExperimentRecord) -> datetime | None:
    """Return when the records of an experiment last changed, None if they are gone."""
    if record.directory is None:
        return None
    try:
        changed = ExperimentDatabase.of(record.directory).path.stat().st_mtime
    except OSError:
        return None
    return datetime.fromtimestamp(changed, timezone.utc)
