"""Which experiment a reference means."""

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
)
from nnicli.housekeeping.listing import list_matching
from nnicli.housekeeping.records import are_one
from nnicli.launcher import RunningManager, find_managers
from nnicli.models import ExperimentRecord
from nnicli.regular_files import open_regular
from nnicli.store import (
    ExperimentDatabase,
    Parents,
    find_experiment_directory,
    is_file,
    is_folder_name,
    to_absolute,
    why_closed,
)

Reference: TypeAlias = str | os.PathLike[str]
"""An experiment's id or a unique prefix of one, its own directory, its `nni.sqlite`, its archive,
or the address of its manager: `http(s)://host[:port][/prefix]`, or `:port` on this machine."""

Kind = Literal["experiment", "database", "archive", "address"]

_ALLOWED = (
    "allowed: an experiment's id or a unique prefix of one, its own folder (with db/nni.sqlite in "
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
        kind: `experiment`: one of this machine. `database`: a database that is not in an
            experiment's own directory. `archive`: a saved experiment. `address`: a manager.
        record: What this machine knows of the experiment; None for a database and an archive, and
            for a manager that is not known here.
        path: The database or the archive, else None.
        url: The manager's address, None where the reference is not one.
    """

    kind: Kind
    record: ExperimentRecord | None = None
    path: Path | None = None
    url: str | None = None

    @property
    def directory(self) -> Path:
        """The experiment's own directory.

        Raises:
            ExperimentNotFoundError: It is not on this machine.
        """
        if self.record is None:
            raise ExperimentNotFoundError(
                f"no files of an experiment at {self.url or self.path} are known on this machine",
                exp_id="",
            ).with_advice(
                "connect_experiment() asks its manager", shell="pass its id or its directory"
            )
        if self.record.directory is None:
            raise ExperimentNotFoundError(
                f"experiment {self.record.exp_id} is in the registry {self.record.registry}, and "
                "its folder is not where that says; pass the folder itself if it was moved",
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
    """Return the experiment that is meant.

    A name is an id before it is a path, and a path before it is a prefix of an id. Of several
    experiments with one id the one in a preferred directory is meant, else the one that runs, else
    the one that NNI's registry has.

    Args:
        reference: The reference; None: the only experiment that runs, else the only one there is.
        experiments_directories: Parents of experiments' directories to search, besides NNI's
            default ones and those that the registries name.
        preferred: Those of them whose experiments are meant first.
        refused: Kinds of references that the caller cannot serve -> what to do instead; given by
            callers that do more than read, which take no database outside of an experiment's own
            directory. None: the caller only reads.

    Raises:
        ExperimentNotFoundError: There is none; the message says where it was looked for.
        InvalidValueError: Several are meant, and the message lists them; or the kind of the
            reference is refused.
        DecodingError: The path may not be looked at.
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
    if not text or not is_folder_name(text):
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
    """Return the manager of this machine that serves at an address, None where that is not seen."""
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
    return next((manager for manager in find_managers() if fits(manager)), None)


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
            f"{text!r} begins the ids of {len(ids)} experiments: {_names(ids)}; pass more of the "
            "id that is meant",
            field="exp_id",
            value=text,
        )
    return _choose(text, records, preferred) if records else None


def _choose(text: str, records: list[ExperimentRecord], preferred: Parents) -> FoundExperiment:
    """Return the one that is meant of experiments with one id."""
    first = {os.path.realpath(to_absolute(parent)) for parent in preferred}
    rules: Sequence[Callable[[ExperimentRecord], bool]] = (
        lambda one: one.directory is not None and os.path.realpath(one.directory.parent) in first,
        lambda one: one.is_running,
        lambda one: one.is_registered,
    )
    for rule in rules:
        records = [record for record in records if rule(record)] or records
    if are_one(records):
        return FoundExperiment("experiment", records[0])
    places = _names(str(record.directory or record.registry) for record in records)
    raise InvalidValueError(
        f"{text!r} is the id of {len(records)} experiments: {places}; pass the folder of the one "
        "that is meant",
        field="exp_id",
        value=text,
    )


def _behind_link(text: str, parents: Parents) -> FoundExperiment:
    """Return the experiment to which a link such as NNI's `_latest` leads.

    Raises:
        ExperimentNotFoundError: There is none; the message lists the places.
    """
    directory = find_experiment_directory(text, parents)
    return _at_path(str(directory), parents) or _refuse_path(text)


def _the_only_one(parents: Parents) -> FoundExperiment:
    records = list_matching(lambda _: True, experiments_directories=parents)
    chosen = [record for record in records if record.is_running] or records
    if not chosen:
        raise ExperimentNotFoundError(
            "no experiment was found on this machine", exp_id=""
        ).with_advice(
            "list_experiments() has those that are known, and experiments_directories adds places "
            "to search",
            shell="`nnicli experiment list --all` lists those that are known, and "
            "--experiments-directory adds a folder to search",
        )
    if not are_one(chosen):
        raise InvalidValueError(
            f"there are {len(chosen)} of them; pass one of: "
            f"{_names(record.exp_id for record in chosen)}",
            field="exp_id",
            value=None,
        )
    return FoundExperiment("experiment", chosen[0])


# By a path


def _at_path(text: str, parents: Parents) -> FoundExperiment | None:
    """Return what is at a path, None where no experiment is.

    Raises:
        DecodingError: It may not be looked at.
    """
    if not text:
        return None
    path = to_absolute(text)
    inside = ExperimentDatabase.of(path).path
    if not is_file(path) and not is_file(inside):
        if (refusal := why_closed(inside)) is not None:
            raise DecodingError(f"{path} cannot be read as an experiment: {refusal}")
        return None
    real = path.resolve()
    if not is_file(path):
        return _in_directory(real, parents)
    if ExperimentDatabase.of(real.parent.parent).path == real:
        return _in_directory(real.parent.parent, parents)
    return FoundExperiment("archive" if _is_archive(real) else "database", path=real)


def _in_directory(directory: Path, parents: Parents) -> FoundExperiment:
    records = [
        record
        for record in list_matching(
            lambda exp_id: exp_id == directory.name,
            experiments_directories=[*parents, directory.parent],
        )
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
    return ExperimentNotFoundError(
        f"there is no experiment at {path}; {_ALLOWED}", exp_id=path.name
    )


def _names(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _MOST_NAMED} more" if len(every) > _MOST_NAMED else ""
    return ", ".join(every[:_MOST_NAMED]) + more
