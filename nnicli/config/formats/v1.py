"""The complete document of a config in the v1 format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnicli.config.field_names import ALGORITHMS
from nnicli.config.gpus import with_gpu_text
from nnicli.config.paths import absolute_path, with_absolute_paths
from nnicli.config.releases import Release
from nnicli.config.services import SERVICES, V1_SERVICES

# Fields in which null means the default.
_NULLABLE = ("maxExecDuration", "maxTrialNum", "maxTrialDuration")


def is_legacy(data: Mapping[str, Any], release: Release) -> bool:
    """Return whether a v1 config is sent unconverted to a manager that takes v2.

    Configs for Kubernetes are: all of them up to 2.5, later those with `reuse: false` and those
    whose platform the v2 format does not have.
    """
    platform = data["trainingServicePlatform"]
    if platform not in release.legacy_platforms:
        return False
    if not release.converts_kubernetes or V1_SERVICES[platform].to_v2 is None:
        return True
    section = data.get(f"{platform}Config")
    return isinstance(section, dict) and section.get("reuse") is False


def drop_nulls(data: dict[str, Any]) -> None:
    """Leave out null fields in which null means the default."""
    for name in _NULLABLE:
        if name in data and data[name] is None:
            del data[name]
    machines = data.get("machineList")
    for machine in machines if isinstance(machines, list) else []:
        if isinstance(machine, dict) and "port" in machine and machine["port"] is None:
            del machine["port"]


def to_canonical_v1(
    data: Mapping[str, Any], *, base: Path, search_space: Mapping[str, Any] | None, debug: bool
) -> dict[str, Any]:
    """Return a v1 config without errors in the form that starts its experiment.

    Paths are absolute, defaults are filled in as nnictl does, GPU indices are text, and the search
    space replaces the path of its file.
    """
    document = {key: value for key, value in data.items() if key != "searchSpacePath"}
    is_debug = debug or bool(data.get("debug", False))
    document |= {
        "maxExecDuration": data.get("maxExecDuration") or "999d",
        "maxTrialNum": data.get("maxTrialNum") or 99_999,
        "useAnnotation": False,
        "debug": is_debug,
        "versionCheck": data.get("versionCheck", not is_debug),
        "logLevel": "debug" if is_debug else data.get("logLevel", "info"),
        "logDir": absolute_path(data.get("logDir", "~/nni-experiments"), base),
        "trial": with_absolute_paths(data["trial"], _trial_paths(data), base),
    }
    if search_space is not None:
        document["searchSpace"] = dict(search_space)
    for name in ALGORITHMS:
        if name in data:
            document[name] = with_gpu_text(with_absolute_paths(data[name], ("codeDir",), base))
    if "sharedStorage" in data:
        storage = with_absolute_paths(data["sharedStorage"], ("localMountPoint",), base)
        document["sharedStorage"] = storage
    for service in SERVICES:
        document |= service.complete_v1(data, base)
    return document


def _trial_paths(data: Mapping[str, Any]) -> tuple[str, ...]:
    service = V1_SERVICES[data["trainingServicePlatform"]]
    if service.is_code_remote:
        return ()
    return ("codeDir", *(name for one in SERVICES for name in one.trial_paths))
