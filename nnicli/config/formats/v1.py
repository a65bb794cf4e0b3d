"""Configs in the v1 format: what their schema cannot say, and their canonical form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nnicli.config.field_names import ALGORITHMS, DURATION
from nnicli.config.gpus import with_gpu_text
from nnicli.config.paths import absolute_path, is_there
from nnicli.config.releases import Release
from nnicli.config.rules.classes import check_class
from nnicli.config.rules.commands import check_command
from nnicli.config.rules.context import (
    RuleContext,
    check_annotation,
    check_budgets,
    check_code_folder,
    check_file,
    check_folder_can_be,
    check_gpu_text,
    check_newer_fields,
    check_only_json,
    check_population,
    check_tuner_exists,
    machines_of,
)
from nnicli.config.rules.hints import check_defects, check_direction, check_placeholders
from nnicli.config.rules.packages import check_packages
from nnicli.config.schema.validate import load_schema
from nnicli.config.secrets import Loc, show
from nnicli.config.services.machines import OLD, check_machines
from nnicli.config.services.ssh_keys import check_key
from nnicli.config.services.v1_checks import check_sections

_TUNER_KEYS = ("builtinTunerName", "builtinAdvisorName")
_CLASS_KEYS = ("codeDir", "classFileName", "className")
# Platform -> the sections that it may have; the schema says which it needs.
SECTIONS = {
    "local": (),
    "remote": ("machineList", "remoteConfig"),
    "pai": ("paiConfig",),
    "paiYarn": ("paiYarnConfig",),
    "kubeflow": ("kubeflowConfig",),
    "frameworkcontroller": ("frameworkcontrollerConfig",),
    "dlts": ("dltsConfig",),
    "aml": ("amlConfig",),
    "adl": (),
    "hybrid": ("hybridConfig", "machineList", "remoteConfig", "paiConfig", "amlConfig"),
}
# Platforms whose trials run in the folder of their code, or in a copy of it.
_WITH_CODE = ("local", "remote")
_EVERY_SECTION = tuple(dict.fromkeys(name for names in SECTIONS.values() for name in names))
# Sections that take exactly one of two credentials.
_CREDENTIALS = {
    "paiConfig": ("token", "passWord"),
    "paiYarnConfig": ("token", "passWord"),
}
# Paths in `trial` that count from the config's own folder; adl has its code in the container.
_TRIAL_PATHS = ("codeDir", "nniManagerNFSMountPath", "paiConfigPath", "authFile")


# Fields whose null means their default.
_NULLABLE = ("maxExecDuration", "maxTrialNum", "maxTrialDuration")


def is_legacy(data: Mapping[str, Any], release: Release) -> bool:
    """Return whether a v1 config is handed over as such to a manager that takes v2.

    Those of Kubernetes are: all of them up to 2.5, then where they say `reuse: false`, and those
    of adl.
    """
    platform = data["trainingServicePlatform"]
    if platform not in release.legacy_platforms:
        return False
    section = data.get(f"{platform}Config")
    converts = release.converts_kubernetes and platform != "adl"
    return not converts or (isinstance(section, dict) and section.get("reuse") is False)


def drop_nulls(data: dict[str, Any]) -> None:
    """Leave out the fields whose null means their default."""
    for name in _NULLABLE:
        if name in data and data[name] is None:
            del data[name]
    machines = data.get("machineList")
    for machine in machines if isinstance(machines, list) else []:
        if isinstance(machine, dict) and "port" in machine and machine["port"] is None:
            del machine["port"]


def _platform(context: RuleContext) -> None:
    platform = context.data.get("trainingServicePlatform")
    if not isinstance(platform, str) or platform not in SECTIONS:
        return
    if platform not in context.release.v1_platforms:
        allowed = ", ".join(context.release.v1_platforms)
        message = f"found {platform}, which this release has not; allowed: {allowed}"
        context.document.report(("trainingServicePlatform",), message, rule="training-service")
    for name in _EVERY_SECTION:
        if name in context.data and name not in SECTIONS[platform]:
            message = f"is no section of trainingServicePlatform: {platform}; leave it out"
            context.document.report((name,), message, rule="unknown-key")


def _algorithms(context: RuleContext) -> None:
    data, report = context.data, context.document.report
    if "advisor" in data:
        for name in ("tuner", "assessor"):
            if name in data:
                report((name,), f"{name} and advisor exclude each other", rule="exclusive")
    elif "tuner" not in data:
        report(("tuner",), "is required and missing", rule="required")
    for name, key in ALGORITHMS.items():
        algorithm = context.section(name)
        if not isinstance(data.get(name), dict):
            continue
        given = [part for part in _CLASS_KEYS if part in algorithm]
        if key in algorithm:
            for part in given:
                report((name, part), f"{part} and {key} exclude each other", rule="exclusive")
        else:
            _check_custom_class(context, name, key, algorithm)
    known = load_schema("experiment-v1")["$defs"]["tuner"]["properties"]["builtinTunerName"]["enum"]
    built_in = context.section("tuner").get("builtinTunerName")
    check_tuner_exists(context, ("tuner", "builtinTunerName"), built_in, known)


def _check_custom_class(
    context: RuleContext, name: str, key: str, algorithm: dict[str, Any]
) -> None:
    report = context.document.report
    if not any(part in algorithm for part in _CLASS_KEYS):
        message = f"is required and missing; give a built-in name, or {', '.join(_CLASS_KEYS)}"
        report((name, key), message, rule="required")
        return
    for part in _CLASS_KEYS:
        if part not in algorithm:
            report((name, part), "is required and missing", rule="required")
    class_name = algorithm.get("className")
    if isinstance(class_name, str) and "." in class_name:
        message = f"found {show(class_name, ())}; allowed: the name of the class alone"
        report((name, "className"), message, rule="text")
    directory, file = algorithm.get("codeDir"), algorithm.get("classFileName")
    if isinstance(directory, str) and isinstance(file, str):
        path = Path(absolute_path(directory, context.base)) / file
        if not is_there(path.is_file):
            report((name, "classFileName"), f"there is no file {path}", rule="path")
        elif isinstance(class_name, str):
            check_class(context, (name, "className"), path, class_name)


def _durations(context: RuleContext) -> None:
    for name in ("maxExecDuration", "maxTrialDuration"):
        value = context.data.get(name)
        if isinstance(value, str) and not DURATION.fullmatch(value):
            allowed = "a whole number with a unit, s, m, h or d, such as 90s or 2h"
            message = f"found {show(value, ())}; allowed: {allowed}"
            context.document.report((name,), message, rule="duration")


def _trial(context: RuleContext) -> None:
    trial = context.section("trial")
    if context.data.get("trainingServicePlatform") != "adl":
        check_code_folder(context, ("trial", "codeDir"), trial.get("codeDir"))
    platform = context.data.get("trainingServicePlatform")
    if platform in _WITH_CODE:
        loc, code = ("trial", "command"), trial.get("codeDir")
        check_command(context, loc, trial.get("command"), code, is_local=platform == "local")


def _gpus(context: RuleContext) -> None:
    for name in ("tuner", "advisor", "localConfig"):
        check_gpu_text(context, (name, "gpuIndices"), context.section(name).get("gpuIndices"))


def _machines(context: RuleContext) -> None:
    machines = machines_of(context.data, ())
    check_machines(context, machines, OLD)
    for here, machine in machines:
        _check_one_of(context, here, machine, ("passwd", "sshKeyPath"))
        check_gpu_text(context, (*here, "gpuIndices"), machine.get("gpuIndices"))
        if "passphrase" in machine and "sshKeyPath" not in machine:
            message = "goes with sshKeyPath only: it opens the key"
            context.document.report((*here, "passphrase"), message, rule="exclusive")
        _check_key(context, here, machine)
        for name in ("preCommand", "pythonPath"):
            if name in machine and name != context.release.machine_command:
                known = context.release.machine_command or "neither that nor another"
                message = f"is no key of this release, which has {known}"
                context.document.report((*here, name), message, rule="unknown-key")


def _check_key(context: RuleContext, here: Loc, machine: Mapping[str, Any]) -> None:
    loc, text = (*here, "sshKeyPath"), machine.get("sshKeyPath")
    check_file(context, loc, text)
    if isinstance(text, str) and is_there(Path(absolute_path(text, context.base)).is_file):
        check_key(context, loc, text, passphrase=machine.get("passphrase"))


def _credentials(context: RuleContext) -> None:
    for section, names in _CREDENTIALS.items():
        if section in context.data and isinstance(context.data[section], dict):
            _check_one_of(context, (section,), context.data[section], names)


def _check_one_of(
    context: RuleContext, here: Loc, section: Mapping[str, Any], names: tuple[str, str]
) -> None:
    given = [name for name in names if name in section]
    if len(given) == 2:
        message = f"{names[0]} and {names[1]} exclude each other"
        context.document.report((*here, given[1]), message, rule="exclusive")
    elif not given:
        message = f"is required and missing; give it, or {names[1]}"
        context.document.report((*here, names[0]), message, rule="required")


def _search_space(context: RuleContext) -> None:
    report, given = context.document.report, "searchSpacePath" in context.data
    algorithms = [context.section(name) for name in ("tuner", "advisor")]
    names = [
        section[key] for section, key in zip(algorithms, _TUNER_KEYS, strict=True) if key in section
    ]
    is_annotated = context.data.get("useAnnotation") is True
    if given and is_annotated:
        message = "excludes useAnnotation: true, which makes the search space from the code"
        report(("searchSpacePath",), message, rule="exclusive")
    # Network morphism searches architectures of its own.
    elif not given and not is_annotated and names and names != ["NetworkMorphism"]:
        message = "is required and missing: the JSON file with the search space"
        report(("searchSpacePath",), message, rule="required")


def _annotation_is_told(context: RuleContext) -> None:
    if "useAnnotation" not in context.data and context.release.format == "v1":
        message = "is required and missing in a v1 config before 2.2; write false"
        context.document.report(("useAnnotation",), message, rule="required")


def _gone(context: RuleContext) -> None:
    if context.data.get("multiPhase") is True and context.release.format != "v1":
        message = "found true; this release has only one parameter set a trial"
        context.document.report(("multiPhase",), message, rule="gone")


def _log_directory(context: RuleContext) -> None:
    check_folder_can_be(context, ("logDir",))
    folder = context.data.get("logDir")
    if not isinstance(folder, str) or context.release.format == "v2":
        return
    path = Path(absolute_path(folder, context.base))
    if not is_there(path.exists):
        context.document.report(("logDir",), f"there is no folder {path}", rule="path")


RULES: tuple[Callable[[RuleContext], None], ...] = (
    _platform,
    check_annotation,
    _algorithms,
    _durations,
    _trial,
    _gpus,
    _machines,
    _credentials,
    _search_space,
    _annotation_is_told,
    check_sections,
    _gone,
    check_newer_fields,
    _log_directory,
    check_only_json,
    check_budgets,
    check_population,
    check_packages,
    check_placeholders,
    check_defects,
    check_direction,
)


def to_canonical_v1(
    data: Mapping[str, Any], *, base: Path, search_space: Mapping[str, Any] | None, debug: bool
) -> dict[str, Any]:
    """Return a v1 config without errors as its manager's start needs it.

    Paths are absolute, defaults filled in as nnictl does, GPU indices are text, and the search
    space stands in place of its file.
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
        "trial": _with_paths(data["trial"], _trial_paths(data), base),
    }
    if search_space is not None:
        document["searchSpace"] = dict(search_space)
    for name in ALGORITHMS:
        if name in data:
            document[name] = with_gpu_text(_with_paths(data[name], ("codeDir",), base))
    if "localConfig" in data:
        document["localConfig"] = with_gpu_text(data["localConfig"])
    if "machineList" in data:
        document["machineList"] = [
            with_gpu_text(_with_paths({"port": 22, **machine}, ("sshKeyPath",), base))
            for machine in data["machineList"]
        ]
    if "sharedStorage" in data:
        document["sharedStorage"] = _with_paths(data["sharedStorage"], ("localMountPoint",), base)
    if "frameworkcontrollerConfig" in data:
        document["frameworkcontrollerConfig"] = _with_paths(
            data["frameworkcontrollerConfig"], ("configPath",), base
        )
    return document


def _trial_paths(data: Mapping[str, Any]) -> tuple[str, ...]:
    # The code of adl is in its container.
    return () if data["trainingServicePlatform"] == "adl" else _TRIAL_PATHS


def _with_paths(section: Mapping[str, Any], names: tuple[str, ...], base: Path) -> dict[str, Any]:
    paths = {name: absolute_path(section[name], base) for name in names if name in section}
    return {**section, **paths}
