"""A config in the v1 format as one in the v2 format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nnicli.config import field_names
from nnicli.config.converter import Converter, Note
from nnicli.config.secrets import Loc

_SERVICE: Loc = ("trainingService",)
_NO_PLACE = "has no place in the v2 format"
_NOTHING_DEPENDS = "has no place in the v2 format; nothing of the experiment depends on it"
_OLD_TPE = frozenset(("parallel_optimize", "constant_liar_type"))
_FOR_PEOPLE = ("authorName", "description", "multiThread", "versionCheck", "logCollection")


def to_v2(config: Mapping[str, Any], *, has_old_tpe: bool = False) -> Converter:
    """Return a v1 config in the v2 format, with what could not be carried over.

    Paths stay as they are: both formats count them from the config's folder.

    Args:
        config: The config.
        has_old_tpe: Whether the release has the TPE of before 2.6 under that name.
    """
    converter = Converter(config)
    converter.move_all((), (), field_names.TOP)
    for name in _FOR_PEOPLE:
        converter.drop((name,), _NOTHING_DEPENDS)
    if config.get("multiPhase"):
        converter.report_loss(
            ("multiPhase",), "multi-phase trials are gone since 2.0; leave it out"
        )
    converter.skip(("multiPhase",))
    converter.move_all(("trial",), (), field_names.TRIAL)
    for name, key in field_names.ALGORITHMS.items():
        if isinstance(config.get(name), dict):
            _carry_algorithm(converter, name, key)
    if not has_old_tpe:
        _keep_old_tpe(converter)
    if config.get("searchSpacePath") is None and not config.get("useAnnotation"):
        message = "v2 wants one; classes of your own and NetworkMorphism need none"
        converter.assume(("searchSpace",), {}, message)
    _carry_service(converter)
    converter.move_all(("sharedStorage",), ("sharedStorage",), field_names.SHARED_STORAGE)
    converter.report_rest_as_lost(f"{_NO_PLACE}; leave it out, or keep to a manager that takes v1")
    return converter


def _carry_algorithm(converter: Converter, name: str, key: str) -> None:
    algorithm = converter.source[name]
    if key in algorithm:
        converter.move((name, key), (name, "name"))
    else:
        class_name = algorithm.get("className", "")
        module = str(algorithm.get("classFileName", "")).removesuffix(".py").replace("/", ".")
        converter.move((name, "className"), (name, "className"), lambda _: f"{module}.{class_name}")
        converter.move((name, "codeDir"), (name, "codeDirectory"))
        converter.skip((name, "classFileName"))
    converter.move((name, "classArgs"), (name, "classArgs"))
    if name == "assessor":
        converter.drop((name, "gpuIndices"), _NOTHING_DEPENDS)
    converter.move((name, "gpuIndices"), ("tunerGpuIndices",))
    if algorithm.get("includeIntermediateResults") is not True:
        converter.skip((name, "includeIntermediateResults"))
    message = f"{_NO_PLACE}; trials without a final metric count for nothing there"
    converter.report_loss((name, "includeIntermediateResults"), message, "warning")


def _keep_old_tpe(converter: Converter) -> None:
    """Name the TPE of before 2.6 as it is called since, where its own arguments are given."""
    arguments = converter.get(("tuner", "classArgs"))
    is_old = isinstance(arguments, dict) and not _OLD_TPE.isdisjoint(arguments)
    if is_old and converter.get(("tuner", "builtinTunerName")) == "TPE":
        converter.target["tuner"]["name"] = "TPE_legacy"
        message = "is TPE_legacy, since the TPE of 2.6 and later takes other arguments"
        converter.notes.append(Note(("tuner", "name"), message, "assumed"))


def _carry_service(converter: Converter) -> None:
    platform = str(converter.source.get("trainingServicePlatform"))
    carry = _SERVICES.get(platform)
    if carry is None:
        message = (
            f"{platform} has no place in the v2 format; keep to a manager that takes v1, or write "
            "the config anew"
        )
        converter.report_loss(("trainingServicePlatform",), message)
        return
    converter.move(
        ("trainingServicePlatform",),
        (*_SERVICE, "platform"),
        lambda _: field_names.PLATFORMS[platform],
    )
    carry(converter)
    # v1 allows it everywhere, and uses it for local trials only.
    converter.skip(("localConfig",))


def _asks_for_gpus(converter: Converter) -> bool:
    return bool(converter.get(("trial", "gpuNum")))


def _carry_gpus(converter: Converter, old: Loc, new: Loc, names: Mapping[str, str]) -> None:
    """Carry a section in which v2 has no say in GPUs where trials ask for none."""
    if not _asks_for_gpus(converter):
        converter.drop((*old, "maxTrialNumPerGpu"), "means nothing while trials take no GPU")
    converter.move_all(old, new, names)


def _carry_local(converter: Converter) -> None:
    _carry_gpus(converter, ("localConfig",), _SERVICE, field_names.GPUS)
    if _asks_for_gpus(converter):
        message = "is v1's default, which v2 wants to be told"
        converter.assume((*_SERVICE, "useActiveGpu"), False, message)


def _carry_remote(converter: Converter) -> None:
    converter.move(("remoteConfig", "reuse"), (*_SERVICE, "reuseMode"))
    for old, new in converter.open_items(("machineList",), (*_SERVICE, "machineList")):
        message = f"{_NO_PLACE}; name the folder of the Python with pythonPath"
        converter.report_loss((*old, "preCommand"), message)
        _carry_gpus(converter, old, new, field_names.MACHINE)
    message = "is v1's default; that of v2 has changed twice"
    converter.assume((*_SERVICE, "reuseMode"), False, message)


def _carry_pai(converter: Converter) -> None:
    converter.move_all(("trial",), _SERVICE, field_names.PAI_TRIAL)
    converter.move_all(("paiConfig",), _SERVICE, field_names.PAI)
    for old, new in (
        ("gpuNum", "trialGpuNumber"),
        ("cpuNum", "trialCpuNumber"),
        ("memoryMB", "trialMemorySize"),
    ):
        converter.move(("paiConfig", old), (*_SERVICE, new))
    message = f"{_NO_PLACE}; get a token from the profile page of OpenPAI and write it as token"
    converter.report_loss(("paiConfig", "passWord"), message)
    for name in ("maxTrialNumPerGpu", "useActiveGpu"):
        converter.report_loss(
            ("paiConfig", name), f"{_NO_PLACE} of openpai; leave it out", "warning"
        )


def _carry_aml(converter: Converter) -> None:
    converter.move(("trial", "image"), (*_SERVICE, "dockerImage"))
    converter.move_all(("amlConfig",), _SERVICE, field_names.AML)
    converter.report_loss(
        ("amlConfig", "useActiveGpu"), f"{_NO_PLACE} of aml; leave it out", "warning"
    )


def _carry_storage(converter: Converter, section: str) -> None:
    has_nfs = converter.get((section, "nfs")) is not None
    kind = str(converter.get((section, "storage")) or ("nfs" if has_nfs else "azureStorage"))
    if kind in field_names.STORAGE:
        converter.skip((section, "storage"))
        converter.put((*_SERVICE, "storage", "storageType"), kind)
        for (part, name), new in field_names.STORAGE[kind].items():
            converter.move((section, part, name), (*_SERVICE, "storage", new))
    else:
        message = f"{kind} {_NO_PLACE}; allowed there: nfs or azureStorage"
        converter.report_loss((section, "storage"), message)
    converter.drop((section, "uploadRetryCount"), _NOTHING_DEPENDS)


def _lose_registry(converter: Converter, role: Loc) -> None:
    message = f"{_NO_PLACE}; let the service account pull from the registry"
    converter.report_loss((*role, "privateRegistryAuthPath"), message, "warning")


def _carry_kubeflow(converter: Converter) -> None:
    converter.move_all(("kubeflowConfig",), _SERVICE, field_names.KUBEFLOW)
    _carry_storage(converter, "kubeflowConfig")
    converter.report_loss(("trial", "nasMode"), f"{_NO_PLACE}; leave it out")
    for name in ("worker", "ps", "master"):
        if isinstance(converter.get(("trial", name)), dict):
            new = (*_SERVICE, name)
            converter.move_all(("trial", name), new, field_names.KUBEFLOW_ROLE)
            _lose_registry(converter, ("trial", name))
            converter.put((*new, "codeDirectory"), converter.get(("trial", "codeDir")))
            _assume_command(converter, ("trial", name))


def _carry_frameworkcontroller(converter: Converter) -> None:
    converter.move_all(("frameworkcontrollerConfig",), _SERVICE, field_names.FRAMEWORKCONTROLLER)
    _carry_storage(converter, "frameworkcontrollerConfig")
    converter.report_loss(("trial", "nasMode"), f"{_NO_PLACE}; leave it out")
    policy = "frameworkAttemptCompletionPolicy"
    roles = converter.open_items(("trial", "taskRoles"), (*_SERVICE, "taskRoles"))
    for old, new in roles:
        converter.move_all(old, new, field_names.TASK_ROLE)
        _lose_registry(converter, old)
        converter.move_all((*old, policy), (*new, policy), field_names.POLICY)
    if roles:
        _assume_command(converter, roles[0][0])


def _assume_command(converter: Converter, role: Loc) -> None:
    command = converter.get((*role, "command"))
    if command is not None:
        message = "is the command of the first role, which is what runs in reuse mode"
        converter.assume(("trialCommand",), command, message)


_SERVICES: Mapping[str, Callable[[Converter], None]] = {
    "local": _carry_local,
    "remote": _carry_remote,
    "pai": _carry_pai,
    "aml": _carry_aml,
    "kubeflow": _carry_kubeflow,
    "frameworkcontroller": _carry_frameworkcontroller,
}
