"""The complete document of a config without errors."""

from __future__ import annotations

from typing import Any

from nnicli.config.converter import Converter
from nnicli.config.field_names import Format, is_v1
from nnicli.config.formats.v1 import to_canonical_v1
from nnicli.config.formats.v2 import to_canonical_v2
from nnicli.config.rules.context import RuleContext


def complete(
    context: RuleContext, converter: Converter | None, *, search_space: Any, debug: bool
) -> tuple[Format, dict[str, Any]]:
    """Return a config in the form that its release takes, with absolute paths and all defaults.

    Args:
        context: The config, and what it was checked for.
        converter: The config in the format of its release, None if it already has that format.
        search_space: Its search space, None if it does not have one.
        debug: Whether to set `debug` even if the config does not.
    """
    data, base = context.data if converter is None else converter.target, context.base
    if is_v1(data):
        return "v1", to_canonical_v1(data, base=base, search_space=search_space, debug=debug)
    document = to_canonical_v2(
        data, base=base, release=context.release, search_space=search_space or {}, debug=debug
    )
    return "v2", document
