"""A config in the v1 format as one in the v2 format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nnicli.config import field_names
from nnicli.config.converter import Carrier, Note
from nnicli.config.documents.document import Keys

_SERVICE: Keys = ("trainingService",)
_NO_PLACE = "has no place in the v2 format"
_NOTHING_DEPENDS = "has no place in the v2 format; nothing of the experiment depends on it"
_OLD_TPE = frozenset(("parallel_optimize", "constant_liar_type"))
_FOR_PEOPLE = ("authorName", "description", "multiThread", "versionCheck", "logCollection")


def to_v2(config: Mapping[str, Any], *, has_old_tpe: bool = False) -> Carrier:
    """Return a v1 config in the v2 format, with what could not be carried over.

    Paths stay as they are: both formats count them from the config's folder.

    Args:
        config: The config.
        has_old_tpe: Whether the release has the TPE of before 2.6 under that name.
    """
    carrier = Carrier(config)
    carrier.move_all((), (), field_names.TOP)
    for name in _FOR_PEOPLE:
        carrier.drop((name,), _NOTHING_DEPENDS)
    if config.get("multiPhase"):
        carrier.lose(("multiPhase",), "multi-phase trials are gone since 2.0; leave it out")
    carrier.skip(("multiPhase",))
    carrier.move_all(("trial",), (), field_names.TRIAL)
    for name, key in field_names.ALGORITHMS.items():
        if isinstance(config.get(name), dict):
            _carry_algorithm(carrier, name, key)
    if not has_old_tpe:
        _keep_old_tpe(carrier)
    if config.get("searchSpacePath") is None and not config.get("useAnnotation"):
        message = "v2 wants one; classes of your own and NetworkMorphism need none"
        carrier.assume(("searchSpace",), {}, message)
    _carry_service(carrier)
    carrier.move_all(("sharedStorage",), ("sharedStorage",), field_names.SHARED_STORAGE)
    carrier.lose_the_rest(f"{_NO_PLACE}; leave it out, or keep to a manager that takes v1")
    return carrier


def _carry_algorithm(carrier: Carrier, name: str, key: str) -> None:
    algorithm = carrier.source[name]
    if key in algorithm:
        carrier.move((name, key), (name, "name"))
    else:
        class_name = algorithm.get("className", "")
        module = str(algorithm.get("classFileName", "")).removesuffix(".py").replace("/", ".")
        carrier.move((name, "className"), (name, "className"), lambda _: f"{module}.{class_name}")
        carrier.move((name, "codeDir"), (name, "codeDirectory"))
        carrier.skip((name, "classFileName"))
    carrier.move((name, "classArgs"), (name, "classArgs"))
    if name == "assessor":
        carrier.drop((name, "gpuIndices"), _NOTHING_DEPENDS)
    carrier.move((name, "gpuIndices"), ("tunerGpuIndices",))
    if algorithm.get("includeIntermediateResults") is not True:
        carrier.skip((name, "includeIntermediateResults"))
    message = f"{_NO_PLACE}; trials without a final metric count for nothing there"
    carrier.lose((name, "includeIntermediateResults"), message, "warning")


def _keep_old_tpe(carrier: Carrier) -> None:
    """Name the TPE of before 2.6 as it is called since, where its own arguments are given."""
    arguments = carrier.get(("tuner", "classArgs"))
    is_old = isinstance(arguments, dict) and not _OLD_TPE.isdisjoint(arguments)
    if is_old and carrier.get(("tuner", "builtinTunerName")) == "TPE":
        carrier.target["tuner"]["name"] = "TPE_legacy"
        message = "is TPE_legacy, since the TPE of 2.6 and later takes other arguments"
        carrier.notes.append(Note(("tuner", "name"), message, "assumed"))


def _carry_service(carrier: Carrier) -> None:
    platform = str(carrier.source.get("trainingServicePlatform"))
    carry = _SERVICES.get(platform)
    if carry is None:
        message = (
            f"{platform} has no place in the v2 format; keep to a manager that takes v1, or write "
            "the config anew"
        )
        carrier.lose(("trainingServicePlatform",), message)
        return
    carrier.move(
        ("trainingServicePlatform",),
        (*_SERVICE, "platform"),
        lambda _: field_names.PLATFORMS[platform],
    )
    carry(carrier)
    # v1 allows it everywhere, and uses it for local trials only.
    carrier.skip(("localConfig",))


def _asks_for_gpus(carrier: Carrier) -> bool:
    return bool(carrier.get(("trial", "gpuNum")))


def _carry_gpus(carrier: Carrier, old: Keys, new: Keys, names: Mapping[str, str]) -> None:
    """Carry a section in which v2 has no say in GPUs where trials ask for none."""
    if not _asks_for_gpus(carrier):
        carrier.drop((*old, "maxTrialNumPerGpu"), "means nothing while trials take no GPU")
    carrier.move_all(old, new, names)


def _carry_local(carrier: Carrier) -> None:
    _carry_gpus(carrier, ("localConfig",), _SERVICE, field_names.GPUS)
    if _asks_for_gpus(carrier):
        message = "is v1's default, which v2 wants to be told"
        carrier.assume((*_SERVICE, "useActiveGpu"), False, message)


def _carry_remote(carrier: Carrier) -> None:
    carrier.move(("remoteConfig", "reuse"), (*_SERVICE, "reuseMode"))
    for old, new in carrier.open_items(("machineList",), (*_SERVICE, "machineList")):
        message = f"{_NO_PLACE}; name the folder of the Python with pythonPath"
        carrier.lose((*old, "preCommand"), message)
        _carry_gpus(carrier, old, new, field_names.MACHINE)
    message = "is v1's default; that of v2 has changed twice"
    carrier.assume((*_SERVICE, "reuseMode"), False, message)


def _carry_pai(carrier: Carrier) -> None:
    carrier.move_all(("trial",), _SERVICE, field_names.PAI_TRIAL)
    carrier.move_all(("paiConfig",), _SERVICE, field_names.PAI)
    for old, new in (
        ("gpuNum", "trialGpuNumber"),
        ("cpuNum", "trialCpuNumber"),
        ("memoryMB", "trialMemorySize"),
    ):
        carrier.move(("paiConfig", old), (*_SERVICE, new))
    message = f"{_NO_PLACE}; get a token from the profile page of OpenPAI and write it as token"
    carrier.lose(("paiConfig", "passWord"), message)
    for name in ("maxTrialNumPerGpu", "useActiveGpu"):
        carrier.lose(("paiConfig", name), f"{_NO_PLACE} of openpai; leave it out", "warning")


def _carry_aml(carrier: Carrier) -> None:
    carrier.move(("trial", "image"), (*_SERVICE, "dockerImage"))
    carrier.move_all(("amlConfig",), _SERVICE, field_names.AML)
    carrier.lose(("amlConfig", "useActiveGpu"), f"{_NO_PLACE} of aml; leave it out", "warning")


def _carry_storage(carrier: Carrier, section: str) -> None:
    has_nfs = carrier.get((section, "nfs")) is not None
    kind = str(carrier.get((section, "storage")) or ("nfs" if has_nfs else "azureStorage"))
    if kind in field_names.STORAGE:
        carrier.skip((section, "storage"))
        carrier.put((*_SERVICE, "storage", "storageType"), kind)
        for (part, name), new in field_names.STORAGE[kind].items():
            carrier.move((section, part, name), (*_SERVICE, "storage", new))
    else:
        message = f"{kind} {_NO_PLACE}; allowed there: nfs or azureStorage"
        carrier.lose((section, "storage"), message)
    carrier.drop((section, "uploadRetryCount"), _NOTHING_DEPENDS)


def _lose_registry(carrier: Carrier, role: Keys) -> None:
    message = f"{_NO_PLACE}; let the service account pull from the registry"
    carrier.lose((*role, "privateRegistryAuthPath"), message, "warning")


def _carry_kubeflow(carrier: Carrier) -> None:
    carrier.move_all(("kubeflowConfig",), _SERVICE, field_names.KUBEFLOW)
    _carry_storage(carrier, "kubeflowConfig")
    carrier.lose(("trial", "nasMode"), f"{_NO_PLACE}; leave it out")
    for name in ("worker", "ps", "master"):
        if isinstance(carrier.get(("trial", name)), dict):
            new = (*_SERVICE, name)
            carrier.move_all(("trial", name), new, field_names.KUBEFLOW_ROLE)
            _lose_registry(carrier, ("trial", name))
            carrier.put((*new, "codeDirectory"), carrier.get(("trial", "codeDir")))
            _assume_command(carrier, ("trial", name))


def _carry_frameworkcontroller(carrier: Carrier) -> None:
    carrier.move_all(("frameworkcontrollerConfig",), _SERVICE, field_names.FRAMEWORKCONTROLLER)
    _carry_storage(carrier, "frameworkcontrollerConfig")
    carrier.lose(("trial", "nasMode"), f"{_NO_PLACE}; leave it out")
    policy = "frameworkAttemptCompletionPolicy"
    roles = carrier.open_items(("trial", "taskRoles"), (*_SERVICE, "taskRoles"))
    for old, new in roles:
        carrier.move_all(old, new, field_names.TASK_ROLE)
        _lose_registry(carrier, old)
        carrier.move_all((*old, policy), (*new, policy), field_names.POLICY)
    if roles:
        _assume_command(carrier, roles[0][0])


def _assume_command(carrier: Carrier, role: Keys) -> None:
    command = carrier.get((*role, "command"))
    if command is not None:
        message = "is the command of the first role, which is what runs in reuse mode"
        carrier.assume(("trialCommand",), command, message)


_SERVICES: Mapping[str, Callable[[Carrier], None]] = {
    "local": _carry_local,
    "remote": _carry_remote,
    "pai": _carry_pai,
    "aml": _carry_aml,
    "kubeflow": _carry_kubeflow,
    "frameworkcontroller": _carry_frameworkcontroller,
}
