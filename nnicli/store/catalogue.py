"""The experiments of this machine, as NNI's registries and the experiments' folders tell."""

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
from nnicli.store.database.sqlite import why_closed
from nnicli.store.kept_config import CONFIG_KEY, read_kept_config
from nnicli.store.layouts import (
    LAYOUTS,
    Layout,
    can_be_path,
    is_folder_name,
)
from nnicli.store.paths import ExperimentPaths, layout_of_files
from nnicli.store.registry import Registry
from nnicli.units import from_epoch_ms
from nnicli.user_home import user_home

logger = get_logger(__name__)

# What NNI takes for a folder where the config names none: from 1.8 on, and before.
_DEFAULT_PARENTS = ("nni-experiments", "nni/experiments")
# How nnictl of 1.x writes times, in the machine's own time zone.
_TIME_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S")
_STOPPED = "STOPPED"
_HIGHEST_PORT = 65_535

Parents = Iterable[str | os.PathLike[str]]
"""Folders that hold experiments' folders."""


def list_recorded(
    experiments_directories: Parents = (),
    *,
    is_wanted: Callable[[str], bool] = lambda _: True,
    on_damage: Callable[[RegistryError], object] | None = None,
) -> list[ExperimentRecord]:
    """Return every experiment that a registry or a folder tells of, the newest start first.

    Whether any of them runs is not known here: `status` is what was noted last.

    Args:
        experiments_directories: Parents of experiments' folders to search besides NNI's default
            ones and those that the registries name.
        is_wanted: Whether an experiment of this id is wanted; only the databases of those are read.
        on_damage: Called with the error for a registry that cannot be read, whose experiments are
            then known by their folders; None: it is raised.

    Raises:
        RegistryError: A registry cannot be read, and there is no `on_damage`.
    """
    given = [to_absolute(parent) for parent in experiments_directories]
    given += [user_home() / parent for parent in _DEFAULT_PARENTS]
    registered = [
        _Registered(exp_id, entry, layout, noted_parent(entry, layout))
        for layout in _registry_layouts()
        for exp_id, entry in _read(layout.registry(), on_damage).items()
    ]
    noted = (one.parent for one in registered if one.parent is not None)
    listings = {parent: _names_in(parent) for parent in dict.fromkeys((*given, *noted))}
    records = _look_up([one for one in registered if is_wanted(one.exp_id)], given, listings)
    known = {
        os.path.realpath(record.directory) for record in records if record.directory is not None
    }
    for directory in _folders_in(listings, is_wanted):
        real = os.path.realpath(directory)
        if real not in known:
            known.add(real)
            records.append(_stray(directory))
    return sorted(records, key=_newest_first)


@dataclass(frozen=True, slots=True)
class _Registered:
    """What a registry has of an experiment.

    Attributes:
        exp_id: The experiment.
        entry: The registry's own words.
        layout: Whose registry it is.
        parent: The folder in which its own should be, None where that is not noted.
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

    One that is not where it was noted is looked for in all folders. Their listings are asked, as
    a look into each folder for each experiment would take hours with many of both.
    """
    ids = {one.exp_id for one in registered}
    holders: dict[str, list[Path]] = {}
    for parent, names in listings.items():
        for name in ids.intersection(names):
            holders.setdefault(name, []).append(parent)
    registries = {one.layout.since: one.layout.registry().path for one in registered}

    def find(one: _Registered) -> Path | None:
        if not is_folder_name(one.exp_id):
            return None
        noted = [] if one.parent is None else [one.parent]
        places = dict.fromkeys((*noted, *given, *holders.get(one.exp_id, ())))
        folders = (place / one.exp_id for place in places)
        return next((folder for folder in folders if _as_far_as_told(folder.is_dir)), None)

    return [_registered(one, find(one), registries[one.layout.since]) for one in registered]


def find_experiment_directory(exp_id: str, experiments_directories: Parents = ()) -> Path:
    """Return the folder of an experiment by its id.

    Args:
        exp_id: The id.
        experiments_directories: Parents to search first, besides those that are always searched.

    Raises:
        ExperimentNotFoundError: There is none; the message lists the places.
    """
    parents = [to_absolute(parent) for parent in experiments_directories]
    defaults = [user_home() / parent for parent in _DEFAULT_PARENTS]
    places = dict.fromkeys(parents)
    for layout in _registry_layouts():
        # A registry that is damaged is not needed where the folder is found without it.
        with suppress(RegistryError):
            noted = noted_parent(layout.registry().get(exp_id) or {}, layout)
            if noted is not None:
                places[noted] = None
    places.update(dict.fromkeys(defaults))
    if is_folder_name(exp_id):
        for place in places:
            if is_file(ExperimentDatabase.of(place / exp_id).path):
                return place / exp_id
    looked = "".join(f"\n  {_describe(place / exp_id)}" for place in places)
    raise ExperimentNotFoundError(
        f"there is no experiment {exp_id!r}; looked for its database in:{looked}", exp_id=exp_id
    ).with_advice(
        "If it lies elsewhere, pass its directory; list_experiments() has those that are known",
        shell="If it lies elsewhere, pass its directory, or the parent of that as "
        "--experiments-directory; `nnicli experiment list --all` has those that are known",
    )


def noted_parent(entry: Mapping[str, Any], layout: Layout) -> Path | None:
    """Return the parent of a registered experiment's folder, None where none is noted.

    Args:
        entry: What the registry has of it.
        layout: Whose registry that is.
    """
    launcher = layout.launcher_directory(_to_text(entry.get("fileName")) or "")
    config = ExperimentPaths(Path(), launcher).kept_config(layout) if launcher else None
    return to_folder(entry.get("logDir") or _log_dir_of(config))


def to_folder(noted: object) -> Path | None:
    """Return what a registry has as a folder as an absolute path, None where it can be none."""
    if not isinstance(noted, str) or not noted or not can_be_path(noted):
        return None
    return Path(noted).absolute()


def platform_of(params: Mapping[str, Any]) -> str:
    """Return the training service of a config in either format, in the config's own words."""
    service = params.get("trainingService", params.get("trainingServicePlatform", "local"))
    if isinstance(service, list):
        return "hybrid"
    return str(service.get("platform", "unknown") if isinstance(service, Mapping) else service)


def to_absolute(path: str | os.PathLike[str]) -> Path:
    """Return a path from outside; `~` is the home, yet text where there is no such user."""
    # That of pathlib raises RuntimeError over an unknown user.
    return Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - Path's raises for an unknown user


def is_file(path: Path) -> bool:
    """Return whether this is a file, as far as one may look."""
    return _as_far_as_told(path.is_file)


def _as_far_as_told(ask: Callable[[], bool]) -> bool:
    # NNI's and our own folders are for their owner alone, and in one of somebody else's pathlib
    # raises over every question (up to Python 3.13).
    try:
        return ask()
    except OSError:
        return False


def _describe(directory: Path) -> str:
    refusal = why_closed(ExperimentDatabase.of(directory).path)
    return str(directory) if refusal is None else f"{directory} ({refusal})"


def _registry_layouts() -> list[Layout]:
    """Return one row for each registry, newest first."""
    rows = {layout.registry_file: layout for layout in LAYOUTS}
    return list(rows.values())[::-1]


def _log_dir_of(config: Path | None) -> object:
    """Return the folder that the stored config of an experiment of 1.x names."""
    if config is None:
        return None
    try:
        return read_kept_config(config)[CONFIG_KEY].get("logDir")
    except (OSError, ValueError, DecodingError):
        return None


def _registered(one: _Registered, directory: Path | None, registry: Path) -> ExperimentRecord:
    entry = one.entry
    profile, version = _look_into(
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


def _stray(directory: Path) -> ExperimentRecord:
    profile, version = _look_into(directory, None)
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


def _look_into(
    directory: Path | None, launcher: Path | None
) -> tuple[ExperimentProfile | None, str | None]:
    """Return an experiment's profile and the releases that write such files, as far as known."""
    if directory is None:
        return None, None
    database = ExperimentDatabase.of(directory)
    try:
        profile = database.get_experiment_profile()
        columns = database.trial_event_columns()
        row = layout_of_files(ExperimentPaths(directory, launcher), columns, profile["params"])
    except (ExperimentNotFoundError, DecodingError, OSError) as error:
        logger.debug("%s tells little of its experiment: %s", directory, error)
        return None, None
    return profile, row.releases


def _folders_in(
    listings: Mapping[Path, Sequence[str]], is_wanted: Callable[[str], bool]
) -> Iterator[Path]:
    for parent, names in listings.items():
        for name in filter(is_wanted, names):
            child = parent / name
            # `_latest` is a link to one of the others.
            if is_file(ExperimentDatabase.of(child).path) and not child.is_symlink():
                yield child


def _to_ms(noted: object) -> int | None:
    if isinstance(noted, int) and not isinstance(noted, bool):
        return noted
    for form in _TIME_FORMATS:
        with suppress(ValueError, OverflowError):
            return int(time.mktime(time.strptime(str(noted), form)) * 1000)
    return None


def _to_port(noted: object) -> int | None:
    # 1.x writes it as text.
    text = str(noted)
    port = int(text) if text.isdecimal() and len(text) <= len(str(_HIGHEST_PORT)) else 0
    return port if 0 < port <= _HIGHEST_PORT else None


def _to_text(noted: object) -> str | None:
    """Return a name as text, as which a file may hold a number; None for what is no name."""
    if isinstance(noted, str):
        return noted
    return str(noted) if isinstance(noted, int | float) else None


def _first_text(noted: object) -> str | None:
    texts = noted if isinstance(noted, list) else [noted]
    return next((text for text in texts if isinstance(text, str)), None)


def _newest_first(record: ExperimentRecord) -> tuple[float, str]:
    started = record.started_at
    return (-started.timestamp() if started is not None else 0.0), record.exp_id
