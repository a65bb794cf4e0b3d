"""What a schema cannot say of the training services of a config in the v2 format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nnicli.config.documents.document import Keys
from nnicli.config.formats.v2 import KUBEFLOW_ROLES, absolute_path
from nnicli.config.rules.commands import check_command
from nnicli.config.rules.context import (
    Subject,
    check_code_folder,
    check_gpu_text,
    check_mapping_file,
    check_operator_roles,
    check_unique_names,
    is_there,
    machines_of,
)
from nnicli.config.secrets import show, show_path
from nnicli.config.services.machines import NEW, check_concurrency, check_machines
from nnicli.config.services.ssh_keys import check_key
from nnicli.config.services.traps import check_traps

Service = dict[str, Any]
Check = Callable[[Subject, Keys, Service], None]

# Platforms whose roles say what runs, so that trialCommand has no use.
_WITH_ROLES = frozenset(("kubeflow", "frameworkcontroller"))
# Platforms whose trials run in the folder of their code, or in a copy of it.
_WITH_CODE = frozenset(("local", "remote"))
_NFS = ("server", "path")
_AZURE = ("azureAccount", "azureShare", "keyVaultName", "keyVaultKey")


def check_services(subject: Subject) -> None:
    """Check every training service, of a hybrid list each for itself."""
    is_list = isinstance(subject.data.get("trainingService"), list)
    release = subject.release
    allowed = release.hybrid_platforms if is_list else release.v2_platforms
    if is_list and not allowed:
        message = "found a list (hybrid), which this release does not take; allowed: a mapping"
        subject.document.report(("trainingService",), message, rule="training-service")
    if not subject.services():
        _check_trial(subject, (), {})
    for keys, service in subject.services():
        platform = service.get("platform")
        if not isinstance(platform, str) or platform not in _CHECKS:
            continue
        if platform not in allowed:
            _refuse_platform(subject, keys, platform, is_list=is_list)
        _check_trial(subject, keys, service)
        for check in (*_CHECKS[platform], check_traps):
            check(subject, keys, service)


def _refuse_platform(subject: Subject, keys: Keys, platform: str, *, is_list: bool) -> None:
    release = subject.release
    allowed = release.hybrid_platforms if is_list else release.v2_platforms
    place = "in a list, " if is_list else ""
    message = f"found {platform}, which this release does not take; {place}allowed: "
    is_for_list = not is_list and platform in release.hybrid_platforms
    subject.document.report(
        (*keys, "platform"),
        message + ", ".join(allowed),
        rule="training-service",
        suggestion="write it as the only item of a list" if is_for_list else None,
    )


def _check_trial(subject: Subject, keys: Keys, service: Service) -> None:
    """Every trial needs a command and a folder, which a service may say for itself."""
    place, command = subject.effective("trialCommand", keys, service)
    if command is None and service.get("platform") not in _WITH_ROLES:
        subject.document.report(place, "is required and missing", rule="required")
    place_of_code, directory = subject.effective("trialCodeDirectory", keys, service)
    directory = "." if directory is None else directory
    check_code_folder(subject, place_of_code, directory)
    platform = service.get("platform")
    if platform in _WITH_CODE:
        check_command(subject, place, command, directory, is_local=platform == "local")


def _takes_gpu(subject: Subject, keys: Keys, service: Service) -> bool:
    _, number = subject.effective("trialGpuNumber", keys, service)
    return isinstance(number, int) and number > 0


def _check_local(subject: Subject, keys: Keys, service: Service) -> None:
    takes_gpu = _takes_gpu(subject, keys, service)
    if takes_gpu and "useActiveGpu" not in service:
        message = "is required with trialGpuNumber: whether GPUs in use may be taken"
        subject.document.report((*keys, "useActiveGpu"), message, rule="gpu")
    _check_shared_gpu(subject, keys, service, takes_gpu=takes_gpu)


def _check_shared_gpu(subject: Subject, keys: Keys, section: Service, *, takes_gpu: bool) -> None:
    if not takes_gpu and section.get("maxTrialNumberPerGpu", 1) != 1:
        value = show(section["maxTrialNumberPerGpu"], ())
        message = f"found {value}; without trialGpuNumber it has to be 1"
        subject.document.report((*keys, "maxTrialNumberPerGpu"), message, rule="gpu")
    check_gpu_text(subject, (*keys, "gpuIndices"), section.get("gpuIndices"))


def _check_remote(subject: Subject, keys: Keys, service: Service) -> None:
    """A machine is entered with a password, or with a key file that is there."""
    takes_gpu = _takes_gpu(subject, keys, service)
    machines = machines_of(service, keys)
    check_machines(subject, machines, NEW)
    reuses = service.get("reuseMode", subject.release.reuses_machines)
    if reuses and not takes_gpu and isinstance(subject.data.get("trainingService"), dict):
        check_concurrency(subject, ("trialConcurrency",), machines)
    for here, machine in machines:
        _check_shared_gpu(subject, here, machine, takes_gpu=takes_gpu)
        key = machine.get("sshKeyFile")
        if "password" in machine:
            if key is not None:
                message = "is not used: NNI takes the password; leave one of them out"
                subject.document.report(
                    (*here, "sshKeyFile"), message, rule="exclusive", severity="warning"
                )
            continue
        text = key if isinstance(key, str) else "~/.ssh/id_rsa"
        path = Path(absolute_path(text, subject.base))
        if not is_there(path.is_file):
            message = (
                f"there is no file {show_path(text, str(path))}; give a key file, or a password"
            )
            subject.document.report((*here, "sshKeyFile"), message, rule="path")
        else:
            passphrase = machine.get("sshPassphrase")
            check_key(subject, (*here, "sshKeyFile"), text, passphrase=passphrase)


def _check_openpai(subject: Subject, keys: Keys, service: Service) -> None:
    place, number = subject.effective("trialGpuNumber", keys, service)
    if number is None:
        message = "is required and missing: OpenPAI wants a number, 0 for none"
        subject.document.report(place, message, rule="required")
    folder = service.get("localStorageMountPoint")
    if isinstance(folder, str) and not is_there(Path(absolute_path(folder, subject.base)).is_dir):
        message = f"there is no folder {absolute_path(folder, subject.base)}; mount the storage"
        subject.document.report((*keys, "localStorageMountPoint"), message, rule="path")
    file = service.get("openpaiConfigFile")
    if file is not None and "openpaiConfig" in service:
        message = "openpaiConfig and openpaiConfigFile exclude each other"
        subject.document.report((*keys, "openpaiConfigFile"), message, rule="exclusive")
    elif isinstance(file, str):
        check_mapping_file(subject, (*keys, "openpaiConfigFile"), file)


def _check_dlc(subject: Subject, keys: Keys, service: Service) -> None:
    if "workspaceId" not in service and subject.release.needs_dlc_workspace:
        message = "is required and missing (2.8 and later)"
        subject.document.report((*keys, "workspaceId"), message, rule="required")


def _check_storage(subject: Subject, keys: Keys, service: Service) -> None:
    """Storage has the fields of its kind; the schema says which of them it needs."""
    storage = service.get("storage")
    if not isinstance(storage, dict):
        return
    foreign = {"nfs": _AZURE, "azureStorage": _NFS}.get(str(storage.get("storageType")), ())
    for name in foreign:
        if name in storage:
            message = f"is no field of storageType: {storage['storageType']}; leave it out"
            subject.document.report((*keys, "storage", name), message, rule="exclusive")


def _check_operator(subject: Subject, keys: Keys, service: Service) -> None:
    check_operator_roles(subject, keys, service, service.get("operator"))


def _check_role_code(subject: Subject, keys: Keys, service: Service) -> None:
    for name in KUBEFLOW_ROLES:
        role = service.get(name)
        if isinstance(role, dict):
            here = (*keys, name, "codeDirectory")
            check_code_folder(subject, here, role.get("codeDirectory"))


def _check_task_roles(subject: Subject, keys: Keys, service: Service) -> None:
    check_unique_names(subject, (*keys, "taskRoles"), service.get("taskRoles"))


_CHECKS: dict[str, tuple[Check, ...]] = {
    "local": (_check_local,),
    "remote": (_check_remote,),
    "openpai": (_check_openpai,),
    "aml": (),
    "dlc": (_check_dlc,),
    "kubeflow": (_check_storage, _check_operator, _check_role_code),
    "frameworkcontroller": (_check_storage, _check_task_roles),
    "adl": (),
}
