"""The document that a manager takes, of a config without errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nnicli.config.documents.reader import read_file
from nnicli.config.field_names import ADVISORS, ALGORITHMS
from nnicli.config.gpus import to_gpu_list
from nnicli.config.paths import absolute_path
from nnicli.config.releases import Release
from nnicli.units import parse_duration

# Fields of the whole experiment that a training service may override (2.6 to 3.0).
SHORTCUTS = ("trialCommand", "trialCodeDirectory", "trialGpuNumber", "debug")


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
    # A class of the user's own, or one that is registered, is what its writer says that it is.
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
    for name in (*SHORTCUTS, "nniManagerIp"):
        if name in document:
            canonical.setdefault(name, document[name])
    canonical["trialCodeDirectory"] = absolute_path(canonical["trialCodeDirectory"], base)
    return _FILLS[canonical["platform"]](canonical, base, release)


def _fill_local(service: dict[str, Any], _base: Path, _release: Release) -> dict[str, Any]:
    # The local service has no use for the manager's address, and NNI leaves it out there.
    service.pop("nniManagerIp", None)
    return _canonical_gpus({"reuseMode": False, **service})


def _fill_remote(service: dict[str, Any], base: Path, release: Release) -> dict[str, Any]:
    machines = [_canonical_machine(machine, base) for machine in service["machineList"]]
    return {"reuseMode": release.reuses_machines, **service, "machineList": machines}


def _canonical_machine(machine: Mapping[str, Any], base: Path) -> dict[str, Any]:
    canonical = {"port": 22, "useActiveGpu": False, **machine}
    if "password" in canonical:
        canonical.pop("sshKeyFile", None)
    else:
        canonical["sshKeyFile"] = absolute_path(canonical.get("sshKeyFile", "~/.ssh/id_rsa"), base)
    return _canonical_gpus(canonical)


def _fill_openpai(service: dict[str, Any], base: Path, _release: Release) -> dict[str, Any]:
    host = service["host"]
    filled = {
        "dockerImage": _IMAGE,
        "reuseMode": True,
        **service,
        "host": host if "://" in host else f"https://{host}",
        "localStorageMountPoint": absolute_path(service["localStorageMountPoint"], base),
    }
    file = filled.pop("openpaiConfigFile", None)
    if file is not None:
        # The manager knows the job itself only (2.10.1, `openPaiEnvironmentService.js`).
        filled["openpaiConfig"] = read_file(Path(absolute_path(file, base))).data
    return filled


def _fill_aml(service: dict[str, Any], _base: Path, _release: Release) -> dict[str, Any]:
    return {"dockerImage": _IMAGE, "maxTrialNumberPerGpu": 1, **service}


def _fill_dlc(service: dict[str, Any], _base: Path, _release: Release) -> dict[str, Any]:
    return {"type": "Worker", "jobType": "TFJob", **service}


def _fill_kubeflow(service: dict[str, Any], base: Path, _release: Release) -> dict[str, Any]:
    roles = {
        name: {
            "gpuNumber": 0,
            "dockerImage": _IMAGE,
            **service[name],
            # NNI would leave it relative, and look from the manager's own folder.
            "codeDirectory": absolute_path(service[name]["codeDirectory"], base),
        }
        for name in KUBEFLOW_ROLES
        if name in service
    }
    return {"reuseMode": True, "trialCommand": "", **service, **roles}


def _fill_frameworkcontroller(
    service: dict[str, Any], _base: Path, _release: Release
) -> dict[str, Any]:
    roles = [{"dockerImage": _IMAGE, **role} for role in service["taskRoles"]]
    return {"reuseMode": True, "trialCommand": "", **service, "taskRoles": roles}


def _fill_adl(service: dict[str, Any], _base: Path, _release: Release) -> dict[str, Any]:
    return {"dockerImage": _IMAGE, **service}


_IMAGE = "msranni/nni:latest"
KUBEFLOW_ROLES = ("worker", "ps", "master")
# Platform -> what NNI's own client fills in for it (2.10.1, `nni/experiment/config`).
_FILLS: Mapping[str, Callable[[dict[str, Any], Path, Release], dict[str, Any]]] = {
    "local": _fill_local,
    "remote": _fill_remote,
    "openpai": _fill_openpai,
    "aml": _fill_aml,
    "dlc": _fill_dlc,
    "kubeflow": _fill_kubeflow,
    "frameworkcontroller": _fill_frameworkcontroller,
    "adl": _fill_adl,
}


def _canonical_gpus(section: Mapping[str, Any]) -> dict[str, Any]:
    canonical = {"maxTrialNumberPerGpu": 1, **section}
    if "gpuIndices" in canonical:
        canonical["gpuIndices"] = to_gpu_list(canonical["gpuIndices"])
    return canonical
