"""A config from its file to the document that is POSTed, or to the list of all its problems."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnicli.config.canonical import ALGORITHMS, absolute_path, to_canonical
from nnicli.config.document import Document, sort_problems, summarise
from nnicli.config.formats import Loss, to_v1, to_v2
from nnicli.config.reading import read_file, read_mapping
from nnicli.config.releases import Format, Release, release_for
from nnicli.config.rules import RULES
from nnicli.config.schema import validate
from nnicli.config.search_space import check_search_space
from nnicli.config.spelling import unify_spelling
from nnicli.config.subject import ANNOTATION, Subject
from nnicli.config.surprises import tell_surprises
from nnicli.config.v1 import (
    ALGORITHMS as V1_ALGORITHMS,
    RULES as V1_RULES,
    drop_nulls,
    is_legacy,
    is_v1,
    to_canonical_v1,
)
from nnicli.errors import (
    ConfigError,
    ConfigSchemaError,
    ConfigSyntaxError,
    Problem,
    SearchSpaceError,
)

DIRECTORY_KEYS: dict[Format, str] = {"v1": "logDir", "v2": "experimentWorkingDirectory"}
"""Where a config of each format names the parent of the experiment's folder."""

Source = str | os.PathLike[str] | Mapping[str, Any]
"""A config: the path of its file, or the config itself."""


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A config without errors.

    Attributes:
        format: The format of the document, which the release takes.
        document: The config, with absolute paths and all defaults; it may hold secrets.
        path: Its file, None for a mapping.
        warnings: What runs but surprises.
    """

    format: Format
    document: dict[str, Any]
    path: Path | None
    warnings: tuple[Problem, ...]

    def __repr__(self) -> str:
        return f"LoadedConfig({self.format}, path={self.path}, {len(self.document)} fields)"

    @property
    def experiments_directory(self) -> Path:
        """Absolute parent of the experiment's folder."""
        return Path(self.document[DIRECTORY_KEYS[self.format]])

    @property
    def name(self) -> str | None:
        """The experiment's name."""
        return self.document.get("experimentName")

    @property
    def log_level(self) -> str:
        """The manager's: fatal, error, warning, info, debug or trace."""
        return str(self.document["logLevel"])

    @property
    def platform(self) -> str:
        """The training service."""
        if self.format == "v1":
            return str(self.document["trainingServicePlatform"])
        service = self.document["trainingService"]
        return "hybrid" if isinstance(service, list) else str(service["platform"])


@dataclass
class _Reading:
    """A config while it is checked.

    Attributes:
        config: The config itself.
        space: Where its search space stands: the config, a file of its own, or nowhere.
        search_space: The search space, as far as it could be read.
    """

    config: Document
    space: Document | None = None
    search_space: Any = None

    def problems(self) -> list[Problem]:
        """Return all problems once, sorted by place."""
        found = list(self.config.problems)
        if self.space is not None and self.space is not self.config:
            found += self.space.problems
        return sort_problems(found, first=self.config.file)


def check_config(
    config: Source,
    *,
    base_path: str | os.PathLike[str] | None = None,
    nni_version: str | None = None,
) -> list[Problem]:
    """Return everything that is wrong with a config, or surprising in it, sorted by place.

    Args:
        config: Path of a YAML or JSON file, or the config itself.
        base_path: Folder from which relative paths count; None: the file's own, for a mapping the
            working directory.
        nni_version: The NNI that is to run it; None: the newest.

    Raises:
        UnsupportedVersionError: nnicli knows no such release.
    """
    return _check(config, _base(config, base_path), nni_version).problems()


def load_config(
    config: Source,
    *,
    base_path: str | os.PathLike[str] | None = None,
    nni_version: str | None = None,
    debug: bool = False,
) -> LoadedConfig:
    """Return a config as the manager takes it.

    Args:
        config: Path of a YAML or JSON file, or the config itself.
        base_path: Folder from which relative paths count; None: the file's own, for a mapping the
            working directory.
        nni_version: The NNI that is to run it; None: the newest.
        debug: Set the config's `debug`, and its log level to debug.

    Raises:
        ConfigSyntaxError: The file is missing, unreadable or no plain YAML or JSON.
        SearchSpaceError: Only the search space has errors.
        ConfigSchemaError: The config has errors.
        UnsupportedVersionError: nnicli knows no such release.
    """
    base, release = _base(config, base_path), release_for(nni_version)
    reading = _check(config, base, nni_version)
    problems = reading.problems()
    errors = [
        problem for problem in problems if problem.severity == "error" or problem.rule == ANNOTATION
    ]
    if errors:
        raise _config_error(reading.config, errors)
    document, _ = _convert(reading, base=base, release=release, debug=debug)
    return LoadedConfig(
        format="v1" if "trainingServicePlatform" in document else "v2",
        document=document,
        path=reading.config.file,
        warnings=tuple(problems),
    )


def _convert(
    reading: _Reading, *, base: Path, release: Release, debug: bool
) -> tuple[dict[str, Any], list[Loss]]:
    """Return a config without errors in the format of its release, and what that loses."""
    data, space = reading.config.data, reading.search_space
    if not is_v1(data):
        document = to_canonical(data, base=base, release=release, search_space=space, debug=debug)
        if release.format == "v2":
            return document, []
        converted = to_v1(document, machine_command=release.machine_command)
        return _with_log_level(converted.document, document), converted.losses
    document = to_canonical_v1(data, base=base, search_space=space, debug=debug)
    if release.format == "v1" or is_legacy(data, release):
        return document, []
    converted = to_v2(document)
    if any(loss.severity == "error" for loss in converted.losses):
        return converted.document, converted.losses
    document = to_canonical(
        converted.document,
        base=base,
        release=release,
        search_space=converted.document["searchSpace"],
        debug=debug,
    )
    return document, converted.losses


def _with_log_level(document: dict[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    return {**document, "logLevel": config["logLevel"]}


def _base(config: Source, base_path: str | os.PathLike[str] | None) -> Path:
    if base_path is not None:
        return Path(base_path).absolute()
    return Path.cwd() if isinstance(config, Mapping) else Path(config).absolute().parent


def _check(config: Source, base: Path, nni_version: str | None) -> _Reading:
    release = release_for(nni_version)
    document = read_mapping(config) if isinstance(config, Mapping) else read_file(Path(config))
    reading = _Reading(document)
    if not isinstance(document.data, dict):
        if not document.problems:
            document.report((), "a config is a mapping of fields", rule="type")
        return reading
    if is_v1(document.data):
        drop_nulls(document.data)
        validate(document, "experiment-v1", arguments=release.arguments)
        rules = V1_RULES
    else:
        unify_spelling(document)
        validate(document, "experiment-v2", arguments=release.arguments)
        rules = RULES
    for rule in rules:
        rule(Subject(document, base, release))
    _check_space(reading, base, release)
    tell_surprises(document, is_space=False)
    _check_conversion(reading, base, release)
    return reading


def _check_conversion(reading: _Reading, base: Path, release: Release) -> None:
    """Report what the format of the release cannot hold of a config that is sound otherwise."""
    document = reading.config
    if any(p.severity == "error" or p.rule == ANNOTATION for p in reading.problems()):
        return
    _, losses = _convert(reading, base=base, release=release, debug=False)
    for loss in losses:
        document.report(loss.keys, loss.message, rule="format", severity=loss.severity)


def _check_space(reading: _Reading, base: Path, release: Release) -> None:
    data = reading.config.data
    tuner = _tuner_name(data)
    field = "searchSpacePath" if is_v1(data) else "searchSpaceFile"
    file = data.get(field)
    if isinstance(file, str) and file:
        space = _read_space(reading, field, Path(absolute_path(file, base)))
        if space is not None:
            reading.space, reading.search_space = space, space.data
            check_search_space(space, tuner=tuner, release=release)
            tell_surprises(space, is_space=True)
    elif isinstance(data.get("searchSpace"), dict):
        reading.space = reading.config
        reading.search_space = data["searchSpace"]
        check_search_space(
            reading.config,
            keys=("searchSpace",),
            data=reading.search_space,
            tuner=tuner,
            release=release,
        )


def _read_space(reading: _Reading, field: str, path: Path) -> Document | None:
    space = read_file(path, within="searchSpace")
    unread = [problem.message for problem in space.problems if problem.rule == "file"]
    for message in unread:
        # The place to mend it is the config.
        reading.config.report((field,), f"{path} {message}", rule="file")
    return None if unread else space


def _tuner_name(data: Mapping[str, Any]) -> str | None:
    for name in ALGORITHMS:
        algorithm = data.get(name)
        if name != "assessor" and isinstance(algorithm, dict):
            found = algorithm.get("name", algorithm.get(V1_ALGORITHMS[name]))
            return found if isinstance(found, str) else None
    return None


def _config_error(config: Document, errors: list[Problem]) -> ConfigError:
    kind: type[ConfigError] = ConfigSchemaError
    if not isinstance(config.data, dict):
        kind = ConfigSyntaxError
    elif all(problem.location.startswith("searchSpace") for problem in errors):
        kind = SearchSpaceError
    title = "config" if config.file is None else str(config.file)
    message = summarise(title, errors, consequence="nothing was started")
    return kind(message, path=config.file, problems=errors)
