"""Violations of a JSON schema as problems, with messages for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nnicli.config.documents.document import Document
from nnicli.config.secrets import Loc, is_secret, show
from nnicli.config.words import closest

MOST_ERRORS = 200
"""How many errors are listed at once; nobody reads more."""

# How many allowed keys are listed with every unknown key.
_SHORT_LIST = 8
_TYPE_NAMES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """A value that violates a keyword of a schema.

    Attributes:
        document: The document of the value.
        loc: Its loc.
        found: The value.
        wanted: The value of the keyword.
        part: The part of the schema that has the keyword.
        other_names: What the other format calls a field -> its name here.
    """

    document: Document
    loc: Loc
    found: Any
    wanted: Any
    part: Mapping[str, Any]
    other_names: Mapping[str, str]

    def show(self) -> str:
        """Return the value as a message may show it."""
        return show(self.found, self.loc)

    def report(
        self, message: str, *, rule: str, suggestion: str | None = None, field: str = ""
    ) -> None:
        """Report the value, or one of its fields."""
        loc = (*self.loc, field) if field else self.loc
        self.document.report(loc, message, rule=rule, suggestion=suggestion)


def _report_type(violation: Violation) -> None:
    names = as_list(violation.wanted)
    allowed = " or ".join(_TYPE_NAMES[name] for name in names if name != "null")
    # Text in place of a section may be its content, secrets included.
    is_section = isinstance(violation.found, str) and not {"string", "boolean"} & {*names}
    is_section = (
        is_section and bool({"object", "array"} & {*names}) and violation.loc != ("searchSpace",)
    )
    found = "text" if is_section else violation.show()
    message = f"found {found}; allowed: {allowed}"
    suggestion = _name_section(violation) if is_section else _rewrite(violation, names)
    # A training service may be a list or a mapping, and both alternatives fail.
    reported = violation.document.reported
    here = [index for index, (loc, _) in enumerate(reported) if loc == violation.loc]
    if here and reported[here[-1]][1].rule == "type":
        del reported[here[-1]]
    violation.report(message, rule="type", suggestion=suggestion)


def _name_section(violation: Violation) -> str | None:
    """Return how to write a section of which only the main value was given: `tuner: TPE`."""
    for field, part in violation.part.get("properties", {}).items():
        if violation.found in part.get("enum", ()):
            return f"write {{{field}: {violation.found}}}"
    return None


def _rewrite(violation: Violation, names: list[str]) -> str | None:
    """Return how to write a value so that it has the type that its author meant."""
    value, surprises = violation.found, violation.document.surprises
    if is_secret(violation.loc):
        return None
    if isinstance(value, dict) and list(value.values()) == [None] and "object" not in names:
        return f"YAML reads {{{next(iter(value))}}} as a mapping; replace the placeholder"
    if isinstance(value, str) and {"integer", "number"} & set(names):
        return None if violation.loc in surprises else _unquote(value)
    if isinstance(value, str) and violation.loc == ("searchSpace",):
        return "a file is named by searchSpaceFile"
    if violation.loc in surprises and "string" in names:
        return f"write it in quotes: '{surprises[violation.loc]}'"
    return None


def as_list(value: Any) -> list[str]:
    """Return the value or values of a keyword as a list."""
    return [value] if isinstance(value, str) else list(value)


def _unquote(value: str) -> str | None:
    try:
        float(value)
    except ValueError:
        return None
    return "write it without quotes"


def _report_enum(violation: Violation) -> None:
    every: Any = violation.wanted
    options = [option for option in every if option is not None]
    allowed = ", ".join(
        json.dumps(option) if not isinstance(option, str) else option for option in options
    )
    message = f"found {violation.show()}; allowed: {allowed}"
    violation.report(message, rule="enum", suggestion=closest(violation.found, options))


def _report_required(violation: Violation) -> None:
    for name in violation.wanted:
        if name not in violation.found:
            violation.report("is required but missing", rule="required", field=name)


def _report_additional(violation: Violation) -> None:
    known = list(violation.part.get("properties", {}))
    unknown = [name for name in violation.found if name not in known]
    is_listed = False
    for name in unknown[:MOST_ERRORS]:
        suggestion = _correct_key(violation, name, known)
        message = "unknown key"
        # A long list helps only once, and only if no allowed key is close.
        if len(known) <= _SHORT_LIST or not (suggestion or is_listed):
            message += f"; allowed: {', '.join(known) or 'none'}"
            is_listed = True
        violation.report(message, rule="unknown-key", suggestion=suggestion, field=name)
    if len(unknown) > MOST_ERRORS:
        message = f"has {len(unknown)} unknown keys, of which {MOST_ERRORS} are listed"
        violation.report(message, rule="unknown-key")


def _correct_key(violation: Violation, name: str, known: Iterable[object]) -> str | None:
    if name.partition(":")[0] in known:
        return "missing space after the colon"
    other = violation.other_names.get(name)
    return f"did you mean '{other}'?" if other in known else closest(name, known)


def _report_bound(sign: str) -> Callable[[Violation], None]:
    def report(violation: Violation) -> None:
        message = f"found {violation.show()}; allowed: {sign} {violation.wanted}"
        violation.report(message, rule="range")

    return report


def _report_size(violation: Violation) -> None:
    least, most = violation.part.get("minItems"), violation.part.get("maxItems")
    number = str(least) if least == most else f"at least {least}"
    description = violation.part.get("description", "")
    message = f"found {len(violation.found)} items; allowed: {number}"
    violation.report(f"{message}: {description}" if description else message, rule="size")


def _report_text(violation: Violation) -> None:
    title = violation.part.get("title", "")
    description = violation.part.get("description", "")
    if not str(violation.found).strip():
        message = "is empty; allowed: text that is not empty"
    else:
        message = f"found {violation.show()}; allowed: {description or title}"
    violation.report(message, rule="text")


def _report_unique(violation: Violation) -> None:
    message = f"found {violation.show()}; allowed: each item once"
    violation.report(message, rule="unique")


REPORTERS: Mapping[str, Callable[[Violation], None]] = {
    "type": _report_type,
    "enum": _report_enum,
    "required": _report_required,
    "additionalProperties": _report_additional,
    "minimum": _report_bound("at least"),
    "maximum": _report_bound("at most"),
    "exclusiveMinimum": _report_bound("more than"),
    "exclusiveMaximum": _report_bound("less than"),
    "minItems": _report_size,
    "maxItems": _report_size,
    "minLength": _report_text,
    "pattern": _report_text,
    "uniqueItems": _report_unique,
}
