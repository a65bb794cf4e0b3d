"""What may be wrong with a config: placeholders, changed defaults, tuners with a defect."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from nnicli.config.rules.context import RuleContext
from nnicli.config.search_space.tuners import find_tuner
from nnicli.config.secrets import Loc, show

# Whole values only: a command may well hold ${HOME}.
_PLACEHOLDER = re.compile(
    r"\$?\{[^{}]*\}|<[^<>]+>|.*\breplace_(to|with)_\w+.*|.*\byour[-_](ip|name|token|host|user)\w*.*",
    re.IGNORECASE | re.DOTALL,
)
# Values inside these are arbitrary.
_FREE = frozenset(("searchSpace", "classArgs", "openpaiConfig"))
_CLASS_KEYS = ("name", "builtinTunerName")


def check_placeholders(context: RuleContext) -> None:
    """Warn of values that were left as in a template."""
    for loc, value in _texts(context.data, ()):
        if _PLACEHOLDER.fullmatch(value):
            message = f"found {show(value, loc)}, which looks like a placeholder; replace it"
            context.document.report(loc, message, rule="placeholder", severity="warning")


def _texts(value: Any, loc: Loc) -> Iterator[tuple[Loc, str]]:
    if isinstance(value, str):
        yield loc, value
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in _FREE:
                yield from _texts(item, (*loc, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*loc, index))


def check_direction(context: RuleContext) -> None:
    """Warn of a TPE without `optimize_mode`: it maximises up to 2.5 and minimises since 2.6."""
    tuner = context.section("tuner")
    arguments = tuner.get("classArgs")
    has_mode = isinstance(arguments, dict) and "optimize_mode" in arguments
    if not has_mode and "TPE" in [tuner.get(key) for key in _CLASS_KEYS]:
        message = (
            "is not given; without it TPE maximises up to 2.5 and minimises since 2.6. Write "
            "maximize or minimize"
        )
        loc = ("tuner", "classArgs", "optimize_mode")
        context.document.report(loc, message, rule="default", severity="warning")


def check_defects(context: RuleContext) -> None:
    """Warn of a built-in tuner that fails in the release with every search space."""
    for section in ("tuner", "advisor"):
        algorithm = context.section(section)
        for key in ("name", "builtinTunerName", "builtinAdvisorName"):
            name = algorithm.get(key)
            row = find_tuner(name if isinstance(name, str) else None, context.release.since)
            if row.defect is not None:
                message = f"found {name}; {row.defect}"
                context.document.report((section, key), message, rule="trap", severity="warning")
