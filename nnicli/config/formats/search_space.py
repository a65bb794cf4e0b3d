"""The search space of a config, inline or in a separate file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nnicli.config.documents.document import Document
from nnicli.config.documents.reader import read_file
from nnicli.config.documents.yaml11 import report_surprises
from nnicli.config.field_names import ALGORITHMS, is_v1
from nnicli.config.paths import absolute_path
from nnicli.config.rules.context import RuleContext
from nnicli.config.search_space.checks import check_search_space
from nnicli.config.target import Target
from nnicli.errors import Problem

# Rules that only NNI's own tuners need.
_OF_SPACES = frozenset(("enum", "type", "required", "unknown-key", "range", "size", "choice"))


def check_config_space(context: RuleContext) -> tuple[Document | None, Any]:
    """Check the search space of a config.

    Returns:
        The document that holds it, which may be the config, and the search space; None for both
        if it could not be read.
    """
    data = context.data
    tuner = _built_in_tuner(data, context.target)
    field = "searchSpacePath" if is_v1(data) else "searchSpaceFile"
    file = data.get(field)
    if isinstance(file, str) and file:
        space = _read_space(context, field, Path(absolute_path(file, context.base)))
        if space is None:
            return None, None
        check_search_space(space, tuner=tuner, release=context.release)
        _soften(space, data, tuner)
        report_surprises(space, is_space=True)
        return space, space.data
    if isinstance(data.get("searchSpace"), dict):
        check_search_space(
            context.document,
            loc=("searchSpace",),
            data=data["searchSpace"],
            tuner=tuner,
            release=context.release,
        )
        _soften(context.document, data, tuner)
        return context.document, data["searchSpace"]
    return None, None


def _soften(space: Document, data: Mapping[str, Any], tuner: str | None) -> None:
    """Turn errors of a search space into warnings for a custom tuner, which may take anything."""
    if tuner is not None or not any(data.get(name) for name in ("tuner", "advisor")):
        return
    space.reported = [
        (loc, replace(problem, severity="warning") if _is_of_space(problem) else problem)
        for loc, problem in space.reported
    ]


def _is_of_space(problem: Problem) -> bool:
    return problem.location.startswith("searchSpace.") and problem.rule in _OF_SPACES


def _read_space(context: RuleContext, field: str, path: Path) -> Document | None:
    space = read_file(path, within="searchSpace")
    space.ignored = context.document.ignored
    unread = [problem.message for problem in space.problems if problem.rule == "file"]
    for message in unread:
        # It has to be corrected in the config.
        context.document.report((field,), f"{path} {message}", rule="file")
    return None if unread else space


def _built_in_tuner(data: Mapping[str, Any], target: Target | None) -> str | None:
    """Return the name of the built-in tuner, None for a custom class, registered or not."""
    for name in ALGORITHMS:
        algorithm = data.get(name)
        if name != "assessor" and isinstance(algorithm, dict):
            found = algorithm.get("name", algorithm.get(ALGORITHMS[name]))
            is_registered = target is not None and any(
                found in target.names(kind) for kind in ALGORITHMS
            )
            return found if isinstance(found, str) and not is_registered else None
    return None
