"""The experiments of this machine, each with the manager that really runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nnicli.launcher import RunningManager, find_managers
from nnicli.models import ExperimentRecord, ExperimentStatus
from nnicli.safe_logging import get_logger
from nnicli.store import Parents, list_recorded

logger = get_logger(__name__)


def list_experiments(
    running_only: bool = False, *, experiments_directories: Parents = ()
) -> list[ExperimentRecord]:
    """Return the experiments of this machine, the newest start first.

    Those of NNI's registries (2.x and 3.0, and 1.x), and those that are in a folder only: NNI's
    default folders and all that the registries name are searched. Nothing is asked of managers, and
    nothing is changed. A manager counts by its command line and its open files, not by its pid
    alone, so a pid that another process has by now is nobody's owner.

    Args:
        running_only: Leave out those without a living manager.
        experiments_directories: Further parents of experiments' folders to search.

    Returns:
        A record each. A registry that is damaged is told by a logged warning, and its experiments
        are known by their folders.
    """
    recorded = list_recorded(
        experiments_directories, on_damage=lambda error: logger.warning("%s", error)
    )
    managers = find_managers()
    records = [_with_owner(record, managers) for record in recorded]
    return [record for record in records if record.is_running or not running_only]


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
    # Noted by whoever lived before: the manager is there, and has not said more yet.
    is_stale = record.noted_status in (None, ExperimentStatus.STOPPED)
    return ExperimentStatus.RUNNING.value if is_stale else record.status
