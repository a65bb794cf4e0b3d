"""Validation of a document against a JSON schema."""

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
    """How what a release, or an installation, takes differs from a shipped schema.

    Attributes:
        others: Built-in algorithm, and the other schema that describes its arguments.
        optional: Top-level fields that are not required.
        registered: Section of an algorithm, such as `tuner`, and the name of an algorithm that a
            user registered for it.
    """

    others: tuple[tuple[str, str], ...] = ()
    optional: tuple[str, ...] = ()
    registered: tuple[tuple[str, str], ...] = ()


_AS_SHIPPED = Variant()
# Fields that name an algorithm; the schema lists the names.
_NAMES = ("name", "builtinTunerName", "builtinAssessorName", "builtinAdvisorName")


@cache
def _validator(name: str, variant: Variant) -> Validator:
    # jsonschema takes longer to import than everything else, so only a check imports it.
    from jsonschema import Draft202012Validator  # noqa: PLC0415
    from jsonschema.validators import extend  # noqa: PLC0415

    # To JSON Schema 2.0 is an integer; to NNI and the tuners' constructors it is not.
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
    """Check `uniqueItems`; jsonschema's own check takes quadratic time for lists of mixed types."""
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
    """Report how a document violates a schema; return whether all of it was checked.

    Args:
        document: The document; problems are reported there.
        name: The schema.
        variant: How what is taken differs from it.
        data: The data to check; None: the whole document.
        base: Loc of the data in the document.
        other_names: Name of a field in the other format -> its name here, for suggestions.
    """
    data = document.data if data is None else data
    taken = replace_plain_numbers(document, name, data=data, base=base, variant=variant)
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
    document.report(base, f"has more errors than the {MOST_ERRORS} listed", rule="size")
    return False


def replace_plain_numbers(
    document: Document,
    name: str,
    *,
    data: Any,
    base: Loc = (),
    variant: Variant = _AS_SHIPPED,
) -> list[tuple[Loc, str]]:
    """Replace plain text such as `1e-5` with its number where a schema expects a number.

    nnicli reads the file itself, so it need not read them as text as YAML 1.1 does. Quoted text
    stays text, and so does any text where text is allowed.

    Returns:
        Loc of each replaced value, and its text.
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
    """Return whether data is valid for a schema."""
    return _validator(name, _AS_SHIPPED).is_valid(data)
