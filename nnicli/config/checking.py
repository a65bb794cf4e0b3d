"""Everything that is wrong with a config, or surprising in it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nnicli.config.converter import Converter
from nnicli.config.documents.document import Document, sort_problems, summarise
from nnicli.config.documents.yaml11 import report_surprises
from nnicli.config.field_names import is_v1
from nnicli.config.formats.schema_check import check_schema
from nnicli.config.formats.search_space import check_space_of
from nnicli.config.formats.source import Source, find_base, read_config
from nnicli.config.formats.to_v1 import to_v1
from nnicli.config.formats.to_v2 import to_v2
from nnicli.config.formats.v1 import is_legacy
from nnicli.config.formats.v1_checks import RULES as V1_RULES
from nnicli.config.formats.v2_checks import RULES as V2_RULES
from nnicli.config.ignoring import check_ignored, how_to_ignore
from nnicli.config.releases import Release, release_for
from nnicli.config.rules.context import ANNOTATION, RuleContext
from nnicli.config.target import Target
from nnicli.errors import (
    ConfigError,
    ConfigSchemaError,
    ConfigSyntaxError,
    Problem,
    SearchSpaceError,
)


@dataclass
class Examination:
    """A config with what was found in it.

    Attributes:
        context: The config, and what it was checked for.
        space: The document that its search space is in: the config, a file of its own, or None.
        search_space: The search space, as far as it could be read.
        converter: The config in the format of its release; None where it has that already, or where
            it has errors.
    """

    context: RuleContext
    space: Document | None = None
    search_space: Any = None
    converter: Converter | None = None

    @property
    def document(self) -> Document:
        """The config, as it was written."""
        return self.context.document

    def problems(self) -> list[Problem]:
        """Return all problems once, sorted by place."""
        found = list(self.document.problems)
        if self.space is not None and self.space is not self.document:
            found += self.space.problems
        return sort_problems(found, first=self.document.file)

    def errors(self) -> list[Problem]:
        """Return the problems with which a config cannot be used, sorted by place."""
        return [
            problem
            for problem in self.problems()
            if problem.severity == "error" or problem.rule == ANNOTATION
        ]


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
        ignore: Names of checks to turn off, such as "path"; docs/configs.md has them all.

    Raises:
        InvalidValueError: There is no such check, or it cannot be turned off.
        UnsupportedVersionError: nnicli knows no such release.
    """
    ignored = check_ignored(ignore)
    release = release_for(nni_version)
    return examine(
        config, base_path=base_path, release=release, target=target, ignored=ignored
    ).problems()


def examine(
    config: Source,
    *,
    base_path: str | os.PathLike[str] | None,
    release: Release,
    target: Target | None,
    ignored: frozenset[str],
) -> Examination:
    """Check a config, and convert it to the format of its release where it has no errors."""
    base = find_base(config, base_path)
    document = read_config(config)
    document.ignored = ignored
    context = RuleContext(document, base, release, target)
    examination = Examination(context)
    if not isinstance(document.data, dict):
        return examination
    _apply_rules(context)
    examination.space, examination.search_space = check_space_of(context)
    report_surprises(document, is_space=False)
    if not examination.errors():
        examination.converter = _convert(document.data, release)
        if examination.converter is not None:
            _check_conversion(context, examination.converter)
    return examination


def _apply_rules(context: RuleContext) -> None:
    check_schema(context.document, context.release, context.target)
    for rule in V1_RULES if is_v1(context.data) else V2_RULES:
        rule(context)


def _convert(data: Mapping[str, Any], release: Release) -> Converter | None:
    """Return a config in the format of its release, None where it has that already."""
    if is_v1(data):
        if release.format == "v1" or is_legacy(data, release):
            return None
        return to_v2(data, has_old_tpe="TPE" in release.old_constructors)
    if release.format == "v2":
        return None
    return to_v1(data, machine_command=release.machine_command, takes_space=True)


def _check_conversion(context: RuleContext, converter: Converter) -> None:
    """Report what the format of the release cannot hold of a config that is sound otherwise."""
    document = context.document
    for note in converter.notes:
        if note.outcome == "lost":
            document.report(note.loc, note.message, rule="format", severity=note.severity)
    target = Document(None, data=dict(converter.target), ignored=document.ignored)
    if is_v1(target.data):
        # It is sent in place of its file.
        target.data["searchSpacePath"] = "."
    _apply_rules(replace(context, document=target))
    report_of_target(document, target, converter)


def report_of_target(document: Document, target: Document, converter: Converter) -> None:
    """Report errors of a converted config where the fields that they are about come from."""
    format_ = "v1" if is_v1(target.data) else "v2"
    for loc, problem in target.reported:
        if problem.severity == "error":
            message = f"as {problem.location} of the {format_} format: {problem.message}"
            document.report(converter.origin_of(loc), message, rule="format")


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
