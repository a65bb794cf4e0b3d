"""The requests by which a config in the v1 format is handed over to its manager."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nnicli.units import parse_duration
from nnicli.versions import row_for


@dataclass(frozen=True, slots=True, repr=False)
class StartRequests:
    """What a manager is told so that it starts an experiment.

    Attributes:
        metadata: Bodies of `PUT /experiment/cluster-metadata`, in order.
        profile: Body of `POST /experiment`.
    """

    metadata: tuple[dict[str, Any], ...]
    profile: dict[str, Any]

    def __repr__(self) -> str:
        """Show no content: it may hold passwords."""
        return f"StartRequests({len(self.metadata)} of metadata, {len(self.profile)} fields)"


@dataclass(frozen=True, slots=True)
class _Rules:
    """What differs between releases in the requests.

    Attributes:
        since: First release for which the row holds.
        has_remote_config: Whether `remote_config` has to come before the machines.
        repeats_address: Whether the profile has `nniManagerIp`, too.
        archives_requests: Whether a local experiment's profile repeats its metadata; before, it
            had only folder and command.
        has_shared_storage: Whether there is `shared_storage_config`.
        announces_adl: Whether adl has a request of its own.
        has_trial_duration: Whether there is `maxTrialDuration`.
    """

    since: str
    has_remote_config: bool
    repeats_address: bool
    archives_requests: bool
    has_shared_storage: bool
    announces_adl: bool
    has_trial_duration: bool


_1_8 = _Rules(
    since="1.8",
    has_remote_config=False,
    repeats_address=False,
    archives_requests=False,
    has_shared_storage=False,
    announces_adl=False,
    has_trial_duration=False,
)
_1_9 = replace(_1_8, since="1.9", has_remote_config=True)
_2_1 = replace(
    _1_9, since="2.1", repeats_address=True, archives_requests=True, has_shared_storage=True
)
_2_2 = replace(_2_1, since="2.2", announces_adl=True)
_2_4 = replace(_2_2, since="2.4", has_trial_duration=True)
_RULES = (_1_8, _1_9, _2_1, _2_2, _2_4)

# Section of the config -> its key in the request.
_KEYS = {
    "localConfig": "local_config",
    "remoteConfig": "remote_config",
    "machineList": "machine_list",
    "paiConfig": "pai_config",
    "paiYarnConfig": "pai_yarn_config",
    "kubeflowConfig": "kubeflow_config",
    "frameworkcontrollerConfig": "frameworkcontroller_config",
    "dltsConfig": "dlts_config",
    "amlConfig": "aml_config",
    "adlConfig": "adl_config",
    "hybridConfig": "hybrid_config",
}
# Platform -> the sections of its first request, in the order in which the manager needs them.
_SECTIONS = {
    "local": ("localConfig",),
    "remote": ("remoteConfig", "machineList"),
    "pai": ("paiConfig",),
    "paiYarn": ("paiYarnConfig",),
    "kubeflow": ("kubeflowConfig",),
    "frameworkcontroller": ("frameworkcontrollerConfig",),
    "dlts": ("dltsConfig",),
    "aml": ("amlConfig",),
    "adl": ("adlConfig",),
    "hybrid": (
        "hybridConfig",
        "amlConfig",
        "remoteConfig",
        "machineList",
        "localConfig",
        "paiConfig",
    ),
}
# Keys of requests that do not belong to the platform.
_TRIAL, _ADDRESS, _STORAGE = "trial_config", "nni_manager_ip", "shared_storage_config"
_AS_THEY_ARE = (
    "authorName",
    "experimentName",
    "description",
    "trialConcurrency",
    "maxTrialNum",
    "trainingServicePlatform",
    "multiPhase",
    "multiThread",
    "versionCheck",
    "logCollection",
    "tuner",
    "assessor",
    "advisor",
)
# What a manager's own check refuses, though a config may say so (1.9, seen live).
_REFUSED = {"assessor": ("gpuIndices", "includeIntermediateResults")}


def v1_requests(config: Mapping[str, Any], nni_version: str) -> StartRequests:
    """Return the requests for a manager of 1.8 to 2.1.

    Args:
        config: Canonical config in the v1 format; `searchSpace` is an object or its text.
        nni_version: The manager's release.
    """
    rules = row_for(_RULES, nni_version)
    platform = config["trainingServicePlatform"]
    metadata = [_platform_request(config, rules)]
    # The local service has no use for the address.
    if platform != "local" and "nniManagerIp" in config:
        metadata.append(_address_request(config))
    metadata.append({_TRIAL: config["trial"]})
    if rules.has_shared_storage and "sharedStorage" in config:
        metadata.append({_STORAGE: config["sharedStorage"]})
    metadata = [body for body in metadata if body]
    archive = (
        [{name: config["trial"][name] for name in ("codeDir", "command")}]
        if platform == "local" and not rules.archives_requests
        else [body for body in metadata if _ADDRESS not in body]
    )
    profile = {
        **_profile(config),
        "maxExecDuration": _seconds(config["maxExecDuration"]),
        "searchSpace": _as_text(config.get("searchSpace", "")),
        "clusterMetaData": _to_archive(archive),
    }
    if rules.repeats_address and "nniManagerIp" in config:
        profile["nniManagerIp"] = config["nniManagerIp"]
    return StartRequests(tuple(metadata), profile)


def legacy_requests(config: Mapping[str, Any], nni_version: str) -> StartRequests:
    """Return the requests for a manager of 2.2 or later that gets a v1 config of Kubernetes.

    Args:
        config: Canonical config in the v1 format, of kubeflow, frameworkcontroller or adl.
        nni_version: The manager's release.
    """
    rules = row_for(_RULES, nni_version)
    metadata = [
        _platform_request(config, rules),
        {"version_check": bool(config.get("versionCheck", True))},
    ]
    if "logCollection" in config:
        metadata.append({"log_collection": config["logCollection"]})
    if "nniManagerIp" in config:
        metadata.append(_address_request(config))
    metadata.append({_TRIAL: config["trial"]})
    space = config.get("searchSpace", {})
    seconds = _seconds(config["maxExecDuration"])
    profile = {
        **_profile(config),
        "maxExecDuration": seconds,
        "maxExperimentDuration": f"{seconds}s",
        "maxTrialNumber": config["maxTrialNum"],
        "searchSpace": json.loads(space) if isinstance(space, str) else space,
        "trainingService": {"platform": config["trainingServicePlatform"]},
        "clusterMetaData": _to_archive(metadata),
    }
    if rules.has_trial_duration and "maxTrialDuration" in config:
        profile["maxTrialDuration"] = f"{_seconds(config['maxTrialDuration'])}s"
    return StartRequests(tuple(metadata), profile)


def stored_requests(params: Mapping[str, Any]) -> StartRequests:
    """Return the requests that resume an experiment of 2.1, from the profile in its database."""
    stored = {item["key"]: item["value"] for item in params.get("clusterMetaData", ())}
    order = _SECTIONS[params["trainingServicePlatform"]]
    keys = [_KEYS[section] for section in order]
    metadata = [{key: stored[key] for key in keys if key in stored}]
    if "nniManagerIp" in params and params["trainingServicePlatform"] != "local":
        metadata.append(_address_request(params))
    metadata += [{key: stored[key]} for key in (_TRIAL, _STORAGE) if key in stored]
    profile = dict(params)
    for name in ("tuner", "assessor", "advisor"):
        if name in profile:
            # The manager writes this into the profile, and refuses to read it there.
            profile[name] = _without(profile[name], ("checkpointDir",))
    return StartRequests(tuple(body for body in metadata if body), profile)


def _platform_request(config: Mapping[str, Any], rules: _Rules) -> dict[str, Any]:
    """Return the body that tells the platform; empty where it has nothing to tell."""
    platform = config["trainingServicePlatform"]
    defaults: dict[str, Any] = {}
    if platform == "remote" and rules.has_remote_config:
        defaults["remoteConfig"] = {"reuse": False}
    if platform == "adl" and rules.announces_adl:
        defaults["adlConfig"] = {}
    sections = {**defaults, **config}
    return {
        _KEYS[name]: sections[name]
        for name in _SECTIONS[platform]
        if name in sections and (name != "remoteConfig" or rules.has_remote_config)
    }


def _address_request(config: Mapping[str, Any]) -> dict[str, Any]:
    return {_ADDRESS: {"nniManagerIp": config["nniManagerIp"]}}


def _profile(config: Mapping[str, Any]) -> dict[str, Any]:
    profile = {name: config[name] for name in _AS_THEY_ARE if name in config}
    for name, refused in _REFUSED.items():
        if name in profile:
            profile[name] = _without(profile[name], refused)
    return profile


def _without(section: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in section.items() if name not in tuple(names)}


def _to_archive(bodies: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for body in bodies for key, value in body.items()]


def _as_text(space: Any) -> str:
    return space if isinstance(space, str) else json.dumps(space)


def _seconds(duration: str | float) -> int:
    return math.ceil(parse_duration(duration))
