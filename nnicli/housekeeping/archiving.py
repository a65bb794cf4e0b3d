"""Experiments saved as one file, and loaded in another place."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nnicli.errors import (
    Advice,
    AlreadyExistsError,
    ArchiveError,
    ExperimentNotFoundError,
    InvalidValueError,
    NnicliError,
    RegistryError,
    StateError,
)
from nnicli.housekeeping.entries import stopped_entry
from nnicli.housekeeping.lookup import Kind, Reference, find_experiment
from nnicli.housekeeping.records import launcher_directory, layout_of
from nnicli.launcher import find_managers, random_name
from nnicli.models import ExperimentRecord
from nnicli.removal import remove_tree
from nnicli.safe_logging import get_logger
from nnicli.store import (
    CODE_PART,
    CONFIG_KEY,
    EXPERIMENT_PART,
    KEPT_CONFIG,
    LAUNCHER_PART,
    LAYOUTS,
    MANIFEST,
    SEARCH_SPACE_PART,
    ArchiveReader,
    ExperimentDatabase,
    ExperimentPaths,
    Manifest,
    Parents,
    Part,
    Progress,
    Registry,
    Relocation,
    copy_database,
    open_archive,
    read_kept_config,
    read_manifest,
    recorded_directories,
    relocate_database,
    staging_directory,
    write_archive,
)
from nnicli.user_home import user_home

logger = get_logger(__name__)

_ELSEWHERE = Advice(
    "or choose another experiments_directory", "or choose another --experiments-directory"
)

# Relative to the experiment's directory.
_PATHS = ExperimentPaths(Path())
_COPIED = tuple(map(str, _PATHS.database_files))
# What NNI has of an experiment beside the files of its trials.
_RECORDS = (
    str(_PATHS.database.parent),
    str(_PATHS.log_directory),
    str(_PATHS.checkpoint),
    KEPT_CONFIG,
)
_MOST_NAMED = 5
_REFUSED: Mapping[Kind, Advice] = {
    "archive": Advice("the experiment is saved already", "the experiment is saved already"),
}
# Under which a config names folders of code: in the v2 format, and in v1.
_CODE_KEYS = ("trialCodeDirectory", "codeDirectory", "codeDir")


@dataclass(frozen=True, slots=True)
class SavedExperiment:
    """An experiment that was saved.

    Attributes:
        exp_id: The experiment.
        path: The archive.
        size: The archive's size in bytes.
        files: How many files are in it.
        skipped: Paths of what is not in it, as no archive can hold it: links that lead out of
            their folder, sockets and the like, names that some system cannot have; and what is
            mounted there.
    """

    exp_id: str
    path: Path
    size: int
    files: int
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoadedExperiment:
    """An experiment that was loaded.

    Attributes:
        exp_id: The experiment.
        directory: Its own folder.
        code_directory: Where its trials look for their code; None where the config names none.
        has_code: Whether that folder is there, without which it can be viewed and not resumed.
    """

    exp_id: str
    directory: Path
    code_directory: Path | None
    has_code: bool


def save_experiment(
    experiment: Reference,
    file: str | os.PathLike[str],
    *,
    include_code: bool = False,
    include_trials: bool = False,
    experiments_directory: str | os.PathLike[str] | None = None,
    timeout_s: float = 60.0,
    progress: Progress | None = None,
) -> SavedExperiment:
    """Save an experiment as one file, from which any machine can view and resume it.

    The file is a zip archive with checksums: config, search space, database, logs and the tuner's
    checkpoints. It holds all that the config says, passwords included, and is the owner's alone.
    An experiment that runs is saved as it is at one moment, and goes on.

    Args:
        experiment: Its id or a unique prefix of it, its own folder, its `nni.sqlite`, or the
            address of its manager on this machine.
        file: The archive, in a folder that exists; nothing is written over.
        include_code: Save the folders with the trials' code, and with a tuner's own.
        include_trials: Save what trials have written, too.
        experiments_directory: Where else to look for the experiment.
        timeout_s: How long a running experiment may get in the way of a consistent copy of its
            database.
        progress: Is told the bytes that are done, and all that there are to do.

    Raises:
        ExperimentNotFoundError: There is no such experiment, or its files are gone.
        InvalidValueError: The reference means several experiments, or is an archive already.
        AlreadyExistsError: There is something of the archive's name.
        ArchiveError: Something cannot be read or written; no archive is left.
        StateError: It is written to too often for a copy in time, stop it first; or its folder is
            not named by its id.
        DecodingError: Its database is none.
    """
    target = Path(file).expanduser().absolute()
    parents = () if experiments_directory is None else (experiments_directory,)
    record, directory = _find_files(experiment, parents)
    if os.path.lexists(target):
        raise AlreadyExistsError(
            f"{target} exists and is not written over; choose another name, or delete it first",
            path=target,
        )
    original = ExperimentDatabase.of(directory)
    _check_name(record.exp_id, original)
    with _told_of(target), staging_directory(target.parent) as folder:
        database = folder / _PATHS.database.name
        with _told_of(original.path):
            copy_database(original.path, database, timeout_s=timeout_s)
        params = ExperimentDatabase(database).get_experiment_profile()["params"]
        code = _code_of(params, target) if include_code else {}
        packed = write_archive(
            target,
            _parts(record, directory, database, code, include_trials=include_trials),
            _documents(record, params, code),
            progress=progress,
        )
    _warn_of_skipped(packed.skipped)
    logger.info("experiment %s is saved in %s", record.exp_id, target)
    return SavedExperiment(
        record.exp_id, target, target.stat().st_size, packed.files, packed.skipped
    )


def _find_files(experiment: Reference, parents: Parents) -> tuple[ExperimentRecord, Path]:
    """Return the record of an experiment and its directory, which has a database."""
    found = find_experiment(experiment, experiments_directories=parents, refused=_REFUSED)
    record = found.record
    if record is None:
        raise ExperimentNotFoundError(
            f"the experiment at {found.url} has no files on this machine", exp_id=""
        )
    directory = record.directory
    if directory is None or not ExperimentDatabase.of(directory).path.is_file():
        raise ExperimentNotFoundError(
            f"the files of experiment {record.exp_id} are gone, though {record.registry} has it; "
            "there is nothing to save",
            exp_id=record.exp_id,
        )
    return record, directory


def _warn_of_skipped(skipped: Sequence[str]) -> None:
    if skipped:
        logger.warning(
            "%d paths are not saved, as they lead elsewhere, are mounted or are no files: %s%s",
            len(skipped),
            ", ".join(skipped[:_MOST_NAMED]),
            " ..." if len(skipped) > _MOST_NAMED else "",
        )


def _check_name(exp_id: str, database: ExperimentDatabase) -> None:
    """Refuse a folder with another name than its experiment, which no NNI can resume."""
    recorded = database.get_experiment_profile().get("id")
    if recorded != exp_id:
        raise StateError(
            f"{database.directory} is named {exp_id!r}, and the experiment in its database is "
            f"{recorded!r}; rename the folder back to {recorded!r}, and save that experiment"
        )


@contextmanager
def _told_of(file: Path) -> Iterator[None]:
    """Raise what the system says of files as an ArchiveError that names this one."""
    try:
        yield
    except NnicliError:
        raise
    except (OSError, sqlite3.Error) as error:
        raise ArchiveError(f"{file}: {error}; nothing was changed", path=file) from error


def _code_of(params: Mapping[str, Any], archive: Path) -> dict[str, Path]:
    """Return folder of the archive -> folder of code that a config names."""
    folders = code_directories(params)
    if missing := [folder for folder in folders if not folder.is_dir()]:
        raise ArchiveError(
            f"the code cannot be saved: there is no folder {missing[0]}; save without code",
            path=archive,
        )
    return {f"{CODE_PART}/{number}": folder for number, folder in enumerate(folders)}


def _parts(
    record: ExperimentRecord,
    directory: Path,
    database: Path,
    code: Mapping[str, Path],
    *,
    include_trials: bool,
) -> list[Part]:
    def is_not_asked_for(name: str) -> bool:
        is_record = name.split("/", maxsplit=1)[0] in _RECORDS
        # An experiment that was loaded has its code in its own folder.
        return name in _COPIED or name == CODE_PART or not (is_record or include_trials)

    launcher = launcher_directory(record)
    # A folder of code may be one above the experiments.
    experiments = {os.path.realpath(place) for place in (directory, directory.parent)}
    return [
        Part(EXPERIMENT_PART, directory, is_not_asked_for),
        Part(f"{EXPERIMENT_PART}/{_PATHS.database}", database),
        *([] if launcher is None else [Part(LAUNCHER_PART, launcher)]),
        *(
            Part(name, folder, partial(_is_one_of, experiments, os.path.realpath(folder)))
            for name, folder in code.items()
        ),
    ]


def _is_one_of(places: Collection[str], root: str, name: str) -> bool:
    return f"{root}/{name}" in places


def _documents(
    record: ExperimentRecord, params: Mapping[str, Any], code: Mapping[str, Path]
) -> dict[str, str]:
    space = params.get("searchSpace", {})
    manifest = Manifest(
        exp_id=record.exp_id,
        layout=layout_of(record).since,
        entry=dict(record.raw),
        homes=list(dict.fromkeys((str(user_home()), os.path.realpath(user_home())))),
        code={name: str(folder) for name, folder in code.items()},
        launcher="" if launcher_directory(record) is None else LAUNCHER_PART,
    )
    return {
        "config.json": json.dumps(params, indent=2),
        # Up to 2.1 it is JSON text.
        "search_space.json": space if isinstance(space, str) else json.dumps(space, indent=2),
        MANIFEST: manifest.to_json(),
    }


def code_directories(params: Mapping[str, Any]) -> list[Path]:
    """Return the folders of code that a config names, the trials' first; none lies in another."""
    named = [Path(text) for text in _named_code(params) if os.path.isabs(text)]  # noqa: PTH117 - text
    folders: list[Path] = []
    for folder in named:
        if not any(folder.is_relative_to(other) for other in folders):
            folders.append(folder)
    return folders


def _named_code(value: Any) -> Iterator[str]:
    """Return what stands under the keys for code anywhere in a config, the outermost first."""
    if isinstance(value, list):
        for item in value:
            yield from _named_code(item)
    if not isinstance(value, dict):
        return
    # What 1.x keeps of the trial's config.
    if value.get("key") in _CODE_KEYS:
        yield str(value.get("value"))
    yield from (str(value[key]) for key in _CODE_KEYS if key in value)
    for key, item in value.items():
        if key not in ("searchSpace", "classArgs"):
            yield from _named_code(item)


def load_experiment(
    file: str | os.PathLike[str],
    *,
    experiments_directory: str | os.PathLike[str] | None = None,
    code_directory: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> LoadedExperiment:
    """Load an experiment that was saved, so that it can be viewed and resumed here.

    Every path in its records that led to its folder, its code or its owner's home leads to those of
    this machine then. Archives of `nnictl experiment save` are loaded, too; they have no checksums
    but zip's own. A resume runs the commands in the config, so load only what you trust.

    Args:
        file: The archive.
        experiments_directory: Parent of the experiment's folder; None: `~/nni-experiments`.
        code_directory: Where the trials' code is on this machine; None: code that is in the archive
            goes into the experiment's own folder.
        progress: Is told the bytes that are done, and all that there are to do.

    Raises:
        ArchiveError: The archive is missing, damaged or hostile, names another experiment than its
            database, or there is no room for it.
        AlreadyExistsError: An experiment of that id is here already.
        StateError: An experiment of that id runs here.
        InvalidValueError: There is no such code directory.
        RegistryError: NNI's registry cannot be read or written.
        DecodingError: The database in it is none.
    """
    path = Path(file).expanduser().absolute()
    parent = Path(experiments_directory or user_home() / "nni-experiments").expanduser().absolute()
    code = None if code_directory is None else _check_code_directory(code_directory)
    with _told_of(path), open_archive(path) as archive:
        load = _Load(read_manifest(archive), parent, code)
        load.check_is_free()
        with ExitStack() as stack:
            load.make_room(stack)
            archive.unpack(load.targets(archive), progress=progress)
            load.relocate(path)
            load.publish()
    logger.info("experiment %s is loaded from %s", load.manifest.exp_id, path)
    return load.result()


def _check_code_directory(given: str | os.PathLike[str]) -> Path:
    code = Path(given).expanduser().absolute()
    if not code.is_dir():
        raise InvalidValueError(
            f"code_directory: there is no folder {code}; pass the one with the trials' code",
            field="code_directory",
            value=str(given),
        )
    return code


class _Load:
    """One experiment on its way from an archive to its place."""

    def __init__(self, manifest: Manifest, parent: Path, code: Path | None) -> None:
        self.manifest = manifest
        self._parent = parent
        self._code = code
        self._layout = LAYOUTS.row_for(manifest.layout)
        self._directory = parent / manifest.exp_id
        self._launcher_name = random_name()
        self._launcher = (
            self._layout.launcher_directory(self._launcher_name) if manifest.launcher else None
        )
        self._staged = Path()
        self._staged_launcher: Path | None = None

    def check_is_free(self) -> None:
        exp_id = self.manifest.exp_id
        for manager in find_managers():
            if manager.runs(exp_id, self._directory):
                raise StateError(
                    f"experiment {exp_id} runs here (pid {manager.identity.pid}), and nothing is "
                    "loaded over it; stop and delete it first"
                ).with_advice(_ELSEWHERE.python, shell=_ELSEWHERE.shell)
        if os.path.lexists(self._directory):
            raise AlreadyExistsError(
                f"{self._directory} exists and is not written over; delete that experiment first",
                path=self._directory,
            ).with_advice(_ELSEWHERE.python, shell=_ELSEWHERE.shell)
        registry = self._layout.registry()
        if registry.get(exp_id) is not None:
            raise AlreadyExistsError(
                f"{registry.path} has an experiment {exp_id} already; delete that one first",
                path=registry.path,
            )

    def make_room(self, stack: ExitStack) -> None:
        """Make the folders in which everything is put together."""
        _make_parents(self._parent, stack)
        self._staged = stack.enter_context(staging_directory(self._parent)) / self.manifest.exp_id
        if self._launcher is not None:
            _make_parents(self._launcher.parent, stack)
            room = stack.enter_context(staging_directory(self._launcher.parent))
            self._staged_launcher = room / self._launcher.name

    def targets(self, archive: ArchiveReader) -> dict[str, Path]:
        """Return folder of the archive -> what is made of it."""
        targets = {EXPERIMENT_PART: self._staged}
        if self._staged_launcher is not None:
            targets[self.manifest.launcher] = self._staged_launcher
        # Only the trials' own code, the first, can be elsewhere on this machine.
        inside = [
            *self.manifest.code,
            *([SEARCH_SPACE_PART] if archive.has_folder(SEARCH_SPACE_PART) else []),
        ]
        if self._code is not None:
            inside = [name for name in inside if name != next(iter(self.manifest.code), None)]
        return targets | {name: self._staged / name for name in inside}

    def relocate(self, archive: Path) -> None:
        """Change every path in the records to the place where it leads now."""
        database = ExperimentDatabase.of(self._staged)
        if not database.path.is_file():
            raise ArchiveError(f"{archive} cannot be loaded: it has no database", path=archive)
        profile = database.get_experiment_profile()
        if profile.get("id") != self.manifest.exp_id:
            raise ArchiveError(
                f"{archive} cannot be loaded: it says that it holds experiment "
                f"{self.manifest.exp_id!r}, and its database holds {profile.get('id')!r}; save it "
                "again from a folder of that name",
                path=archive,
            )
        # 1.x keeps it in one of these folders, 2.0 in the other.
        kept = self._staged_launcher or self._staged
        document = _read_config(kept / KEPT_CONFIG)
        config = document.get(CONFIG_KEY, {})
        places = self._places(profile["params"], config, recorded_directories(database.path))
        relocation = Relocation(places, parent=str(self._parent))
        relocate_database(database.path, relocation)
        if document:
            # Without a logDir, that NNI would look in its default folder.
            config = relocation.config({**config, "logDir": ""})
            (kept / KEPT_CONFIG).write_text(json.dumps({**document, CONFIG_KEY: config}))

    def _places(
        self, params: Mapping[str, Any], config: Mapping[str, Any], directories: Iterable[str]
    ) -> dict[str, str]:
        """Return old place -> new place."""
        places = dict.fromkeys(self.manifest.homes, str(user_home()))
        places |= dict.fromkeys(directories, str(self._directory))
        recorded = [str(folder) for folder in code_directories(params)]
        for name, noted in self.manifest.code.items():
            places[noted or next(iter(recorded), "")] = str(self._directory / name)
        if self._code is not None and recorded:
            places[recorded[0]] = str(self._code)
        space = str(config.get("searchSpacePath", ""))
        inside = f"{SEARCH_SPACE_PART}/{Path(space).name}"
        if (self._staged / inside).is_file():
            places[space] = str(self._directory / inside)
        return places

    def publish(self) -> None:
        """Put it all in its place, and into NNI's registry; after a failure nothing is there."""
        exp_id, registry = self.manifest.exp_id, self._layout.registry()
        with ExitStack() as undo:
            if self._staged_launcher is not None and self._launcher is not None:
                self._staged_launcher.rename(self._launcher)
                undo.callback(remove_tree, self._launcher)
            if os.path.lexists(self._directory):
                self.check_is_free()
            self._staged.rename(self._directory)
            undo.callback(self._directory.rename, self._staged)
            undo.callback(_unregister, registry, exp_id)
            registry.ensure(exp_id, self._entry())
            undo.pop_all()

    def _entry(self) -> dict[str, Any]:
        return stopped_entry(
            self._layout,
            self.manifest.exp_id,
            experiments_directory=self._parent,
            params=ExperimentDatabase.of(self._directory).get_experiment_profile()["params"],
            launcher_name=self._launcher_name,
            noted=self.manifest.entry,
        )

    def result(self) -> LoadedExperiment:
        params = ExperimentDatabase.of(self._directory).get_experiment_profile()["params"]
        code = next(iter(code_directories(params)), None)
        has_code = code is not None and code.is_dir()
        if not has_code:
            logger.warning(
                "experiment %s can be viewed and not resumed: there is no folder %s with its "
                "trials' code; %s",
                self.manifest.exp_id,
                code,
                Advice(
                    "save it with include_code, or load it with code_directory",
                    "save it with --code, or load it with --code-directory",
                ),
            )
        return LoadedExperiment(self.manifest.exp_id, self._directory, code, has_code)


def _make_parents(folder: Path, stack: ExitStack) -> None:
    """Make a folder and those around it; those that are empty in the end go again."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(exist_ok=True)
        stack.callback(_remove_if_empty, place)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _read_config(path: Path) -> dict[str, Any]:
    """Return what a launcher has kept for a resume, empty where it has kept nothing.

    Raises:
        DecodingError: It is none.
    """
    return read_kept_config(path) if path.is_file() else {}


def _unregister(registry: Registry, exp_id: str) -> None:
    try:
        registry.remove(exp_id)
    except RegistryError as error:
        # The failure that led here is the one to tell.
        logger.warning("experiment %s may be left in NNI's registry: %s", exp_id, error)
