"""A config in the format that its release takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nnicli.config.converter import Converter
from nnicli.config.documents.document import Document
from nnicli.config.field_names import is_v1
from nnicli.config.formats.checks import apply_rules
from nnicli.config.formats.to_v1 import to_v1
from nnicli.config.formats.to_v2 import to_v2
from nnicli.config.formats.v1 import is_legacy
from nnicli.config.releases import Release
from nnicli.config.rules.context import RuleContext


def to_own_format(context: RuleContext) -> Converter | None:
    """Convert a valid config to the format of its release, None if it already has that format.

    What that format cannot express is reported as a problem of the config.
    """
    converter = _convert(context.data, context.release)
    if converter is not None:
        _check_conversion(context, converter)
    return converter


def _convert(data: Mapping[str, Any], release: Release) -> Converter | None:
    """Return a config in the format of its release, None if it already has that format."""
    if is_v1(data):
        if release.format == "v1" or is_legacy(data, release):
            return None
        return to_v2(data, has_old_tpe="TPE" in release.old_constructors)
    if release.format == "v2":
        return None
    return to_v1(data, machine_command=release.machine_command, takes_space=True)


def _check_conversion(context: RuleContext, converter: Converter) -> None:
    """Report what the format of the release cannot express of a config that is otherwise valid."""
    document = context.document
    for note in converter.notes:
        if note.outcome == "lost":
            document.report(note.loc, note.message, rule="format", severity=note.severity)
    target = Document(None, data=dict(converter.target), ignored=document.ignored)
    if is_v1(target.data):
        # The search space is sent in place of its file.
        target.data["searchSpacePath"] = "."
    apply_rules(replace(context, document=target))
    report_target_errors(document, target, converter)


def report_target_errors(document: Document, target: Document, converter: Converter) -> None:
    """Report errors of a converted config at the fields of the source that they come from."""
    format_ = "v1" if is_v1(target.data) else "v2"
    for loc, problem in target.reported:
        if problem.severity == "error":
            message = f"as {problem.location} of the {format_} format: {problem.message}"
            document.report(converter.origin_of(loc), message, rule="format")
