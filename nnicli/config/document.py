"""A YAML or JSON file, or a mapping, as plain values that know where they stand."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from nnicli.errors import Problem, Severity

Keys = tuple[str | int, ...]
"""Way from the top of a document to a value: mapping keys and list indices."""

Place = tuple[int, int]
"""Line and column in a file, from 1."""

_MOST_BYTES = 16 << 20
# Far more than any config has, and few enough for the recursion of Python and libyaml.
_MOST_DEPTH = 60
# Aliases may repeat a value; what they unfold to is counted, so that no bomb goes off.
_MOST_VALUES = 2_000_000
_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_SCALARS = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null"))
# Dates have no form in JSON, so they stay the text that they were written as.
_TEXTS = frozenset((f"{_TAG}timestamp", f"{_TAG}value"))
_MERGE = f"{_TAG}merge"


@dataclass
class Document:
    """Plain values and their places.

    Attributes:
        file: The file, None for a mapping.
        data: The value at the top; None when it could not be read.
        places: Way to a value -> where it, or its key, stands.
        problems: What was wrong with reading it.
    """

    file: Path | None
    data: Any = None
    places: dict[Keys, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def report(
        self,
        keys: Keys,
        message: str,
        *,
        rule: str,
        severity: Severity = "error",
        suggestion: str | None = None,
        place: Place | None = None,
    ) -> Problem:
        """Add and return a problem with a value; one that is missing is placed at its parent."""
        known = keys
        while place is None and known not in self.places and known:
            known = known[:-1]
        place = place or self.places.get(known)
        line, column = place or (None, None)
        problem = Problem(
            self.file, line, column, to_location(keys), message, rule, severity, suggestion
        )
        self.problems.append(problem)
        return problem


def to_location(keys: Keys) -> str:
    """Return the way to a value as people write it: `tuner.classArgs.sizes[1]`."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def read_file(path: Path) -> Document:
    """Read a YAML or JSON file; whatever is wrong with it is among the problems."""
    document = Document(path)
    text = _read_text(document, path)
    if text is not None:
        _read_yaml(document, text)
    return document


def read_mapping(mapping: Mapping[Any, Any]) -> Document:
    """Copy a mapping of Python values; whatever cannot be JSON is among the problems."""
    document = Document(None)
    copier = _Copier(document)
    document.data = copier.copy(mapping, ())
    return document


def _read_text(document: Document, path: Path) -> str | None:
    content = _read_bytes(document, path)
    if content is None:
        return None
    if b"\0" in content:
        document.report((), "this is a binary file; expected YAML or JSON", rule="file")
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        document.report(
            (), "the file is no UTF-8 text; save it as UTF-8", rule="encoding", place=(line, 1)
        )
        return None


def _read_bytes(document: Document, path: Path) -> bytes | None:
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "this is a directory")
        if path.exists() and not path.is_file():
            raise OSError(errno.EINVAL, "this is no regular file")
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise OSError(errno.EFBIG, f"it has more than {_MOST_BYTES >> 20} MiB")
    except OSError as error:
        reason = error.strerror
    except ValueError:
        reason = "its path has a NUL character"
    else:
        return content
    document.report((), f"cannot be read: {reason}; expected a YAML or JSON file", rule="file")
    return None


def _read_yaml(document: Document, text: str) -> None:
    try:
        if not _is_bounded(document, text):
            return
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        document.report((), f"this is no YAML: {reason}", rule="syntax", place=place)
        return
    except yaml.YAMLError as error:
        document.report((), f"this is no YAML: {error}", rule="syntax", place=(1, 1))
        return
    if node is None:
        document.report((), "the file is empty", rule="syntax", place=(1, 1))
        return
    builder = _Builder(document)
    try:
        document.data = builder.build(node, ())
    except _TooLargeError:
        document.report(
            (), f"its aliases unfold to more than {_MOST_VALUES} values", rule="size", place=(1, 1)
        )


def _is_bounded(document: Document, text: str) -> bool:
    """Look at the shape first: neither depth nor a second document is for the recursive reader."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=_LOADER):
        place = _place(event)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                message = "a second document begins here; put one config into a file"
                document.report((), message, rule="syntax", place=place)
                return False
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            depth += 1
            if depth > _MOST_DEPTH:
                message = f"nested more than {_MOST_DEPTH} deep"
                document.report((), message, rule="size", place=place)
                return False
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            depth -= 1
    return True


class _TooLargeError(Exception):
    """The values of a document are too many, or too deep."""


class _Builder:
    """Turns YAML nodes into plain values; nothing but JSON's kinds comes out."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._scalars = yaml.SafeLoader("")
        self._count = 0

    def build(self, node: Node, keys: Keys) -> Any:
        self._count += 1
        # An alias may stand below its own anchor, which makes the depth endless.
        if self._count > _MOST_VALUES or len(keys) > _MOST_DEPTH:
            raise _TooLargeError
        self._document.places.setdefault(keys, _place(node))
        if isinstance(node, MappingNode):
            return self._build_mapping(node, keys)
        if isinstance(node, SequenceNode):
            self._check_tag(node, f"{_TAG}seq", keys)
            return [self.build(item, (*keys, index)) for index, item in enumerate(node.value)]
        return self._build_scalar(node, keys)

    def _build_mapping(self, node: MappingNode, keys: Keys) -> dict[str, Any]:
        self._check_tag(node, f"{_TAG}map", keys)
        result: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged = {**merged, **self._build_merged(value_node, keys)}
                continue
            key = self._build_key(key_node, keys)
            if key is None:
                continue
            inner = (*keys, key)
            if key in result:
                first = self._document.places[inner]
                self._document.report(
                    inner,
                    f"the key stands twice, first in line {first[0]}; NNI would take the last",
                    rule="duplicate-key",
                    place=_place(key_node),
                )
                continue
            self._document.places[inner] = _place(key_node)
            result[key] = self.build(value_node, inner)
        return {**merged, **result}

    def _build_merged(self, node: Node, keys: Keys) -> dict[str, Any]:
        sources = node.value if isinstance(node, SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for source in sources:
            if not isinstance(source, MappingNode):
                self._document.report(
                    keys, "`<<` wants a mapping", rule="syntax", place=_place(source)
                )
                continue
            for key, value in self.build(source, keys).items():
                merged.setdefault(key, value)
        return merged

    def _build_key(self, node: Node, keys: Keys) -> str | None:
        if isinstance(node, ScalarNode) and node.tag == f"{_TAG}str":
            return str(node.value)
        shown = node.value if isinstance(node, ScalarNode) else "a collection"
        hint = f"write it in quotes: '{shown}'" if isinstance(node, ScalarNode) else None
        self._document.report(
            keys,
            f"the key {shown} is no text: YAML 1.1 reads it as {node.tag.removeprefix(_TAG)}",
            rule="key-type",
            suggestion=hint,
            place=_place(node),
        )
        return None

    def _build_scalar(self, node: Node, keys: Keys) -> Any:
        if node.tag in _TEXTS:
            return node.value
        if node.tag not in _SCALARS:
            self._refuse_tag(node, keys)
            return None
        try:
            return self._scalars.construct_object(node)
        except (ValueError, OverflowError, yaml.YAMLError) as error:
            message = f"{node.value!r:.80} cannot be read: {error}"
            self._document.report(keys, message, rule="syntax", place=_place(node))
            return None

    def _check_tag(self, node: Node, wanted: str, keys: Keys) -> None:
        if node.tag != wanted:
            self._refuse_tag(node, keys)

    def _refuse_tag(self, node: Node, keys: Keys) -> None:
        tag = node.tag.replace(_TAG, "!!")
        self._document.report(
            keys,
            f"the tag {tag} is not allowed: a config is plain data",
            rule="tag",
            place=_place(node),
        )


def _place(item: Any) -> Place:
    """Return where a node or an event of YAML begins."""
    return item.start_mark.line + 1, item.start_mark.column + 1


class _Copier:
    """Turns Python values into plain ones."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def copy(self, value: Any, keys: Keys) -> Any:
        if len(keys) > _MOST_DEPTH:
            self._document.report(keys[:3], f"nested more than {_MOST_DEPTH} deep", rule="size")
            return None
        plain: Any = None
        if isinstance(value, Mapping):
            plain = dict(self._items(value, keys))
        elif isinstance(value, list | tuple):
            plain = [self.copy(item, (*keys, index)) for index, item in enumerate(value)]
        elif isinstance(value, os.PathLike):
            plain = os.fspath(value)
        elif isinstance(value, str):
            plain = str(value)
        elif value is None or isinstance(value, bool | int | float):
            plain = value
        else:
            message = f"a {type(value).__name__} cannot be sent; use plain Python values"
            self._document.report(keys, message, rule="value-type")
        return plain

    def _items(self, mapping: Mapping[Any, Any], keys: Keys) -> Iterator[tuple[str, Any]]:
        for key, value in mapping.items():
            if isinstance(key, str):
                yield str(key), self.copy(value, (*keys, key))
            else:
                self._document.report(keys, f"the key {key!r:.80} is no text", rule="key-type")


def find_non_finite(value: Any, keys: Keys = ()) -> Iterator[Keys]:
    """Yield the way to every NaN and infinity: JSON has no such numbers."""
    if isinstance(value, float) and not math.isfinite(value):
        yield keys
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from find_non_finite(item, (*keys, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from find_non_finite(item, (*keys, index))
