"""From one format to the other: which field becomes which, and what gets lost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nnicli.config.canonical import to_gpu_list
from nnicli.config.document import Keys
from nnicli.errors import Severity
from nnicli.units import parse_duration


@dataclass(frozen=True, slots=True)
class Loss:
    """A field that the other format cannot hold.

    Attributes:
        keys: Way to it in the config that is converted.
        message: What becomes of it, and what to do.
        severity: `error` where the experiment would be another one without it.
    """

    keys: Keys
    message: str
    severity: Severity = "error"


@dataclass
class Converted:
    """A config in the other format.

    Attributes:
        document: The config.
        losses: What it could not take over.
    """

    document: dict[str, Any] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)

    def lose(self, keys: Keys, message: str, severity: Severity = "error") -> None:
        """Note a field that is not taken over."""
        self.losses.append(Loss(keys, message, severity))


# v1 field -> v2 field, for those that only change their name.
_TOP = {
    "experimentName": "experimentName",
    "trialConcurrency": "trialConcurrency",
    "maxExecDuration": "maxExperimentDuration",
    "maxTrialNum": "maxTrialNumber",
    "maxTrialDuration": "maxTrialDuration",
    "nniManagerIp": "nniManagerIp",
    "debug": "debug",
    "logLevel": "logLevel",
    "logDir": "experimentWorkingDirectory",
    "searchSpace": "searchSpace",
    "sharedStorage": "sharedStorage",
}
_TRIAL = {"command": "trialCommand", "codeDir": "trialCodeDirectory", "gpuNum": "trialGpuNumber"}
_LOCAL = {
    "maxTrialNumPerGpu": "maxTrialNumberPerGpu",
    "useActiveGpu": "useActiveGpu",
    "gpuIndices": "gpuIndices",
}
_MACHINE = {
    "ip": "host",
    "port": "port",
    "username": "user",
    "passwd": "password",
    "sshKeyPath": "sshKeyFile",
    "passphrase": "sshPassphrase",
    "pythonPath": "pythonPath",
    **_LOCAL,
}
_NAMES = {
    "tuner": "builtinTunerName",
    "assessor": "builtinAssessorName",
    "advisor": "builtinAdvisorName",
}
# What v1 has for people and for other launchers; nothing of an experiment depends on it.
_SILENT = frozenset(
    (
        "authorName",
        "description",
        "trainingServicePlatform",
        "useAnnotation",
        "multiPhase",
        "multiThread",
        "versionCheck",
        "logCollection",
    )
)
# Values by which v1 says "no limit".
_NO_LIMIT = {"maxExecDuration": "999d", "maxTrialNum": 99_999, "maxTrialDuration": "999d"}


def to_v2(config: Mapping[str, Any]) -> Converted:
    """Return a canonical v1 config in the v2 format."""
    result = Converted()
    document = result.document
    for old, new in _TOP.items():
        if old in config and config[old] != _NO_LIMIT.get(old):
            document[new] = config[old]
    trial = config["trial"]
    for key, value in trial.items():
        if key in _TRIAL:
            document[_TRIAL[key]] = value
        elif key == "nasMode":
            message = "has no place in the v2 format, which this release takes; leave it out"
            result.lose(("trial", key), message)
    if not document.get("trialGpuNumber", 0):
        document.pop("trialGpuNumber", None)
    document.setdefault("searchSpace", {})
    for name, key in _NAMES.items():
        if name in config:
            document[name] = _algorithm_to_v2(config[name], name, key, result)
    platform = config["trainingServicePlatform"]
    convert = _SERVICES_TO_V2.get(platform)
    if convert is None:
        message = (
            f"{platform} cannot be carried over to the v2 format, which this release takes; write "
            "the config in the v2 format, or use an NNI before 2.2"
        )
        result.lose(("trainingServicePlatform",), message)
    else:
        document["trainingService"] = convert(config, result)
    return result


def _algorithm_to_v2(
    algorithm: Mapping[str, Any], name: str, key: str, result: Converted
) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    if key in algorithm:
        converted["name"] = algorithm[key]
    else:
        module = algorithm["classFileName"].removesuffix(".py").replace("/", ".")
        converted["className"] = f"{module}.{algorithm['className']}"
        converted["codeDirectory"] = algorithm["codeDir"]
    if "classArgs" in algorithm:
        converted["classArgs"] = algorithm["classArgs"]
    if "gpuIndices" in algorithm:
        result.document["tunerGpuIndices"] = to_gpu_list(algorithm["gpuIndices"])
    if algorithm.get("includeIntermediateResults"):
        message = "has no place in the v2 format, which this release takes; leave it out"
        result.lose((name, "includeIntermediateResults"), message)
    return converted


def _rename(section: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    renamed = {new: section[old] for old, new in names.items() if old in section}
    if "gpuIndices" in renamed:
        renamed["gpuIndices"] = to_gpu_list(renamed["gpuIndices"])
    return renamed


def _local_to_v2(config: Mapping[str, Any], result: Converted) -> dict[str, Any]:
    return {"platform": "local", **_gpus_to_v2(config.get("localConfig", {}), _LOCAL, result)}


def _gpus_to_v2(
    section: Mapping[str, Any], names: Mapping[str, str], result: Converted
) -> dict[str, Any]:
    """Return a section under its new names; v2 has no say in GPUs where none is asked for."""
    converted = _rename(section, names)
    if "trialGpuNumber" in result.document:
        return {"useActiveGpu": False, **converted}
    converted.pop("maxTrialNumberPerGpu", None)
    return converted


def _remote_to_v2(config: Mapping[str, Any], result: Converted) -> dict[str, Any]:
    machines = []
    for index, machine in enumerate(config["machineList"]):
        if "preCommand" in machine:
            message = "has no place in the v2 format; name the folder of the Python with pythonPath"
            result.lose(("machineList", index, "preCommand"), message)
        machines.append(_gpus_to_v2(machine, _MACHINE, result))
    # v1's own default; that of v2 has changed twice.
    reuse = config.get("remoteConfig", {}).get("reuse", False)
    return {"platform": "remote", "reuseMode": reuse, "machineList": machines}


_SERVICES_TO_V2 = {"local": _local_to_v2, "remote": _remote_to_v2}


def to_v1(config: Mapping[str, Any], *, machine_command: str) -> Converted:
    """Return a canonical v2 config in the v1 format.

    Args:
        config: The config.
        machine_command: What the release calls a remote machine's own set-up.
    """
    result = Converted()
    document = result.document
    document["authorName"] = "nnicli"
    for old, new in _TOP.items():
        if new in config:
            document[old] = config[new]
    document.setdefault("experimentName", "nnicli")
    for name in ("maxExecDuration", "maxTrialNum"):
        document.setdefault(name, _NO_LIMIT[name])
    document["maxExecDuration"] = _to_text(document["maxExecDuration"])
    if "maxTrialDuration" in config:
        result.lose(("maxTrialDuration",), "this release has no limit for a trial; leave it out")
        del document["maxTrialDuration"]
    document["versionCheck"] = not document.get("debug", False)
    document["useAnnotation"] = False
    document["trial"] = {"gpuNum": 0} | {
        old: config[new] for old, new in _TRIAL.items() if new in config
    }
    for name, key in _NAMES.items():
        if name in config:
            document[name] = _algorithm_to_v1(config[name], name, key, result)
    if "tunerGpuIndices" in config:
        place = "advisor" if "advisor" in document else "tuner"
        document[place]["gpuIndices"] = _to_gpu_text(config["tunerGpuIndices"])
    service = config["trainingService"]
    document["trainingServicePlatform"] = service["platform"]
    _SERVICES_TO_V1[service["platform"]](service, document, result, machine_command)
    return result


def _to_text(duration: str | float) -> str:
    seconds = parse_duration(duration)
    return f"{math.ceil(seconds)}s"


def _to_gpu_text(indices: Any) -> str:
    return ",".join(map(str, to_gpu_list(indices)))


def _algorithm_to_v1(
    algorithm: Mapping[str, Any], name: str, key: str, result: Converted
) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    if "name" in algorithm:
        converted[key] = algorithm["name"]
    else:
        *modules, class_name = algorithm["className"].split(".")
        if len(modules) > 1:
            message = "names a package, which the v1 format of this release has no place for"
            result.lose((name, "className"), f"{message}; give a class of one module")
        converted |= {
            "codeDir": algorithm["codeDirectory"],
            "classFileName": f"{modules[-1]}.py",
            "className": class_name,
        }
    if algorithm.get("classArgs"):
        converted["classArgs"] = algorithm["classArgs"]
    return converted


def _invert(names: Mapping[str, str]) -> dict[str, str]:
    return {new: old for old, new in names.items()}


def _rename_back(section: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    renamed = {old: section[new] for new, old in _invert(names).items() if new in section}
    if "gpuIndices" in renamed:
        renamed["gpuIndices"] = _to_gpu_text(renamed["gpuIndices"])
    return renamed


def _local_to_v1(
    service: Mapping[str, Any], document: dict[str, Any], result: Converted, _command: str
) -> None:
    if service.get("reuseMode"):
        result.lose(("trainingService", "reuseMode"), "this release has none; leave it out")
    document["trial"] |= {old: service[new] for old, new in _TRIAL.items() if new in service}
    if local := _rename_back(service, _LOCAL):
        document["localConfig"] = local


def _remote_to_v1(
    service: Mapping[str, Any], document: dict[str, Any], result: Converted, command: str
) -> None:
    document["trial"] |= {old: service[new] for old, new in _TRIAL.items() if new in service}
    document["remoteConfig"] = {"reuse": bool(service.get("reuseMode", False))}
    document["machineList"] = []
    for index, machine in enumerate(service["machineList"]):
        if "pythonPath" in machine and command != "pythonPath":
            message = "this release has none; put that Python first in the PATH of the machine"
            result.lose(("trainingService", "machineList", index, "pythonPath"), message)
        document["machineList"].append(_rename_back(machine, _MACHINE))


_SERVICES_TO_V1 = {"local": _local_to_v1, "remote": _remote_to_v1}
