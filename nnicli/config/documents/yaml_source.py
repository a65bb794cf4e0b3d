"""YAML as plain values of JSON's types, with the place of each."""

from __future__ import annotations

import re
from typing import Any, cast

import yaml
from yaml.composer import ComposerError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from nnicli.config.documents.culprits import ParseFailure, find_culprit
from nnicli.config.documents.document import (
    MOST_DEPTH,
    MOST_VALUES,
    Document,
    Place,
    TooLargeError,
    to_location,
)
from nnicli.config.documents.lookalikes import describe, find_at_start, find_in_key
from nnicli.config.documents.yaml11 import is_surprise
from nnicli.config.secrets import Loc, is_secret

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_SCALARS = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null"))
_NUMBERS = frozenset((f"{_TAG}int", f"{_TAG}float"))
# Base 60, as in 1:30:00, takes quadratic time, and Python does not show numbers of 5,000 digits.
_LONGEST_NUMBER = 1000
# JSON does not have dates, so they stay as written.
_TEXTS = frozenset((f"{_TAG}timestamp", f"{_TAG}value"))
_MERGE = f"{_TAG}merge"
_DIRECTIVE = re.compile(r"^%TAG", re.MULTILINE)
_MOST_DIRECTIVES = 100


def read_yaml(document: Document, text: str) -> None:
    """Read a document from a text; what is wrong with it is reported as problems of the document.

    Raises:
        TooLargeError: It has too many values, with aliases expanded.
    """
    if len(_DIRECTIVE.findall(text)) > _MOST_DIRECTIVES:
        # Each is compared with all others, which takes quadratic time.
        message = f"has more than {_MOST_DIRECTIVES} lines that begin with %TAG"
        document.report((), message, rule="size", place=(1, 1))
        return
    try:
        if not _is_bounded(document, text):
            return
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        place, reason = _explain(error, text)
        document.report((), f"this is not valid YAML: {reason}", rule="syntax", place=place)
        return
    if node is None:
        document.report((), "the file is empty", rule="syntax", place=(1, 1))
        return
    if _expanded_size(node, {}) > MOST_VALUES:
        raise TooLargeError
    data = _Builder(document).build(node, ())
    # After a syntax error everything else would only be a consequence.
    is_readable = all(problem.rule != "syntax" for problem in document.problems)
    document.data = data if is_readable else None


def _explain(error: yaml.YAMLError, text: str) -> tuple[Place, str]:
    if isinstance(error, ReaderError):
        # Its position is in bytes with libyaml, in characters without.
        place = text.count("\n", 0, text.find(chr(error.character))) + 1, 1
        return place, f"the character U+{error.character:04X} is not allowed"
    start = _mark_place(getattr(error, "context_mark", None))
    place = _mark_place(getattr(error, "problem_mark", None)) or start or (1, 1)
    if isinstance(error, ComposerError):
        # Its own message quotes the alias, which may be a password that begins with `*`.
        return place, "this alias has no anchor; text that begins with * needs quotes"
    context, problem = getattr(error, "context", None), getattr(error, "problem", None)
    culprit = find_culprit(ParseFailure(text, problem or "", place, start))
    words = ", ".join(part for part in (context, problem) if part) or type(error).__name__
    return culprit or (place, words)


def _is_bounded(document: Document, text: str) -> bool:
    """Return whether the text has one document, not nested too deep for the recursive reader."""
    depth = documents = 0
    for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        if count > MOST_VALUES:
            raise TooLargeError
        place = _place(event)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                message = "a second document begins here; put one config into a file"
                document.report((), message, rule="syntax", place=place)
                return False
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            depth += 1
            if depth > MOST_DEPTH:
                message = f"nested more than {MOST_DEPTH} deep"
                document.report((), message, rule="size", place=place)
                return False
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            depth -= 1
    return True


def _expanded_size(node: Node, known: dict[int, int]) -> int:
    """Return the number of values of a node and all below it, with aliases expanded.

    Args:
        node: The node.
        known: Sizes of the nodes visited so far, by their identity.
    """
    size = known.get(id(node))
    if size is not None:
        return size
    # An alias inside its own anchor never ends.
    known[id(node)] = MOST_VALUES + 1
    size = 1
    if isinstance(node, SequenceNode):
        size += sum(_expanded_size(item, known) for item in node.value)
    elif isinstance(node, MappingNode):
        size += sum(_expanded_size(value, known) for _, value in node.value)
    known[id(node)] = size
    return size


class _Builder:
    """Turns YAML nodes into plain values."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._scalars = yaml.SafeLoader("")
        self._count = 0
        self._merges = 0

    def build(self, node: Node, loc: Loc) -> Any:
        self._count += 1
        # An alias may be below its own anchor, which makes the depth endless.
        if self._count > MOST_VALUES or len(loc) > MOST_DEPTH:
            raise TooLargeError
        self._document.places.setdefault(loc, _place(node))
        if isinstance(node, MappingNode):
            return self._build_mapping(node, loc)
        if isinstance(node, SequenceNode):
            self._check_tag(node, f"{_TAG}seq", loc)
            return [self.build(item, (*loc, index)) for index, item in enumerate(node.value)]
        return self._build_scalar(cast(ScalarNode, node), loc)

    def _build_mapping(self, node: MappingNode, loc: Loc) -> dict[str, Any]:
        self._check_tag(node, f"{_TAG}map", loc)
        result: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged = {**self._build_merged(value_node, loc), **merged}
                continue
            key = self._build_key(key_node, value_node, loc)
            if key is None:
                continue
            inner = (*loc, key)
            if key in result:
                self._document.report_duplicate(inner, _place(key_node))
                continue
            self._document.places[inner] = _place(key_node)
            result[key] = self.build(value_node, inner)
        return {**merged, **result}

    def _build_merged(self, node: Node, loc: Loc) -> dict[str, Any]:
        sources = node.value if isinstance(node, SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for source in sources:
            if not isinstance(source, MappingNode):
                self._document.report(
                    loc, "`<<` needs a mapping", rule="syntax", place=_place(source)
                )
                continue
            # A merge does not add depth, so chains and circles of merges are counted separately.
            self._merges += 1
            if self._merges > MOST_DEPTH:
                raise TooLargeError
            for key, value in self.build(source, loc).items():
                merged.setdefault(key, value)
            self._merges -= 1
        return merged

    def _build_key(self, node: Node, value: Node, loc: Loc) -> str | None:
        if isinstance(node, ScalarNode) and node.tag == f"{_TAG}str":
            has_value = value.tag != f"{_TAG}null"
            position = None if node.style else find_in_key(node.value, has_value=has_value)
            if position is not None:
                line, column = _place(node)
                message = f"this is not valid YAML: {describe(node.value[position])}"
                place = (line, column + position)
                self._document.report(loc, message, rule="syntax", place=place)
            return str(node.value)
        shown = to_location((str(node.value),)) if isinstance(node, ScalarNode) else "a collection"
        hint = f"write it in quotes: '{shown}'" if isinstance(node, ScalarNode) else None
        self._document.report(
            loc,
            f"the key {shown:.80} is not text: YAML 1.1 reads it as {node.tag.removeprefix(_TAG)}",
            rule="key-type",
            suggestion=hint,
            place=_place(node),
        )
        return None

    def _build_scalar(self, node: ScalarNode, loc: Loc) -> Any:
        if node.tag in _TEXTS:
            return node.value
        if node.tag not in _SCALARS:
            self._refuse_tag(node, loc)
            return None
        try:
            if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
                raise ValueError(node.tag)
            value = self._scalars.construct_object(node)
        except (ValueError, OverflowError, KeyError, yaml.YAMLError):
            message = f"this text is not a valid {node.tag.removeprefix(_TAG)}"
            self._document.report(loc, message, rule="syntax", place=_place(node))
            return None
        if node.style in {None, ""}:
            self._inspect_plain(node, value, loc)
        return value

    def _inspect_plain(self, node: ScalarNode, value: Any, loc: Loc) -> None:
        """Record what its author may not have meant, as it has no quotes."""
        if is_surprise(node.value, value):
            self._document.surprises[loc] = node.value
        if isinstance(value, str) and (character := find_at_start(value)):
            message = f"begins with {describe(character)}"
            self._document.report(
                loc, message, rule="lookalike", severity="warning", place=_place(node)
            )

    def _check_tag(self, node: Node, wanted: str, loc: Loc) -> None:
        if node.tag != wanted:
            self._refuse_tag(node, loc)

    def _refuse_tag(self, node: Node, loc: Loc) -> None:
        tag = "***" if is_secret(loc) else node.tag.replace(_TAG, "!!")
        self._document.report(
            loc,
            f"the tag {tag:.80} is not allowed: a config is plain data",
            rule="tag",
            place=_place(node),
        )


def _place(thing: Node | yaml.Event) -> Place:
    # Only documents created in memory have no marks.
    return _mark_place(thing.start_mark) or (1, 1)


def _mark_place(mark: Any) -> Place | None:
    return (mark.line + 1, mark.column + 1) if mark else None
