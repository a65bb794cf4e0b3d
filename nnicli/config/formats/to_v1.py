"""A config in the v2 format as one in the v1 format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nnicli.config import field_names
from nnicli.config.converter import Converter
from nnicli.config.field_names import ADVISORS, DURATION
from nnicli.config.gpus import to_gpu_text
from nnicli.config.secrets import Loc
from nnicli.units import parse_duration, parse_memory

_SERVICE: Loc = ("trainingService",)
_NO_PLACE = "has no place in the v1 format"
_PLATFORMS = field_names.invert(field_names.PLATFORMS)
# Services that v1 runs side by side, and the fields of the whole experiment that each may override.
_WITH_ROLES = ("kubeflow", "frameworkcontroller")
_SHORTCUTS = ("trialCommand", "trialCodeDirectory", "trialGpuNumber")


def to_v1(
    config: Mapping[str, Any], *, machine_command: str = "pythonPath", takes_space: bool = False
) -> Converter:
    """Return a v2 config in the v1 format, with what could not be carried over.

    Args:
        config: The config, its fields in NNI's own spelling.
        machine_command: What the release calls a remote machine's own set-up.
        takes_space: Whether whoever asks takes care of a search space that is in the config; v1
            names a file.
    """
    converter = Converter(config)
    converter.assume(("authorName",), "nnicli", "v1 wants one; nothing depends on it")
    _carry_top(converter)
    if takes_space:
        converter.skip(("searchSpace",))
    message = "v1 has no place for it; write it into a JSON file and name that by searchSpacePath"
    converter.report_loss(("searchSpace",), message)
    converter.assume(("experimentName",), "nnicli", "v1 wants one")
    converter.assume(("maxExecDuration",), "999d", "v1 wants a limit")
    converter.assume(("maxTrialNum",), 99_999, "v1 wants a limit")
    services = config.get("trainingService")
    if isinstance(services, list):
        _carry_hybrid(converter, services, machine_command)
    else:
        _carry_service(converter, _SERVICE, machine_command)
    converter.assume(("useAnnotation",), False, "v1 wants to be told")
    for name in field_names.ALGORITHMS:
        if isinstance(config.get(name), dict):
            _carry_algorithm(converter, name)
    if config.get("tunerGpuIndices") is not None:
        place = "advisor" if "advisor" in converter.target else "tuner"
        converter.move(("tunerGpuIndices",), (place, "gpuIndices"), to_gpu_text)
    converter.move_all(("sharedStorage",), ("sharedStorage",), field_names.SHARED_STORAGE)
    converter.report_rest_as_lost(f"{_NO_PLACE}; leave it out, or use NNI 2.2 or later")
    return converter


def _carry_top(converter: Converter) -> None:
    names = {new: old for old, new in field_names.TOP.items()}
    for name in (name for name in converter.source if name in names):
        if name in ("maxExperimentDuration", "maxTrialDuration"):
            converter.move((name,), (names[name],), _to_duration)
        else:
            converter.move((name,), (names[name],))
    if converter.source.get("experimentType", "hpo") == "hpo":
        converter.skip(("experimentType",))


def _to_duration(value: str | float) -> str:
    if isinstance(value, str) and DURATION.fullmatch(value):
        return value
    return f"{parse_duration(value)}s"


def _carry_algorithm(converter: Converter, name: str) -> None:
    algorithm = converter.source[name]
    # Since 2.8 they stand as tuners, in v1 as advisors.
    is_advisor = name == "tuner" and algorithm.get("name") in ADVISORS
    place = "advisor" if is_advisor else name
    if "className" in algorithm:
        *modules, class_name = str(algorithm["className"]).split(".")
        if len(modules) > 1:
            message = f"names a package, which {_NO_PLACE}; give a class of one module"
            converter.report_loss((name, "className"), message)
        else:
            converter.move((name, "codeDirectory"), (place, "codeDir"))
            converter.put((place, "classFileName"), f"{''.join(modules)}.py")
            converter.move((name, "className"), (place, "className"), lambda _: class_name)
    else:
        converter.move((name, "name"), (place, field_names.ALGORITHMS[place]))
    if algorithm.get("classArgs"):
        converter.move((name, "classArgs"), (place, "classArgs"))
    converter.skip((name, "classArgs"))


def _carry_service(converter: Converter, here: Loc, machine_command: str) -> None:
    platform = str(converter.get((*here, "platform")))
    carry = _SERVICES.get(platform)
    _carry_trial(converter, here, has_roles=platform in _WITH_ROLES)
    if carry is None:
        converter.report_loss(here, f"{platform} {_NO_PLACE}; use NNI 2.5 or later")
        return
    converter.move((*here, "platform"), ("trainingServicePlatform",), _PLATFORMS.get)
    carry(converter, here, machine_command)


def _carry_trial(converter: Converter, here: Loc, *, has_roles: bool) -> None:
    """Carry what each trial is; what the service says itself counts."""
    names = field_names.invert(field_names.TRIAL)
    for name in ("trialCommand", "trialGpuNumber") if has_roles else ():
        for loc in ((*here, name), (name,)):
            converter.drop(loc, "is not used: the roles say it")
    for name in _SHORTCUTS:
        own = converter.get((*here, name)) is not None
        converter.move(((*here, name) if own else (name,)), ("trial", names[name]))
        converter.skip((name,))
    for name in ("nniManagerIp", "debug"):
        converter.move((*here, name), (name,))
    converter.assume(("trial", "codeDir"), ".", "is the config's own folder, as v2 has it")


def _carry_hybrid(converter: Converter, services: list[Any], machine_command: str) -> None:
    platforms = [str(service.get("platform")) for service in services if isinstance(service, dict)]
    unknown = [name for name in platforms if name not in ("local", "remote", "openpai", "aml")]
    if unknown or len(set(platforms)) != len(platforms):
        message = f"{_NO_PLACE}: hybrid takes local, remote, openpai and aml there, each once"
        converter.report_loss(_SERVICE, message)
        return
    converter.put(("trainingServicePlatform",), "hybrid")
    converter.put(
        ("hybridConfig", "trainingServicePlatforms"), [_PLATFORMS[name] for name in platforms]
    )
    for index, platform in enumerate(platforms):
        here: Loc = (*_SERVICE, index)
        converter.skip((*here, "platform"))
        if not any(converter.get((*here, name)) is not None for name in _SHORTCUTS):
            _carry_trial(converter, here, has_roles=False)
        _SERVICES[platform](converter, here, machine_command)


def _carry_gpus(converter: Converter, old: Loc, new: Loc) -> None:
    names = field_names.invert(field_names.GPUS)
    converter.move_all(old, new, names, {"gpuIndices": to_gpu_text})


def _carry_local(converter: Converter, here: Loc, _command: str) -> None:
    _carry_gpus(converter, here, ("localConfig",))
    if not converter.get((*here, "reuseMode")):
        converter.skip((*here, "reuseMode"))
    converter.assume(("trial", "gpuNum"), 0, "is none, which v1 wants to be told")


def _carry_remote(converter: Converter, here: Loc, command: str) -> None:
    reuses = bool(converter.get((*here, "reuseMode")))
    converter.move((*here, "reuseMode"), ("remoteConfig", "reuse"))
    converter.put(("remoteConfig", "reuse"), reuses)
    names = {
        new: old
        for old, new in field_names.MACHINE.items()
        if old not in (*field_names.GPUS, "pythonPath")
    }
    for old, new in converter.open_items((*here, "machineList"), ("machineList",)):
        has_password = converter.get((*old, "password")) is not None
        for name in ("sshKeyFile", "sshPassphrase") if has_password else ():
            converter.drop((*old, name), "is not used, as there is a password")
        converter.move_all(old, new, names)
        _carry_gpus(converter, old, new)
        if command == "pythonPath":
            converter.move((*old, "pythonPath"), (*new, "pythonPath"))
        else:
            message = "this release has none; put that Python first in the PATH of the machine"
            converter.report_loss((*old, "pythonPath"), message)
        if not has_password:
            converter.assume((*new, "sshKeyPath"), "~/.ssh/id_rsa", "is v2's default")
    converter.assume(("trial", "gpuNum"), 0, "is none, which v1 wants to be told")


def _carry_openpai(converter: Converter, here: Loc, _command: str) -> None:
    names = field_names.invert(field_names.PAI_TRIAL)
    converter.move_all(here, ("trial",), names, {"trialMemorySize": parse_memory})
    converter.assume(("trial", "image"), "msranni/nni:latest", "is v2's default")
    converter.move_all(here, ("paiConfig",), field_names.invert(field_names.PAI))


def _carry_aml(converter: Converter, here: Loc, _command: str) -> None:
    converter.move((*here, "dockerImage"), ("trial", "image"))
    converter.assume(("trial", "image"), "msranni/nni:latest", "is v2's default")
    converter.move_all(here, ("amlConfig",), field_names.invert(field_names.AML))


def _carry_adl(converter: Converter, here: Loc, _command: str) -> None:
    converter.move((*here, "dockerImage"), ("trial", "image"))
    converter.assume(("trial", "image"), "msranni/nni:latest", "is v2's default")


def _carry_storage(converter: Converter, here: Loc, section: str) -> None:
    kind = str(converter.get((*here, "storage", "storageType")))
    converter.move((*here, "storage", "storageType"), (section, "storage"))
    for (part, name), new in field_names.STORAGE.get(kind, {}).items():
        converter.move((*here, "storage", new), (section, part, name))


def _carry_kubeflow(converter: Converter, here: Loc, _command: str) -> None:
    section = "kubeflowConfig"
    converter.move_all(here, (section,), field_names.invert(field_names.KUBEFLOW))
    _carry_storage(converter, here, section)
    names = field_names.invert(field_names.KUBEFLOW_ROLE)
    folders: set[str] = set()
    for name in ("worker", "ps", "master"):
        role = converter.get((*here, name))
        if isinstance(role, dict):
            converter.move_all((*here, name), ("trial", name), names, {"memorySize": parse_memory})
            _complete_role(converter, ("trial", name))
            folders.add(str(role.get("codeDirectory")))
            converter.skip((*here, name, "codeDirectory"))
    _unite_folders(converter, here, folders)


def _unite_folders(converter: Converter, here: Loc, folders: set[str]) -> None:
    """The roles of v1 share one code folder."""
    if len(folders) > 1:
        message = f"{_NO_PLACE}, which has one code folder for all roles"
        converter.report_loss((*here, "worker", "codeDirectory"), message)
    for folder in folders:
        converter.target["trial"]["codeDir"] = folder


def _complete_role(converter: Converter, here: Loc) -> None:
    converter.assume((*here, "gpuNum"), 0, "is v2's default")
    converter.assume((*here, "image"), "msranni/nni:latest", "is v2's default")


def _carry_frameworkcontroller(converter: Converter, here: Loc, _command: str) -> None:
    section = "frameworkcontrollerConfig"
    converter.move_all(here, (section,), field_names.invert(field_names.FRAMEWORKCONTROLLER))
    _carry_storage(converter, here, section)
    names, policy = field_names.invert(field_names.TASK_ROLE), "frameworkAttemptCompletionPolicy"
    for old, new in converter.open_items((*here, "taskRoles"), ("trial", "taskRoles")):
        converter.move_all(old, new, names, {"memorySize": parse_memory})
        _complete_role(converter, new)
        converter.move_all((*old, policy), (*new, policy), field_names.invert(field_names.POLICY))


_SERVICES: Mapping[str, Callable[[Converter, Loc, str], None]] = {
    "local": _carry_local,
    "remote": _carry_remote,
    "openpai": _carry_openpai,
    "aml": _carry_aml,
    "adl": _carry_adl,
    "kubeflow": _carry_kubeflow,
    "frameworkcontroller": _carry_frameworkcontroller,
}
