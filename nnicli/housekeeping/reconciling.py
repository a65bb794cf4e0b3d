"""Find where NNI's registries differ from the disk or the running processes, to repair it."""

from __future__ import annotations

import os
import shlex
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from nnicli.errors import DecodingError, ExperimentNotFoundError, NnicliError, ProcessIdentity
from nnicli.housekeeping.deleting import stop_processes
from nnicli.housekeeping.entries import stopped_entry
from nnicli.housekeeping.listing import list_experiments
from nnicli.housekeeping.records import last_written, layout_of
from nnicli.housekeeping.unstarted import (
    find_bare_directories,
    find_bare_launcher_directories,
    is_bare,
    waits_for_experiment,
)
from nnicli.launcher import (
    ManagerProcess,
    ProcessMarks,
    RunningManager,
    WorkerProcess,
    find_managers,
    find_workers,
    stop_manager,
)
from nnicli.models import ExperimentRecord, ExperimentStatus
from nnicli.removal import check_unmounted, remove_tree
from nnicli.rest import Connection
from nnicli.safe_logging import get_logger
from nnicli.store import (
    KEPT_CONFIG,
    LAYOUTS,
    ExperimentDatabase,
    Parents,
    claimed,
    find_abandoned,
    is_claimed,
    is_directory_name,
    read_kept_config,
    remove_abandoned,
    to_absolute,
    to_directory,
)
from nnicli.user_home import user_home
from nnicli.waiting import Timeouts

logger = get_logger(__name__)

FindingKind = Literal["ghost", "stray", "stale", "orphans", "idle", "lost", "unstarted", "leftover"]
"""`ghost`: registered, but not on disk. `stray`: on disk, but not registered. `stale`: registered
as running, but its manager is gone. `orphans`: tuners and trials that outlived their manager.
`idle`: a manager whose launcher was killed before it sent the experiment. `lost`: a manager whose
experiment is not on disk. `unstarted`: what is left of a start that was interrupted before its
experiment began. `leftover`: a temporary file or directory of a killed nnicli."""

# A repair may reveal more: an idle manager also has an entry and a directory.
_PASSES = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference from NNI's registry.

    Attributes:
        kind: What it is.
        record: The experiment; its id is empty if that is not known.
        message: What was found, and what a repair does about it.
        processes: The processes that a repair ends: the orphans, or the manager.
        repairable: Whether a repair does anything.
        repaired: Whether it was repaired.
        paths: What a repair deletes.
        error: Why the repair failed; empty if it succeeded or was not tried.
    """

    kind: FindingKind
    record: ExperimentRecord
    message: str
    processes: tuple[ProcessIdentity, ...] = ()
    repairable: bool = True
    repaired: bool = False
    paths: tuple[Path, ...] = ()
    error: str = ""


def reconcile_experiments(
    *,
    repair: bool = False,
    experiments_directories: Parents = (),
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> list[Finding]:
    """Find and repair errors in NNI's registries, and what killed processes left behind.

    No file of an experiment that has begun is changed or deleted. Experiments of another user, or
    started with another HOME, are left alone; so are those that are just being started. With
    `repair`, a damaged registry is kept under another name, and a new one is made from the
    experiment directories. What cannot be read or repaired is reported, and does not keep the rest
    from being repaired.

    Args:
        repair: Repair what can be repaired: end orphans and idle and lost managers, record stale
            experiments as stopped, remove ghosts from the registry, add strays to it, and delete
            what killed starts and killed nnicli processes left.
        experiments_directories: Further experiments directories to search.
        timeouts: Limits for ending processes.
        connection: How to connect to managers, each at its own endpoint.

    Returns:
        The findings, the most recently started experiment first.

    Raises:
        RegistryError: NNI's registry cannot be read or written.
    """
    # Only an idle manager of 1.x itself knows its directory, and the first pass ends it.
    parents = [*experiments_directories, *_parents_of_managers()]
    found = _find_all(parents, connection)
    if not repair:
        return found
    repaired = _repair_all(found, timeouts)
    for _ in range(_PASSES):
        known = {_name_of(finding) for finding in repaired}
        new = [
            finding for finding in _find_all(parents, connection) if _name_of(finding) not in known
        ]
        if not any(finding.repairable for finding in new):
            break
        repaired += _repair_all(new, timeouts)
    return repaired


def _name_of(finding: Finding) -> tuple[object, ...]:
    return finding.kind, finding.record.exp_id, finding.record.directory, finding.paths


def _parents_of_managers() -> list[Path]:
    parents = {
        manager.experiments_directory
        for manager in find_managers()
        if manager.is_ours and manager.experiments_directory is not None
    }
    return sorted(parents)


def _find_all(
    experiments_directories: list[str | os.PathLike[str]], connection: Connection
) -> list[Finding]:
    managers = [manager for manager in find_managers() if manager.is_ours]
    records = list_experiments(
        experiments_directories=experiments_directories, connection=connection
    )
    workers = find_workers()
    renamed = _find_renamed(records)
    # A claimed directory means that its experiment is just being started.
    settled = [manager for manager in managers if not _is_claimed(manager)]
    waiting = [manager for manager in settled if waits_for_experiment(manager, connection)]
    launchers = {manager.identity: manager.find_launcher() for manager in waiting}
    idle = {identity for identity, launcher in launchers.items() if launcher is None}
    owned = {record.owner for record in records}
    lost = {manager.identity for manager in settled} - launchers.keys() - owned
    found = [
        *(_idle(manager, records, launchers[manager.identity]) for manager in waiting),
        *(_lost(manager) for manager in settled if manager.identity in lost),
        *(
            finding
            for record in records
            if record.owner not in idle
            for finding in _check_safely(record, workers, renamed)
        ),
    ]
    parents = _parents_of(records, experiments_directories)
    busy = [manager.directory for manager in managers]
    outputs = [manager.output for manager in managers]
    known = {record.directory for record in records}
    found += [
        _unstarted(replace(_UNKNOWN, exp_id=directory.name, directory=directory), directory)
        for directory in find_bare_directories(parents)
        if directory not in busy and directory not in known and not is_claimed(directory)
    ]
    found += [
        _unstarted(_UNKNOWN, directory)
        for directory in find_bare_launcher_directories()
        if directory not in outputs and not is_claimed(directory)
    ]
    found += [_leftover(path) for path in _find_leftovers(parents)]
    return found


_UNKNOWN = ExperimentRecord(
    exp_id="",
    name=None,
    status=ExperimentStatus.STOPPED.value,
    registry_status=None,
    platform=None,
    port=None,
    url=None,
    started_at=None,
    ended_at=None,
    directory=None,
    version=None,
    owner=None,
    registry=None,
    raw={},
)


def _parents_of(records: Iterable[ExperimentRecord], given: Parents) -> list[Path]:
    """Return all experiments directories, including those that may be empty."""
    parents = [to_absolute(parent) for parent in given]
    parents += [user_home() / "nni-experiments"]
    for record in records:
        if record.directory is not None:
            parents.append(record.directory.parent)
        elif parent := to_directory(record.raw.get("logDir")):
            parents.append(parent)
    return list(dict.fromkeys(parents))


def _is_claimed(manager: RunningManager) -> bool:
    # For 1.x, whose experiment is not known by then, the launcher directory is claimed.
    claims = [path for path in (manager.directory, manager.output) if path is not None]
    return any(map(is_claimed, claims))


def _idle(
    manager: RunningManager,
    records: Iterable[ExperimentRecord],
    launcher: ProcessIdentity | None,
) -> Finding:
    known = (record for record in records if record.owner == manager.identity)
    record = next(known, _record_of(manager))
    if launcher is not None:
        return Finding(
            "idle",
            record,
            f"the manager on port {manager.port} does not have an experiment yet, but the Python "
            f"process that started it (pid {launcher.pid}) is still running, so it is left alone; "
            "if nothing is being started there, end it with "
            f"`kill -9 {manager.identity.pid}`, as it runs whatever it is sent",
            processes=(manager.identity,),
            repairable=False,
        )
    return Finding(
        "idle",
        record,
        f"the manager on port {manager.port} never got its experiment, as its launcher was "
        "killed, and it runs whatever it is sent; it is ended",
        processes=(manager.identity,),
    )


def _lost(manager: RunningManager) -> Finding:
    return Finding(
        "lost",
        _record_of(manager),
        f"the manager on port {manager.port} runs an experiment whose directory is not on disk; it "
        "is ended",
        processes=(manager.identity,),
    )


def _record_of(manager: RunningManager) -> ExperimentRecord:
    return replace(
        _UNKNOWN,
        exp_id=manager.exp_id or "",
        directory=manager.directory,
        port=manager.port,
        owner=manager.identity,
    )


def _check_safely(
    record: ExperimentRecord, workers: Sequence[WorkerProcess], renamed: Mapping[Path, str]
) -> list[Finding]:
    """Return the findings for one experiment; damaged files become a finding, not an error."""
    try:
        return list(_check(record, workers, renamed))
    except (NnicliError, OSError, LookupError, TypeError, ValueError) as error:
        kind: FindingKind = "stale" if record.is_registered else "stray"
        message = f"its files cannot be read: {error}"
        return [Finding(kind, record, message, repairable=False, error=str(error))]


def _check(
    record: ExperimentRecord, workers: Sequence[WorkerProcess], renamed: Mapping[Path, str]
) -> Iterator[Finding]:
    if record.is_running:
        if not record.is_registered and record.directory is not None:
            yield Finding("stray", record, "running, but not registered; it is registered")
        return
    directory = record.directory
    expected = directory or _registered_directory(record)
    orphans = tuple(
        worker.identity for worker in workers if expected is not None and worker.works_for(expected)
    )
    if orphans:
        yield Finding(
            "orphans",
            # Processes may outlive their directory too, and are still recognised by its path.
            replace(record, directory=expected),
            f"{len(orphans)} processes outlived their manager; they are ended",
            processes=orphans,
        )
    if directory is None:
        yield _ghost(record, renamed)
    elif is_bare(directory):
        if not is_claimed(directory):
            yield _unstarted(record, directory)
    elif not record.is_registered:
        if directory.stat().st_uid == os.getuid():
            yield _stray(record, directory, renamed)
    elif record.registry_status != ExperimentStatus.STOPPED:
        yield Finding(
            "stale",
            record,
            f"registered as {record.registry_status}, but its manager is gone; it is recorded as "
            "STOPPED",
        )


def _unstarted(record: ExperimentRecord, directory: Path) -> Finding:
    return Finding(
        "unstarted",
        record,
        f"{directory} was left by a start that was killed before its experiment began; it is "
        "deleted with its entry in the registry",
        paths=(directory,),
    )


def _find_leftovers(parents: Iterable[Path]) -> Iterator[Path]:
    # Databases that only a writer can make readable are copied into the last of these.
    for parent in (*parents, Path(tempfile.gettempdir())):
        with suppress(OSError):
            yield from find_abandoned(parent)
    for layout in {row.registry_file: row for row in LAYOUTS}.values():
        yield from layout.registry().leftovers()


def _leftover(path: Path) -> Finding:
    return Finding(
        "leftover",
        _UNKNOWN,
        f"{path} was left by a killed nnicli process; it is deleted",
        paths=(path,),
    )


def _find_renamed(records: Iterable[ExperimentRecord]) -> dict[Path, str]:
    """Return directory -> experiment id, for directories not named after their experiment."""
    renamed = {}
    for record in records:
        if record.directory is None or record.is_registered:
            continue
        with suppress(NnicliError, OSError):
            profile = ExperimentDatabase.of(record.directory).get_experiment_profile()
            exp_id = str(profile.get("id", record.directory.name))
            if exp_id != record.directory.name:
                renamed[record.directory] = exp_id
    return renamed


def _registered_directory(record: ExperimentRecord) -> Path | None:
    parent = to_directory(record.raw.get("logDir"))
    return parent / record.exp_id if parent and is_directory_name(record.exp_id) else None


def _ghost(record: ExperimentRecord, renamed: Mapping[Path, str]) -> Finding:
    parent = to_directory(record.raw.get("logDir"))
    directory = next((path for path, exp_id in renamed.items() if exp_id == record.exp_id), None)
    if directory is not None:
        return Finding(
            "ghost",
            record,
            f"registered, but its directory was renamed to {directory}; the entry is kept. "
            f"{_advice(directory, record.exp_id)}",
            repairable=False,
        )
    if parent is not None and not parent.is_dir():
        return Finding(
            "ghost",
            record,
            f"registered, but its directory is not on disk, and neither is its parent {parent}; "
            "that may be a disk that is not mounted, so the entry is kept; delete the experiment "
            "if it is gone",
            repairable=False,
        )
    return Finding(
        "ghost", record, "registered, but its directory is not on disk; its entry is removed"
    )


def _advice(directory: Path, exp_id: str) -> str:
    original = directory.with_name(exp_id)
    if original.exists():
        return f"It is a copy of {original}; delete one of the two"
    return f"Rename it back: {shlex.join(['mv', str(directory), str(original)])}"


def _stray(record: ExperimentRecord, directory: Path, renamed: Mapping[Path, str]) -> Finding:
    if directory in renamed:
        exp_id = renamed[directory]
        return Finding(
            "stray",
            record,
            f"on disk, but not registered; the experiment in it is {exp_id}, and NNI finds an "
            f"experiment only in a directory named after it. {_advice(directory, exp_id)}",
            repairable=False,
        )
    try:
        ExperimentDatabase.of(directory).get_experiment_profile()
    except (ExperimentNotFoundError, DecodingError) as error:
        return Finding(
            "stray",
            record,
            f"on disk, not registered, and not usable by NNI: {error}",
            repairable=False,
        )
    if _launcher_name_of(record) is None:
        return Finding(
            "stray",
            record,
            "on disk, but not registered; the config that NNI 1.x needs is gone, so it is not "
            "registered",
            repairable=False,
        )
    return Finding("stray", record, "on disk, but not registered; it is registered")


def _launcher_name_of(record: ExperimentRecord) -> str | None:
    """Return the name of an experiment's launcher directory.

    It is empty for a release without launcher directories, and None if the directory is gone.
    """
    layout = layout_of(record)
    if not layout.launcher_parent:
        return ""
    for config in (user_home() / layout.launcher_parent).glob(f"*/{KEPT_CONFIG}"):
        try:
            document = read_kept_config(config)
        except (OSError, DecodingError) as error:
            logger.debug("skipping %s: %s", config, error)
            continue
        if document.get("experimentId") == record.exp_id:
            return config.parent.name
    return None


def _repair_all(found: Sequence[Finding], timeouts: Timeouts) -> list[Finding]:
    strays = [one.record for one in found if one.kind == "stray" and one.repairable]
    # One row per registry; a registry that is not damaged is not changed.
    for layout in {row.registry_file: row for row in LAYOUTS}.values():
        entries = {}
        for record in strays:
            # If its files were damaged since, the next pass finds it again.
            if layout_of(record).registry_file == layout.registry_file:
                with suppress(NnicliError, OSError):
                    entries[record.exp_id] = _entry_of(record)
        if kept := layout.registry().rebuild(entries):
            logger.warning(
                "%s was damaged and was rebuilt from the experiment directories; the damaged file "
                "is kept as %s",
                layout.registry().path,
                kept,
            )
    return [_repair(finding, timeouts) for finding in found]


def _repair(finding: Finding, timeouts: Timeouts) -> Finding:
    record = finding.record
    if not finding.repairable or not _is_still_so(finding):
        return finding
    try:
        _REMEDIES[finding.kind](finding, timeouts)
    except (NnicliError, OSError) as error:
        logger.warning("%s: %s", record.exp_id or finding.paths, error)
        return replace(finding, error=str(error))
    logger.info("experiment %s: %s", record.exp_id, finding.message)
    return replace(finding, repaired=True)


def _is_still_so(finding: Finding) -> bool:
    """Return whether the experiment still runs, or still does not run, as when it was checked."""
    record = finding.record
    if finding.kind in _OF_MANAGERS:
        return any(manager.identity == record.owner for manager in find_managers())
    runs_now = any(manager.runs(record.exp_id, record.directory) for manager in find_managers())
    return runs_now == record.is_running


def _forget(finding: Finding, _timeouts: Timeouts) -> None:
    layout_of(finding.record).registry().remove(finding.record.exp_id)


def _end_orphans(finding: Finding, timeouts: Timeouts) -> None:
    stop_processes(finding.record, timeouts)


def _end_manager(finding: Finding, timeouts: Timeouts) -> None:
    """Kill a manager: before it has its experiment, 2.2 and 2.3 hang on every other signal."""
    record = finding.record
    process = None if record.owner is None else ManagerProcess.find(record.owner)
    if process is not None:
        marks = ProcessMarks(record.exp_id, record.directory, process.identity)
        stop_manager(process, marks, ask=None, timeout_s=timeouts.stop_s)


def _delete_unstarted(finding: Finding, _timeouts: Timeouts) -> None:
    for directory in finding.paths:
        with claimed(directory):
            remove_tree(directory)
    if finding.record.is_registered:
        layout_of(finding.record).registry().remove(finding.record.exp_id)


def _delete_leftovers(finding: Finding, _timeouts: Timeouts) -> None:
    for path in finding.paths:
        if path.is_dir():
            remove_abandoned(path.parent)
            check_unmounted(path)
    for layout in {row.registry_file: row for row in LAYOUTS}.values():
        if any(path in layout.registry().leftovers() for path in finding.paths):
            layout.registry().sweep()


def _record_stopped(finding: Finding, _timeouts: Timeouts) -> None:
    record = finding.record
    layout = layout_of(record)
    written = last_written(record)
    ended_s = time.time() if written is None else written.timestamp()
    fields = layout.encode_stop(record.raw, ended_ms=int(ended_s * 1000))
    layout.registry().update(record.exp_id, **fields)


def _register(finding: Finding, _timeouts: Timeouts) -> None:
    record = finding.record
    layout_of(record).registry().ensure(record.exp_id, _entry_of(record))


def _entry_of(record: ExperimentRecord) -> dict[str, Any]:
    """Return the entry with which an unregistered experiment is registered."""
    layout, directory = layout_of(record), record.directory or Path()
    profile = ExperimentDatabase.of(directory).get_experiment_profile()
    times = {"startTime": profile.get("startTime"), "endTime": profile.get("endTime")}
    entry = stopped_entry(
        layout,
        record.exp_id,
        experiments_directory=directory.parent,
        params=profile["params"],
        launcher_name=_launcher_name_of(record) or "",
        recorded={
            key: layout.encode_time(value) for key, value in times.items() if value is not None
        },
    )
    if record.owner is None:
        return entry
    # 1.x has the port as text.
    port = type(entry["port"])(record.port or 0)
    running = {"status": record.status, "endTime": "N/A", "port": port, "pid": record.owner.pid}
    return entry | {key: value for key, value in running.items() if key in entry}


_OF_MANAGERS = ("idle", "lost")
_REMEDIES: Mapping[FindingKind, Callable[[Finding, Timeouts], None]] = {
    "ghost": _forget,
    "stray": _register,
    "stale": _record_stopped,
    "orphans": _end_orphans,
    "idle": _end_manager,
    "lost": _end_manager,
    "unstarted": _delete_unstarted,
    "leftover": _delete_leftovers,
}
