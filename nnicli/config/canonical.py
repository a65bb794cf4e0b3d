"""One spelling of every field, and the document that a manager takes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nnicli.config.document import Document, Keys
from nnicli.config.releases import Release
from nnicli.config.schema import load_schema
from nnicli.units import parse_duration

ALGORITHMS = ("tuner", "assessor", "advisor")
_ADVISORS = ("Hyperband", "BOHB")
# Fields of the whole experiment that a training service may override (2.6 to 3.0).
SHORTCUTS = ("trialCommand", "trialCodeDirectory", "trialGpuNumber", "debug")


def unify_spelling(document: Document) -> None:
    """Give every field NNI's own spelling and leave out those that are null.

    NNI ignores case and underscores in keys, and takes null for "not set". Keys inside classArgs
    and search spaces are the user's own.
    """
    definitions = load_schema("experiment-v2")["$defs"]
    data = _unify(document, document.data, (), load_schema("experiment-v2")["properties"])
    for name in ALGORITHMS:
        if isinstance(data.get(name), dict):
            fields = definitions["tuner"]["properties"]
            data[name] = _unify(document, data[name], (name,), fields)
            _unify_name(data[name], definitions[_definition(name)]["properties"]["name"]["enum"])
    if isinstance(data.get("sharedStorage"), dict):
        fields = definitions["sharedStorage"]["properties"]
        data["sharedStorage"] = _unify(document, data["sharedStorage"], ("sharedStorage",), fields)
    if isinstance(data.get("trainingService"), dict):
        data["trainingService"] = _unify_service(document, data["trainingService"], definitions)
    document.data = data


def _unify_service(
    document: Document, service: Mapping[str, Any], definitions: Mapping[str, Any]
) -> dict[str, Any]:
    here: Keys = ("trainingService",)
    fields = {**definitions["local"]["properties"], **definitions["remote"]["properties"]}
    unified = _unify(document, service, here, fields)
    machines = unified.get("machineList")
    if isinstance(machines, list):
        fields = definitions["machine"]["properties"]
        unified["machineList"] = [
            _unify(document, machine, (*here, "machineList", index), fields)
            if isinstance(machine, dict)
            else machine
            for index, machine in enumerate(machines)
        ]
    return unified


def _definition(algorithm: str) -> str:
    return "tuner" if algorithm == "advisor" else algorithm


def _unify(
    document: Document, data: Mapping[str, Any], keys: Keys, fields: Iterable[str]
) -> dict[str, Any]:
    spellings = {_fold(field): field for field in fields}
    unified: dict[str, Any] = {}
    written: dict[str, str] = {}
    # The first spelling of a field takes the place of the others with it.
    places = {key: document.places.get((*keys, key)) for key in data}
    for key, value in data.items():
        field = spellings.get(_fold(key), key)
        if field in written:
            document.report(
                (*keys, key),
                f"the same field as {written[field]}; write it once",
                rule="duplicate-key",
                place=places[key],
            )
            continue
        written[field] = key
        if field != key:
            _move_places(document, (*keys, key), (*keys, field))
        if value is not None:
            unified[field] = value
    return unified


def _fold(key: str) -> str:
    return key.replace("_", "").lower()


def _move_places(document: Document, old: Keys, new: Keys) -> None:
    for notes in (document.places, document.surprises):
        _rename(notes, old, new)


def _rename(notes: dict[Keys, Any], old: Keys, new: Keys) -> None:
    for keys in [keys for keys in notes if keys[: len(old)] == old]:
        notes[new + keys[len(old) :]] = notes.pop(keys)


def _unify_name(algorithm: dict[str, Any], names: Iterable[str]) -> None:
    """Give a built-in algorithm the name that every release knows: 2.8 and later have aliases."""
    name = algorithm.get("name")
    if not isinstance(name, str):
        return
    known = {spelling: full for full in names for spelling in _spellings(full)}
    algorithm["name"] = known.get(name.lower(), name)


def _spellings(name: str) -> tuple[str, str]:
    return name.lower(), name.lower().removesuffix("tuner")


def absolute_path(text: str, base: Path) -> str:
    """Return a path as NNI resolves it: home expanded, from the config's folder, links resolved."""
    # Path.expanduser would raise for a user that does not exist.
    joined = os.path.join(base, os.path.expanduser(text))  # noqa: PTH111, PTH118
    try:
        return os.path.realpath(joined)
    except ValueError:
        # A character that no path can have; whoever looks for the path finds nothing there.
        return os.path.abspath(joined)  # noqa: PTH100 - Path.absolute does not normalise


def to_canonical(
    data: Mapping[str, Any],
    *,
    base: Path,
    release: Release,
    search_space: Mapping[str, Any],
    debug: bool,
) -> dict[str, Any]:
    """Return the document that is POSTed, of a config without errors.

    Paths are absolute, the search space is inlined, defaults are filled in, and what the training
    service of 2.6 and later reads from its own section is copied there.
    """
    document = {key: value for key, value in data.items() if key not in _REPLACED}
    is_debug = debug or bool(data.get("debug", False))
    parent = data.get("experimentWorkingDirectory", "~/nni-experiments")
    document |= {
        "searchSpace": dict(search_space),
        "trialCodeDirectory": absolute_path(data.get("trialCodeDirectory", "."), base),
        "useAnnotation": False,
        "debug": is_debug,
        "logLevel": "debug" if debug else data.get("logLevel", "debug" if is_debug else "info"),
        "experimentWorkingDirectory": absolute_path(parent, base),
    }
    if release.has_experiment_type:
        document["experimentType"] = "hpo"
    for name in ALGORITHMS:
        if name in data:
            place = _place_of(name, data[name], release)
            document[place] = _canonical_algorithm(data[name], base)
    if "tunerGpuIndices" in data:
        document["tunerGpuIndices"] = to_gpu_list(data["tunerGpuIndices"])
    if "sharedStorage" in data:
        mount_point = absolute_path(data["sharedStorage"]["localMountPoint"], base)
        document["sharedStorage"] = {**data["sharedStorage"], "localMountPoint": mount_point}
    if not release.takes_seconds:
        for name in ("maxExperimentDuration", "maxTrialDuration"):
            if name in document:
                document[name] = f"{parse_duration(document[name])}s"
    document["trainingService"] = _canonical_service(
        data["trainingService"], document, base, release
    )
    return document


_REPLACED = frozenset(
    (*ALGORITHMS, "searchSpaceFile", "trainingService", "tunerGpuIndices", "experimentType")
)


def _place_of(name: str, algorithm: Mapping[str, Any], release: Release) -> str:
    if name == "assessor":
        return name
    if release.advisor_is_tuner:
        return "tuner"
    # A class of the user's own is what its writer says that it is.
    if "className" in algorithm:
        return name
    return "advisor" if algorithm["name"] in _ADVISORS else "tuner"


def _canonical_algorithm(algorithm: Mapping[str, Any], base: Path) -> dict[str, Any]:
    canonical = dict(algorithm)
    if "codeDirectory" in canonical:
        canonical["codeDirectory"] = absolute_path(canonical["codeDirectory"], base)
    return canonical


def _canonical_service(
    service: Mapping[str, Any], document: Mapping[str, Any], base: Path, release: Release
) -> dict[str, Any]:
    canonical = dict(service)
    for name in (*SHORTCUTS, "nniManagerIp"):
        if name in document:
            canonical.setdefault(name, document[name])
    canonical["trialCodeDirectory"] = absolute_path(canonical["trialCodeDirectory"], base)
    if "machineList" in canonical:
        canonical.setdefault("reuseMode", release.reuses_machines)
        canonical["machineList"] = [
            _canonical_machine(machine, base) for machine in canonical["machineList"]
        ]
        return canonical
    # The local service has no use for the manager's address, and NNI leaves it out there.
    canonical.pop("nniManagerIp", None)
    return _canonical_gpus({"reuseMode": False, **canonical})


def _canonical_machine(machine: Mapping[str, Any], base: Path) -> dict[str, Any]:
    canonical = {"port": 22, "useActiveGpu": False, **machine}
    if "password" not in canonical:
        canonical["sshKeyFile"] = absolute_path(canonical.get("sshKeyFile", "~/.ssh/id_rsa"), base)
    return _canonical_gpus(canonical)


def _canonical_gpus(section: Mapping[str, Any]) -> dict[str, Any]:
    canonical = {"maxTrialNumberPerGpu": 1, **section}
    if "gpuIndices" in canonical:
        canonical["gpuIndices"] = to_gpu_list(canonical["gpuIndices"])
    return canonical


def to_gpu_list(value: Any) -> list[int]:
    """Return GPU indices as a list: of a list, a number, or text such as `0,1`."""
    if isinstance(value, int):
        return [value]
    if isinstance(value, str):
        return [int(part) for part in value.split(",")]
    return list(value)
