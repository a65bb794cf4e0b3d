"""A config from its file to the document that is POSTed, or to the list of all its problems."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnicli.config.canonical import ALGORITHMS, absolute_path, to_canonical, unify_spelling
from nnicli.config.document import Document, sort_problems, summarise
from nnicli.config.reading import read_file, read_mapping
from nnicli.config.releases import release_for
from nnicli.config.rules import RULES, Subject
from nnicli.config.schema import validate
from nnicli.config.search_space import check_search_space
from nnicli.config.surprises import tell_surprises
from nnicli.errors import (
    ConfigError,
    ConfigSchemaError,
    ConfigSyntaxError,
    Problem,
    SearchSpaceError,
)

Source = str | os.PathLike[str] | Mapping[str, Any]
"""A config: the path of its file, or the config itself."""


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A config without errors.

    Attributes:
        document: What is POSTed to the manager; it may hold secrets.
        path: Its file, None for a mapping.
        experiments_directory: Absolute parent of the experiment's folder.
        warnings: What runs but surprises.
    """

    document: dict[str, Any]
    path: Path | None
    experiments_directory: Path
    warnings: tuple[Problem, ...]

    def __repr__(self) -> str:
        return f"LoadedConfig(path={self.path}, {len(self.document)} fields)"


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
    base = _base(config, base_path)
    reading = _check(config, base, nni_version)
    problems = reading.problems()
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise _config_error(reading.config, errors)
    document = to_canonical(
        reading.config.data,
        base=base,
        release=release_for(nni_version),
        search_space=reading.search_space,
        debug=debug,
    )
    return LoadedConfig(
        document=document,
        path=reading.config.file,
        experiments_directory=Path(document["experimentWorkingDirectory"]),
        warnings=tuple(problems),
    )


def _base(config: Source, base_path: str | os.PathLike[str] | None) -> Path:
    if base_path is not None:
        return Path(base_path).absolute()
    return Path.cwd() if isinstance(config, Mapping) else Path(config).absolute().parent


def _check(config: Source, base: Path, nni_version: str | None) -> _Reading:
    release = release_for(nni_version)
    document = read_mapping(config) if isinstance(config, Mapping) else read_file(Path(config))
    reading = _Reading(document)
    if not _is_v2(document):
        return reading
    unify_spelling(document)
    validate(document, "experiment-v2")
    for rule in RULES:
        rule(Subject(document, base, release))
    _check_space(reading, base)
    tell_surprises(document, is_space=False)
    return reading


def _is_v2(document: Document) -> bool:
    if not isinstance(document.data, dict):
        if not document.problems:
            document.report((), "a config is a mapping of fields", rule="type")
        return False
    if document.data.get("trainingServicePlatform"):
        message = (
            "this is a config in the v1 format, which nnicli does not take yet; write it in the v2 "
            "format: trainingService: {platform: ...}, trialCommand, tuner: {name: ...}"
        )
        document.report(("trainingServicePlatform",), message, rule="format")
        return False
    return True


def _check_space(reading: _Reading, base: Path) -> None:
    data = reading.config.data
    tuner = _tuner_name(data)
    file = data.get("searchSpaceFile")
    if isinstance(file, str) and file:
        _check_space_file(reading, Path(absolute_path(file, base)), tuner)
    elif isinstance(data.get("searchSpace"), dict):
        reading.space = reading.config
        reading.search_space = data["searchSpace"]
        check_search_space(
            reading.config, keys=("searchSpace",), data=reading.search_space, tuner=tuner
        )


def _check_space_file(reading: _Reading, path: Path, tuner: str | None) -> None:
    space = read_file(path, within="searchSpace")
    unread = [problem.message for problem in space.problems if problem.rule == "file"]
    for message in unread:
        # The place to mend it is the config.
        reading.config.report(("searchSpaceFile",), f"{path} {message}", rule="file")
    if unread:
        return
    reading.space = space
    reading.search_space = space.data
    check_search_space(space, tuner=tuner)
    tell_surprises(space, is_space=True)


def _tuner_name(data: Mapping[str, Any]) -> str | None:
    for name in ALGORITHMS:
        algorithm = data.get(name)
        if name != "assessor" and isinstance(algorithm, dict):
            found = algorithm.get("name")
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
