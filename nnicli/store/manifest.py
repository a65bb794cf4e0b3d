"""What an archive says of the experiment in it: nnicli's own words, and nnictl's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from nnicli.errors import ArchiveError
from nnicli.store.archive import ArchiveReader
from nnicli.store.layouts import LAYOUTS, is_folder_name

MANIFEST = "manifest.json"
EXPERIMENT_PART = "experiment"
"""The experiment's own folder, in the archives of nnicli and of nnictl."""
LAUNCHER_PART = "launcher"
"""The folder that the launcher of a 1.x experiment has for it."""
CODE_PART = "code"
SEARCH_SPACE_PART = "searchSpace"

_FORMAT = "nnicli experiment"
_VERSION = 1
_LONGEST_ID = 128
_NNICTL = "nnictl"
_NNICTL_ENTRY = f"{_NNICTL}/.experiment"
# The first rows of the layouts whose nnictl tells the two forms of its archives apart.
_OF_1, _OF_2 = "1.8", "2.0"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is to be known of an archive before it is unpacked.

    Attributes:
        exp_id: The experiment.
        layout: First release of the family in whose layout its files lie.
        entry: What NNI's registry had of it.
        homes: Home directory of who saved it, also as it is without links; empty where that is not
            told.
        code: Folder of the archive -> where that code was; empty where that is not told.
        launcher: Folder of the archive that the launcher of 1.x had, empty without one.
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
    """Return what an archive of nnicli, or of nnictl, says of its experiment.

    Raises:
        ArchiveError: It is no such archive, or one of a later nnicli.
    """
    if archive.has_file(_NNICTL_ENTRY):
        return _read_of_nnictl(archive)
    document = _read_object(archive, MANIFEST)
    if document.pop("format", None) != _FORMAT:
        raise _refusal(archive, f"its {MANIFEST} is not one of nnicli's")
    if document.pop("version", None) != _VERSION:
        raise _refusal(archive, "it was saved by a later nnicli; install that one here")
    try:
        manifest = Manifest(**document)
    except TypeError as error:
        raise _refusal(archive, f"its {MANIFEST} has other fields than nnicli writes") from error
    _check(archive, manifest)
    return manifest


def _read_of_nnictl(archive: ArchiveReader) -> Manifest:
    """Read what `nnictl experiment save` of 1.9 to 3.0 notes; the entry has the id added to it."""
    entry = _read_object(archive, _NNICTL_ENTRY)
    folder = entry.get("fileName")
    manifest = Manifest(
        exp_id=entry.get("id", ""),
        layout=_OF_2 if folder is None else _OF_1,
        entry=entry,
        homes=(),
        code={CODE_PART: ""} if archive.has_folder(CODE_PART) else {},
        launcher="" if folder is None else f"{_NNICTL}/{folder}",
    )
    _check(archive, manifest)
    return manifest


def _read_object(archive: ArchiveReader, name: str) -> dict[str, Any]:
    try:
        document = json.loads(archive.read_text(name))
    except (ValueError, RecursionError) as error:
        raise _refusal(archive, f"its {name} is no JSON") from error
    if not isinstance(document, dict):
        raise _refusal(archive, f"its {name} is no JSON object")
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
        raise _refusal(archive, "it says nothing sensible of its experiment")
    if not _is_usable(manifest.exp_id):
        raise _refusal(archive, f"{manifest.exp_id[:80]!r} is no experiment id")
    if manifest.layout not in {layout.since for layout in LAYOUTS}:
        raise _refusal(archive, f"no NNI has the layout {manifest.layout[:80]!r}")
    missing = [
        name
        for name in (EXPERIMENT_PART, manifest.launcher, *code)
        if name and not archive.has_folder(name)
    ]
    if missing:
        raise _refusal(archive, f"the folder {missing[0]!r} is not in it")


def _is_usable(exp_id: str) -> bool:
    """Return whether an id can be the name of a folder, on every system and hidden on none."""
    has_bad = any(character in "\\:" or not character.isprintable() for character in exp_id)
    return (
        is_folder_name(exp_id) and len(exp_id) <= _LONGEST_ID and exp_id[0] != "." and not has_bad
    )


def _refusal(archive: ArchiveReader, reason: str) -> ArchiveError:
    return ArchiveError(f"{archive.path} cannot be loaded: {reason}", path=archive.path)
