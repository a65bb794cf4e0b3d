"""Move an experiment between machines, or users, as one archive."""

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
# NNI's own files of an experiment, without those of its trials.
_RECORDS = (
    str(_PATHS.database.parent),
    str(_PATHS.log_directory),
    str(_PATHS.checkpoint),
    KEPT_CONFIG,
)
_MOST_NAMED = 5
_REFUSED: Mapping[Kind, Advice] = {
    "archive": Advice("it is already saved", "it is already saved"),
}
# Keys of code directories in a config: in the v2 format, and in v1.
_CODE_KEYS = ("trialCodeDirectory", "codeDirectory", "codeDir")


@dataclass(frozen=True, slots=True)
class SavedExperiment:
    """A saved experiment.

    Attributes:
        exp_id: The experiment.
        path: The archive.
        size: The archive's size in bytes.
        files: The number of files in it.
        skipped: Paths left out, as an archive cannot hold them: links that lead out of their
            directory, sockets and the like, names that are not valid on every system; and mounts.
    """

    exp_id: str
    path: Path
    size: int
    files: int
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoadedExperiment:
    """A loaded experiment.

    Attributes:
        exp_id: The experiment.
        directory: The experiment directory.
        code_directory: Where its trials look for their code; None if the config names none.
        has_code: Whether that directory exists; without it the experiment can be viewed, but not
            resumed.
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
    """Save an experiment to one file, from which any machine can view and resume it.

    The file is a zip archive with checksums: config, search space, database, logs and the tuner's
    checkpoints. It contains the whole config, passwords included, and only its owner may read it.
    A running experiment is saved in its current state and continues.

    Args:
        experiment: Its id or a unique prefix of it, its directory, its `nni.sqlite`, or the
            address of its manager on this machine.
        file: The archive, in a directory that exists; an existing file is not overwritten.
        include_code: Also save the directories of the trials' code and of a tuner's.
        include_trials: Also save what the trials wrote.
        experiments_directory: Another directory to search for the experiment.
        timeout_s: How long to try for a consistent copy of the database of a running experiment.
        progress: Called with the bytes done and the bytes in total.

    Raises:
        ExperimentNotFoundError: The experiment, or its files, were not found.
        InvalidValueError: The reference is ambiguous, or is an archive.
        AlreadyExistsError: The archive already exists.
        ArchiveError: A file cannot be read or written; no archive is left.
        StateError: It writes too often for a copy in time, so stop it first; or its directory is
            not named after its id.
        DecodingError: Its database is damaged, or is something else.
    """
    target = Path(file).expanduser().absolute()
    parents = () if experiments_directory is None else (experiments_directory,)
    record, directory = _find_files(experiment, parents)
    _check_is_new(target)
    original = ExperimentDatabase.of(directory)
    _check_name(record.exp_id, original)
    with _as_archive_error(target), staging_directory(target.parent) as staging:
        database = staging / _PATHS.database.name
        with _as_archive_error(original.path):
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
    logger.info("saved experiment %s in %s", record.exp_id, target)
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
            f"the files of experiment {record.exp_id} are gone, though it is in {record.registry}; "
            "there is nothing to save",
            exp_id=record.exp_id,
        )
    return record, directory


def _check_is_new(target: Path) -> None:
    if os.path.lexists(target):
        raise AlreadyExistsError(
            f"{target} already exists; refusing to overwrite it; choose another name, or delete it "
            "first",
            path=target,
        )


def _warn_of_skipped(skipped: Sequence[str]) -> None:
    if skipped:
        logger.warning(
            "skipped %d paths that are mounts, special files, links that lead out of their "
            "directory, or not valid names on every system: %s%s",
            len(skipped),
            ", ".join(skipped[:_MOST_NAMED]),
            " ..." if len(skipped) > _MOST_NAMED else "",
        )


def _check_name(exp_id: str, database: ExperimentDatabase) -> None:
    """Refuse a directory not named after its experiment, which NNI could not resume."""
    recorded = database.get_experiment_profile().get("id")
    if recorded != exp_id:
        raise StateError(
            f"{database.directory} is named {exp_id!r}, but the experiment in its database is "
            f"{recorded!r}; rename the directory back to {recorded!r}, and save that experiment"
        )


@contextmanager
def _as_archive_error(file: Path) -> Iterator[None]:
    """Raise an OSError or an SQLite error as an ArchiveError that names this file."""
    try:
        yield
    except NnicliError:
        raise
    except (OSError, sqlite3.Error) as error:
        raise ArchiveError(f"{file}: {error}; nothing was changed", path=file) from error


def _code_of(params: Mapping[str, Any], archive: Path) -> dict[str, Path]:
    """Return directory in the archive -> code directory that the config names."""
    directories = code_directories(params)
    if missing := [directory for directory in directories if not directory.is_dir()]:
        raise ArchiveError(
            f"the code cannot be saved: directory {missing[0]} not found; save without code",
            path=archive,
        )
    return {f"{CODE_PART}/{number}": directory for number, directory in enumerate(directories)}


def _parts(
    record: ExperimentRecord,
    directory: Path,
    database: Path,
    code: Mapping[str, Path],
    *,
    include_trials: bool,
) -> list[Part]:
    def is_left_out(name: str) -> bool:
        is_record = name.split("/", maxsplit=1)[0] in _RECORDS
        # A loaded experiment has its code in the experiment directory.
        return name in _COPIED or name == CODE_PART or not (is_record or include_trials)

    launcher = launcher_directory(record)
    # A code directory may contain the experiments directory.
    experiments = {os.path.realpath(path) for path in (directory, directory.parent)}
    return [
        Part(EXPERIMENT_PART, directory, is_left_out),
        Part(f"{EXPERIMENT_PART}/{_PATHS.database}", database),
        *([] if launcher is None else [Part(LAUNCHER_PART, launcher)]),
        *(
            Part(name, path, partial(_is_one_of, experiments, os.path.realpath(path)))
            for name, path in code.items()
        ),
    ]


def _is_one_of(paths: Collection[str], root: str, name: str) -> bool:
    return f"{root}/{name}" in paths


def _documents(
    record: ExperimentRecord, params: Mapping[str, Any], code: Mapping[str, Path]
) -> dict[str, str]:
    space = params.get("searchSpace", {})
    manifest = Manifest(
        exp_id=record.exp_id,
        layout=layout_of(record).since,
        entry=dict(record.raw),
        homes=list(dict.fromkeys((str(user_home()), os.path.realpath(user_home())))),
        code={name: str(path) for name, path in code.items()},
        launcher="" if launcher_directory(record) is None else LAUNCHER_PART,
    )
    return {
        "config.json": json.dumps(params, indent=2),
        # JSON text up to 2.1.
        "search_space.json": space if isinstance(space, str) else json.dumps(space, indent=2),
        MANIFEST: manifest.to_json(),
    }


def code_directories(params: Mapping[str, Any]) -> list[Path]:
    """Return the code directories that a config names, the trials' first; none is inside another.

    Relative paths are left out.
    """
    named = [Path(text) for text in _named_code(params) if os.path.isabs(text)]  # noqa: PTH117 - text
    directories: list[Path] = []
    for directory in named:
        if not any(directory.is_relative_to(other) for other in directories):
            directories.append(directory)
    return directories


def _named_code(value: Any) -> Iterator[str]:
    """Return the values of the code keys anywhere in a config, the outermost first."""
    if isinstance(value, list):
        for item in value:
            yield from _named_code(item)
    if not isinstance(value, dict):
        return
    # How 1.x keeps the trial's config.
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
    """Load a saved experiment, so that it can be viewed and resumed on this machine.

    Paths in its records to its directory, its code and its owner's home are changed to those on
    this machine. Archives from `nnictl experiment save` can be loaded too; they have only zip's own
    checksums. Resuming runs the commands in the config, so load only archives that you trust.

    Args:
        file: The archive.
        experiments_directory: Parent of the experiment directory; None: `~/nni-experiments`.
        code_directory: Where the trials' code is on this machine; None: code in the archive is put
            into the experiment directory.
        progress: Called with the bytes done and the bytes in total.

    Raises:
        ArchiveError: The archive is missing, damaged or hostile, its id is not that of the
            experiment in its database, or the disk is full.
        AlreadyExistsError: An experiment with this id already exists here.
        StateError: An experiment with this id is running here.
        InvalidValueError: The code directory does not exist.
        RegistryError: NNI's registry cannot be read or written.
        DecodingError: The database in it is damaged, or is something else.
    """
    path = Path(file).expanduser().absolute()
    parent = Path(experiments_directory or user_home() / "nni-experiments").expanduser().absolute()
    code = None if code_directory is None else _check_code_directory(code_directory)
    with _as_archive_error(path), open_archive(path) as archive:
        load = _Load(read_manifest(archive), parent, code)
        load.check_is_free()
        with ExitStack() as stack:
            load.make_room(stack)
            archive.unpack(load.targets(archive), progress=progress)
            load.relocate(path)
            load.publish()
    logger.info("loaded experiment %s from %s", load.manifest.exp_id, path)
    return load.result()


def _check_code_directory(given: str | os.PathLike[str]) -> Path:
    code = Path(given).expanduser().absolute()
    if not code.is_dir():
        raise InvalidValueError(
            f"code_directory: directory {code} not found; pass the one with the trials' code",
            field="code_directory",
            value=str(given),
        )
    return code


class _Load:
    """The loading of one experiment from an archive."""

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
                    f"experiment {exp_id} is running here (pid {manager.identity.pid}); refusing "
                    "to overwrite it; stop and delete it first"
                ).with_advice(_ELSEWHERE.python, shell=_ELSEWHERE.shell)
        if os.path.lexists(self._directory):
            raise AlreadyExistsError(
                f"{self._directory} already exists; refusing to overwrite it; delete that "
                "experiment first",
                path=self._directory,
            ).with_advice(_ELSEWHERE.python, shell=_ELSEWHERE.shell)
        registry = self._layout.registry()
        if registry.get(exp_id) is not None:
            raise AlreadyExistsError(
                f"{registry.path} already has an experiment {exp_id}; delete that one first",
                path=registry.path,
            )

    def make_room(self, stack: ExitStack) -> None:
        """Make the staging directories."""
        _make_parents(self._parent, stack)
        self._staged = stack.enter_context(staging_directory(self._parent)) / self.manifest.exp_id
        if self._launcher is not None:
            _make_parents(self._launcher.parent, stack)
            room = stack.enter_context(staging_directory(self._launcher.parent))
            self._staged_launcher = room / self._launcher.name

    def targets(self, archive: ArchiveReader) -> dict[str, Path]:
        """Return directory in the archive -> where to unpack it."""
        targets = {EXPERIMENT_PART: self._staged}
        if self._staged_launcher is not None:
            targets[self.manifest.launcher] = self._staged_launcher
        # Only the trials' code, which is the first, can be somewhere else on this machine.
        inside = [
            *self.manifest.code,
            *([SEARCH_SPACE_PART] if archive.has_directory(SEARCH_SPACE_PART) else []),
        ]
        if self._code is not None:
            inside = [name for name in inside if name != next(iter(self.manifest.code), None)]
        return targets | {name: self._staged / name for name in inside}

    def relocate(self, archive: Path) -> None:
        """Change every path in the records to the new one."""
        database = ExperimentDatabase.of(self._staged)
        if not database.path.is_file():
            raise ArchiveError(f"{archive} cannot be loaded: it has no database", path=archive)
        profile = database.get_experiment_profile()
        if profile.get("id") != self.manifest.exp_id:
            raise ArchiveError(
                f"{archive} cannot be loaded: its manifest is of experiment "
                f"{self.manifest.exp_id!r}, but its database is of {profile.get('id')!r}; save it "
                "again from a directory of that name",
                path=archive,
            )
        # 1.x keeps it in the launcher directory, 2.0 in the experiment directory.
        kept = self._staged_launcher or self._staged
        document = _read_config(kept / KEPT_CONFIG)
        config = document.get(CONFIG_KEY, {})
        paths = self._new_paths(profile["params"], config, recorded_directories(database.path))
        relocation = Relocation(paths, parent=str(self._parent))
        relocate_database(database.path, relocation)
        if document:
            # Without a logDir, NNI would look in its default directory.
            config = relocation.config({**config, "logDir": ""})
            (kept / KEPT_CONFIG).write_text(json.dumps({**document, CONFIG_KEY: config}))

    def _new_paths(
        self, params: Mapping[str, Any], config: Mapping[str, Any], directories: Iterable[str]
    ) -> dict[str, str]:
        """Return old path -> new path."""
        paths = dict.fromkeys(self.manifest.homes, str(user_home()))
        paths |= dict.fromkeys(directories, str(self._directory))
        recorded = [str(directory) for directory in code_directories(params)]
        for name, saved in self.manifest.code.items():
            paths[saved or next(iter(recorded), "")] = str(self._directory / name)
        if self._code is not None and recorded:
            paths[recorded[0]] = str(self._code)
        space = str(config.get("searchSpacePath", ""))
        inside = f"{SEARCH_SPACE_PART}/{Path(space).name}"
        if (self._staged / inside).is_file():
            paths[space] = str(self._directory / inside)
        return paths

    def publish(self) -> None:
        """Move everything into place and register it; if that fails, nothing is left."""
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
            recorded=self.manifest.entry,
        )

    def result(self) -> LoadedExperiment:
        params = ExperimentDatabase.of(self._directory).get_experiment_profile()["params"]
        code = next(iter(code_directories(params)), None)
        has_code = code is not None and code.is_dir()
        if not has_code:
            logger.warning(
                "experiment %s can be viewed and not resumed: directory %s with its trials' code "
                "not found; %s",
                self.manifest.exp_id,
                code,
                Advice(
                    "save it with include_code, or load it with code_directory",
                    "save it with --code, or load it with --code-directory",
                ),
            )
        return LoadedExperiment(self.manifest.exp_id, self._directory, code, has_code)


def _make_parents(directory: Path, stack: ExitStack) -> None:
    """Make a directory with its parents; those still empty when the stack closes are removed."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        stack.callback(_remove_if_empty, path)


def _remove_if_empty(directory: Path) -> None:
    with suppress(OSError):
        directory.rmdir()


def _read_config(path: Path) -> dict[str, Any]:
    """Return the document that a launcher kept for a resume; empty if there is none.

    Raises:
        DecodingError: It does not contain a config.
    """
    return read_kept_config(path) if path.is_file() else {}


def _unregister(registry: Registry, exp_id: str) -> None:
    try:
        registry.remove(exp_id)
    except RegistryError as error:
        # The failure that led here is the one to report.
        logger.warning("experiment %s may be left in NNI's registry: %s", exp_id, error)
