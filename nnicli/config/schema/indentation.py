"""Fields that lost their indentation, put back into the section that they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from nnicli.config.documents.document import Document
from nnicli.config.schema.schemas import find_part, load_schema
from nnicli.config.schema.spelling import fold
from nnicli.config.secrets import Loc, show_key

Sections = Mapping[str, frozenset[str]]
_TOP, _SPACE = "", "searchspace"
_MOST_NAMED = 10
# The fields inside these are the user's.
_FREE = frozenset(("classargs", _SPACE))


def restore_indentation(document: Document, schema: str) -> None:
    """Put fields back into the empty section that they follow, and report that section once.

    To YAML, `tuner:` followed by an unindented `name: TPE` is an empty section and an unknown
    field. With the fields put back, the other checks report real problems, and not the
    consequences of this one.

    Args:
        document: A config, changed in place.
        schema: Name of the schema that knows its fields.
    """
    document.data = _restore(document, document.data, (), _sections(schema))


def _restore(
    document: Document, mapping: dict[str, Any], loc: Loc, sections: Sections
) -> dict[str, Any]:
    own = sections[fold(str(loc[-1])) if loc else _TOP]
    restored: dict[str, Any] = {}
    path: list[str] = []
    lost: list[str] = []
    moves: dict[Loc, Loc] = {}
    for key, value in mapping.items():
        known = fold(key)
        depth = 0 if known in own else _depth_of(known, value, path, sections)
        if depth:
            lost.append(key)
            written: Loc = (*loc, key)
            moves[written] = (*loc, *path[:depth], key)
        else:
            _report(document, (*loc, *path[:1]), lost)
            lost = []
        path = path[:depth]
        is_section = isinstance(value, dict) and known in sections and known not in _FREE
        here = (*loc, *path, key)
        _put(
            restored, path, key, _restore(document, value, here, sections) if is_section else value
        )
        if value is None and (known in sections or known == _SPACE):
            path.append(key)
    _report(document, (*loc, *path[:1]), lost)
    document.move_places(moves)
    return restored


def _depth_of(key: str, value: Any, path: Sequence[str], sections: Sections) -> int:
    """Return how many of the empty sections above a field it belongs below, 0 for none."""
    for depth in range(len(path), 0, -1):
        section = fold(path[depth - 1])
        is_parameter = isinstance(value, dict) and "_type" in value
        if is_parameter if section == _SPACE else key in sections[section]:
            return depth
    return 0


def _put(mapping: dict[str, Any], path: Sequence[str], key: str, value: Any) -> None:
    for name in path:
        mapping[name] = mapping[name] or {}
        mapping = mapping[name]
    mapping[key] = value


def _report(document: Document, loc: Loc, lost: Sequence[str]) -> None:
    if not lost:
        return
    belong = "belongs to it; indent it" if len(lost) == 1 else "belong to it; indent them"
    rest = f" and {len(lost) - _MOST_NAMED} more" if len(lost) > _MOST_NAMED else ""
    names = ", ".join(show_key(name) for name in lost[:_MOST_NAMED])
    message = f"is empty, and {names}{rest} below it {belong}"
    document.report(loc, message, rule="indentation")


@cache
def _sections(name: str) -> Sections:
    """Return every section of a schema, at any level, with the fields that it may have."""
    schema = load_schema(name)
    found: dict[str, set[str]] = {_TOP: set(map(fold, schema["properties"]))}
    for key, part in _properties(schema):
        fields = {fold(field) for field, _ in _fields(name, part)}
        if fields:
            found.setdefault(fold(key), set()).update(fields)
    return {key: frozenset(fields) for key, fields in found.items()}


def _properties(part: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every field that a schema describes, at any level."""
    if isinstance(part, list):
        for item in part:
            yield from _properties(item)
    elif isinstance(part, dict):
        properties = part.get("properties")
        if isinstance(properties, dict):
            yield from properties.items()
        for item in part.values():
            yield from _properties(item)


def _fields(name: str, part: Any) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a mapping that a part of a schema describes, following references."""
    if isinstance(part, list):
        for item in part:
            yield from _fields(name, item)
    elif isinstance(part, dict):
        yield from part.get("properties", {}).items()
        if "$ref" in part:
            yield from _fields(name, find_part(name, part["$ref"]))
        for keyword in ("allOf", "then", "else"):
            yield from _fields(name, part.get(keyword))
