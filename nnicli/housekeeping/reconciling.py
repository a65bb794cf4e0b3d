"""NNI's registry compared with what is really on disk and in the list of processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from nnicli.errors import DecodingError, ExperimentNotFoundError, ProcessIdentity
from nnicli.housekeeping.deleting import stop_processes
from nnicli.housekeeping.entries import stopped_entry
from nnicli.housekeeping.finding import last_written, layout_of
from nnicli.housekeeping.listing import list_experiments
from nnicli.launcher import WorkerProcess, find_managers, find_workers
from nnicli.models import ExperimentRecord, ExperimentStatus
from nnicli.safe_logging import get_logger
from nnicli.store import LAYOUTS, ExperimentDatabase, Parents, read_kept_config
from nnicli.waiting import Timeouts

logger = get_logger(__name__)

FindingKind = Literal["ghost", "stray", "stale", "orphans"]
"""`ghost`: registered, and not on disk. `stray`: on disk, and not registered. `stale`: noted as if
it ran, and no manager lives. `orphans`: tuners and trials that outlived their manager."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as NNI's registry says.

    Attributes:
        kind: What it is.
        record: The experiment.
        message: What was found, and what mending does about it.
        processes: The orphans.
        can_be_mended: Whether mending does anything.
        is_mended: Whether it was mended.
    """

    kind: FindingKind
    record: ExperimentRecord
    message: str
    processes: tuple[ProcessIdentity, ...] = ()
    can_be_mended: bool = True
    is_mended: bool = False


def reconcile_experiments(
    *,
    mend: bool = False,
    experiments_directories: Parents = (),
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
) -> list[Finding]:
    """Find what NNI's registries say wrongly, and what dead managers have left running.

    No file of an experiment is changed or deleted. A stray of another user is left to that user. A
    registry that is damaged is, when mending, kept aside and made anew of the experiments' folders.

    Args:
        mend: Mend what can be mended: end orphans, note what is stale as stopped, take ghosts out
            of the registry, and put strays into it.
        experiments_directories: Further parents of experiments' folders to search.
        timeouts: Limits for the end of processes.

    Returns:
        What was found, the newest experiment first.

    Raises:
        StopError: An orphan cannot be ended.
        RegistryError: NNI's registry cannot be read or written.
    """
    records = list_experiments(experiments_directories=experiments_directories)
    workers = find_workers()
    found = [finding for record in records for finding in _look_at(record, workers)]
    return _mend_all(found, timeouts) if mend else found


def _look_at(record: ExperimentRecord, workers: Sequence[WorkerProcess]) -> Iterator[Finding]:
    if record.is_running:
        if not record.is_registered and record.directory is not None:
            yield Finding("stray", record, "runs, and is not registered; it is registered")
        return
    directory, noted = record.directory, record.raw.get("logDir")
    place = directory or Path(noted if isinstance(noted, str) else "", record.exp_id)
    if orphans := tuple(worker.identity for worker in workers if worker.works_for(place)):
        yield Finding(
            "orphans",
            # Processes may outlive their folder, too, and are known by it.
            replace(record, directory=place),
            f"{len(orphans)} processes outlived their manager; they are ended",
            processes=orphans,
        )
    if directory is None:
        yield _ghost(record)
    elif not record.is_registered:
        if directory.stat().st_uid == os.getuid():
            yield _stray(record, directory)
    elif record.noted_status != ExperimentStatus.STOPPED:
        yield Finding(
            "stale",
            record,
            f"noted as {record.noted_status}, and no manager lives; it is noted as STOPPED",
        )


def _ghost(record: ExperimentRecord) -> Finding:
    parent = record.raw.get("logDir")
    if isinstance(parent, str) and not Path(parent).is_dir():
        return Finding(
            "ghost",
            record,
            f"registered, and its folder is not on disk; nor is {parent} around it, which may be a "
            "disk that is not mounted, so the entry stays; delete the experiment if it is gone",
            can_be_mended=False,
        )
    return Finding(
        "ghost", record, "registered, and its folder is not on disk; its entry is taken out"
    )


def _stray(record: ExperimentRecord, directory: Path) -> Finding:
    try:
        ExperimentDatabase.of(directory).get_experiment_profile()
    except (ExperimentNotFoundError, DecodingError) as error:
        return Finding(
            "stray",
            record,
            f"on disk, not registered, and of no use to NNI: {error}",
            can_be_mended=False,
        )
    if _launcher_folder_of(record) is None:
        return Finding(
            "stray",
            record,
            "on disk, and not registered; the config that NNI 1.x needs is gone, so it stays out",
            can_be_mended=False,
        )
    return Finding("stray", record, "on disk, and not registered; it is registered")


def _launcher_folder_of(record: ExperimentRecord) -> str | None:
    """Return the name of the folder that the launcher of 1.x made for an experiment.

    It is empty for those that have none, and None where it is gone.
    """
    layout = layout_of(record)
    parent = layout.separate_folder("_")
    if parent is None:
        return ""
    for config in parent.parent.glob("*/.config"):
        try:
            document = read_kept_config(config)
        except (OSError, DecodingError) as error:
            logger.debug("%s is passed over: %s", config, error)
            continue
        if document.get("experimentId") == record.exp_id:
            return config.parent.name
    return None


def _mend_all(found: Sequence[Finding], timeouts: Timeouts) -> list[Finding]:
    strays = [one.record for one in found if one.kind == "stray" and one.can_be_mended]
    # One row for each registry; one that is not damaged stays as it is.
    for layout in {row.registry_file: row for row in LAYOUTS}.values():
        entries = {
            record.exp_id: _entry_of(record)
            for record in strays
            if layout_of(record).registry_file == layout.registry_file
        }
        if kept := layout.registry().rebuild(entries):
            logger.warning(
                "%s was damaged and is made anew of the experiments' folders; the damaged one is "
                "kept as %s",
                layout.registry().path,
                kept,
            )
    return [_mend(finding, timeouts) for finding in found]


def _mend(finding: Finding, timeouts: Timeouts) -> Finding:
    record = finding.record
    # Somebody may have resumed it since it was looked at.
    runs_now = any(manager.runs(record.exp_id, record.directory) for manager in find_managers())
    if not finding.can_be_mended or runs_now != record.is_running:
        return finding
    _REMEDIES[finding.kind](record, timeouts)
    logger.info("experiment %s: %s", record.exp_id, finding.message)
    return replace(finding, is_mended=True)


def _forget(record: ExperimentRecord, _timeouts: Timeouts) -> None:
    layout_of(record).registry().remove(record.exp_id)


def _note_stopped(record: ExperimentRecord, _timeouts: Timeouts) -> None:
    layout = layout_of(record)
    fields: dict[str, object] = {"status": ExperimentStatus.STOPPED.value}
    if record.raw.get("endTime") in (None, "N/A"):
        written = last_written(record)
        ended_s = time.time() if written is None else written.timestamp()
        fields["endTime"] = layout.encode_time(int(ended_s * 1000))
    layout.registry().update(record.exp_id, **fields)


def _register(record: ExperimentRecord, _timeouts: Timeouts) -> None:
    layout_of(record).registry().ensure(record.exp_id, _entry_of(record))


def _entry_of(record: ExperimentRecord) -> dict[str, Any]:
    """Return what NNI's registry gets of an experiment that it lacks."""
    layout, directory = layout_of(record), record.directory or Path()
    profile = ExperimentDatabase.of(directory).get_experiment_profile()
    times = {"startTime": profile.get("startTime"), "endTime": profile.get("endTime")}
    entry = stopped_entry(
        layout,
        record.exp_id,
        experiments_directory=directory.parent,
        params=profile["params"],
        folder=_launcher_folder_of(record) or "",
        noted={key: layout.encode_time(value) for key, value in times.items() if value is not None},
    )
    if record.owner is None:
        return entry
    # 1.x has the port as text.
    port = type(entry["port"])(record.port or 0)
    running = {"status": record.status, "endTime": "N/A", "port": port, "pid": record.owner.pid}
    return entry | {key: value for key, value in running.items() if key in entry}


_REMEDIES: Mapping[FindingKind, Callable[[ExperimentRecord, Timeouts], None]] = {
    "ghost": _forget,
    "stray": _register,
    "stale": _note_stopped,
    "orphans": stop_processes,
}
