"""The experiments of this machine, as NNI's registries and the experiments' folders tell."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nnicli.decoding import decode_json
from nnicli.errors import DecodingError, ExperimentNotFoundError, RegistryError
from nnicli.models import ExperimentProfile, ExperimentRecord
from nnicli.store.database import ExperimentDatabase
from nnicli.store.layouts import LAYOUTS, Layout, is_folder_name, layout_of_files
from nnicli.units import from_epoch_ms

logger = logging.getLogger(__name__)

# What NNI takes for a folder where the config names none: from 1.8 on, and before.
_DEFAULT_PARENTS = ("nni-experiments", "nni/experiments")
# How nnictl of 1.x writes times, in the machine's own time zone.
_TIME_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S")
_STOPPED = "STOPPED"

Parents = Iterable[str | os.PathLike[str]]
"""Folders that hold experiments' folders."""


def list_recorded(
    experiments_directories: Parents = (),
    *,
    on_damage: Callable[[RegistryError], object] | None = None,
) -> list[ExperimentRecord]:
    """Return every experiment that a registry or a folder tells of, the newest start first.

    Whether any of them runs is not known here: `status` is what was noted last.

    Args:
        experiments_directories: Parents of experiments' folders to search besides NNI's default
            ones and those that the registries name.
        on_damage: Called with the error for a registry that cannot be read, whose experiments are
            then known by their folders; None: it is raised.

    Raises:
        RegistryError: A registry cannot be read, and there is no `on_damage`.
    """
    records: list[ExperimentRecord] = []
    parents = [Path(parent).expanduser().absolute() for parent in experiments_directories]
    parents += [Path.home() / parent for parent in _DEFAULT_PARENTS]
    for layout in _registry_layouts():
        registry = layout.registry()
        try:
            entries = registry.read()
        except RegistryError as error:
            if on_damage is None:
                raise
            on_damage(error)
            continue
        for exp_id, entry in entries.items():
            places = list(places_of(entry, layout, parents))
            parents += [place for place in places if place not in parents]
            records.append(_registered(exp_id, entry, layout, places))
    known = {
        os.path.realpath(record.directory) for record in records if record.directory is not None
    }
    for directory in _folders_in(parents):
        real = os.path.realpath(directory)
        if real not in known:
            known.add(real)
            records.append(_stray(directory))
    return sorted(records, key=_newest_first)


def find_experiment_directory(exp_id: str, experiments_directories: Parents = ()) -> Path:
    """Return the folder of an experiment by its id.

    Args:
        exp_id: The id.
        experiments_directories: Parents to search first, besides those that are always searched.

    Raises:
        ExperimentNotFoundError: There is none; the message lists the places.
    """
    parents = [Path(parent).expanduser().absolute() for parent in experiments_directories]
    defaults = [Path.home() / parent for parent in _DEFAULT_PARENTS]
    places = dict.fromkeys(parents)
    for layout in _registry_layouts():
        # A registry that is damaged is not needed where the folder is found without it.
        with suppress(RegistryError):
            if entry := layout.registry().get(exp_id):
                places.update(dict.fromkeys(places_of(entry, layout)))
    places.update(dict.fromkeys(defaults))
    if is_folder_name(exp_id):
        for place in places:
            if ExperimentDatabase.of(place / exp_id).path.is_file():
                return place / exp_id
    looked = "".join(f"\n  {place / exp_id}" for place in places)
    raise ExperimentNotFoundError(
        f"there is no experiment {exp_id!r}; looked for its database in:{looked}\nIf it lies "
        "elsewhere, pass its folder, or the parent of its folder as experiments_directories",
        exp_id=exp_id,
    )


def places_of(
    entry: Mapping[str, Any], layout: Layout, fallbacks: Iterable[Path] = ()
) -> Iterator[Path]:
    """Return the parents in which the folder of a registered experiment may be, likeliest first.

    Args:
        entry: What the registry has of it.
        layout: Whose registry that is.
        fallbacks: What else to try.
    """
    folder = str(entry.get("fileName") or "")
    noted = entry.get("logDir") or _log_dir_of(layout.config_path(None, folder))
    if isinstance(noted, str):
        yield Path(noted).absolute()
    yield from fallbacks


def platform_of(params: Mapping[str, Any]) -> str:
    """Return the training service of a config in either format, in the config's own words."""
    service = params.get("trainingService", params.get("trainingServicePlatform", "local"))
    if isinstance(service, list):
        return "hybrid"
    return str(service["platform"] if isinstance(service, Mapping) else service)


def _registry_layouts() -> list[Layout]:
    """Return one row for each registry, newest first."""
    rows = {layout.registry_file: layout for layout in LAYOUTS}
    return list(rows.values())[::-1]


def _log_dir_of(config: Path | None) -> object:
    """Return the folder that the stored config of an experiment of 1.x names."""
    if config is None:
        return None
    try:
        return decode_json(config.read_text("utf-8"))["experimentConfig"].get("logDir")
    except (OSError, ValueError, DecodingError, KeyError, TypeError, AttributeError):
        return None


def _registered(
    exp_id: str, entry: dict[str, Any], layout: Layout, places: Iterable[Path]
) -> ExperimentRecord:
    directory = None
    if is_folder_name(exp_id):
        candidates = (place / exp_id for place in places)
        directory = next((folder for folder in candidates if folder.is_dir()), None)
    profile, version = _look_into(directory, str(entry.get("fileName") or ""))
    status = str(entry.get("status") or _STOPPED)
    params = profile["params"] if profile else {}
    started_ms = _to_ms(entry.get("startTime")) or (profile.get("startTime") if profile else None)
    ended_ms = _to_ms(entry.get("endTime")) or (profile.get("endTime") if profile else None)
    return ExperimentRecord(
        exp_id=exp_id,
        name=entry.get("experimentName") or params.get("experimentName"),
        status=status,
        noted_status=status,
        platform=entry.get("platform") or (platform_of(params) if profile else None),
        port=_to_port(entry.get("port")),
        url=next(iter(entry.get("webuiUrl") or ()), None),
        started_at=from_epoch_ms(started_ms),
        ended_at=from_epoch_ms(ended_ms) if status == _STOPPED else None,
        directory=directory,
        version=version,
        owner=None,
        registry=layout.registry().path,
        raw=entry,
    )


def _stray(directory: Path) -> ExperimentRecord:
    profile, version = _look_into(directory, "")
    params = profile["params"] if profile else {}
    return ExperimentRecord(
        exp_id=directory.name,
        name=params.get("experimentName"),
        status=_STOPPED,
        noted_status=None,
        platform=platform_of(params) if profile else None,
        port=None,
        url=None,
        started_at=from_epoch_ms(profile.get("startTime")) if profile else None,
        ended_at=from_epoch_ms(profile.get("endTime")) if profile else None,
        directory=directory,
        version=version,
        owner=None,
        registry=None,
        raw={},
    )


def _look_into(directory: Path | None, folder: str) -> tuple[ExperimentProfile | None, str | None]:
    """Return an experiment's profile and the releases that write such files, as far as known."""
    if directory is None:
        return None, None
    database = ExperimentDatabase.of(directory)
    try:
        profile = database.get_experiment_profile()
        columns = database.trial_event_columns()
        row = layout_of_files(directory, columns, profile["params"], folder)
    except (ExperimentNotFoundError, DecodingError) as error:
        logger.debug("%s tells little of its experiment: %s", directory, error)
        return None, None
    return profile, row.releases


def _folders_in(parents: Iterable[Path]) -> Iterator[Path]:
    for parent in dict.fromkeys(parents):
        try:
            children = sorted(parent.iterdir())
        except OSError:
            continue
        for child in children:
            # `_latest` is a link to one of the others.
            if not child.is_symlink() and ExperimentDatabase.of(child).path.is_file():
                yield child


def _to_ms(noted: object) -> int | None:
    if isinstance(noted, int):
        return noted
    for form in _TIME_FORMATS:
        with suppress(ValueError, OverflowError):
            return int(time.mktime(time.strptime(str(noted), form)) * 1000)
    return None


def _to_port(noted: object) -> int | None:
    # 1.x writes it as text.
    return int(str(noted)) if str(noted).isdecimal() else None


def _newest_first(record: ExperimentRecord) -> tuple[float, str]:
    started = record.started_at
    return (-started.timestamp() if started is not None else 0.0), record.exp_id
