"""Checks of fields that occur in several parts of a config."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnicli.config.documents.document import find_non_finite
from nnicli.config.documents.reader import read_file
from nnicli.config.gpus import to_gpu_list
from nnicli.config.paths import absolute_path, is_there
from nnicli.config.rules.context import ANNOTATION, RuleContext
from nnicli.config.secrets import Loc, show, show_path
from nnicli.errors import InvalidValueError
from nnicli.units import parse_duration


def check_annotation(context: RuleContext) -> None:
    """Warn of `useAnnotation: true`, which only nnictl can expand.

    It is valid in releases that have it, so a check only warns; a start refuses it.
    """
    if context.data.get("useAnnotation") is not True:
        return
    is_known = context.release.has_annotation
    reason = (
        "only nnictl expands annotations, so nnicli cannot start this"
        if is_known
        else "this release no longer has annotations"
    )
    message = f"found true; {reason}. Write a search space, and read parameters with "
    context.document.report(
        ("useAnnotation",),
        message + "nni.get_next_parameter()",
        rule=ANNOTATION,
        severity="warning" if is_known else "error",
    )


def check_duration(context: RuleContext, loc: Loc, value: Any) -> None:
    """Check a time limit of the v2 format: text with a unit, or a number of seconds."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return
    written = context.document.surprises.get(loc)
    if written is not None and not isinstance(value, str):
        message = f"found {written}, which YAML 1.1 reads as {value}; allowed: a number with a "
        context.document.report(loc, message + "unit, such as 90s or 2h", rule="duration")
        return
    try:
        parse_duration(value, field=str(loc[-1]))
    except InvalidValueError as error:
        allowed = str(error).rpartition("; ")[2]
        message = f"found {show(value, ())}; {allowed}"
        is_number = len(str(value)) < 10 and str(value).strip(" 0").isdecimal()
        hint = f"write '{value}s' for seconds" if is_number else None
        context.document.report(loc, message, rule="duration", suggestion=hint)


def check_code_directory(context: RuleContext, loc: Loc, text: Any) -> None:
    """Check that the directory of the trials' code exists and can be used."""
    if not isinstance(text, str) or not text:
        return
    path = absolute_path(text, context.base)
    if not is_there(Path(path).is_dir):
        # A 3.0 manager would stay RUNNING for ever, without a trial or an error.
        context.document.report(loc, f"directory not found: {path}", rule="path")
    elif " " in path and not context.release.takes_space_in_code_path:
        message = f"the path {path} has a space in it, so every trial would fail before NNI 3.0; "
        context.document.report(loc, message + "move the code, or use 3.0", rule="path")


def check_gpu_text(context: RuleContext, loc: Loc, value: Any) -> None:
    """Check that text does not name a GPU twice."""
    if not isinstance(value, str):
        return
    try:
        indices = to_gpu_list(value)
    except ValueError:
        return
    if len(set(indices)) != len(indices):
        message = f"found {show(value, loc)}; allowed: each GPU once"
        context.document.report(loc, message, rule="unique")


def check_file(context: RuleContext, loc: Loc, text: Any) -> None:
    """Check that a file exists."""
    if isinstance(text, str) and text:
        path = Path(absolute_path(text, context.base))
        if not is_there(path.is_file):
            message = f"file not found: {show_path(text, str(path))}"
            context.document.report(loc, message, rule="path")


def check_directory(context: RuleContext, loc: Loc, text: Any) -> None:
    """Check that a directory exists."""
    if isinstance(text, str) and text:
        path = Path(absolute_path(text, context.base))
        if not is_there(path.is_dir):
            context.document.report(loc, f"directory not found: {path}", rule="path")


def check_mapping_file(context: RuleContext, loc: Loc, text: Any) -> dict[str, Any]:
    """Check that a YAML or JSON file holds a mapping, and return the mapping."""
    if not isinstance(text, str) or not text:
        return {}
    path = Path(absolute_path(text, context.base))
    document = read_file(path)
    for problem in document.problems:
        context.document.report(loc, f"{path} {problem.message}", rule=problem.rule)
    if isinstance(document.data, dict):
        return document.data
    if not document.problems:
        context.document.report(loc, f"{path} does not hold a mapping", rule="type")
    return {}


def check_directory_can_exist(context: RuleContext, loc: tuple[str]) -> None:
    """Check that a directory, a top-level field, exists or could be created."""
    text = context.data.get(loc[0])
    if not isinstance(text, str) or not text:
        return
    path = Path(absolute_path(text, context.base))
    try:
        is_in_the_way = path.exists() and not path.is_dir()
        os.fsencode(path)
    except (OSError, ValueError):
        is_in_the_way = True
    if is_in_the_way or "\0" in text:
        message = (
            f"found {show(text, ())}; allowed: a directory, or a path where one can be created"
        )
        context.document.report(loc, message, rule="path")


def check_only_json(context: RuleContext) -> None:
    """Check that there are no numbers that JSON does not have."""
    for loc in find_non_finite(context.data):
        # The search space is checked separately.
        if loc[0] != "searchSpace":
            context.document.report(loc, "NaN and infinity are not allowed", rule="finite")


def check_one_of(
    context: RuleContext, here: Loc, section: Mapping[str, Any], names: tuple[str, str]
) -> None:
    """Check that a section has exactly one of two fields."""
    given = [name for name in names if name in section]
    if len(given) == 2:
        message = f"{names[0]} and {names[1]} exclude each other"
        context.document.report((*here, given[1]), message, rule="exclusive")
    elif not given:
        message = f"is required but missing; give it, or {names[1]}"
        context.document.report((*here, names[0]), message, rule="required")
