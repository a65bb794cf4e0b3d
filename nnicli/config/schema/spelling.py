"""One spelling for every field of a config in the v2 format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nnicli.config.documents.document import Document
from nnicli.config.schema.schemas import find_part, load_schema
from nnicli.config.secrets import Loc

_SCHEMA = "experiment-v2"


def normalise_spelling(document: Document) -> None:
    """Give every field NNI's own spelling, and leave out fields that are null.

    NNI ignores case and underscores in keys, and reads null as "not set". Keys inside classArgs,
    openpaiConfig and search spaces are chosen by the user: the schema does not list any there.
    """
    schema = load_schema(_SCHEMA)
    document.data = _normalise_tree(document, document.data, (), schema)
    for name, fields in (("tuner", "tuner"), ("advisor", "tuner"), ("assessor", "assessor")):
        if isinstance(document.data.get(name), dict):
            names = schema["$defs"][fields]["properties"]["name"]["enum"]
            _normalise_name(document.data[name], names)


def _normalise_tree(document: Document, value: Any, loc: Loc, part: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        items = part.get("items", {})
        return [
            _normalise_tree(document, item, (*loc, index), _resolve(items, item))
            for index, item in enumerate(value)
        ]
    if not isinstance(value, dict) or "properties" not in part:
        return value
    normalised = _normalise(document, value, loc, part["properties"])
    return {
        key: _normalise_tree(
            document, item, (*loc, key), _resolve(part["properties"].get(key, {}), item)
        )
        for key, item in normalised.items()
    }


def _resolve(part: Mapping[str, Any], value: Any) -> Mapping[str, Any]:
    """Return the part of the schema that describes a value, following references."""
    while "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        if name == "service":
            return _service_part(value)
        part = find_part(_SCHEMA, part["$ref"])
    if "else" in part:
        # A training service, or a list of them.
        part = part["then"] if isinstance(value, list) else _resolve(part["else"], value)
    return part


def _service_part(value: Any) -> Mapping[str, Any]:
    """Return the schema of a training service, that of local for an unknown platform."""
    definitions: Mapping[str, Any] = load_schema(_SCHEMA)["$defs"]
    platforms = definitions["service"]["properties"]["platform"]["enum"]
    given = [
        item
        for key, item in (value.items() if isinstance(value, dict) else ())
        if fold(key) == "platform"
    ]
    name = given[0] if given and given[0] in platforms else None
    part: Mapping[str, Any] = definitions[name if isinstance(name, str) else "local"]
    return part


def _normalise(
    document: Document, data: Mapping[str, Any], loc: Loc, fields: Iterable[str]
) -> dict[str, Any]:
    spellings = {fold(field): field for field in fields}
    normalised: dict[str, Any] = {}
    written: dict[str, str] = {}
    # Places are read first: moving the first spelling of a field overwrites those of the others.
    places = {key: document.places.get((*loc, key)) for key in data}
    for key, value in data.items():
        field = spellings.get(fold(key), key)
        if field in written:
            document.report(
                (*loc, key),
                f"the same field as {written[field]}; give it once",
                rule="duplicate-key",
                place=places[key],
            )
            continue
        written[field] = key
        if field != key:
            document.move_places({(*loc, key): (*loc, field)})
        # Null means "not set", but an unknown key is kept, so that it is reported.
        if value is not None or field not in spellings.values():
            normalised[field] = value
    return normalised


def fold(key: str) -> str:
    """Return a key in lower case without underscores; NNI ignores both in the v2 format."""
    return key.replace("_", "").lower()


def _normalise_name(algorithm: dict[str, Any], names: Iterable[str]) -> None:
    """Replace an alias of a built-in algorithm (2.8 and later) with the name in all releases."""
    name = algorithm.get("name")
    if not isinstance(name, str):
        return
    known = {spelling: full for full in names for spelling in _spellings(full)}
    algorithm["name"] = known.get(name.lower(), name)


def _spellings(name: str) -> tuple[str, str]:
    return name.lower(), name.lower().removesuffix("tuner")
