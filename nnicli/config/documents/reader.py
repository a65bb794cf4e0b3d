"""A file, or a mapping of Python values, as a document."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nnicli.config.documents.document import MOST_DEPTH, MOST_VALUES, Document, TooLargeError
from nnicli.config.documents.json_source import NotJson, looks_like_json, read_json
from nnicli.config.documents.yaml11 import is_surprise
from nnicli.config.documents.yaml_source import read_yaml
from nnicli.config.secrets import Loc
from nnicli.regular_files import read_regular

_MOST_BYTES = 16 << 20
# What YAML and JSON texts have and paths do not: lines, a field with a value, an opening bracket.
_CONTENT = re.compile(r"\n|:\s|^\s*[{\[]")
# Python does not show numbers of 5,000 digits.
_MOST_BITS = 4096
_TOO_LARGE = (
    f"has more than {MOST_VALUES} values, with aliases expanded, or is nested more than "
    f"{MOST_DEPTH} deep"
)


def read_file(path: Path, *, within: str = "") -> Document:
    """Read a JSON or YAML file; what is wrong with it is reported as problems of the document.

    Args:
        path: The file.
        within: Field of the config whose value it is; empty for the config itself.
    """
    document = Document(path, within=within)
    text = _read_text(document, path)
    if text is None:
        return document
    try:
        failure = read_json(document, text)
        if failure is not None:
            read_yaml(document, text)
            _report_json(document, text, failure)
    except TooLargeError:
        document.data = None
        document.report((), _TOO_LARGE, rule="size", place=(1, 1))
    return document


def _report_json(document: Document, text: str, failure: NotJson) -> None:
    """Report why a file that was meant to be JSON had to be read as YAML."""
    is_named_json = document.file is not None and document.file.suffix.lower() == ".json"
    is_broken = any(problem.rule == "syntax" for problem in document.problems)
    if is_broken and looks_like_json(text):
        # The YAML reader's complaints would only be consequences.
        document.reported.clear()
        message = f"this is not valid JSON: {failure.reason}; it is not valid YAML either"
        document.report((), message, rule="syntax", place=failure.place)
    elif document.data is not None and is_named_json:
        message = f"this is not valid JSON, so it was read as YAML: {failure.reason}"
        document.report((), message, rule="json", severity="warning", place=failure.place)


def read_path(path: str | os.PathLike[str], *, within: str = "") -> Document:
    """Read a file, or report that its content was given in place of its path."""
    text = os.fspath(path)
    if not _CONTENT.search(text) or os.path.lexists(text):
        return read_file(Path(path), within=within)
    document = Document(None)
    message = "found the content of a file; expected its path, or the fields as a mapping"
    document.report((), message, rule="file")
    return document


def read_nothing(value: object) -> Document:
    """Return a document that reports a value that is neither a mapping nor a path."""
    document = Document(None)
    message = f"found a {type(value).__name__}; allowed: a path, or a mapping of fields"
    document.report((), message, rule="type")
    return document


def read_mapping(mapping: Mapping[Any, Any]) -> Document:
    """Copy a mapping of Python values; those that JSON does not have are reported as problems."""
    document = Document(None)
    try:
        document.data = _Copier(document).copy(mapping, ())
    except TooLargeError:
        document.report((), _TOO_LARGE, rule="size")
    return document


def _read_text(document: Document, path: Path) -> str | None:
    content = _read_bytes(document, path)
    if content is None:
        return None
    if b"\0" in content:
        document.report(
            (), "cannot be read: this is a binary file; expected a YAML or JSON file", rule="file"
        )
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        document.report(
            (), "not valid UTF-8; save the file as UTF-8", rule="encoding", place=(line, 1)
        )
        return None


def _read_bytes(document: Document, path: Path) -> bytes | None:
    try:
        return read_regular(path, limit=_MOST_BYTES)
    except IsADirectoryError:
        reason = "this is a directory"
    except OSError as error:
        reason = error.strerror or str(error)
    except ValueError:
        reason = "its path has a character that no path can have"
    document.report((), f"cannot be read: {reason}; expected a YAML or JSON file", rule="file")
    return None


class _Copier:
    """Copies Python values as plain JSON values."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._count = 0

    def copy(self, value: Any, loc: Loc) -> Any:
        self._count += 1
        if self._count > MOST_VALUES or len(loc) > MOST_DEPTH:
            raise TooLargeError
        if isinstance(value, Mapping):
            return dict(self._items(value, loc))
        if isinstance(value, list | tuple):
            return [self.copy(item, (*loc, index)) for index, item in enumerate(value)]
        return self._copy_scalar(value, loc)

    def _copy_scalar(self, value: Any, loc: Loc) -> Any:
        if isinstance(value, os.PathLike):
            return self._copy_scalar(os.fspath(value), loc)
        if isinstance(value, str):
            # The caller may have read the mapping from YAML.
            if is_surprise(value, value):
                self._document.surprises[loc] = str.__str__(value)
            return str.__str__(value)
        if isinstance(value, int) and value.bit_length() > _MOST_BITS:
            self._document.report(loc, "the number is too large", rule="value-type")
            return None
        if value is None or isinstance(value, bool | int | float):
            return value
        message = f"a {type(value).__name__} cannot be sent; use plain Python values"
        self._document.report(loc, message, rule="value-type")
        return None

    def _items(self, mapping: Mapping[Any, Any], loc: Loc) -> Iterator[tuple[str, Any]]:
        for key, value in mapping.items():
            if isinstance(key, str):
                yield str.__str__(key), self.copy(value, (*loc, key))
            else:
                self._document.report(loc, f"the key {key!r:.80} is not text", rule="key-type")
