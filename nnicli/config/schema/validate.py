"""The shipped JSON schemas, and their verdicts in words."""

from __future__ import annotations

import importlib.resources
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nnicli.config import field_names
from nnicli.config.documents.document import Document
from nnicli.config.documents.yaml11 import to_number, write_as_number
from nnicli.config.secrets import Loc, is_secret, show
from nnicli.config.words import closest

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

# Who has more reads the first ones.
_MOST_ERRORS = 200
# Keys that are listed with every unknown one.
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


@cache
def load_schema(name: str) -> dict[str, Any]:
    """Return a shipped schema: `experiment-v1`, `experiment-v2` or `search-space`."""
    file = f"{name}.schema.json"
    packaged = importlib.resources.files("nnicli") / "schemas" / file
    if packaged.is_file():
        text = packaged.read_text("utf-8")
    else:
        # In a checkout they stand beside the package.
        text = (Path(__file__).parents[3] / "schemas" / file).read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def find_part(name: str, reference: str) -> Mapping[str, Any]:
    """Return the part of a shipped schema that a `$ref` in it names."""
    part: Any = load_schema(name)
    for step in reference.removeprefix("#/").split("/"):
        part = part[step]
    found: Mapping[str, Any] = part
    return found


@cache
def described_algorithms(name: str) -> frozenset[str]:
    """Return the built-in algorithms whose arguments a schema describes."""
    return frozenset(
        part.removeprefix("classArgs")
        for part in load_schema(name)["$defs"]
        if part.startswith("classArgs")
    )


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
) -> bool:
    """Report in what a document breaks a schema; return whether it was looked at to its end.

    Args:
        document: Where the problems are reported.
        name: The schema.
        variant: What is taken that differs from it.
        data: What is checked; None: the whole document.
        base: Loc from the document's top to the data.
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
    for error in itertools.islice(errors, _MOST_ERRORS):
        loc = (*base, *error.absolute_path)
        REPORTERS[str(error.validator)](document, loc, error)
    if next(errors, None) is None:
        return True
    document.report(base, f"has more errors than these {_MOST_ERRORS}", rule="size")
    return False


def take_meant_numbers(
    document: Document,
    name: str,
    *,
    data: Any,
    base: Loc = (),
    variant: Variant = _AS_SHIPPED,
) -> list[tuple[Loc, str]]:
    """Put numbers where a schema wants them and plain text such as `1e-5` stands.

    nnicli reads the file itself, so it need not take them for text as YAML 1.1 does. Text that is
    quoted, or stands where text is allowed, stays.

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
        wanted = {"integer", "number"} & {*_as_list(error.validator_value)}
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


def _as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def conforms(name: str, data: Any) -> bool:
    """Return whether data obeys a schema."""
    return _validator(name, _AS_SHIPPED).is_valid(data)


def _part(error: ValidationError) -> Mapping[str, Any]:
    """Return the part of the schema that was broken."""
    return error.schema if isinstance(error.schema, Mapping) else {}


# How each keyword of JSON Schema is told.


def _tell_type(document: Document, loc: Loc, error: ValidationError) -> None:
    names = _as_list(error.validator_value)
    allowed = " or ".join(_TYPE_NAMES[name] for name in names if name != "null")
    # Text in place of a section may hold what the section should.
    is_section = isinstance(error.instance, str) and not {"string", "boolean"} & {*names}
    is_section = is_section and bool({"object", "array"} & {*names}) and loc != ("searchSpace",)
    found = "text" if is_section else show(error.instance, loc)
    message = f"found {found}; allowed: {allowed}"
    suggestion = _name_section(error) if is_section else _rewrite(document, loc, error, names)
    # Of a training service both the list and the mapping are missed.
    told = [index for index, (there, one) in enumerate(document.reported) if there == loc]
    if told and document.reported[told[-1]][1].rule == "type":
        del document.reported[told[-1]]
    document.report(loc, message, rule="type", suggestion=suggestion)


def _name_section(error: ValidationError) -> str | None:
    """Return how to write a section of which only its main word was given: `tuner: TPE`."""
    for field, part in _part(error).get("properties", {}).items():
        if error.instance in part.get("enum", ()):
            return f"write {{{field}: {error.instance}}}"
    return None


def _rewrite(document: Document, loc: Loc, error: ValidationError, names: list[str]) -> str | None:
    """Return how to write a value that is of the right type only to people."""
    value = error.instance
    if is_secret(loc):
        return None
    if isinstance(value, dict) and list(value.values()) == [None] and "object" not in names:
        return f"YAML reads {{{next(iter(value))}}} as a mapping; replace the placeholder"
    if isinstance(value, str) and {"integer", "number"} & set(names):
        return None if loc in document.surprises else _unquote(value)
    if isinstance(value, str) and loc == ("searchSpace",):
        return "a file is named by searchSpaceFile"
    if loc in document.surprises and "string" in names:
        return f"write it in quotes: '{document.surprises[loc]}'"
    return None


def _unquote(value: str) -> str | None:
    try:
        float(value)
    except ValueError:
        return None
    return "write it without quotes"


def _tell_enum(document: Document, loc: Loc, error: ValidationError) -> None:
    every: Any = error.validator_value
    options = [option for option in every if option is not None]
    allowed = ", ".join(
        json.dumps(option) if not isinstance(option, str) else option for option in options
    )
    message = f"found {show(error.instance, loc)}; allowed: {allowed}"
    document.report(loc, message, rule="enum", suggestion=closest(error.instance, options))


def _tell_required(document: Document, loc: Loc, error: ValidationError) -> None:
    names, instance = cast(list[str], error.validator_value), cast(dict[str, Any], error.instance)
    for name in names:
        if name not in instance:
            document.report((*loc, name), "is required and missing", rule="required")


def _tell_additional(document: Document, loc: Loc, error: ValidationError) -> None:
    known = list(_part(error).get("properties", {}))
    unknown = [name for name in cast(dict[str, Any], error.instance) if name not in known]
    is_listed = False
    for name in unknown[:_MOST_ERRORS]:
        suggestion = _correct_key(name, known)
        message = "is not a known key"
        # A long list is of use where nothing is near, and once.
        if len(known) <= _SHORT_LIST or not (suggestion or is_listed):
            message += f"; allowed: {', '.join(known) or 'none'}"
            is_listed = True
        document.report((*loc, name), message, rule="unknown-key", suggestion=suggestion)
    if len(unknown) > _MOST_ERRORS:
        message = f"has {len(unknown)} unknown keys, of which {_MOST_ERRORS} are listed"
        document.report(loc, message, rule="unknown-key")


def _correct_key(name: str, known: Iterable[object]) -> str | None:
    if name.partition(":")[0] in known:
        return "a space is missing after the colon"
    other = _OTHER_NAMES.get(name)
    return f"did you mean '{other}'?" if other in known else closest(name, known)


# What each format calls the fields of the other one.
_NEW_NAMES = {
    **field_names.TOP,
    **field_names.MACHINE,
    **dict.fromkeys(field_names.ALGORITHMS.values(), "name"),
    "codeDir": "codeDirectory",
}
_OTHER_NAMES = {
    **field_names.invert(field_names.TOP),
    **field_names.invert(field_names.MACHINE),
    **_NEW_NAMES,
}


def _tell_bound(sign: str) -> Callable[[Document, Loc, ValidationError], None]:
    def tell(document: Document, loc: Loc, error: ValidationError) -> None:
        message = f"found {show(error.instance, loc)}; allowed: {sign} {error.validator_value}"
        document.report(loc, message, rule="range")

    return tell


def _tell_size(document: Document, loc: Loc, error: ValidationError) -> None:
    least, most = _part(error).get("minItems"), _part(error).get("maxItems")
    number = str(least) if least == most else f"at least {least}"
    description = _part(error).get("description", "")
    message = f"found {len(cast(list[Any], error.instance))} items; allowed: {number}"
    document.report(loc, f"{message}: {description}" if description else message, rule="size")


def _tell_text(document: Document, loc: Loc, error: ValidationError) -> None:
    title = _part(error).get("title", "")
    description = _part(error).get("description", "")
    if not str(error.instance).strip():
        message = "is empty; allowed: text that is not"
    else:
        message = f"found {show(error.instance, loc)}; allowed: {description or title}"
    document.report(loc, message, rule="text")


def _tell_unique(document: Document, loc: Loc, error: ValidationError) -> None:
    message = f"found {show(error.instance, loc)}; allowed: each item once"
    document.report(loc, message, rule="unique")


REPORTERS: dict[str, Callable[[Document, Loc, ValidationError], None]] = {
    "type": _tell_type,
    "enum": _tell_enum,
    "required": _tell_required,
    "additionalProperties": _tell_additional,
    "minimum": _tell_bound("at least"),
    "maximum": _tell_bound("at most"),
    "exclusiveMinimum": _tell_bound("more than"),
    "exclusiveMaximum": _tell_bound("less than"),
    "minItems": _tell_size,
    "maxItems": _tell_size,
    "minLength": _tell_text,
    "pattern": _tell_text,
    "uniqueItems": _tell_unique,
}
