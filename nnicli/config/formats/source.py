"""A config as given by the caller."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnicli.config.documents.document import Document
from nnicli.config.documents.reader import read_mapping, read_nothing, read_path
from nnicli.config.field_names import is_v1
from nnicli.config.formats.v1 import drop_nulls
from nnicli.config.releases import Release
from nnicli.config.rules.context import RuleContext
from nnicli.config.schema.indentation import restore_indentation
from nnicli.config.schema.spelling import normalise_spelling
from nnicli.config.target import Target

Source = str | os.PathLike[str] | Mapping[str, Any]
"""A config: the path of its file, or the config itself."""


def read_config(config: Source) -> Document:
    """Read a config, give fields of the v2 format NNI's own spelling, and leave nulls out."""
    if isinstance(config, Mapping):
        document = read_mapping(config)
    elif isinstance(config, str | os.PathLike):
        document = read_path(config)
    else:
        document = read_nothing(config)
    if not isinstance(document.data, dict):
        if not document.problems:
            document.report((), "a config is a mapping of fields", rule="type")
    elif is_v1(document.data):
        restore_indentation(document, "experiment-v1")
        drop_nulls(document.data)
    else:
        restore_indentation(document, "experiment-v2")
        normalise_spelling(document)
    return document


def read_context(
    config: Source,
    base_path: str | os.PathLike[str] | None,
    *,
    release: Release,
    target: Target | None,
    ignored: frozenset[str],
) -> RuleContext:
    """Read a config, and return the context of its checks."""
    base = _find_base(config, base_path)
    document = read_config(config)
    document.ignored = ignored
    return RuleContext(document, base, release, target)


def _find_base(config: Source, base_path: str | os.PathLike[str] | None) -> Path:
    """Return the directory that a config's relative paths are relative to."""
    if base_path is not None:
        return Path(base_path).expanduser().absolute()
    if isinstance(config, str | os.PathLike):
        return Path(config).absolute().parent
    return Path.cwd()
