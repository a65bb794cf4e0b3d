"""Documents held against a JSON schema."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from nnicli.config.documents.document import Document
from nnicli.config.documents.yaml11 import to_number, write_as_number
from nnicli.config.schema.messages import MOST_ERRORS, REPORTERS, Violation, as_list
from nnicli.config.schema.schemas import load_schema
from nnicli.config.secrets import Loc

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator


@dataclass(frozen=True, slots=True)
class Variant:
    """What a release, or one NNI, takes that differs from a shipped schema.

    Attributes:
        others: Built-in algorithm and the schema that describes its arguments, where that is
            another one.
        optional: Fields at the top that need not be given.
        registered: Definition of an algorithm's section, such as `tuner`, and the name of an
            algorithm that a user registered.
    """

    others: tuple[tuple[str, str], ...] = ()
    optional: tuple[str, ...] = ()
    registered: tuple[tuple[str, str], ...] = ()


_AS_SHIPPED = Variant()
# Fields that name an algorithm, whose names the schema lists.
_NAMES = ("name", "builtinTunerName", "builtinAssessorName", "builtinAdvisorName")


@cache
def _validator(name: str, variant: Variant) -> Validator:
    # jsonschema takes longer to load than all the rest, so only a check loads it.
    from jsonschema import Draft202012Validator  # noqa: PLC0415
    from jsonschema.validators import extend  # noqa: PLC0415

    # JSON Schema takes 2.0 for an integer; NNI and the tuners' constructors do not.
    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
    kind: type[Validator] = extend(  # type: ignore[no-untyped-call] # jsonschema left it bare
        Draft202012Validator, {"uniqueItems": _find_repeated}, type_checker=types
    )
    return kind(_vary(load_schema(name), variant))


def _vary(schema: Mapping[str, Any], variant: Variant) -> dict[str, Any]:
    definitions = dict(schema.get("$defs", {}))
    for algorithm, source in variant.others:
        part = f"classArgs{algorithm}"
        definitions[part] = load_schema(source)["$defs"][part]
    for section, registered in variant.registered:
        definition = definitions[section]
        fields = {
            key: {**part, "enum": [*part["enum"], registered]} if key in _NAMES else part
            for key, part in definition["properties"].items()
        }
        definitions[section] = {**definition, "properties": fields}
    required = [field for field in schema.get("required", ()) if field not in variant.optional]
    return {**schema, "required": required, "$defs": definitions}


def _find_repeated(
    validator: Validator, wanted: bool, instance: Any, _schema: object
) -> Iterator[ValidationError]:
    """Check `uniqueItems`; jsonschema's own check takes quadratic time for a list of all kinds."""
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415 - see _validator

    if wanted and validator.is_type(instance, "array"):
        items = [json.dumps(item, sort_keys=True) for item in instance]
        if len(set(items)) != len(items):
            yield ValidationError("not unique")


def _is_integer(_checker: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def validate(
    document: Document,
    name: str,
    *,
    data: Any = None,
    base: Loc = (),
    variant: Variant = _AS_SHIPPED,
    other_names: Mapping[str, str] | None = None,
) -> bool:
    """Report in what a document breaks a schema; return whether it was looked at to its end.

    Args:
        document: Where the problems are reported.
        name: The schema.
        variant: What is taken that differs from it.
        data: What is checked; None: the whole document.
        base: Loc from the document's top to the data.
        other_names: What the other format calls a field -> its name here, for suggestions.
    """
    data = document.data if data is None else data
    taken = take_meant_numbers(document, name, data=data, base=base, variant=variant)
    if taken:
        loc, text = taken[0]
        more = f" (and {len(taken) - 1} more like it)" if len(taken) > 1 else ""
        message = (
            f"found {text}{more}, taken as the number {write_as_number(text)}; to NNI's own tools, "
            "which read YAML 1.1, it is text"
        )
        document.report(loc, message, rule="yaml-1.1", severity="warning")
    errors = _validator(name, variant).iter_errors(data)
    for error in itertools.islice(errors, MOST_ERRORS):
        loc = (*base, *error.absolute_path)
        violation = Violation(
            document,
            loc,
            error.instance,
            error.validator_value,
            error.schema if isinstance(error.schema, Mapping) else {},
            other_names or {},
        )
        REPORTERS[str(error.validator)](violation)
    if next(errors, None) is None:
        return True
    document.report(base, f"has more errors than these {MOST_ERRORS}", rule="size")
    return False


def take_meant_numbers(
    document: Document,
    name: str,
    *,
    data: Any,
    base: Loc = (),
    variant: Variant = _AS_SHIPPED,
) -> list[tuple[Loc, str]]:
    """Put numbers where a schema wants them and the text is plain, such as `1e-5`.

    nnicli reads the file itself, so it need not take them for text as YAML 1.1 does. Text that is
    quoted, or where text is allowed, stays.

    Returns:
        Loc of each of them, and its text.
    """
    if not document.surprises:
        return []
    taken: list[tuple[Loc, str]] = []
    for error in list(_validator(name, variant).iter_errors(data)):
        inner = tuple(error.absolute_path)
        here: Loc = (*base, *inner)
        text = document.surprises.get(here)
        if error.validator != "type" or text is None or error.instance != text:
            continue
        wanted = {"integer", "number"} & {*as_list(error.validator_value)}
        number = to_number(text, whole=wanted == {"integer"})
        if wanted and number is not None:
            _replace(data, inner, number)
            del document.surprises[here]
            taken.append((here, text))
    return taken


def _replace(data: Any, loc: Loc, value: object) -> None:
    for key in loc[:-1]:
        data = data[key]
    data[loc[-1]] = value


def conforms(name: str, data: Any) -> bool:
    """Return whether data obeys a schema."""
    return _validator(name, _AS_SHIPPED).is_valid(data)
