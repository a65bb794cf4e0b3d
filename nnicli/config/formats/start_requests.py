"""The requests that start an experiment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from nnicli.config.field_names import Format
from nnicli.config.releases import Release
from nnicli.config.services import SERVICES, V1_SERVICES
from nnicli.units import parse_duration


@dataclass(frozen=True, slots=True, repr=False)
class StartRequests:
    """The requests that make a manager start an experiment.

    Attributes:
        metadata: Bodies of `PUT /experiment/cluster-metadata`, in order.
        profile: Body of `POST /experiment`.
    """

    metadata: tuple[dict[str, Any], ...]
    profile: dict[str, Any]

    def __repr__(self) -> str:
        """Show only sizes: the content may hold passwords."""
        return f"StartRequests({len(self.metadata)} of metadata, {len(self.profile)} fields)"


_PLATFORM_KEYS = tuple(key for service in SERVICES for key in service.sections.values())
_TRIAL, _STORAGE = "trial_config", "shared_storage_config"

# Fields that the config and the profile have under the same name.
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
# Fields of an algorithm that managers take; nnictl's own check accepts more (joi of 1.8 to 2.1).
_ALGORITHMS = {
    "tuner": ("builtinTunerName", *_CLASS_KEYS, "gpuIndices", "includeIntermediateResults"),
    "assessor": ("builtinAssessorName", *_CLASS_KEYS),
    "advisor": ("builtinAdvisorName", *_CLASS_KEYS, "gpuIndices"),
}
# These may hold anything, nulls included.
_USERS_OWN = frozenset(("classArgs", "searchSpace"))


def start_requests(config: Mapping[str, Any], format_: Format, release: Release) -> StartRequests:
    """Return the requests that start a new experiment.

    Args:
        config: Its document, as returned by `load_config`.
        format_: The format of the document.
        release: The manager's release.
    """
    return _ENCODERS[format_, release.format](config, release)


def v1_requests(config: Mapping[str, Any], release: Release) -> StartRequests:
    """Return the requests for a manager of 1.8 to 2.1.

    A key that the release does not know is left out if the experiment is the same without it, or if
    the check of the config has reported it. The manager refuses any other one by name.

    Args:
        config: Canonical config in the v1 format. In the copies that nnictl keeps, the search
            space is already text and `maxExecDuration` a number of seconds; both are accepted.
        release: The manager's release.
    """
    config = _known(config, release)
    is_local = config["trainingServicePlatform"] == "local"
    platform, storage = _platform_body(config, release), _storage_body(config, release)
    trial = {_TRIAL: config["trial"]}
    # The local service does not use the manager's address.
    address = {} if is_local else _address_body(config)
    if is_local and not release.archives_sections:
        archived = {name: config["trial"][name] for name in ("codeDir", "command")}
    else:
        archived = {**platform, **trial, **storage}
    profile = {
        **_common_profile(config, release),
        "searchSpace": _to_text(config.get("searchSpace")),
        "clusterMetaData": _to_archive(archived),
    }
    return _requests((platform, address, trial, storage), profile)


def legacy_requests(config: Mapping[str, Any], release: Release) -> StartRequests:
    """Return the requests for a manager of 2.2 or later that gets a v1 config for Kubernetes.

    The profile has what the manager reads under its v2 names, next to the v1 names, by which the
    tuner's process recognises the format (2.2 to 3.0).

    Args:
        config: Canonical config in the v1 format, of kubeflow, frameworkcontroller or adl.
        release: The manager's release.
    """
    config = _known(config, release)
    platform, storage = _platform_body(config, release), _storage_body(config, release)
    trial = {_TRIAL: config["trial"]}
    profile = _common_profile(config, release)
    checks_version = {"version_check": profile["versionCheck"]}
    collects = {"log_collection": profile["logCollection"]} if "logCollection" in profile else {}
    profile |= {
        "maxExperimentDuration": f"{profile['maxExecDuration']}s",
        "maxTrialNumber": config["maxTrialNum"],
        "searchSpace": config.get("searchSpace", {}),
        "trainingService": {"platform": config["trainingServicePlatform"]},
        "clusterMetaData": _to_archive({**platform, **trial, **storage}),
    }
    if release.has_trial_duration and "maxTrialDuration" in config:
        # 2.4 and 2.5 cannot read a number here.
        profile["maxTrialDuration"] = f"{parse_duration(config['maxTrialDuration'])}s"
    bodies = (platform, checks_version, collects, _address_body(config), trial, storage)
    return _requests(bodies, profile)


def _post_only(config: Mapping[str, Any], _release: Release) -> StartRequests:
    return StartRequests(metadata=(), profile=dict(config))


# Format of a document, format that its manager takes -> encoder of the requests.
_ENCODERS: Mapping[tuple[Format, Format], Callable[[Mapping[str, Any], Release], StartRequests]] = {
    ("v1", "v1"): v1_requests,
    ("v1", "v2"): legacy_requests,
    ("v2", "v2"): _post_only,
}


def stored_requests(params: Mapping[str, Any]) -> StartRequests:
    """Return the requests that resume an experiment of 2.1.

    Args:
        params: `params` of the profile in its database. What nnictl did not keep there is also
            missing from the requests: all of dlts, and any shared storage.
    """
    archive = {item["key"]: item["value"] for item in params.get("clusterMetaData", ())}
    # nnictl keeps null for each section of hybrid that the config does not have.
    kept = {key: deepcopy(value) for key, value in archive.items() if value is not None}
    is_local = params["trainingServicePlatform"] == "local"
    bodies = (
        _pick(kept, _PLATFORM_KEYS),
        {} if is_local else _address_body(params),
        _pick(kept, (_TRIAL,)),
        _pick(kept, (_STORAGE,)),
    )
    return _requests(bodies, deepcopy(dict(params)))


def reopen_requests(
    params: Mapping[str, Any], kept_config: Mapping[str, Any], release: Release
) -> StartRequests:
    """Return the requests that resume or view an experiment.

    Args:
        params: `params` of the profile in its database.
        kept_config: The config that the launcher kept next to it, empty if there is none.
        release: The manager's release.
    """
    if kept_config:
        return v1_requests(kept_config, release)
    return stored_requests(params) if "clusterMetaData" in params else _post_only(params, release)


def _requests(bodies: Iterable[dict[str, Any]], profile: dict[str, Any]) -> StartRequests:
    return StartRequests(tuple(body for body in bodies if body), profile)


def _known(config: Mapping[str, Any], release: Release) -> dict[str, Any]:
    """Return a copy of a config without the fields that the release's manager does not know."""
    known: dict[str, Any] = _cleaned(config)
    for request in (service.first_request(release) for service in SERVICES):
        for section in request.refused_sections:
            known.pop(section, None)
        for section, fields in request.refused_fields.items():
            if section in known:
                known[section] = _without(known[section], fields)
    for name, fields in _ALGORITHMS.items():
        if name in known:
            known[name] = _pick(known[name], fields)
    return known


def _cleaned(value: Any) -> Any:
    """Return a copy without nulls, and with GPU indices as text: managers refuse anything else."""
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


def _platform_body(config: Mapping[str, Any], release: Release) -> dict[str, Any]:
    """Return the body with the platform's sections; empty if it has none."""
    service = V1_SERVICES[config["trainingServicePlatform"]]
    sections = dict(service.sections)
    if service.parts:
        named = config["hybridConfig"]["trainingServicePlatforms"]
        for part in (part for part in service.parts if part.v1_name in named):
            sections |= part.sections
    known = {**deepcopy(dict(service.first_request(release).defaults)), **config}
    return {key: known[section] for section, key in sections.items() if section in known}


def _address_body(config: Mapping[str, Any]) -> dict[str, Any]:
    return (
        {"nni_manager_ip": _pick(config, ("nniManagerIp",))} if config.get("nniManagerIp") else {}
    )


def _storage_body(config: Mapping[str, Any], release: Release) -> dict[str, Any]:
    has_storage = release.has_shared_storage and "sharedStorage" in config
    return {_STORAGE: config["sharedStorage"]} if has_storage else {}


def _common_profile(config: Mapping[str, Any], release: Release) -> dict[str, Any]:
    fields = (*_FIELDS, *_ALGORITHMS, *(("nniManagerIp",) if release.repeats_address else ()))
    # Managers refuse empty text (1.9, seen live).
    profile = {name: value for name, value in _pick(config, fields).items() if value != ""}
    profile["maxExecDuration"] = parse_duration(config["maxExecDuration"])
    profile["versionCheck"] = config.get("versionCheck", not config.get("debug", False))
    return profile


def _to_archive(bodies: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in bodies.items()]


def _to_text(space: Any) -> str:
    """Return a search space as the JSON text that managers take; that of `""` if there is none.

    Managers refuse empty text.
    """
    return space if isinstance(space, str) else json.dumps("" if space is None else space)
