"""Find the experiment that a reference means."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from nnicli.errors import (
    Advice,
    DecodingError,
    ExperimentNotFoundError,
    InvalidValueError,
    RegistryError,
)
from nnicli.housekeeping.listing import list_matching
from nnicli.housekeeping.records import are_same_experiment
from nnicli.launcher import RunningManager, find_managers
from nnicli.models import ExperimentRecord
from nnicli.regular_files import open_regular
from nnicli.safe_logging import get_logger
from nnicli.store import (
    ExperimentDatabase,
    Parents,
    access_problem,
    find_experiment_directory,
    is_directory_name,
    is_file,
    read_record,
    to_absolute,
)

logger = get_logger(__name__)

Reference: TypeAlias = str | os.PathLike[str]
"""An experiment's id or a unique prefix of one, its directory, its `nni.sqlite`, its archive, or
the address of its manager: `http(s)://host[:port][/prefix]`, or `:port` on this machine."""

Kind = Literal["experiment", "database", "archive", "address"]

_ALLOWED = (
    "allowed: an experiment's id or a unique prefix of one, its directory (with db/nni.sqlite in "
    "it), its nni.sqlite, its archive, or its manager's address"
)
_WHAT: Mapping[Kind, str] = {"archive": "an archive", "address": "the address of a manager"}
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_PORT = re.compile(r":(\d{1,5})")
_LOOPBACK = re.compile(r"localhost|127\.[\d.]+|::1")
_ZIP_MAGIC = b"PK"
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class FoundExperiment:
    """What a reference means.

    Attributes:
        kind: `experiment`: one on this machine. `database`: a database outside of an experiment
            directory. `archive`: a saved experiment. `address`: a manager.
        record: What this machine knows about the experiment; None for a database, an archive, and
            a manager that is not known here.
        path: The database or the archive, else None.
        url: The manager's address, None if the reference is not an address.
    """

    kind: Kind
    record: ExperimentRecord | None = None
    path: Path | None = None
    url: str | None = None

    @property
    def directory(self) -> Path:
        """The experiment directory.

        Raises:
            ExperimentNotFoundError: It is not on this machine.
        """
        if self.record is None:
            raise ExperimentNotFoundError(
                f"the files of the experiment at {self.url or self.path} were not found on this "
                "machine",
                exp_id="",
            ).with_advice(
                "connect_experiment() asks its manager", shell="pass its id or its directory"
            )
        if self.record.directory is None:
            raise ExperimentNotFoundError(
                f"the directory of experiment {self.record.exp_id} is not where the registry "
                f"{self.record.registry} says; if it was moved, pass the directory itself",
                exp_id=self.record.exp_id,
            )
        return self.record.directory


def find_experiment(
    reference: Reference | None,
    *,
    experiments_directories: Parents = (),
    preferred: Parents = (),
    refused: Mapping[Kind, Advice] | None = None,
) -> FoundExperiment:
    """Return the experiment that a reference means.

    A name is first taken as an id, then as a path, then as a prefix of an id. Of several
    experiments with the same id, one in a preferred directory wins, then a running one, then one in
    NNI's registry.

    Args:
        reference: The reference; None: the only running experiment, else the only one.
        experiments_directories: Further experiments directories to search, besides NNI's defaults
            and those that the registries name.
        preferred: More of them, whose experiments win.
        refused: Kinds of references that the caller does not accept -> what to do instead; given by
            callers that do more than read, for which a database outside of an experiment directory
            is not enough. None: the caller only reads.

    Raises:
        ExperimentNotFoundError: No experiment was found; the message says where it looked.
        InvalidValueError: The reference is ambiguous, and the message lists the experiments; or it
            is of a refused kind.
        DecodingError: Permission to look at the path was denied.
    """
    preferred = list(preferred)
    parents = [*experiments_directories, *preferred]
    if reference is None:
        return _the_only_one(parents)
    found = _find(reference, parents, preferred)
    if refused is None:
        return found
    if found.kind == "database":
        raise _nothing_at(to_absolute(reference))
    if advice := refused.get(found.kind):
        raise InvalidValueError(
            f"{os.fspath(reference)!r} is {_WHAT[found.kind]}, which cannot be used here",
            field="exp_id",
            value=os.fspath(reference),
        ).with_advice(advice.python, shell=advice.shell)
    return found


def _find(reference: Reference, parents: Parents, preferred: Parents) -> FoundExperiment:
    text = os.fspath(reference)
    if not isinstance(reference, str):
        return _at_path(text, parents) or _refuse_path(text)
    if found := _at_address(text):
        return found
    if not text or not is_directory_name(text):
        return _at_path(text, parents) or _with_id(text, parents, preferred) or _refuse_path(text)
    return (
        _with_id(text, parents, preferred)
        or _at_path(text, parents)
        or _with_prefix(text, parents, preferred)
        or _behind_link(text, parents)
    )


# By an address


def _at_address(text: str) -> FoundExperiment | None:
    if port := _PORT.fullmatch(text):
        number = int(port[1])
        manager = _find_manager(lambda one: one.port == number)
        url = manager.url if manager is not None else None
        return FoundExperiment(
            "address", _record_of(manager), url=url or f"http://127.0.0.1:{number}"
        )
    if not _ADDRESS.match(text):
        return None
    return FoundExperiment("address", _record_of(_manager_at(text)), url=text)


def _manager_at(url: str) -> RunningManager | None:
    """Return the manager on this machine that serves at an address, None if there is none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        return None
    if not _LOOPBACK.fullmatch(host):
        return None
    prefix = parts.path.strip("/")
    return _find_manager(lambda one: (one.port, one.url_prefix) == (port, prefix))


def _find_manager(fits: Callable[[RunningManager], bool]) -> RunningManager | None:
    found = (manager for manager in find_managers() if fits(manager))
    # Two command lines may name one port, and one of them is then only starting.
    return next((manager for manager in found if manager.listens() is not False), None)


def _record_of(manager: RunningManager | None) -> ExperimentRecord | None:
    if manager is None or manager.exp_id is None:
        return None
    parent = manager.experiments_directory
    records = list_matching(
        lambda exp_id: exp_id == manager.exp_id,
        experiments_directories=[] if parent is None else [parent],
    )
    return next((record for record in records if record.owner == manager.identity), None)


# By an id


def _with_id(text: str, parents: Parents, preferred: Parents) -> FoundExperiment | None:
    if not text:
        return None
    records = list_matching(lambda exp_id: exp_id == text, experiments_directories=parents)
    return _choose(text, records, preferred) if records else None


def _with_prefix(text: str, parents: Parents, preferred: Parents) -> FoundExperiment | None:
    records = list_matching(lambda exp_id: exp_id.startswith(text), experiments_directories=parents)
    ids = list(dict.fromkeys(record.exp_id for record in records))
    if len(ids) > 1:
        raise InvalidValueError(
            f"{text!r} is a prefix of {len(ids)} experiment ids: {_names(ids)}; pass more of the "
            "id",
            field="exp_id",
            value=text,
        )
    return _choose(text, records, preferred) if records else None


def _choose(text: str, records: list[ExperimentRecord], preferred: Parents) -> FoundExperiment:
    """Return the experiment that is meant, of several with the same id."""
    first = {os.path.realpath(to_absolute(parent)) for parent in preferred}
    rules: Sequence[Callable[[ExperimentRecord], bool]] = (
        lambda one: one.directory is not None and os.path.realpath(one.directory.parent) in first,
        lambda one: one.is_running,
        lambda one: one.is_registered,
    )
    for rule in rules:
        records = [record for record in records if rule(record)] or records
    if are_same_experiment(records):
        return FoundExperiment("experiment", records[0])
    paths = _names(str(record.directory or record.registry) for record in records)
    raise InvalidValueError(
        f"{text!r} is the id of {len(records)} experiments: {paths}; pass the directory of the one "
        "that is meant",
        field="exp_id",
        value=text,
    )


def _behind_link(text: str, parents: Parents) -> FoundExperiment:
    """Return the experiment that a link such as NNI's `_latest` leads to.

    Raises:
        ExperimentNotFoundError: No experiment was found; the message says where it looked.
    """
    directory = find_experiment_directory(text, parents)
    return _at_path(str(directory), parents) or _refuse_path(text)


def _the_only_one(parents: Parents) -> FoundExperiment:
    records = list_matching(lambda _: True, experiments_directories=parents)
    chosen = [record for record in records if record.is_running] or records
    if not chosen:
        raise ExperimentNotFoundError(
            "no experiments found on this machine", exp_id=""
        ).with_advice(
            "list_experiments() lists those that are known, and experiments_directories adds "
            "directories to search",
            shell="`nnicli experiment list --all` lists those that are known, and "
            "--experiments-directory adds a directory to search",
        )
    if not are_same_experiment(chosen):
        raise InvalidValueError(
            f"found {len(chosen)} experiments; pass one of: "
            f"{_names(record.exp_id for record in chosen)}",
            field="exp_id",
            value=None,
        )
    return FoundExperiment("experiment", chosen[0])


# By a path


def _at_path(text: str, parents: Parents) -> FoundExperiment | None:
    """Return what is at a path, None if that is not an experiment.

    Raises:
        DecodingError: Permission to look at it was denied.
    """
    if not text:
        return None
    path = to_absolute(text)
    inside = ExperimentDatabase.of(path).path
    if not is_file(path) and not is_file(inside):
        if (refusal := access_problem(inside)) is not None:
            raise DecodingError(f"{path} cannot be read as an experiment: {refusal}")
        return None
    real = path.resolve()
    if not is_file(path):
        return _in_directory(real, parents)
    if ExperimentDatabase.of(real.parent.parent).path == real:
        return _in_directory(real.parent.parent, parents)
    return FoundExperiment("archive" if _is_archive(real) else "database", path=real)


def _in_directory(directory: Path, parents: Parents) -> FoundExperiment:
    try:
        listed = list_matching(
            lambda exp_id: exp_id == directory.name,
            experiments_directories=[*parents, directory.parent],
        )
    except RegistryError as error:
        # A user without a home directory has no registry, but the files can be read.
        logger.debug("%s", error)
        return FoundExperiment("experiment", read_record(directory))
    records = [
        record
        for record in listed
        if record.directory is not None and record.directory.resolve() == directory
    ]
    return _choose(str(directory), records, ())


def _is_archive(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            return file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC
    except OSError:
        return False


def _refuse_path(text: str) -> FoundExperiment:
    raise _nothing_at(to_absolute(text) if text else Path())


def _nothing_at(path: Path) -> ExperimentNotFoundError:
    return ExperimentNotFoundError(f"no experiment found at {path}; {_ALLOWED}", exp_id=path.name)


def _names(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _MOST_NAMED} more" if len(every) > _MOST_NAMED else ""
    return ", ".join(every[:_MOST_NAMED]) + more
