"""Delete experiments: all of their files and links, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from nnicli.choices import check_choice
from nnicli.errors import Advice, DeletionError, InvalidValueError, ProcessIdentity, StateError
from nnicli.housekeeping.listing import list_experiments
from nnicli.housekeeping.lookup import FoundExperiment, Kind, Reference, find_experiment
from nnicli.housekeeping.records import last_written, launcher_directory, layout_of
from nnicli.launcher import (
    ManagerProcess,
    ProcessMarks,
    WorkerProcess,
    find_managers,
    find_workers,
    reap,
    stop_manager,
)
from nnicli.models import ExperimentRecord, ExperimentStatus
from nnicli.removal import check_unmounted, find_mounts, remove_tree
from nnicli.safe_logging import get_logger
from nnicli.store import (
    LAYOUTS,
    ExperimentPaths,
    Parents,
    claimed,
    remove_abandoned,
    staging_directory,
    to_directory,
)
from nnicli.units import parse_duration
from nnicli.waiting import Timeouts

logger = get_logger(__name__)

# At least one of them is in every experiment directory that a start has made.
_PATHS = ExperimentPaths(Path())
_MARKS = (
    _PATHS.database,
    _PATHS.manager_log,
    _PATHS.output(LAYOUTS[-1]),
    _PATHS.errors(LAYOUTS[-1]),
)
_LATEST = "_latest"
_REFUSED: Mapping[Kind, Advice] = {
    "archive": Advice("delete the file itself", "delete the file itself"),
    "address": Advice("pass its id or its directory", "pass its id or its directory"),
}


@dataclass(frozen=True, slots=True)
class Deletion:
    """The deletion of an experiment, planned or done.

    Attributes:
        record: The experiment.
        paths: The directories, and links to them, that are deleted.
        size: The bytes in them.
        processes: The processes that still work for it.
        is_done: Whether it was deleted; False after a dry run.
    """

    record: ExperimentRecord
    paths: tuple[Path, ...]
    size: int
    processes: tuple[ProcessIdentity, ...]
    is_done: bool = False


def delete_experiments(
    experiments: Reference | Iterable[Reference],
    *,
    dry_run: bool = False,
    stop_running: bool = False,
    experiments_directories: Parents = (),
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
) -> list[Deletion]:
    """Delete experiments: their directories, links to these, and their entries in NNI's registry.

    Links inside are deleted, not followed. Files on other machines, and code outside of the
    experiment directory, are kept. A directory that contains a mount is refused: NNI leaves its NFS
    share mounted there after kubeflow experiments. All experiments are checked before anything is
    deleted.

    Args:
        experiments: Ids or unique prefixes of them, experiment directories, or their databases.
        dry_run: Only report what would be deleted.
        stop_running: Stop running experiments; without it they are an error.
        experiments_directories: Further experiments directories to search.
        timeouts: Limits for stopping.

    Raises:
        ExperimentNotFoundError: An experiment was not found; nothing was deleted.
        InvalidValueError: A reference is ambiguous, or is an archive or a manager's address;
            nothing was deleted.
        StateError: An experiment is running, or has processes; it was not deleted. If that was so
            from the beginning, nothing was.
        StopError: An experiment could not be stopped; it was not deleted.
        DeletionError: A directory contains a mount, whose location is `path`; if that was so from
            the beginning, nothing was deleted. Or a file could not be deleted.
        RegistryError: NNI's registry cannot be read or written.
    """
    named = [experiments] if isinstance(experiments, str | os.PathLike) else list(experiments)
    parents = list(experiments_directories)
    # The same experiment may be given twice.
    chosen = {
        (record.exp_id, record.directory): record
        for one in named
        if (record := _find(one, parents).record) is not None
    }
    workers = find_workers()
    plans = [plan_deletion(record, workers) for record in chosen.values()]
    _refuse_mounts(plans)
    if dry_run:
        return plans
    if not stop_running:
        _refuse_running(plans)
    _sweep(chosen.values())
    return [_delete(plan, timeouts if stop_running else None) for plan in plans]


def _find(reference: Reference, parents: Parents) -> FoundExperiment:
    return find_experiment(reference, experiments_directories=parents, refused=_REFUSED)


def prune_experiments(
    *,
    older_than: str | float | timedelta | None = None,
    statuses: Collection[str] = (),
    larger_than: int | None = None,
    dry_run: bool = True,
    experiments_directories: Parents = (),
) -> list[Deletion]:
    """Delete stopped experiments that meet every given condition.

    Only experiments in this user's NNI registry count, whose files exist and that have no running
    process. One whose directory contains a mount is skipped, with a logged warning.

    Args:
        older_than: Ended, or else last written to, longer ago than this: `30d`, a timedelta or
            seconds.
        statuses: Their statuses in the registry, such as `ERROR` or `STOPPED`.
        larger_than: Their files together have more bytes than this.
        dry_run: Only report what would be deleted; the default.
        experiments_directories: Further experiments directories to search.

    Raises:
        InvalidValueError: No condition is given, or one is not a duration, a size or a status.
        StateError: An experiment was started meanwhile; those before it were deleted.
        DeletionError: A file could not be deleted.
        RegistryError: NNI's registry cannot be read or written.
    """
    if older_than is None and not statuses and larger_than is None:
        raise InvalidValueError(
            "prune needs a condition, or it would delete every experiment: give older_than, "
            "statuses or larger_than",
            field="older_than",
            value=None,
        )
    for status in statuses:
        check_choice(status, list(map(str, ExperimentStatus)), field="status")
    least_age = None if older_than is None else _to_age(older_than)
    now = datetime.now(timezone.utc)
    workers = find_workers()
    plans = [
        plan_deletion(record, workers)
        for record in list_experiments(experiments_directories=experiments_directories)
        if record.is_registered
        and record.directory is not None
        and (not statuses or record.registry_status in statuses)
        and (least_age is None or _is_older(record, now - least_age))
    ]
    chosen = [
        plan
        for plan in plans
        if not _is_active(plan)
        and (larger_than is None or plan.size > larger_than)
        and not _is_mounted_in(plan)
    ]
    if dry_run:
        return chosen
    _sweep(plan.record for plan in chosen)
    return [_delete(plan, None) for plan in chosen]


def _to_age(given: str | float | timedelta) -> timedelta:
    return timedelta(seconds=parse_duration(given, field="older_than"))


def _is_older(record: ExperimentRecord, moment: datetime) -> bool:
    # An experiment without an end time may have run until yesterday.
    ended = record.ended_at or last_written(record) or record.started_at
    return ended is not None and ended < moment


def plan_deletion(record: ExperimentRecord, workers: Sequence[WorkerProcess]) -> Deletion:
    """Return what deleting an experiment would remove: its directories and their processes."""
    paths = _paths_of(record)
    processes = [] if record.owner is None else [record.owner]
    processes += _workers_of(record, workers)
    return Deletion(record, paths, sum(map(size_on_disk, paths)), tuple(processes))


def _workers_of(
    record: ExperimentRecord, workers: Sequence[WorkerProcess]
) -> list[ProcessIdentity]:
    directory = record.directory
    if directory is None:
        return []
    return [worker.identity for worker in workers if worker.works_for(directory)]


def _refuse_started(record: ExperimentRecord) -> None:
    """Raise if an experiment was resumed or viewed since the plan was made."""
    managers = [
        manager.identity
        for manager in find_managers()
        if manager.runs(record.exp_id, record.directory)
    ]
    _refuse_running([Deletion(record, (), 0, (*managers, *_workers_of(record, find_workers())))])


def _is_active(plan: Deletion) -> bool:
    return bool(plan.processes)


def _refuse_running(plans: Iterable[Deletion]) -> None:
    for plan in plans:
        if _is_active(plan):
            pids = ", ".join(str(process.pid) for process in plan.processes)
            raise StateError(
                f"experiment {plan.record.exp_id} still has processes ({pids}), so it was not "
                "deleted; stop it first, or pass stop_running"
            )


def _refuse_mounts(plans: Iterable[Deletion]) -> None:
    for plan in plans:
        if refusal := _find_mount(plan):
            raise refusal


def _find_mount(plan: Deletion) -> DeletionError | None:
    """Return the error that names a mount in the directories of an experiment, None without one.

    Links are deleted, and their targets are left alone.
    """
    for path in plan.paths:
        try:
            if not path.is_symlink():
                check_unmounted(path)
        except OSError as error:
            mount = error.filename or path
            return DeletionError(
                f"experiment {plan.record.exp_id} was not deleted: {mount}: {error.strerror}",
                path=Path(mount),
            )
    return None


def _is_mounted_in(plan: Deletion) -> bool:
    refusal = _find_mount(plan)
    if refusal is not None:
        logger.warning("%s", refusal)
    return refusal is not None


def _paths_of(record: ExperimentRecord) -> tuple[Path, ...]:
    launcher = launcher_directory(record)
    paths = [] if launcher is None else [launcher]
    directory = record.directory
    if directory is None:
        return tuple(paths)
    # The directory comes from the registry, a file that anybody may have written.
    if not any((directory / mark).is_file() for mark in _MARKS):
        logger.warning("%s does not contain an experiment and is not deleted", directory)
        return tuple(paths)
    latest = directory.parent / _LATEST
    if latest.is_symlink() and os.path.realpath(latest) == os.path.realpath(directory):
        paths.insert(0, latest)
    if directory.is_symlink():
        logger.warning(
            "%s is a link; only the link is deleted, not %s",
            directory,
            os.path.realpath(directory),
        )
    return (directory, *paths)


def size_on_disk(path: Path) -> int:
    """Return the bytes in a file, or in all files below a directory.

    Links are not followed. Mounts do not count, as a mounted server may not answer.
    """
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    mounts = {str(mount.path) for mount in find_mounts(path)}
    total = 0
    directories = [os.path.realpath(path)]
    while directories:
        directory = directories.pop()
        if directory in mounts:
            continue
        with suppress(FileNotFoundError), os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    directories.append(entry.path)
                else:
                    with suppress(FileNotFoundError):
                        total += entry.stat(follow_symlinks=False).st_size
    return total


def _delete(plan: Deletion, stop_timeouts: Timeouts | None) -> Deletion:
    """Delete an experiment, stopping it first if there are timeouts for that."""
    record = plan.record
    if stop_timeouts is not None and _is_active(plan):
        stop_processes(record, stop_timeouts)
    with ExitStack() as stack:
        if record.directory is not None and record.directory.is_dir():
            # Nothing may start a manager for it meanwhile.
            stack.enter_context(claimed(record.directory))
        _refuse_started(record)
        for path in plan.paths:
            with _as_deletion_error(record.exp_id, path):
                _remove(path)
        if record.is_registered:
            layout_of(record).registry().remove(record.exp_id)
    logger.info("deleted experiment %s (%d bytes)", record.exp_id, plan.size)
    return replace(plan, is_done=True)


def stop_processes(record: ExperimentRecord, timeouts: Timeouts) -> None:
    """End the manager of an experiment, if it has one, and every process that works for it.

    Raises:
        StopError: A process is still alive.
    """
    marks = ProcessMarks(record.exp_id, record.directory, record.owner)
    process = None if record.owner is None else ManagerProcess.find(record.owner)
    if process is None:
        reap(marks)
    else:
        stop_manager(process, marks, ask=process.terminate, timeout_s=timeouts.stop_s)


@contextmanager
def _as_deletion_error(exp_id: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DeletionError(
            f"experiment {exp_id} was only partly deleted: {error.filename or path}: "
            f"{error.strerror or error}; fix that, and delete it again",
            path=path,
        ) from error


def _remove(path: Path) -> None:
    """Remove a file, a link or a directory; a directory is moved away first, in one step."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    with staging_directory(path.parent) as trash:
        moved = trash / path.name
        check_unmounted(path)
        path.rename(moved)
        try:
            # A mount moves with the directory around it, and may have come meanwhile.
            check_unmounted(moved)
            _empty(moved)
        except OSError as error:
            # What is left must stay visible, so that it can be deleted again.
            moved.rename(path)
            failed = str(error.filename or moved).replace(str(moved), str(path), 1)
            raise OSError(
                error.errno,
                str(error.strerror or error).replace(str(moved), str(path)),
                failed,
            ) from error


def _empty(directory: Path) -> None:
    # The records go last: by them the rest is still recognised as an experiment.
    for child in sorted(
        directory.iterdir(), key=lambda child: child.name == _PATHS.database.parent.name
    ):
        if child.is_symlink() or not child.is_dir():
            child.unlink()
        else:
            remove_tree(child)


def _sweep(records: Iterable[ExperimentRecord]) -> None:
    """Remove what killed deletions left."""
    parents = {layout.registry().path.parent for layout in LAYOUTS}
    for record in records:
        if record.directory is not None:
            parents.add(record.directory.parent)
        elif parent := to_directory(record.raw.get("logDir")):
            parents.add(parent)
    for parent in parents:
        with suppress(OSError):
            remove_abandoned(parent)
