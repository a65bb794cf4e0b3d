"""A config in the other format, with notes on what was lost and assumed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nnicli.config.checking import config_error
from nnicli.config.converter import Converter
from nnicli.config.documents.document import Document, sort_problems
from nnicli.config.documents.yaml_writer import write_yaml
from nnicli.config.field_names import DIRECTORY_KEYS, Format, is_v1
from nnicli.config.formats.own_format import report_target_errors
from nnicli.config.formats.schema_check import check_schema
from nnicli.config.formats.source import Source, read_config
from nnicli.config.formats.to_v1 import to_v1
from nnicli.config.formats.to_v2 import to_v2
from nnicli.config.releases import release_for
from nnicli.config.schema.validate import replace_plain_numbers
from nnicli.config.secrets import Loc
from nnicli.errors import InvalidValueError, Problem


@dataclass(frozen=True, slots=True)
class Conversion:
    """A config in the other format.

    Attributes:
        format: The format of the document.
        document: The config, its paths as they were; it may hold secrets.
        notes: What was not simply carried over, as problems of the source, sorted by location.
            Their rules: `lost` changes the experiment (an error if it makes the config unusable);
            `format` is not valid in the new format; `dropped` has no effect on the experiment;
            `assumed` was added, and is located in the new document.
        moves: For each field that was carried over, its loc in the source and in the document.
        source: The config that was converted, with the places of its fields.
    """

    format: Format
    document: dict[str, Any]
    notes: tuple[Problem, ...]
    moves: tuple[tuple[Loc, Loc], ...]
    source: Document = field(repr=False)

    def __repr__(self) -> str:
        return f"Conversion({self.format}, {len(self.document)} fields, {len(self.notes)} notes)"

    def to_yaml(self) -> str:
        """Return the document as YAML, with the comments and the order of its source."""
        return write_yaml(self.source, self.document, self.moves)


def convert_config(config: Source, to: Format = "v2") -> Conversion:
    """Return a config in the other format, with a note on each field lost or assumed.

    The config is converted as written: its paths need not exist on this machine, and invalid values
    stay invalid; `check_config` reports them.

    Args:
        config: Path of a YAML or JSON file, or the config itself.
        to: `v2` or `v1`. A config already in that format is returned unchanged.

    Raises:
        ConfigSyntaxError: The file is missing, unreadable, or not plain YAML or JSON.
        InvalidValueError: `to` is not a format.
    """
    if to not in DIRECTORY_KEYS:
        raise InvalidValueError(
            f"to: {to!r} is not allowed; allowed: {' or '.join(DIRECTORY_KEYS)}",
            field="to",
            value=to,
        )
    document = read_config(config)
    if document.problems or not isinstance(document.data, dict):
        raise config_error(document, document.problems, consequence="nothing was converted")
    source_format: Format = "v1" if is_v1(document.data) else "v2"
    replace_plain_numbers(document, f"experiment-{source_format}", data=document.data)
    if source_format == to:
        moves = tuple(((key,), (key,)) for key in document.data)
        return Conversion(to, document.data, (), moves, document)
    converter = to_v2(document.data) if to == "v2" else to_v1(document.data)
    _report_invalid(document, converter, to)
    for note in converter.notes:
        document.report(note.loc, note.message, rule=note.outcome, severity=note.severity)
    notes = sort_problems(document.problems, first=document.file)
    return Conversion(to, converter.target, tuple(notes), tuple(converter.moves), document)


def _report_invalid(document: Document, converter: Converter, to: Format) -> None:
    """Report what is valid in the source but not in the document."""
    source, target = (Document(None, data=data) for data in (document.data, converter.target))
    check_schema(source, _NEWEST["v1" if to == "v2" else "v2"])
    check_schema(target, _NEWEST[to])
    wrong = [loc for loc, _ in source.reported]
    target.reported = [
        (loc, problem)
        for loc, problem in target.reported
        if not any(converter.origin_of(loc)[: len(bad)] == bad for bad in wrong)
    ]
    report_target_errors(document, target, converter)


# The newest release whose manager takes the format.
_NEWEST = {"v1": release_for("2.1"), "v2": release_for(None)}
