"""A config from its file to the document that is POSTed, or to the list of all its problems."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnicli.config.canonical import ALGORITHMS, absolute_path, to_canonical, unify_spelling
from nnicli.config.document import Document, read_file, read_mapping
from nnicli.config.releases import release_for
from nnicli.config.rules import RULES, Subject
from nnicli.config.schema import validate
from nnicli.config.search_space import check_search_space
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
        own = self.config.file

        def place(problem: Problem) -> tuple[bool, str, int, int, str]:
            return (
                problem.file != own,
                str(problem.file),
                problem.line or 0,
                problem.column or 0,
                problem.location,
            )

        return sorted(dict.fromkeys(found), key=place)


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
        raise _config_error(reading, errors)
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
    document = read_mapping(config) if isinstance(config, Mapping) else read_file(Path(config))
    release = release_for(nni_version)
    reading = _Reading(document)
    if document.data is None:
        if not document.problems:
            document.report((), "the file is empty", rule="syntax")
        return reading
    if not isinstance(document.data, dict):
        document.report((), "a config is a mapping of fields", rule="type")
        return reading
    if document.data.get("trainingServicePlatform"):
        document.report(
            ("trainingServicePlatform",),
            "this is a config in the v1 format, which nnicli cannot start yet; write it in the v2 "
            "format (trainingService: {platform: ...}, trialCommand, tuner: {name: ...})",
            rule="format",
        )
        return reading
    unify_spelling(document)
    validate(document, "experiment-v2")
    for rule in RULES:
        rule(Subject(document, base, release))
    _check_space(reading, base)
    return reading


def _check_space(reading: _Reading, base: Path) -> None:
    data = reading.config.data
    tuner = _tuner_name(data)
    file = data.get("searchSpaceFile")
    if isinstance(file, str) and file:
        reading.space = read_file(Path(absolute_path(file, base)))
        check_search_space(reading.space, tuner=tuner)
        reading.search_space = reading.space.data
    elif isinstance(data.get("searchSpace"), dict):
        reading.space = reading.config
        reading.search_space = data["searchSpace"]
        check_search_space(
            reading.config, keys=("searchSpace",), data=reading.search_space, tuner=tuner
        )


def _tuner_name(data: Mapping[str, Any]) -> str | None:
    for name in ALGORITHMS:
        algorithm = data.get(name)
        if name != "assessor" and isinstance(algorithm, dict):
            found = algorithm.get("name")
            return found if isinstance(found, str) else None
    return None


def _config_error(reading: _Reading, errors: list[Problem]) -> ConfigError:
    config, space = reading.config, reading.space
    name = "the config" if config.file is None else str(config.file)
    number = "an error" if len(errors) == 1 else f"{len(errors)} errors"
    lines = "".join(f"\n  {problem}" for problem in errors)
    message = f"{name} has {number}; nothing was started:{lines}"
    kind: type[ConfigError] = ConfigSchemaError
    if config.data is None:
        kind = ConfigSyntaxError
    elif space is not None and all(_is_of_space(problem, reading) for problem in errors):
        kind = SearchSpaceError
    return kind(message, path=config.file, problems=errors)


def _is_of_space(problem: Problem, reading: _Reading) -> bool:
    if reading.space is not reading.config:
        return problem.file != reading.config.file
    return problem.location.startswith("searchSpace.")
