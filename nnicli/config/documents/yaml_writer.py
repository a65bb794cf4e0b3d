"""A converted config as YAML, with the comments and the order of its source."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from nnicli.config.documents.document import Document, Place
from nnicli.config.documents.yaml11 import is_surprise
from nnicli.config.secrets import Loc

Moves = Sequence[tuple[Loc, Loc]]
"""Loc in the source and loc in the target of each field that was carried over."""

_INDENT = "  "
# Fields without a line in the source go to the end.
_LAST = 1 << 30
_COMMENT = re.compile(r"(?:^|\s)(#.*)$")


@dataclass
class _Comments:
    """The comments of a YAML text.

    Attributes:
        above: Line of a key -> the whole-line comments above it.
        trailing: Line -> the comment at its end.
        head: The comments at the top of the file, separated from the first key by an empty line.
        tail: The comments below the last key.
    """

    above: dict[int, list[str]] = field(default_factory=dict)
    trailing: dict[int, str] = field(default_factory=dict)
    head: list[str] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)


def write_yaml(source: Document, target: Mapping[str, Any], moves: Moves) -> str:
    """Return a converted config as YAML.

    A comment stays with the field that it is above or next to, and fields keep the order of the
    source. Comments of fields that were left out are left out too.

    Args:
        source: The config that was converted.
        target: What it was converted to.
        moves: Loc in the source and loc in the target of each field that was carried over.
    """
    text = "" if source.file is None else source.file.read_text("utf-8-sig")
    if text and target is source.data:
        return text
    comments = _read_comments(text, [line for line, _ in source.places.values()])
    writer = _Writer(target, list(_with_inner(moves, source.places)), source.places, comments)
    head = [*comments.head, *writer.homeless]
    lines = [*head, ""] if head else []
    lines += writer.write_mapping(target, ())
    return "\n".join([*lines, *comments.tail]) + "\n"


def _read_comments(text: str, lines: list[int]) -> _Comments:
    found = _Comments()
    waiting: list[str] = []
    key_lines, first = set(lines), True
    scalars = _scalar_lines(text)
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") and number not in scalars:
            waiting.append(line.strip())
        elif not line.strip() and first and waiting:
            found.head, waiting = [*found.head, *waiting], []
        elif number in key_lines:
            found.above[number], waiting, first = waiting, [], False
        trailing = _trailing_comment(line, scalars.get(number, 0))
        if trailing and not line.lstrip().startswith("#"):
            found.trailing[number] = trailing
    found.tail = waiting
    return found


def _scalar_lines(text: str) -> dict[int, int]:
    """Return line -> the column up to which a scalar extends; a `#` before it is text."""
    reach: dict[int, int] = {}
    for token in _tokens(text):
        if isinstance(token, yaml.ScalarToken):
            start, end = token.start_mark, token.end_mark
            for line in range(start.line, end.line):
                # The first line of a block scalar is its header, which may have a comment.
                if not (line == start.line and token.style in ("|", ">")):
                    reach[line + 1] = _LAST
            if end.column:
                reach[end.line + 1] = max(reach.get(end.line + 1, 0), end.column)
    return reach


def _tokens(text: str) -> Iterator[yaml.Token]:
    try:
        yield from yaml.scan(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        # JSON with tabs is not valid YAML; it has no comments.
        return


def _trailing_comment(line: str, reach: int) -> str | None:
    match = _COMMENT.search(line[reach:]) if reach < len(line) else None
    return match[1] if match else None


class _Writer:
    """Writes a document in block style."""

    def __init__(
        self,
        target: Mapping[str, Any],
        moves: Moves,
        places: Mapping[Loc, Place],
        comments: _Comments,
    ) -> None:
        self._comments = comments
        self._lines = {new: places[old][0] for old, new in moves if old in places}
        for name in target:
            # A section that exists in both formats has no move of its own.
            if (name,) in places:
                self._lines.setdefault((name,), places[name,][0])
        self._above = self._assign_comments(target, moves, places)
        self.homeless = self._find_homeless()
        self._trailing = dict(comments.trailing)

    def _find_homeless(self) -> list[str]:
        """Return the comments at the very top, above a field that was left out."""
        if self._comments.head or not self._comments.above:
            return []
        top = self._comments.above[min(self._comments.above)]
        kept = {line for lines in self._above.values() for line in lines}
        return [line for line in top if line not in kept]

    def _assign_comments(
        self,
        document: Mapping[str, Any],
        moves: Moves,
        places: Mapping[Loc, Place],
    ) -> dict[Loc, list[str]]:
        """Return the comments above each field of the target.

        Comments above a section that no longer exists go to the first field that was in it.
        """
        assigned: dict[Loc, list[str]] = {}
        first_in: dict[Loc, Loc] = {}
        for old, new in moves:
            for depth in range(1, len(old) + 1):
                stays = depth == 1 and isinstance(document.get(str(old[0])), dict)
                first_in.setdefault(old[:depth], old[:1] if stays else new)
        seen: set[int] = set()
        for old, (line, _) in sorted(places.items(), key=lambda item: (item[1], len(item[0]))):
            if old in first_in and line not in seen:
                seen.add(line)
                above = self._comments.above.get(line, [])
                if above:
                    assigned.setdefault(first_in[old], []).extend(above)
        return assigned

    def write_mapping(self, mapping: Mapping[str, Any], loc: Loc) -> list[str]:
        lines: list[str] = []
        for key in sorted(mapping, key=lambda name: self._line((*loc, name))):
            here = (*loc, key)
            lines += self._above.get(here, [])
            lines += self._write_entry(f"{_scalar(key)}:", mapping[key], here)
        return lines

    def _write_entry(self, name: str, value: Any, here: Loc) -> list[str]:
        end = self._end_of(here)
        if isinstance(value, dict) and value:
            inner = self.write_mapping(value, here)
            return [f"{name}{end}", *(f"{_INDENT}{line}" for line in inner)]
        if isinstance(value, list) and self._needs_lines(value, here):
            return [f"{name}{end}", *self._write_list(value, here)]
        return [f"{name} {_scalar(value)}{end}"]

    def _end_of(self, here: Loc) -> str:
        """Return the comment at the end of a field's line, each line's only once."""
        trailing = self._trailing.pop(self._lines.get(here, 0), None)
        return f"  {trailing}" if trailing else ""

    def _needs_lines(self, items: list[Any], loc: Loc) -> bool:
        """Return whether a list needs several lines: its items are nested, or have comments."""
        if any(isinstance(item, dict | list) for item in items):
            return True
        own = self._lines.get(loc, 0)
        lines = [self._lines.get((*loc, index), own) for index in range(len(items))]
        has_trailing = any(line != own and line in self._trailing for line in lines)
        return has_trailing or any((*loc, index) in self._above for index in range(len(items)))

    def _write_list(self, items: list[Any], loc: Loc) -> list[str]:
        lines: list[str] = []
        for index, item in enumerate(items):
            here = (*loc, index)
            lines += self._above.get(here, [])
            if isinstance(item, dict) and item:
                inner = self.write_mapping(item, here)
                while inner[0].startswith("#"):
                    lines.append(inner.pop(0))
                lines += [f"- {inner[0]}", *(f"{_INDENT}{line}" for line in inner[1:])]
            else:
                lines.append(f"- {_scalar(item)}{self._end_of(here)}")
        return lines

    def _line(self, loc: Loc) -> int:
        """Return the first line of the source that a field, or a field inside it, comes from."""
        lines = (line for new, line in self._lines.items() if new[: len(loc)] == loc)
        return min(lines, default=_LAST)


def _with_inner(moves: Moves, places: Mapping[Loc, Place]) -> Iterator[tuple[Loc, Loc]]:
    """Yield the moves, and those of the fields inside mappings that were moved as a whole."""
    whole = dict(moves)
    for old in places:
        for depth in range(1, len(old) + 1):
            if old[:depth] in whole:
                yield old, (*whole[old[:depth]], *old[depth:])
                break


def _scalar(value: Any) -> str:
    """Return a value on one line, in a form that YAML 1.1 and 1.2 read as the same value."""
    if isinstance(value, dict):
        entries = (f"{_scalar(key)}: {_scalar(item)}" for key, item in value.items())
        return f"{{{', '.join(entries)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_scalar, value))}]"
    if isinstance(value, str):
        return _text(value)
    return yaml.safe_dump(value).removesuffix("\n").removesuffix("\n...")


def _text(value: str) -> str:
    if not value.isprintable():
        return yaml.safe_dump(value, default_style='"', width=_LAST).rstrip("\n")
    if is_surprise(value, value):
        return f"'{value}'"
    # Inside brackets more characters need quotes; outside they do no harm.
    dumped = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=_LAST)
    return dumped.rstrip("\n")[1:-1]
