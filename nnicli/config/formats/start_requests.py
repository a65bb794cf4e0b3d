"""The requests by which a config in the v1 format is handed over to its manager."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from nnicli.units import parse_duration
from nnicli.versions import ReleaseTable


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


# Platform -> the sections of the config that its first request holds, in the order in which the
# manager needs them, and their keys there. Hybrid adds those of the platforms that it names, in the
# order of this table.
_SECTIONS: Mapping[str, Mapping[str, str]] = {
    "hybrid": {"hybridConfig": "hybrid_config"},
    "aml": {"amlConfig": "aml_config"},
    # `remote_config` decides which service gets the machines.
    "remote": {"remoteConfig": "remote_config", "machineList": "machine_list"},
    "local": {"localConfig": "local_config"},
    "pai": {"paiConfig": "pai_config"},
    "paiYarn": {"paiYarnConfig": "pai_yarn_config"},
    "kubeflow": {"kubeflowConfig": "kubeflow_config"},
    "frameworkcontroller": {"frameworkcontrollerConfig": "frameworkcontroller_config"},
    "dlts": {"dltsConfig": "dlts_config"},
    "adl": {"adlConfig": "adl_config"},
}
_PLATFORM_KEYS = tuple(key for sections in _SECTIONS.values() for key in sections.values())
_TRIAL, _STORAGE = "trial_config", "shared_storage_config"

# Fields of the config that the profile has under the same name.
_FIELDS = (
    "authorName",
    "experimentName",
    "description",
    "trialConcurrency",
    "maxTrialNum",
    "trainingServicePlatform",
    "multiPhase",
    "multiThread",
    "logCollection",
)
_CLASS_KEYS = ("codeDir", "classFileName", "className", "classArgs")
# What managers take of an algorithm; nnictl's own check lets more pass (joi of 1.8 to 2.1).
_ALGORITHMS = {
    "tuner": ("builtinTunerName", *_CLASS_KEYS, "gpuIndices", "includeIntermediateResults"),
    "assessor": ("builtinAssessorName", *_CLASS_KEYS),
    "advisor": ("builtinAdvisorName", *_CLASS_KEYS, "gpuIndices"),
}
# What is the user's own, nulls included.
_USERS_OWN = frozenset(("classArgs", "searchSpace"))


@dataclass(frozen=True, slots=True)
class _Rules:
    """What differs between releases in the requests.

    Attributes:
        since: First release for which the row holds.
        defaults: Platform -> the sections that its manager needs even if the config has none.
        refused_sections: Sections that the manager does not know.
        refused_keys: Section -> keys in it, or in its items, that the manager does not know.
        repeats_address: Whether the profile has `nniManagerIp`, too.
        archives_sections: Whether a local experiment's profile repeats its metadata; before, it
            had the trial's folder and command only.
        has_shared_storage: Whether there is `shared_storage_config`.
        has_trial_duration: Whether there is `maxTrialDuration`.
    """

    since: str
    defaults: Mapping[str, Mapping[str, Any]]
    refused_sections: tuple[str, ...]
    refused_keys: Mapping[str, tuple[str, ...]]
    repeats_address: bool
    archives_sections: bool
    has_shared_storage: bool
    has_trial_duration: bool


# Checked with the joi schemas of these releases; from 2.4 on the manager checks nothing.
_NO_REUSE = {"kubeflowConfig": ("reuse",), "frameworkcontrollerConfig": ("reuse",)}
_1_8 = _Rules(
    since="1.8",
    defaults={},
    refused_sections=("remoteConfig",),
    refused_keys={"machineList": ("preCommand", "pythonPath"), **_NO_REUSE},
    repeats_address=False,
    archives_sections=False,
    has_shared_storage=False,
    has_trial_duration=False,
)
_1_9 = replace(
    _1_8,
    since="1.9",
    defaults={"remote": {"remoteConfig": {"reuse": False}}},
    refused_sections=(),
    refused_keys={"machineList": ("pythonPath",), **_NO_REUSE},
)
_2_1 = replace(
    _1_9,
    since="2.1",
    refused_keys={"machineList": ("preCommand",), **_NO_REUSE},
    repeats_address=True,
    archives_sections=True,
    has_shared_storage=True,
)
# The first key tells the manager which service to make, so adl has to send one.
_2_2 = replace(_2_1, since="2.2", defaults={"adl": {"adlConfig": {}}})
_2_4 = replace(_2_2, since="2.4", refused_keys={}, has_trial_duration=True)
_RULES = ReleaseTable(_1_8, _1_9, _2_1, _2_2, _2_4, through="3.0")


def v1_requests(config: Mapping[str, Any], nni_version: str) -> StartRequests:
    """Return the requests for a manager of 1.8 to 2.1.

    A key that the release does not know is left out where the experiment is the same without it,
    or where the check of the config reports it; any other one is refused by the manager by name.

    Args:
        config: Canonical config in the v1 format. In the copies that nnictl keeps, the search
            space is text already and `maxExecDuration` a number of seconds; both are taken.
        nni_version: The manager's release.
    """
    rules = _RULES.row_for(nni_version)
    config = _known(config, rules)
    is_local = config["trainingServicePlatform"] == "local"
    platform, storage = _platform_body(config, rules), _storage_body(config, rules)
    trial = {_TRIAL: config["trial"]}
    # The local service has no use for the manager's address.
    address = {} if is_local else _address_body(config)
    if is_local and not rules.archives_sections:
        archived = {name: config["trial"][name] for name in ("codeDir", "command")}
    else:
        archived = {**platform, **trial, **storage}
    profile = {
        **_common_profile(config, rules),
        "searchSpace": _to_text(config.get("searchSpace")),
        "clusterMetaData": _to_archive(archived),
    }
    return _requests((platform, address, trial, storage), profile)


def legacy_requests(config: Mapping[str, Any], nni_version: str) -> StartRequests:
    """Return the requests for a manager of 2.2 or later that gets a v1 config of Kubernetes.

    The profile names what the manager reads in its own words, next to those of v1, by which the
    tuner's process knows the format (2.2 to 3.0).

    Args:
        config: Canonical config in the v1 format, of kubeflow, frameworkcontroller or adl.
        nni_version: The manager's release.
    """
    rules = _RULES.row_for(nni_version)
    config = _known(config, rules)
    platform, storage = _platform_body(config, rules), _storage_body(config, rules)
    trial = {_TRIAL: config["trial"]}
    profile = _common_profile(config, rules)
    checks_version = {"version_check": profile["versionCheck"]}
    collects = {"log_collection": profile["logCollection"]} if "logCollection" in profile else {}
    profile |= {
        "maxExperimentDuration": f"{profile['maxExecDuration']}s",
        "maxTrialNumber": config["maxTrialNum"],
        "searchSpace": config.get("searchSpace", {}),
        "trainingService": {"platform": config["trainingServicePlatform"]},
        "clusterMetaData": _to_archive({**platform, **trial, **storage}),
    }
    if rules.has_trial_duration and "maxTrialDuration" in config:
        # 2.4 and 2.5 cannot read a number here.
        profile["maxTrialDuration"] = f"{parse_duration(config['maxTrialDuration'])}s"
    bodies = (platform, checks_version, collects, _address_body(config), trial, storage)
    return _requests(bodies, profile)


def stored_requests(params: Mapping[str, Any]) -> StartRequests:
    """Return the requests that resume an experiment of 2.1.

    Args:
        params: `params` of the profile in its database. What nnictl has not kept there is missing
            in the requests, too: all of dlts, and any shared storage.
    """
    archive = {item["key"]: item["value"] for item in params.get("clusterMetaData", ())}
    # nnictl keeps null for a section of hybrid that the config has not.
    kept = {key: deepcopy(value) for key, value in archive.items() if value is not None}
    is_local = params["trainingServicePlatform"] == "local"
    bodies = (
        _pick(kept, _PLATFORM_KEYS),
        {} if is_local else _address_body(params),
        _pick(kept, (_TRIAL,)),
        _pick(kept, (_STORAGE,)),
    )
    return _requests(bodies, deepcopy(dict(params)))


def _requests(bodies: Iterable[dict[str, Any]], profile: dict[str, Any]) -> StartRequests:
    return StartRequests(tuple(body for body in bodies if body), profile)


def _known(config: Mapping[str, Any], rules: _Rules) -> dict[str, Any]:
    """Return a copy of a config without what the release's manager does not know."""
    known: dict[str, Any] = _cleaned(config)
    for section in rules.refused_sections:
        known.pop(section, None)
    for section, keys in rules.refused_keys.items():
        if section in known:
            known[section] = _without(known[section], keys)
    for name, keys in _ALGORITHMS.items():
        if name in known:
            known[name] = _pick(known[name], keys)
    return known


def _cleaned(value: Any) -> Any:
    """Return a copy without nulls and with GPU indices as text: managers refuse both others."""
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    cleaned = {key: item for key, item in value.items() if item is not None}
    for key, item in cleaned.items():
        cleaned[key] = deepcopy(item) if key in _USERS_OWN else _cleaned(item)
    if "gpuIndices" in cleaned:
        cleaned["gpuIndices"] = str(cleaned["gpuIndices"])
    return cleaned


def _without(section: Any, keys: tuple[str, ...]) -> Any:
    if isinstance(section, list):
        return [_without(item, keys) for item in section]
    return {key: value for key, value in section.items() if key not in keys}


def _pick(section: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: section[key] for key in keys if key in section}


def _platform_body(config: Mapping[str, Any], rules: _Rules) -> dict[str, Any]:
    """Return the body that tells the platform; empty where it has nothing to tell."""
    platform = config["trainingServicePlatform"]
    sections = dict(_SECTIONS[platform])
    if platform == "hybrid":
        parts = config["hybridConfig"]["trainingServicePlatforms"]
        for part in (name for name in _SECTIONS if name in parts):
            sections |= _SECTIONS[part]
    known = {**deepcopy(dict(rules.defaults.get(platform, {}))), **config}
    return {key: known[section] for section, key in sections.items() if section in known}


def _address_body(config: Mapping[str, Any]) -> dict[str, Any]:
    return (
        {"nni_manager_ip": _pick(config, ("nniManagerIp",))} if config.get("nniManagerIp") else {}
    )


def _storage_body(config: Mapping[str, Any], rules: _Rules) -> dict[str, Any]:
    has_storage = rules.has_shared_storage and "sharedStorage" in config
    return {_STORAGE: config["sharedStorage"]} if has_storage else {}


def _common_profile(config: Mapping[str, Any], rules: _Rules) -> dict[str, Any]:
    fields = (*_FIELDS, *_ALGORITHMS, *(("nniManagerIp",) if rules.repeats_address else ()))
    # Managers refuse empty text (1.9, seen live).
    profile = {name: value for name, value in _pick(config, fields).items() if value != ""}
    profile["maxExecDuration"] = parse_duration(config["maxExecDuration"])
    profile["versionCheck"] = config.get("versionCheck", not config.get("debug", False))
    return profile


def _to_archive(bodies: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in bodies.items()]


def _to_text(space: Any) -> str:
    """Return a search space as the manager takes it: an empty JSON text where there is none.

    Empty text itself is refused.
    """
    return space if isinstance(space, str) else json.dumps("" if space is None else space)
