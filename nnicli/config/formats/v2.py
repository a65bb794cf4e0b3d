"""The complete document of a config in the v2 format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnicli.config.field_names import ADVISORS, ALGORITHMS
from nnicli.config.gpus import to_gpu_list
from nnicli.config.paths import absolute_path
from nnicli.config.releases import Release
from nnicli.config.services import V2_SERVICES
from nnicli.config.services.shared import SHORTCUTS
from nnicli.units import parse_duration

# Fields of the whole experiment that a training service may override (2.6 to 3.0).
_OVERRIDABLE = (*SHORTCUTS, "debug", "nniManagerIp")


def to_canonical_v2(
    data: Mapping[str, Any],
    *,
    base: Path,
    release: Release,
    search_space: Mapping[str, Any],
    debug: bool,
) -> dict[str, Any]:
    """Return a v2 config without errors as the document that is POSTed.

    Paths are absolute, the search space is inline, defaults are filled in, and fields that the
    training service of 2.6 and later reads from its own section are copied there.
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
    services = data["trainingService"]
    document["trainingService"] = (
        [_canonical_service(service, document, base, release) for service in services]
        if isinstance(services, list)
        else _canonical_service(services, document, base, release)
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
    # A custom or registered class is what the config says it is.
    built_in = algorithm.get("name")
    if built_in in ADVISORS:
        return "advisor"
    return "tuner" if built_in in release.tuners else name


def _canonical_algorithm(algorithm: Mapping[str, Any], base: Path) -> dict[str, Any]:
    canonical = dict(algorithm)
    if "codeDirectory" in canonical:
        canonical["codeDirectory"] = absolute_path(canonical["codeDirectory"], base)
    return canonical


def _canonical_service(
    service: Mapping[str, Any], document: Mapping[str, Any], base: Path, release: Release
) -> dict[str, Any]:
    canonical = dict(service)
    for name in _OVERRIDABLE:
        if name in document:
            canonical.setdefault(name, document[name])
    canonical["trialCodeDirectory"] = absolute_path(canonical["trialCodeDirectory"], base)
    return V2_SERVICES[canonical["platform"]].complete(canonical, base, release)
