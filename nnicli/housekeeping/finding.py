"""One experiment of this machine by its id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from nnicli.errors import ExperimentNotFoundError, InvalidValueError
from nnicli.housekeeping.listing import list_experiments
from nnicli.models import ExperimentRecord
from nnicli.store import LAYOUTS, ExperimentDatabase, Layout, Parents


def find_record(exp_id: str, experiments_directories: Parents = ()) -> ExperimentRecord:
    """Return what is known of an experiment.

    Args:
        exp_id: Its id.
        experiments_directories: Further parents of experiments' folders to search.

    Raises:
        ExperimentNotFoundError: Neither a registry nor a folder has it.
    """
    return pick_record(list_experiments(experiments_directories=experiments_directories), exp_id)


def pick_record(records: Sequence[ExperimentRecord], exp_id: str) -> ExperimentRecord:
    """Return the record of an experiment; of several with one id the registered one.

    Raises:
        ExperimentNotFoundError: There is none.
        InvalidValueError: There are several, and it is not known which is meant.
    """
    fitting = [record for record in records if record.exp_id == exp_id]
    chosen = [record for record in fitting if record.is_registered] or fitting
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        places = ", ".join(str(record.directory or record.registry) for record in chosen)
        raise InvalidValueError(
            f"exp_id: {exp_id!r} is the id of {len(chosen)} experiments: {places}; move the one "
            "that is not meant out of the folders that are searched",
            field="exp_id",
            value=exp_id,
        )
    raise ExperimentNotFoundError(
        f"there is no experiment {exp_id!r} among the {len(records)} in NNI's registries and in "
        "the folders that were searched; if it lies elsewhere, pass the parent of its folder",
        exp_id=exp_id,
    )


def layout_of(record: ExperimentRecord) -> Layout:
    """Return the first row of those that keep an experiment where this one is noted.

    One that no registry has gets that of a registry in which it would be noted.
    """
    if record.registry is None:
        # A release such as 1.9 of one that runs, else 1.x as its files tell.
        return LAYOUTS[0] if (record.version or "").startswith("1.") else LAYOUTS[1]
    return next(layout for layout in LAYOUTS if layout.registry().path == record.registry)


def launcher_folder(record: ExperimentRecord) -> Path | None:
    """Return the folder that the launcher of 1.x has for an experiment, None without one."""
    folder = layout_of(record).separate_folder(str(record.raw.get("fileName") or ""))
    return folder if folder is not None and folder.is_dir() else None


def last_written(record: ExperimentRecord) -> datetime | None:
    """Return when the records of an experiment were changed last, None where they are gone."""
    if record.directory is None:
        return None
    try:
        changed = ExperimentDatabase.of(record.directory).path.stat().st_mtime
    except OSError:
        return None
    return datetime.fromtimestamp(changed, timezone.utc)
