"""Find the experiments on this machine in NNI's registries and the experiments directories."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnicli.errors import DecodingError, ExperimentNotFoundError, RegistryError
from nnicli.models import ExperimentProfile, ExperimentRecord
from nnicli.safe_logging import get_logger
from nnicli.store.database.records import ExperimentDatabase
from nnicli.store.database.sqlite import access_problem
from nnicli.store.kept_config import CONFIG_KEY, read_kept_config
from nnicli.store.layouts import (
    LAYOUTS,
    Layout,
    can_be_path,
    is_directory_name,
)
from nnicli.store.paths import ExperimentPaths, layout_of_files
from nnicli.store.registry import Registry
from nnicli.units import from_epoch_ms
from nnicli.user_home import user_home

logger = get_logger(__name__)

# NNI's default experiments directory: since 1.8, and before.
_DEFAULT_PARENTS = ("nni-experiments", "nni/experiments")
# How nnictl of 1.x writes times, in the machine's time zone.
_TIME_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S")
_STOPPED = "STOPPED"
_HIGHEST_PORT = 65_535

Parents = Iterable[str | os.PathLike[str]]
"""Experiments directories."""


def list_recorded(
    experiments_directories: Parents = (),
    *,
    is_wanted: Callable[[str], bool] = lambda _: True,
    on_damage: Callable[[RegistryError], object] | None = None,
) -> list[ExperimentRecord]:
    """Return all experiments that are registered or on disk, the most recently started first.

    Whether they are running is not known here: `status` is the last one recorded.

    Args:
        experiments_directories: Experiments directories to search besides NNI's defaults and those
            that the registries name.
        is_wanted: Whether the experiment with this id is wanted; only the databases of these are
            read.
        on_damage: Called with the error for a registry that cannot be read, whose experiments are
            then found by their directories; None: it is raised.

    Raises:
        RegistryError: A registry cannot be read, and `on_damage` is None.
    """
    given = [to_absolute(parent) for parent in experiments_directories]
    given += [user_home() / parent for parent in _DEFAULT_PARENTS]
    registered = [
        _Registered(exp_id, entry, layout, registered_parent(entry, layout))
        for layout in _registry_layouts()
        for exp_id, entry in _read(layout.registry(), on_damage).items()
    ]
    parents = (one.parent for one in registered if one.parent is not None)
    listings = {parent: _names_in(parent) for parent in dict.fromkeys((*given, *parents))}
    records = _look_up([one for one in registered if is_wanted(one.exp_id)], given, listings)
    known = {
        os.path.realpath(record.directory) for record in records if record.directory is not None
    }
    for directory in _directories_in(listings, is_wanted):
        real = os.path.realpath(directory)
        if real not in known:
            known.add(real)
            records.append(read_record(directory))
    return sorted(records, key=_newest_first)


@dataclass(frozen=True, slots=True)
class _Registered:
    """A registered experiment.

    Attributes:
        exp_id: The experiment.
        entry: Its entry in the registry.
        layout: The release family with that registry.
        parent: The parent of its directory, None if that is not recorded.
    """

    exp_id: str
    entry: dict[str, Any]
    layout: Layout
    parent: Path | None


def _read(
    registry: Registry, on_damage: Callable[[RegistryError], object] | None
) -> dict[str, dict[str, Any]]:
    try:
        return registry.read()
    except RegistryError as error:
        if on_damage is None:
            raise
        on_damage(error)
        return {}


def _names_in(parent: Path) -> list[str]:
    try:
        return sorted(os.listdir(parent))  # noqa: PTH208 - a Path each would double the time
    except (OSError, ValueError):
        return []


def _look_up(
    registered: Sequence[_Registered],
    given: Sequence[Path],
    listings: Mapping[Path, Sequence[str]],
) -> list[ExperimentRecord]:
    """Return the records of registered experiments.

    An experiment that is not where the registry says is searched for in all experiments
    directories. Their listings are used for that, as a check of each directory for each experiment
    would take hours with many of both.
    """
    ids = {one.exp_id for one in registered}
    holders: dict[str, list[Path]] = {}
    for parent, names in listings.items():
        for name in ids.intersection(names):
            holders.setdefault(name, []).append(parent)
    registries = {one.layout.since: one.layout.registry().path for one in registered}

    def find(one: _Registered) -> Path | None:
        if not is_directory_name(one.exp_id):
            return None
        registered = [] if one.parent is None else [one.parent]
        parents = dict.fromkeys((*registered, *given, *holders.get(one.exp_id, ())))
        directories = (parent / one.exp_id for parent in parents)
        return next((path for path in directories if _false_if_denied(path.is_dir)), None)

    return [_registered(one, find(one), registries[one.layout.since]) for one in registered]


def find_experiment_directory(exp_id: str, experiments_directories: Parents = ()) -> Path:
    """Return an experiment directory by the experiment's id.

    Args:
        exp_id: The id.
        experiments_directories: Experiments directories to search first, before those that are
            always searched.

    Raises:
        ExperimentNotFoundError: It was not found; the message lists the searched directories.
    """
    parents = [to_absolute(parent) for parent in experiments_directories]
    defaults = [user_home() / parent for parent in _DEFAULT_PARENTS]
    searched = dict.fromkeys(parents)
    for layout in _registry_layouts():
        # A damaged registry does not matter if the directory is found without it.
        with suppress(RegistryError):
            parent = registered_parent(layout.registry().get(exp_id) or {}, layout)
            if parent is not None:
                searched[parent] = None
    searched.update(dict.fromkeys(defaults))
    if is_directory_name(exp_id):
        for parent in searched:
            if is_file(ExperimentDatabase.of(parent / exp_id).path):
                return parent / exp_id
    looked = "".join(f"\n  {_describe(parent / exp_id)}" for parent in searched)
    raise ExperimentNotFoundError(
        f"experiment {exp_id!r} not found; looked for its database in:{looked}", exp_id=exp_id
    ).with_advice(
        "If it is somewhere else, pass its directory; list_experiments() lists those that are "
        "known",
        shell="If it is somewhere else, pass its directory, or the parent of that as "
        "--experiments-directory; `nnicli experiment list --all` lists those that are known",
    )


def registered_parent(entry: Mapping[str, Any], layout: Layout) -> Path | None:
    """Return the parent of a registered experiment's directory, None if it is not recorded.

    Args:
        entry: Its entry in the registry.
        layout: The release family with that registry.
    """
    launcher = layout.launcher_directory(_to_text(entry.get("fileName")) or "")
    config = ExperimentPaths(Path(), launcher).kept_config(layout) if launcher else None
    return to_directory(entry.get("logDir") or _log_dir_of(config))


def to_directory(recorded: object) -> Path | None:
    """Return a registry's value for a directory as an absolute path, None if it cannot be one."""
    if not isinstance(recorded, str) or not recorded or not can_be_path(recorded):
        return None
    return Path(recorded).absolute()


def platform_of(params: Mapping[str, Any]) -> str:
    """Return the training service of a config in either format, in the config's words."""
    service = params.get("trainingService", params.get("trainingServicePlatform", "local"))
    if isinstance(service, list):
        return "hybrid"
    return str(service.get("platform", "unknown") if isinstance(service, Mapping) else service)


def to_absolute(path: str | os.PathLike[str]) -> Path:
    """Return an absolute path; `~` is expanded unless it names an unknown user."""
    return Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - Path's raises for an unknown user


def is_file(path: Path) -> bool:
    """Return whether this is a file; False if permission to look is denied."""
    return _false_if_denied(path.is_file)


def _false_if_denied(check: Callable[[], bool]) -> bool:
    # NNI's and nnicli's directories are readable by their owner only. Up to Python 3.13, pathlib
    # raises an error for every check in another user's.
    try:
        return check()
    except OSError:
        return False


def _describe(directory: Path) -> str:
    refusal = access_problem(ExperimentDatabase.of(directory).path)
    return str(directory) if refusal is None else f"{directory} ({refusal})"


def _registry_layouts() -> list[Layout]:
    """Return one row per registry, newest first."""
    rows = {layout.registry_file: layout for layout in LAYOUTS}
    return list(rows.values())[::-1]


def _log_dir_of(config: Path | None) -> object:
    """Return the `logDir` in the kept config of an experiment of 1.x."""
    if config is None:
        return None
    try:
        return read_kept_config(config)[CONFIG_KEY].get("logDir")
    except (OSError, ValueError, DecodingError):
        return None


def _registered(one: _Registered, directory: Path | None, registry: Path) -> ExperimentRecord:
    entry = one.entry
    profile, version = _read_files(
        directory, one.layout.launcher_directory(_to_text(entry.get("fileName")) or "")
    )
    status = _to_text(entry.get("status")) or _STOPPED
    params = profile["params"] if profile else {}
    stored: Mapping[str, Any] = profile or {}
    started_ms = _to_ms(entry.get("startTime")) or _to_ms(stored.get("startTime"))
    ended_ms = _to_ms(entry.get("endTime")) or _to_ms(stored.get("endTime"))
    return ExperimentRecord(
        exp_id=one.exp_id,
        name=_to_text(entry.get("experimentName")) or _to_text(params.get("experimentName")),
        status=status,
        registry_status=status,
        platform=_to_text(entry.get("platform")) or (platform_of(params) if profile else None),
        port=_to_port(entry.get("port")),
        url=_first_text(entry.get("webuiUrl")),
        started_at=from_epoch_ms(started_ms),
        ended_at=from_epoch_ms(ended_ms) if status == _STOPPED else None,
        directory=directory,
        version=version,
        owner=None,
        registry=registry,
        raw=entry,
    )


def read_record(directory: Path) -> ExperimentRecord:
    """Return the record of an experiment from its files alone, without a registry."""
    profile, version = _read_files(directory, None)
    params = profile["params"] if profile else {}
    return ExperimentRecord(
        exp_id=directory.name,
        name=_to_text(params.get("experimentName")),
        status=_STOPPED,
        registry_status=None,
        platform=platform_of(params) if profile else None,
        port=None,
        url=None,
        started_at=from_epoch_ms(_to_ms(profile.get("startTime"))) if profile else None,
        ended_at=from_epoch_ms(_to_ms(profile.get("endTime"))) if profile else None,
        directory=directory,
        version=version,
        owner=None,
        registry=None,
        raw={},
    )


def _read_files(
    directory: Path | None, launcher: Path | None
) -> tuple[ExperimentProfile | None, str | None]:
    """Return an experiment's profile and the releases that write such files; None if unknown."""
    if directory is None:
        return None, None
    database = ExperimentDatabase.of(directory)
    try:
        profile = database.get_experiment_profile()
        columns = database.trial_event_columns()
        row = layout_of_files(ExperimentPaths(directory, launcher), columns, profile["params"])
    except (ExperimentNotFoundError, DecodingError, OSError) as error:
        logger.debug("could not read the experiment in %s: %s", directory, error)
        return None, None
    return profile, row.releases


def _directories_in(
    listings: Mapping[Path, Sequence[str]], is_wanted: Callable[[str], bool]
) -> Iterator[Path]:
    for parent, names in listings.items():
        for name in filter(is_wanted, names):
            child = parent / name
            # `_latest` is a link to one of the others.
            if is_file(ExperimentDatabase.of(child).path) and not child.is_symlink():
                yield child


def _to_ms(recorded: object) -> int | None:
    if isinstance(recorded, int) and not isinstance(recorded, bool):
        return recorded
    for form in _TIME_FORMATS:
        with suppress(ValueError, OverflowError):
            return int(time.mktime(time.strptime(str(recorded), form)) * 1000)
    return None


def _to_port(recorded: object) -> int | None:
    # 1.x writes it as text.
    text = str(recorded)
    port = int(text) if text.isdecimal() and len(text) <= len(str(_HIGHEST_PORT)) else 0
    return port if 0 < port <= _HIGHEST_PORT else None


def _to_text(recorded: object) -> str | None:
    """Return a name as text; a file may have it as a number. None for any other value."""
    if isinstance(recorded, str):
        return recorded
    return str(recorded) if isinstance(recorded, int | float) else None


def _first_text(recorded: object) -> str | None:
    texts = recorded if isinstance(recorded, list) else [recorded]
    return next((text for text in texts if isinstance(text, str)), None)


def _newest_first(record: ExperimentRecord) -> tuple[float, str]:
    started = record.started_at
    return (-started.timestamp() if started is not None else 0.0), record.exp_id
