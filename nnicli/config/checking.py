"""Every problem and every surprise in a config."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nnicli.config.converter import Converter
from nnicli.config.documents.document import Document, sort_problems, summarise
from nnicli.config.documents.yaml11 import report_surprises
from nnicli.config.formats.checks import apply_rules
from nnicli.config.formats.own_format import to_own_format
from nnicli.config.formats.search_space import check_config_space
from nnicli.config.formats.source import Source, read_context
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


@dataclass(frozen=True, slots=True)
class Examination:
    """A config and the problems found in it.

    Attributes:
        context: The config, and what it was checked for.
        problems: Every problem once, sorted by location.
        errors: The problems that make the config unusable.
        search_space: The search space, as far as it could be read.
        converter: The config in the format of its release; None if it already has that format, or
            has errors.
    """

    context: RuleContext
    problems: list[Problem]
    errors: list[Problem]
    search_space: Any = None
    converter: Converter | None = None


def check_config(
    config: Source,
    *,
    base_path: str | os.PathLike[str] | None = None,
    nni_version: str | None = None,
    target: Target | None = None,
    ignore: Iterable[str] = (),
) -> list[Problem]:
    """Return every problem and every surprise in a config, sorted by location.

    Args:
        config: Path of a YAML or JSON file, or the config itself.
        base_path: Directory that relative paths are relative to; None: the file's own, or the
            working directory for a mapping.
        nni_version: The NNI that will run it; None: the newest.
        target: What that NNI has in its environment, from `nnicli.launcher.target_of`; None: not
            known, so nothing is checked against it.
        ignore: Names of checks to turn off, such as "path"; docs/reference/configs.md lists them.

    Raises:
        InvalidValueError: A name is not a check, or the check cannot be turned off.
        UnsupportedVersionError: nnicli does not know the release.
    """
    ignored = check_ignored(ignore)
    release = release_for(nni_version)
    return examine(
        config, base_path=base_path, release=release, target=target, ignored=ignored
    ).problems


def examine(
    config: Source,
    *,
    base_path: str | os.PathLike[str] | None,
    release: Release,
    target: Target | None,
    ignored: frozenset[str],
) -> Examination:
    """Check a config, and convert it to the format of its release if it has no errors."""
    context = read_context(config, base_path, release=release, target=target, ignored=ignored)
    document = context.document
    if not isinstance(document.data, dict):
        return _examined(context, None)
    apply_rules(context)
    space, search_space = check_config_space(context)
    report_surprises(document, is_space=False)
    examination = _examined(context, space, search_space)
    if examination.errors:
        return examination
    converter = to_own_format(context)
    if converter is None:
        return examination
    return _examined(context, space, search_space, converter)


def _examined(
    context: RuleContext,
    space: Document | None,
    search_space: Any = None,
    converter: Converter | None = None,
) -> Examination:
    config = context.document
    found = list(config.problems)
    if space is not None and space is not config:
        found += space.problems
    problems = sort_problems(found, first=config.file)
    errors = [one for one in problems if one.severity == "error" or one.rule == ANNOTATION]
    return Examination(context, problems, errors, search_space, converter)


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
