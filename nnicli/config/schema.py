"""The shipped JSON schemas, and their verdicts in words."""

from __future__ import annotations

import difflib
import importlib.resources
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nnicli.config.document import Document, Keys

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

_SECRET_WORDS = ("password", "passwd", "passphrase", "token", "secret", "key")
_MOST_SHOWN = 80
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
    """Return a shipped schema: `experiment-v2` or `search-space`."""
    file = f"{name}.schema.json"
    packaged = importlib.resources.files("nnicli") / "schemas" / file
    if packaged.is_file():
        text = packaged.read_text("utf-8")
    else:
        # In a checkout they stand beside the package.
        text = (Path(__file__).parents[2] / "schemas" / file).read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def _validator(name: str) -> Draft202012Validator:
    # jsonschema takes longer to load than all the rest, so only a check loads it.
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    return Draft202012Validator(load_schema(name))


def validate(document: Document, name: str, *, data: Any = None, base: Keys = ()) -> None:
    """Report everything in which a document breaks a schema.

    Args:
        document: Where the problems are reported.
        name: The schema.
        data: What is checked; None: the whole document.
        base: Way from the document's top to the data.
    """
    for error in _validator(name).iter_errors(document.data if data is None else data):
        keys = (*base, *error.absolute_path)
        _TELLERS.get(str(error.validator), _tell_other)(document, keys, error)


def show(value: Any, keys: Keys) -> str:
    """Return a value as a message may show it: short, and never a secret."""
    if is_secret(keys):
        return "***"
    text = json.dumps(_masked(value), ensure_ascii=False, default=str)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def is_secret(keys: Keys) -> bool:
    """Return whether a field holds a secret, as far as its name tells."""
    names = [key.lower() for key in keys if isinstance(key, str)]
    return any(word in name for name in names[-1:] for word in _SECRET_WORDS)


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "***" if is_secret((key,)) else _masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item) for item in value]
    return value


def closest(value: object, allowed: Iterable[object]) -> str | None:
    """Return a hint at the allowed word that was probably meant, None without one near."""
    if not isinstance(value, str):
        return None
    words = {str(word).lower(): str(word) for word in allowed if isinstance(word, str)}
    near = difflib.get_close_matches(value.lower(), words, n=1)
    return f"did you mean '{words[near[0]]}'?" if near else None


def _part(error: ValidationError) -> Mapping[str, Any]:
    """Return the part of the schema that was broken."""
    return error.schema if isinstance(error.schema, Mapping) else {}


# How each keyword of JSON Schema is told.


def _tell_type(document: Document, keys: Keys, error: ValidationError) -> None:
    wanted: Any = error.validator_value
    names: list[str] = [wanted] if isinstance(wanted, str) else list(wanted)
    allowed = " or ".join(_TYPE_NAMES[name] for name in names if name != "null")
    message = f"found {show(error.instance, keys)}; allowed: {allowed}"
    document.report(keys, message, rule="type", suggestion=_unquote(error.instance, names))


def _unquote(value: object, names: list[str]) -> str | None:
    if not isinstance(value, str) or not {"integer", "number"} & set(names):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    if "e" in value.lower() and "." not in value:
        # YAML 1.1 wants a dot and a sign in such a number.
        return f"write it as {number!r}" if "." in repr(number) else f"write it as {number:.1e}"
    return "write it without quotes"


def _tell_enum(document: Document, keys: Keys, error: ValidationError) -> None:
    every: Any = error.validator_value
    options = [option for option in every if option is not None]
    allowed = ", ".join(
        json.dumps(option) if not isinstance(option, str) else option for option in options
    )
    message = f"found {show(error.instance, keys)}; allowed: {allowed}"
    document.report(keys, message, rule="enum", suggestion=closest(error.instance, options))


def _tell_required(document: Document, keys: Keys, error: ValidationError) -> None:
    names, instance = cast(list[str], error.validator_value), cast(dict[str, Any], error.instance)
    for name in names:
        if name not in instance:
            document.report((*keys, name), "is required and missing", rule="required")


def _tell_additional(document: Document, keys: Keys, error: ValidationError) -> None:
    known = _part(error).get("properties", {})
    for name in cast(dict[str, Any], error.instance):
        if name not in known:
            allowed = ", ".join(known)
            document.report(
                (*keys, name),
                f"is no known key; allowed: {allowed or 'none'}",
                rule="unknown-key",
                suggestion=closest(name, known),
            )


def _tell_bound(sign: str) -> Callable[[Document, Keys, ValidationError], None]:
    def tell(document: Document, keys: Keys, error: ValidationError) -> None:
        message = f"found {show(error.instance, keys)}; allowed: {sign} {error.validator_value}"
        document.report(keys, message, rule="range")

    return tell


def _tell_size(document: Document, keys: Keys, error: ValidationError) -> None:
    least, most = _part(error).get("minItems"), _part(error).get("maxItems")
    number = str(least) if least == most else f"at least {least}"
    description = _part(error).get("description", "")
    message = f"found {len(cast(list[Any], error.instance))} items; allowed: {number}"
    document.report(keys, f"{message}: {description}" if description else message, rule="size")


def _tell_text(document: Document, keys: Keys, error: ValidationError) -> None:
    title = _part(error).get("title", "")
    description = _part(error).get("description", "")
    if not str(error.instance).strip():
        message = "is empty; allowed: text that is not"
    else:
        message = f"found {show(error.instance, keys)}; allowed: {description or title}"
    document.report(keys, message, rule="text")


def _tell_unique(document: Document, keys: Keys, error: ValidationError) -> None:
    message = f"found {show(error.instance, keys)}; allowed: each item once"
    document.report(keys, message, rule="unique")


def _tell_other(document: Document, keys: Keys, error: ValidationError) -> None:
    document.report(keys, error.message[: 3 * _MOST_SHOWN], rule=str(error.validator))


_TELLERS: dict[str, Callable[[Document, Keys, ValidationError], None]] = {
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
