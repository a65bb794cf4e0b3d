"""Names of the same fields in both config formats, v1 -> v2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

Format = Literal["v1", "v2"]

DIRECTORY_KEYS: Mapping[Format, str] = {"v1": "logDir", "v2": "experimentWorkingDirectory"}
"""Format -> the field that names the parent of the experiment's directory."""

ADVISORS = ("Hyperband", "BOHB")
"""Built-in algorithms that are tuners in the v2 format and advisors in v1."""

DURATION = re.compile(r"[1-9][0-9]*[smhd]", re.ASCII)
"""How v1 writes a time limit."""

TOP = {
    "experimentName": "experimentName",
    "trialConcurrency": "trialConcurrency",
    "maxExecDuration": "maxExperimentDuration",
    "maxTrialNum": "maxTrialNumber",
    "maxTrialDuration": "maxTrialDuration",
    "nniManagerIp": "nniManagerIp",
    "useAnnotation": "useAnnotation",
    "debug": "debug",
    "logLevel": "logLevel",
    "logDir": "experimentWorkingDirectory",
    "searchSpacePath": "searchSpaceFile",
}
TRIAL = {"command": "trialCommand", "codeDir": "trialCodeDirectory", "gpuNum": "trialGpuNumber"}
SHARED_STORAGE = {
    name: name
    for name in (
        "storageType",
        "nfsServer",
        "exportedDirectory",
        "localMountPoint",
        "remoteMountPoint",
        "localMounted",
        "storageAccountName",
        "storageAccountKey",
        "containerName",
    )
}
ALGORITHMS = {
    "tuner": "builtinTunerName",
    "assessor": "builtinAssessorName",
    "advisor": "builtinAdvisorName",
}


def invert(names: Mapping[str, str]) -> dict[str, str]:
    """Return the mapping turned round: v2 name -> v1 name."""
    return {new: old for old, new in names.items()}


def is_v1(data: Mapping[str, Any]) -> bool:
    """Return whether a config is in the v1 format, as nnictl decides it."""
    return bool(data.get("trainingServicePlatform"))
