"""Read an archive's description of its experiment, as nnicli or nnictl wrote it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from nnicli.errors import ArchiveError
from nnicli.store.archive import ArchiveReader
from nnicli.store.layouts import LAYOUTS, is_directory_name

MANIFEST = "manifest.json"
EXPERIMENT_PART = "experiment"
"""The experiment directory, in the archives of nnicli and of nnictl."""
LAUNCHER_PART = "launcher"
"""The launcher directory of a 1.x experiment."""
CODE_PART = "code"
SEARCH_SPACE_PART = "searchSpace"

_FORMAT = "nnicli experiment"
_VERSION = 1
_LONGEST_ID = 128
_NNICTL = "nnictl"
_NNICTL_ENTRY = f"{_NNICTL}/.experiment"
# The first layouts of the releases whose nnictl writes the one and the other form of archive.
_OF_1, _OF_2 = "1.8", "2.0"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What must be known about an archive before it is unpacked.

    Attributes:
        exp_id: The experiment.
        layout: First release of the family whose layout its files have.
        entry: Its entry in NNI's registry.
        homes: Home directory of the user who saved it, also with links resolved; empty if unknown.
        code: Directory in the archive -> where that code was; empty if unknown.
        launcher: Directory in the archive with the launcher directory of 1.x; empty without one.
    """

    exp_id: str
    layout: str
    entry: Mapping[str, Any] = field(repr=False)
    homes: Sequence[str]
    code: Mapping[str, str]
    launcher: str

    def to_json(self) -> str:
        """Return the text of the archive's member."""
        return json.dumps({"format": _FORMAT, "version": _VERSION, **asdict(self)}, indent=2)


def read_manifest(archive: ArchiveReader) -> Manifest:
    """Return how an archive of nnicli, or of nnictl, describes its experiment.

    Raises:
        ArchiveError: It is not such an archive, or was saved by a later nnicli.
    """
    if archive.has_file(_NNICTL_ENTRY):
        return _read_of_nnictl(archive)
    document = _read_object(archive, MANIFEST)
    if document.pop("format", None) != _FORMAT:
        raise _refusal(archive, f"its {MANIFEST} was not written by nnicli")
    if document.pop("version", None) != _VERSION:
        raise _refusal(archive, "it was saved by a later nnicli; install that version here")
    try:
        manifest = Manifest(**document)
    except TypeError as error:
        raise _refusal(archive, f"its {MANIFEST} has unknown or missing fields") from error
    _check(archive, manifest)
    return manifest


def _read_of_nnictl(archive: ArchiveReader) -> Manifest:
    """Read what `nnictl experiment save` of 1.9 to 3.0 writes: the registry entry, with the id."""
    entry = _read_object(archive, _NNICTL_ENTRY)
    launcher_name = entry.get("fileName")
    manifest = Manifest(
        exp_id=entry.get("id", ""),
        layout=_OF_2 if launcher_name is None else _OF_1,
        entry=entry,
        homes=(),
        code={CODE_PART: ""} if archive.has_directory(CODE_PART) else {},
        launcher="" if launcher_name is None else f"{_NNICTL}/{launcher_name}",
    )
    _check(archive, manifest)
    return manifest


def _read_object(archive: ArchiveReader, name: str) -> dict[str, Any]:
    try:
        document = json.loads(archive.read_text(name))
    except (ValueError, RecursionError) as error:
        raise _refusal(archive, f"its {name} is not valid JSON") from error
    if not isinstance(document, dict):
        raise _refusal(archive, f"its {name} is not a JSON object")
    return document


def _check(archive: ArchiveReader, manifest: Manifest) -> None:
    texts = (manifest.exp_id, manifest.layout, manifest.launcher)
    code = manifest.code
    are_typed = (
        all(isinstance(text, str) for text in texts)
        and isinstance(manifest.entry, dict)
        and isinstance(manifest.homes, list | tuple)
        and all(isinstance(home, str) for home in manifest.homes)
        and isinstance(code, dict)
        and all(isinstance(place, str) for place in code.values())
        and all(name.split("/")[0] == CODE_PART for name in code)
    )
    if not are_typed:
        raise _refusal(archive, f"its {MANIFEST} has values of the wrong type")
    if not _is_usable(manifest.exp_id):
        raise _refusal(archive, f"{manifest.exp_id[:80]!r} is not a valid experiment id")
    if manifest.layout not in {layout.since for layout in LAYOUTS}:
        raise _refusal(archive, f"unknown layout {manifest.layout[:80]!r}")
    missing = [
        name
        for name in (EXPERIMENT_PART, manifest.launcher, *code)
        if name and not archive.has_directory(name)
    ]
    if missing:
        raise _refusal(archive, f"directory {missing[0]!r} not found in it")


def _is_usable(exp_id: str) -> bool:
    """Return whether an id is a valid directory name on every system, and hidden on none."""
    has_bad = any(character in "\\:" or not character.isprintable() for character in exp_id)
    return (
        is_directory_name(exp_id)
        and len(exp_id) <= _LONGEST_ID
        and exp_id[0] != "."
        and not has_bad
    )


def _refusal(archive: ArchiveReader, reason: str) -> ArchiveError:
    return ArchiveError(f"{archive.path} cannot be loaded: {reason}", path=archive.path)
