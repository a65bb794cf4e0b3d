"""A config in the v2 format as one in the v1 format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nnicli.config import field_names
from nnicli.config.converter import Carrier
from nnicli.config.documents.document import Keys
from nnicli.config.formats.v1 import DURATION
from nnicli.config.formats.v2 import ADVISORS, to_gpu_list
from nnicli.units import parse_duration, parse_memory

_SERVICE: Keys = ("trainingService",)
_NO_PLACE = "has no place in the v1 format"
_PLATFORMS = field_names.invert(field_names.PLATFORMS)
# Services that v1 runs side by side, and the fields of the whole experiment that each may override.
_WITH_ROLES = ("kubeflow", "frameworkcontroller")
_SHORTCUTS = ("trialCommand", "trialCodeDirectory", "trialGpuNumber")


def to_v1(
    config: Mapping[str, Any], *, machine_command: str = "pythonPath", takes_space: bool = False
) -> Carrier:
    """Return a v2 config in the v1 format, with what could not be carried over.

    Args:
        config: The config, its fields in NNI's own spelling.
        machine_command: What the release calls a remote machine's own set-up.
        takes_space: Whether whoever asks takes care of a search space that is in the config; v1
            names a file.
    """
    carrier = Carrier(config)
    carrier.assume(("authorName",), "nnicli", "v1 wants one; nothing depends on it")
    _carry_top(carrier)
    if takes_space:
        carrier.skip(("searchSpace",))
    message = "v1 has no place for it; write it into a JSON file and name that by searchSpacePath"
    carrier.lose(("searchSpace",), message)
    carrier.assume(("experimentName",), "nnicli", "v1 wants one")
    carrier.assume(("maxExecDuration",), "999d", "v1 wants a limit")
    carrier.assume(("maxTrialNum",), 99_999, "v1 wants a limit")
    services = config.get("trainingService")
    if isinstance(services, list):
        _carry_hybrid(carrier, services, machine_command)
    else:
        _carry_service(carrier, _SERVICE, machine_command)
    carrier.assume(("useAnnotation",), False, "v1 wants to be told")
    for name in field_names.ALGORITHMS:
        if isinstance(config.get(name), dict):
            _carry_algorithm(carrier, name)
    if config.get("tunerGpuIndices") is not None:
        place = "advisor" if "advisor" in carrier.target else "tuner"
        carrier.move(("tunerGpuIndices",), (place, "gpuIndices"), _to_gpu_text)
    carrier.move_all(("sharedStorage",), ("sharedStorage",), field_names.SHARED_STORAGE)
    carrier.lose_the_rest(f"{_NO_PLACE}; leave it out, or use NNI 2.2 or later")
    return carrier


def _carry_top(carrier: Carrier) -> None:
    names = {new: old for old, new in field_names.TOP.items()}
    for name in (name for name in carrier.source if name in names):
        if name in ("maxExperimentDuration", "maxTrialDuration"):
            carrier.move((name,), (names[name],), _to_duration)
        else:
            carrier.move((name,), (names[name],))
    if carrier.source.get("experimentType", "hpo") == "hpo":
        carrier.skip(("experimentType",))


def _to_duration(value: str | float) -> str:
    if isinstance(value, str) and DURATION.fullmatch(value):
        return value
    return f"{parse_duration(value)}s"


def _to_gpu_text(indices: Any) -> str:
    return ",".join(map(str, to_gpu_list(indices)))


def _carry_algorithm(carrier: Carrier, name: str) -> None:
    algorithm = carrier.source[name]
    # Since 2.8 they stand as tuners, in v1 as advisors.
    is_advisor = name == "tuner" and algorithm.get("name") in ADVISORS
    place = "advisor" if is_advisor else name
    if "className" in algorithm:
        *modules, class_name = str(algorithm["className"]).split(".")
        if len(modules) > 1:
            message = f"names a package, which {_NO_PLACE}; give a class of one module"
            carrier.lose((name, "className"), message)
        else:
            carrier.move((name, "codeDirectory"), (place, "codeDir"))
            carrier.put((place, "classFileName"), f"{''.join(modules)}.py")
            carrier.move((name, "className"), (place, "className"), lambda _: class_name)
    else:
        carrier.move((name, "name"), (place, field_names.ALGORITHMS[place]))
    if algorithm.get("classArgs"):
        carrier.move((name, "classArgs"), (place, "classArgs"))
    carrier.skip((name, "classArgs"))


def _carry_service(carrier: Carrier, here: Keys, machine_command: str) -> None:
    platform = str(carrier.get((*here, "platform")))
    carry = _SERVICES.get(platform)
    _carry_trial(carrier, here, has_roles=platform in _WITH_ROLES)
    if carry is None:
        carrier.lose(here, f"{platform} {_NO_PLACE}; use NNI 2.5 or later")
        return
    carrier.move((*here, "platform"), ("trainingServicePlatform",), _PLATFORMS.get)
    carry(carrier, here, machine_command)


def _carry_trial(carrier: Carrier, here: Keys, *, has_roles: bool) -> None:
    """Carry what each trial is; what the service says itself counts."""
    names = field_names.invert(field_names.TRIAL)
    for name in ("trialCommand", "trialGpuNumber") if has_roles else ():
        for keys in ((*here, name), (name,)):
            carrier.drop(keys, "is not used: the roles say it")
    for name in _SHORTCUTS:
        own = carrier.get((*here, name)) is not None
        carrier.move(((*here, name) if own else (name,)), ("trial", names[name]))
        carrier.skip((name,))
    for name in ("nniManagerIp", "debug"):
        carrier.move((*here, name), (name,))
    carrier.assume(("trial", "codeDir"), ".", "is the config's own folder, as v2 has it")


def _carry_hybrid(carrier: Carrier, services: list[Any], machine_command: str) -> None:
    platforms = [str(service.get("platform")) for service in services if isinstance(service, dict)]
    unknown = [name for name in platforms if name not in ("local", "remote", "openpai", "aml")]
    if unknown or len(set(platforms)) != len(platforms):
        message = f"{_NO_PLACE}: hybrid takes local, remote, openpai and aml there, each once"
        carrier.lose(_SERVICE, message)
        return
    carrier.put(("trainingServicePlatform",), "hybrid")
    carrier.put(
        ("hybridConfig", "trainingServicePlatforms"), [_PLATFORMS[name] for name in platforms]
    )
    for index, platform in enumerate(platforms):
        here: Keys = (*_SERVICE, index)
        carrier.skip((*here, "platform"))
        if not any(carrier.get((*here, name)) is not None for name in _SHORTCUTS):
            _carry_trial(carrier, here, has_roles=False)
        _SERVICES[platform](carrier, here, machine_command)


def _carry_gpus(carrier: Carrier, old: Keys, new: Keys) -> None:
    names = field_names.invert(field_names.GPUS)
    carrier.move_all(old, new, names, {"gpuIndices": _to_gpu_text})


def _carry_local(carrier: Carrier, here: Keys, _command: str) -> None:
    _carry_gpus(carrier, here, ("localConfig",))
    if not carrier.get((*here, "reuseMode")):
        carrier.skip((*here, "reuseMode"))
    carrier.assume(("trial", "gpuNum"), 0, "is none, which v1 wants to be told")


def _carry_remote(carrier: Carrier, here: Keys, command: str) -> None:
    reuses = bool(carrier.get((*here, "reuseMode")))
    carrier.move((*here, "reuseMode"), ("remoteConfig", "reuse"))
    carrier.put(("remoteConfig", "reuse"), reuses)
    names = {
        new: old
        for old, new in field_names.MACHINE.items()
        if old not in (*field_names.GPUS, "pythonPath")
    }
    for old, new in carrier.open_items((*here, "machineList"), ("machineList",)):
        has_password = carrier.get((*old, "password")) is not None
        for name in ("sshKeyFile", "sshPassphrase") if has_password else ():
            carrier.drop((*old, name), "is not used, as there is a password")
        carrier.move_all(old, new, names)
        _carry_gpus(carrier, old, new)
        if command == "pythonPath":
            carrier.move((*old, "pythonPath"), (*new, "pythonPath"))
        else:
            message = "this release has none; put that Python first in the PATH of the machine"
            carrier.lose((*old, "pythonPath"), message)
        if not has_password:
            carrier.assume((*new, "sshKeyPath"), "~/.ssh/id_rsa", "is v2's default")
    carrier.assume(("trial", "gpuNum"), 0, "is none, which v1 wants to be told")


def _carry_openpai(carrier: Carrier, here: Keys, _command: str) -> None:
    names = field_names.invert(field_names.PAI_TRIAL)
    carrier.move_all(here, ("trial",), names, {"trialMemorySize": parse_memory})
    carrier.assume(("trial", "image"), "msranni/nni:latest", "is v2's default")
    carrier.move_all(here, ("paiConfig",), field_names.invert(field_names.PAI))


def _carry_aml(carrier: Carrier, here: Keys, _command: str) -> None:
    carrier.move((*here, "dockerImage"), ("trial", "image"))
    carrier.assume(("trial", "image"), "msranni/nni:latest", "is v2's default")
    carrier.move_all(here, ("amlConfig",), field_names.invert(field_names.AML))


def _carry_adl(carrier: Carrier, here: Keys, _command: str) -> None:
    carrier.move((*here, "dockerImage"), ("trial", "image"))
    carrier.assume(("trial", "image"), "msranni/nni:latest", "is v2's default")


def _carry_storage(carrier: Carrier, here: Keys, section: str) -> None:
    kind = str(carrier.get((*here, "storage", "storageType")))
    carrier.move((*here, "storage", "storageType"), (section, "storage"))
    for (part, name), new in field_names.STORAGE.get(kind, {}).items():
        carrier.move((*here, "storage", new), (section, part, name))


def _carry_kubeflow(carrier: Carrier, here: Keys, _command: str) -> None:
    section = "kubeflowConfig"
    carrier.move_all(here, (section,), field_names.invert(field_names.KUBEFLOW))
    _carry_storage(carrier, here, section)
    names = field_names.invert(field_names.KUBEFLOW_ROLE)
    folders: set[str] = set()
    for name in ("worker", "ps", "master"):
        role = carrier.get((*here, name))
        if isinstance(role, dict):
            carrier.move_all((*here, name), ("trial", name), names, {"memorySize": parse_memory})
            _complete_role(carrier, ("trial", name))
            folders.add(str(role.get("codeDirectory")))
            carrier.skip((*here, name, "codeDirectory"))
    _unite_folders(carrier, here, folders)


def _unite_folders(carrier: Carrier, here: Keys, folders: set[str]) -> None:
    """The roles of v1 share one code folder."""
    if len(folders) > 1:
        message = f"{_NO_PLACE}, which has one code folder for all roles"
        carrier.lose((*here, "worker", "codeDirectory"), message)
    for folder in folders:
        carrier.target["trial"]["codeDir"] = folder


def _complete_role(carrier: Carrier, here: Keys) -> None:
    carrier.assume((*here, "gpuNum"), 0, "is v2's default")
    carrier.assume((*here, "image"), "msranni/nni:latest", "is v2's default")


def _carry_frameworkcontroller(carrier: Carrier, here: Keys, _command: str) -> None:
    section = "frameworkcontrollerConfig"
    carrier.move_all(here, (section,), field_names.invert(field_names.FRAMEWORKCONTROLLER))
    _carry_storage(carrier, here, section)
    names, policy = field_names.invert(field_names.TASK_ROLE), "frameworkAttemptCompletionPolicy"
    for old, new in carrier.open_items((*here, "taskRoles"), ("trial", "taskRoles")):
        carrier.move_all(old, new, names, {"memorySize": parse_memory})
        _complete_role(carrier, new)
        carrier.move_all((*old, policy), (*new, policy), field_names.invert(field_names.POLICY))


_SERVICES: Mapping[str, Callable[[Carrier, Keys, str], None]] = {
    "local": _carry_local,
    "remote": _carry_remote,
    "openpai": _carry_openpai,
    "aml": _carry_aml,
    "adl": _carry_adl,
    "kubeflow": _carry_kubeflow,
    "frameworkcontroller": _carry_frameworkcontroller,
}
