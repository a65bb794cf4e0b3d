"""A config from its file to the document that is POSTed, or to the list of all its problems."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nnicli.config import field_names
from nnicli.config.converter import Converter
from nnicli.config.documents.document import Document, sort_problems, summarise
from nnicli.config.documents.reader import read_file, read_mapping, read_nothing, read_path
from nnicli.config.documents.yaml11 import tell_surprises
from nnicli.config.field_names import ALGORITHMS, DIRECTORY_KEYS, Format, is_v1
from nnicli.config.formats.to_v1 import to_v1
from nnicli.config.formats.to_v2 import to_v2
from nnicli.config.formats.v1 import RULES as V1_RULES, drop_nulls, is_legacy, to_canonical_v1
from nnicli.config.formats.v2 import to_canonical
from nnicli.config.formats.v2_checks import RULES
from nnicli.config.ignoring import check_ignored, how_to_ignore
from nnicli.config.paths import absolute_path
from nnicli.config.releases import CHANGED_CONSTRUCTORS, Release, release_for
from nnicli.config.rules.context import ANNOTATION, RuleContext
from nnicli.config.schema.indentation import restore_indentation
from nnicli.config.schema.spelling import unify_spelling
from nnicli.config.schema.validate import Variant, described_algorithms, validate
from nnicli.config.search_space.checks import check_search_space
from nnicli.config.target import Target
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
    target: Target | None = None,
    ignore: Iterable[str] = (),
) -> list[Problem]:
    """Return everything that is wrong with a config, or surprising in it, sorted by place.

    Args:
        config: Path of a YAML or JSON file, or the config itself.
        base_path: Folder from which relative paths count; None: the file's own, for a mapping the
            working directory.
        nni_version: The NNI that is to run it; None: the newest.
        target: What that NNI has in its environment; None: not known, so that nothing is said of
            it. `nnicli.launcher.target_of` looks.
        ignore: Names of checks to turn off, such as "path"; docs/reference/configs.md has them all.

    Raises:
        InvalidValueError: There is no such check, or it cannot be turned off.
        UnsupportedVersionError: nnicli knows no such release.
    """
    base, ignored = _base_of(config, base_path), check_ignored(ignore)
    return _examine(config, base, nni_version, target, ignored).problems()


def load_config(
    config: Source,
    *,
    base_path: str | os.PathLike[str] | None = None,
    nni_version: str | None = None,
    target: Target | None = None,
    debug: bool = False,
    ignore: Iterable[str] = (),
) -> LoadedConfig:
    """Return a config as the manager takes it.

    Args:
        config: Path of a YAML or JSON file, or the config itself.
        base_path: Folder from which relative paths count; None: the file's own, for a mapping the
            working directory.
        nni_version: The NNI that is to run it; None: the newest.
        target: What that NNI has in its environment; None: not known.
        debug: Set the config's `debug`, and its log level to debug.
        ignore: Names of checks to turn off, such as "path"; docs/reference/configs.md has them all.

    Raises:
        InvalidValueError: There is no such check, or it cannot be turned off.
        ConfigSyntaxError: The file is missing, unreadable or no plain YAML or JSON.
        SearchSpaceError: Only the search space has errors.
        ConfigSchemaError: The config has errors.
        UnsupportedVersionError: nnicli knows no such release.
    """
    base, release = _base_of(config, base_path), release_for(nni_version)
    reading = _examine(config, base, nni_version, target, check_ignored(ignore))
    problems = reading.problems()
    errors = [
        problem for problem in problems if problem.severity == "error" or problem.rule == ANNOTATION
    ]
    if errors:
        raise config_error(reading.config, errors)
    format_, document = _canonical(reading, base=base, release=release, debug=debug)
    return LoadedConfig(
        format=format_,
        document=document,
        path=reading.config.file,
        warnings=tuple(problems),
    )


def _carry(data: Mapping[str, Any], release: Release) -> Converter | None:
    """Return a config in the format of its release, None where it has that already."""
    if is_v1(data):
        if release.format == "v1" or is_legacy(data, release):
            return None
        return to_v2(data, has_old_tpe="TPE" in release.old_constructors)
    if release.format == "v2":
        return None
    return to_v1(data, machine_command=release.machine_command, takes_space=True)


def _canonical(
    reading: _Reading, *, base: Path, release: Release, debug: bool
) -> tuple[Format, dict[str, Any]]:
    """Return a config without errors as its release takes it."""
    data, space = reading.config.data, reading.search_space
    converter = _carry(data, release)
    if converter is not None:
        data = converter.target
    if is_v1(data):
        return "v1", to_canonical_v1(data, base=base, search_space=space, debug=debug)
    document = to_canonical(data, base=base, release=release, search_space=space or {}, debug=debug)
    return "v2", document


def _base_of(config: Source, base_path: str | os.PathLike[str] | None) -> Path:
    if base_path is not None:
        return Path(base_path).expanduser().absolute()
    if isinstance(config, str | os.PathLike):
        return Path(config).absolute().parent
    return Path.cwd()


def read_config(config: Source) -> Document:
    """Read a config; fields of the v2 format get NNI's own spelling, and nulls are left out."""
    if isinstance(config, Mapping):
        document = read_mapping(config)
    elif isinstance(config, str | os.PathLike):
        document = read_path(config)
    else:
        document = read_nothing(config)
    if not isinstance(document.data, dict):
        if not document.problems:
            document.report((), "a config is a mapping of fields", rule="type")
    elif is_v1(document.data):
        restore_indentation(document, "experiment-v1")
        drop_nulls(document.data)
    else:
        restore_indentation(document, "experiment-v2")
        unify_spelling(document)
    return document


def _examine(
    config: Source,
    base: Path,
    nni_version: str | None,
    target: Target | None,
    ignored: frozenset[str],
) -> _Reading:
    release = release_for(nni_version)
    document = read_config(config)
    document.ignored = ignored
    reading = _Reading(document)
    if not isinstance(document.data, dict):
        return reading
    _apply_rules(document, base, release, target)
    _check_space(reading, base, release, target)
    tell_surprises(document, is_space=False)
    _check_conversion(reading, base, release, target)
    return reading


def _apply_rules(document: Document, base: Path, release: Release, target: Target | None) -> None:
    check_schema(document, release, target)
    for rule in V1_RULES if is_v1(document.data) else RULES:
        rule(RuleContext(document, base, release, target))


def check_schema(document: Document, release: Release, target: Target | None = None) -> None:
    """Report in what a config breaks the schema of its format, as a release has that."""
    is_old = is_v1(document.data)
    if is_old:
        changed = described_algorithms("experiment-v1") - {*release.old_constructors}
        if release.checks_arguments:
            changed &= {*CHANGED_CONSTRUCTORS}
        others = tuple((name, "experiment-v2") for name in sorted(changed))
    else:
        others = tuple((name, "experiment-v1") for name in release.old_constructors)
    # nnictl of 2.6 and later converts such a config and drops or does without both.
    is_free = is_old and not release.needs_names and not is_legacy(document.data, release)
    variant = Variant(
        others,
        optional=("authorName", "experimentName") if is_free else (),
        registered=_registered(target, is_v1=is_old),
    )
    validate(document, "experiment-v1" if is_old else "experiment-v2", variant=variant)


def _registered(target: Target | None, *, is_v1: bool) -> tuple[tuple[str, str], ...]:
    if target is None:
        return ()
    # An advisor is a tuner in the v2 format.
    return tuple(
        ("tuner" if kind == "advisor" and not is_v1 else kind, name)
        for kind in ALGORITHMS
        for name in target.names(kind)
    )


def _check_conversion(reading: _Reading, base: Path, release: Release, nni: Target | None) -> None:
    """Report what the format of the release cannot hold of a config that is sound otherwise."""
    document = reading.config
    if any(p.severity == "error" or p.rule == ANNOTATION for p in reading.problems()):
        return
    converter = _carry(document.data, release)
    if converter is None:
        return
    for note in converter.notes:
        if note.outcome == "lost":
            document.report(note.loc, note.message, rule="format", severity=note.severity)
    target = Document(None, data=dict(converter.target), ignored=document.ignored)
    if is_v1(target.data):
        # It is sent in place of its file.
        target.data["searchSpacePath"] = "."
    _apply_rules(target, base, release, nni)
    report_of_target(document, target, converter)


def report_of_target(document: Document, target: Document, converter: Converter) -> None:
    """Report errors of a converted config where the fields that they are about come from."""
    format_ = "v1" if is_v1(target.data) else "v2"
    for loc, problem in target.reported:
        if problem.severity == "error":
            told = f"as {problem.location} of the {format_} format: {problem.message}"
            document.report(converter.origin_of(loc), told, rule="format")


def _check_space(reading: _Reading, base: Path, release: Release, target: Target | None) -> None:
    data = reading.config.data
    tuner = _built_in_tuner(data, target)
    field = "searchSpacePath" if is_v1(data) else "searchSpaceFile"
    file = data.get(field)
    if isinstance(file, str) and file:
        space = _read_space(reading, field, Path(absolute_path(file, base)))
        if space is not None:
            reading.space, reading.search_space = space, space.data
            check_search_space(space, tuner=tuner, release=release)
            _soften(space, data, tuner)
            tell_surprises(space, is_space=True)
    elif isinstance(data.get("searchSpace"), dict):
        reading.space = reading.config
        reading.search_space = data["searchSpace"]
        check_search_space(
            reading.config,
            loc=("searchSpace",),
            data=reading.search_space,
            tuner=tuner,
            release=release,
        )
        _soften(reading.config, data, tuner)


def _soften(space: Document, data: Mapping[str, Any], tuner: str | None) -> None:
    """Make the errors of a search space warnings: a tuner of the user's own may take anything."""
    if tuner is not None or not any(data.get(name) for name in ("tuner", "advisor")):
        return
    space.reported = [
        (loc, replace(problem, severity="warning") if _is_of_space(problem) else problem)
        for loc, problem in space.reported
    ]


def _is_of_space(problem: Problem) -> bool:
    return problem.location.startswith("searchSpace.") and problem.rule in _OF_SPACES


# What is wrong only for the tuners of NNI.
_OF_SPACES = frozenset(("enum", "type", "required", "unknown-key", "range", "size", "choice"))


def _read_space(reading: _Reading, field: str, path: Path) -> Document | None:
    space = read_file(path, within="searchSpace")
    space.ignored = reading.config.ignored
    unread = [problem.message for problem in space.problems if problem.rule == "file"]
    for message in unread:
        # The place to mend it is the config.
        reading.config.report((field,), f"{path} {message}", rule="file")
    return None if unread else space


def _built_in_tuner(data: Mapping[str, Any], target: Target | None) -> str | None:
    """Return the tuner's name, None where it is a class of the user's own, registered or not."""
    for name in ALGORITHMS:
        algorithm = data.get(name)
        if name != "assessor" and isinstance(algorithm, dict):
            found = algorithm.get("name", algorithm.get(field_names.ALGORITHMS[name]))
            is_registered = target is not None and any(
                found in target.names(kind) for kind in ALGORITHMS
            )
            return found if isinstance(found, str) and not is_registered else None
    return None


def config_error(
    config: Document, errors: list[Problem], *, consequence: str = "nothing was started"
) -> ConfigError:
    """Return the error that lists these problems of a config."""
    kind: type[ConfigError] = ConfigSchemaError
    if not isinstance(config.data, dict):
        kind = ConfigSyntaxError
    elif all(problem.location.startswith("searchSpace") for problem in errors):
        kind = SearchSpaceError
    title = "config" if config.file is None else str(config.file)
    message = summarise(title, errors, consequence=consequence)
    error = kind(message, path=config.file, problems=errors)
    advice = how_to_ignore(errors)
    return error if advice is None else error.with_advice(advice[0], shell=advice[1])
