"""List the experiments on this machine, each with the manager that really runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from nnicli.errors import InvalidValueError, UnsupportedVersionError
from nnicli.launcher import RunningManager, check_processes, find_managers
from nnicli.models import ExperimentRecord, ExperimentStatus
from nnicli.releases import find_release
from nnicli.rest import Connection, ManagerClient
from nnicli.safe_logging import get_logger
from nnicli.store import Parents, list_recorded

logger = get_logger(__name__)

# Only the manager knows the status, and it does not answer.
_UNKNOWN = "UNKNOWN"
_ANSWER_S = 1.0
_ASKED_AT_ONCE = 32


def list_experiments(
    running_only: bool = False,
    *,
    experiments_directories: Parents = (),
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> list[ExperimentRecord]:
    """Return the experiments on this machine, the most recently started first.

    They come from NNI's registries (of 1.x, and of 2.x and 3.0) and from NNI's default experiments
    directories and all that the registries name. Nothing is changed. Managers that do not write
    their status into a registry, such as those of 1.x, are asked for it, all at once and for 1 s. A
    manager is recognised by its command line and its open files, not by its pid alone, as another
    process may have that pid by now.

    Args:
        running_only: Leave out experiments without a live manager.
        experiments_directories: Further experiments directories to search.
        connection: How to connect to managers, each at its own endpoint.

    Returns:
        One record per experiment. A damaged registry is reported in a logged warning, and its
        experiments are found by their directories.
    """
    return list_matching(
        lambda _: True,
        running_only=running_only,
        experiments_directories=experiments_directories,
        connection=connection,
    )


def list_matching(
    is_wanted: Callable[[str], bool],
    *,
    running_only: bool = False,
    experiments_directories: Parents = (),
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> list[ExperimentRecord]:
    """Return the records of `list_experiments()` whose ids are wanted."""
    check_processes()
    recorded = list_recorded(
        experiments_directories,
        is_wanted=is_wanted,
        on_damage=lambda error: logger.warning("%s", error),
    )
    if not recorded:
        return []
    managers = find_managers()
    records = [_with_owner(record, managers) for record in recorded]
    listed = [record for record in records if record.is_running or not running_only]
    return _with_answers(listed, connection)


def _with_owner(record: ExperimentRecord, managers: Sequence[RunningManager]) -> ExperimentRecord:
    owner = next(
        (manager for manager in managers if manager.runs(record.exp_id, record.directory)), None
    )
    if owner is None:
        return replace(record, status=ExperimentStatus.STOPPED.value, port=None, url=None)
    return replace(
        record,
        status=_status_of(record, owner),
        port=owner.port or record.port,
        url=owner.url or record.url,
        ended_at=None,
        version=owner.version or record.version,
        owner=owner.identity,
    )


def _status_of(record: ExperimentRecord, owner: RunningManager) -> str:
    if owner.is_view:
        return ExperimentStatus.VIEWED.value
    # An earlier manager recorded STOPPED.
    is_stale = record.registry_status in (None, ExperimentStatus.STOPPED)
    return _UNKNOWN if is_stale or not _records_status(owner) else record.status


def _records_status(owner: RunningManager) -> bool:
    if owner.version is None:
        return False
    try:
        return find_release(owner.version).layout.records_status
    except UnsupportedVersionError:
        return False


def _with_answers(
    records: list[ExperimentRecord], connection: Connection
) -> list[ExperimentRecord]:
    """Return the records, with unknown statuses replaced by what the managers answer."""
    asked = [index for index, record in enumerate(records) if record.status == _UNKNOWN]
    if asked:
        with ThreadPoolExecutor(min(len(asked), _ASKED_AT_ONCE)) as pool:
            urls = [records[index].url for index in asked]
            answers = pool.map(lambda url: _status_by_manager(url, connection), urls)
            for index, status in zip(asked, answers, strict=True):
                records[index] = replace(records[index], status=status)
    return records


def _status_by_manager(url: str | None, connection: Connection) -> str:
    if url is None:
        return _UNKNOWN
    try:
        with ManagerClient(connection.at(url)) as client:
            answer = client.poll_status(_ANSWER_S)
    except InvalidValueError:
        return _UNKNOWN
    return answer["status"] if answer else _UNKNOWN
