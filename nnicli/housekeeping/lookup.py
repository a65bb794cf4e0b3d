"""Experiments of this machine, by an id, a folder or a database."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeAlias

from nnicli.errors import ExperimentNotFoundError, InvalidValueError
from nnicli.housekeeping.listing import list_experiments
from nnicli.models import ExperimentRecord
from nnicli.store import LAYOUTS, ExperimentDatabase, Layout, Parents

Named: TypeAlias = str | os.PathLike[str]
"""An experiment's id, its own folder, or its `nni.sqlite`."""


def find_records(
    experiments: Iterable[Named], experiments_directories: Parents = ()
) -> list[ExperimentRecord]:
    """Return every experiment that is known, and those that are named by a path.

    Args:
        experiments: Ids, experiments' own folders, or their databases.
        experiments_directories: Further parents of experiments' folders to search.
    """
    folders = filter(None, map(_own_folder, experiments))
    return list_experiments(
        experiments_directories=[*experiments_directories, *(folder.parent for folder in folders)]
    )


def match_records(records: Sequence[ExperimentRecord], experiment: Named) -> list[ExperimentRecord]:
    """Return those that an id, a folder or a database names; what may be an id is one."""
    if by_id := [record for record in records if record.exp_id == experiment]:
        return by_id
    own = _own_folder(experiment)
    return [
        record
        for record in records
        if own is not None
        and record.directory is not None
        and record.directory.resolve() == own.resolve()
    ]


def _own_folder(experiment: Named) -> Path | None:
    """Return the folder that is named, none of which is a link; None where an id is."""
    if not os.fspath(experiment):
        return None
    try:
        path = Path(experiment).expanduser().resolve()
        # No other file in an experiment's folder names the experiment.
        folder = path.parent.parent if path.is_file() else path
        database = ExperimentDatabase.of(folder).path
        return folder if path in {folder, database} and database.is_file() else None
    except (OSError, RuntimeError, ValueError):
        # It is not to be looked at, of an unknown user, a link to itself, or no path at all.
        return None


def pick_record(records: Sequence[ExperimentRecord], experiment: Named) -> ExperimentRecord:
    """Return the record of an experiment; of several with one id the registered one.

    Raises:
        ExperimentNotFoundError: There is none.
        InvalidValueError: There are several, and it is not known which is meant.
    """
    exp_id = os.fspath(experiment)
    fitting = match_records(records, experiment)
    chosen = [record for record in fitting if record.is_registered] or fitting
    if are_one(chosen):
        return chosen[0]
    if chosen:
        places = ", ".join(str(record.directory or record.registry) for record in chosen)
        raise InvalidValueError(
            f"exp_id: {exp_id!r} is the id of {len(chosen)} experiments: {places}; pass the folder "
            "of the one that is meant",
            field="exp_id",
            value=exp_id,
        )
    raise ExperimentNotFoundError(
        f"there is no experiment {exp_id!r} among the {len(records)} in NNI's registries and in "
        "the folders that were searched; if it lies elsewhere, pass its folder",
        exp_id=exp_id,
    )


def are_one(records: Sequence[ExperimentRecord]) -> bool:
    """Return whether all are of one experiment; the registries of 1.x and 2.x may both have it."""
    return len({(record.exp_id, _place_of(record)) for record in records}) == 1


def _place_of(record: ExperimentRecord) -> str | None:
    return None if record.directory is None else os.path.realpath(record.directory)


def layout_of(record: ExperimentRecord) -> Layout:
    """Return the first row of those that keep an experiment where this one is noted.

    One that no registry has gets that of a registry in which it would be noted.
    """
    if record.registry is None:
        # A release such as 1.9 of one that runs, else 1.x as its files tell.
        return LAYOUTS[0] if (record.version or "").startswith("1.") else LAYOUTS[1]
    return next(layout for layout in LAYOUTS if layout.registry().path == record.registry)


def launcher_directory(record: ExperimentRecord) -> Path | None:
    """Return the launcher directory of an experiment, None where there is none."""
    directory = layout_of(record).launcher_directory(str(record.raw.get("fileName") or ""))
    return directory if directory is not None and directory.is_dir() else None


def last_written(record: ExperimentRecord) -> datetime | None:
    """Return when the records of an experiment were changed last, None where they are gone."""
    if record.directory is None:
        return None
    try:
        changed = ExperimentDatabase.of(record.directory).path.stat().st_mtime
    except OSError:
        return None
    return datetime.fromtimestamp(changed, timezone.utc)
