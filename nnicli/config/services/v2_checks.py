"""What a schema cannot say of the training services of a config in the v2 format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nnicli.config.formats.v2 import KUBEFLOW_ROLES
from nnicli.config.paths import absolute_path, is_there
from nnicli.config.rules.commands import check_command
from nnicli.config.rules.context import (
    RuleContext,
    check_code_folder,
    check_gpu_text,
    check_mapping_file,
    check_operator_roles,
    check_unique_names,
    machines_of,
)
from nnicli.config.secrets import Loc, show, show_path
from nnicli.config.services.machines import NEW, check_concurrency, check_machines
from nnicli.config.services.ssh_keys import check_key
from nnicli.config.services.traps import check_traps

Service = dict[str, Any]
Check = Callable[[RuleContext, Loc, Service], None]

# Platforms whose roles say what runs, so that trialCommand has no use.
_WITH_ROLES = frozenset(("kubeflow", "frameworkcontroller"))
# Platforms whose trials run in the folder of their code, or in a copy of it.
_WITH_CODE = frozenset(("local", "remote"))
_NFS = ("server", "path")
_AZURE = ("azureAccount", "azureShare", "keyVaultName", "keyVaultKey")


def check_services(context: RuleContext) -> None:
    """Check every training service, of a hybrid list each for itself."""
    is_list = isinstance(context.data.get("trainingService"), list)
    release = context.release
    allowed = release.hybrid_platforms if is_list else release.v2_platforms
    if is_list and not allowed:
        message = "found a list (hybrid), which this release does not take; allowed: a mapping"
        context.document.report(("trainingService",), message, rule="training-service")
    if not context.services():
        _check_trial(context, (), {})
    for loc, service in context.services():
        platform = service.get("platform")
        if not isinstance(platform, str) or platform not in _CHECKS:
            continue
        if platform not in allowed:
            _refuse_platform(context, loc, platform, is_list=is_list)
        _check_trial(context, loc, service)
        for check in (*_CHECKS[platform], check_traps):
            check(context, loc, service)


def _refuse_platform(context: RuleContext, loc: Loc, platform: str, *, is_list: bool) -> None:
    release = context.release
    allowed = release.hybrid_platforms if is_list else release.v2_platforms
    place = "in a list, " if is_list else ""
    message = f"found {platform}, which this release does not take; {place}allowed: "
    is_for_list = not is_list and platform in release.hybrid_platforms
    context.document.report(
        (*loc, "platform"),
        message + ", ".join(allowed),
        rule="training-service",
        suggestion="write it as the only item of a list" if is_for_list else None,
    )


def _check_trial(context: RuleContext, loc: Loc, service: Service) -> None:
    """Every trial needs a command and a folder, which a service may say for itself."""
    place, command = context.effective("trialCommand", loc, service)
    if command is None and service.get("platform") not in _WITH_ROLES:
        context.document.report(place, "is required and missing", rule="required")
    place_of_code, directory = context.effective("trialCodeDirectory", loc, service)
    directory = "." if directory is None else directory
    check_code_folder(context, place_of_code, directory)
    platform = service.get("platform")
    if platform in _WITH_CODE:
        check_command(context, place, command, directory, is_local=platform == "local")


def _takes_gpu(context: RuleContext, loc: Loc, service: Service) -> bool:
    _, number = context.effective("trialGpuNumber", loc, service)
    return isinstance(number, int) and number > 0


def _check_local(context: RuleContext, loc: Loc, service: Service) -> None:
    takes_gpu = _takes_gpu(context, loc, service)
    if takes_gpu and "useActiveGpu" not in service:
        message = "is required with trialGpuNumber: whether GPUs in use may be taken"
        context.document.report((*loc, "useActiveGpu"), message, rule="gpu")
    _check_shared_gpu(context, loc, service, takes_gpu=takes_gpu)


def _check_shared_gpu(context: RuleContext, loc: Loc, section: Service, *, takes_gpu: bool) -> None:
    if not takes_gpu and section.get("maxTrialNumberPerGpu", 1) != 1:
        value = show(section["maxTrialNumberPerGpu"], ())
        message = f"found {value}; without trialGpuNumber it has to be 1"
        context.document.report((*loc, "maxTrialNumberPerGpu"), message, rule="gpu")
    check_gpu_text(context, (*loc, "gpuIndices"), section.get("gpuIndices"))


def _check_remote(context: RuleContext, loc: Loc, service: Service) -> None:
    """A machine is entered with a password, or with a key file that is there."""
    takes_gpu = _takes_gpu(context, loc, service)
    machines = machines_of(service, loc)
    check_machines(context, machines, NEW)
    reuses = service.get("reuseMode", context.release.reuses_machines)
    if reuses and not takes_gpu and isinstance(context.data.get("trainingService"), dict):
        check_concurrency(context, ("trialConcurrency",), machines)
    for here, machine in machines:
        _check_shared_gpu(context, here, machine, takes_gpu=takes_gpu)
        key = machine.get("sshKeyFile")
        if "password" in machine:
            if key is not None:
                message = "is not used: NNI takes the password; leave one of them out"
                context.document.report(
                    (*here, "sshKeyFile"), message, rule="exclusive", severity="warning"
                )
            continue
        text = key if isinstance(key, str) else "~/.ssh/id_rsa"
        path = Path(absolute_path(text, context.base))
        if not is_there(path.is_file):
            message = (
                f"there is no file {show_path(text, str(path))}; give a key file, or a password"
            )
            context.document.report((*here, "sshKeyFile"), message, rule="path")
        else:
            passphrase = machine.get("sshPassphrase")
            check_key(context, (*here, "sshKeyFile"), text, passphrase=passphrase)


def _check_openpai(context: RuleContext, loc: Loc, service: Service) -> None:
    place, number = context.effective("trialGpuNumber", loc, service)
    if number is None:
        message = "is required and missing: OpenPAI wants a number, 0 for none"
        context.document.report(place, message, rule="required")
    folder = service.get("localStorageMountPoint")
    if isinstance(folder, str) and not is_there(Path(absolute_path(folder, context.base)).is_dir):
        message = f"there is no folder {absolute_path(folder, context.base)}; mount the storage"
        context.document.report((*loc, "localStorageMountPoint"), message, rule="path")
    file = service.get("openpaiConfigFile")
    if file is not None and "openpaiConfig" in service:
        message = "openpaiConfig and openpaiConfigFile exclude each other"
        context.document.report((*loc, "openpaiConfigFile"), message, rule="exclusive")
    elif isinstance(file, str):
        check_mapping_file(context, (*loc, "openpaiConfigFile"), file)


def _check_dlc(context: RuleContext, loc: Loc, service: Service) -> None:
    if "workspaceId" not in service and context.release.needs_dlc_workspace:
        message = "is required and missing (2.8 and later)"
        context.document.report((*loc, "workspaceId"), message, rule="required")


def _check_storage(context: RuleContext, loc: Loc, service: Service) -> None:
    """Storage has the fields of its kind; the schema says which of them it needs."""
    storage = service.get("storage")
    if not isinstance(storage, dict):
        return
    foreign = {"nfs": _AZURE, "azureStorage": _NFS}.get(str(storage.get("storageType")), ())
    for name in foreign:
        if name in storage:
            message = f"is no field of storageType: {storage['storageType']}; leave it out"
            context.document.report((*loc, "storage", name), message, rule="exclusive")


def _check_operator(context: RuleContext, loc: Loc, service: Service) -> None:
    check_operator_roles(context, loc, service, service.get("operator"))


def _check_role_code(context: RuleContext, loc: Loc, service: Service) -> None:
    for name in KUBEFLOW_ROLES:
        role = service.get(name)
        if isinstance(role, dict):
            here = (*loc, name, "codeDirectory")
            check_code_folder(context, here, role.get("codeDirectory"))


def _check_task_roles(context: RuleContext, loc: Loc, service: Service) -> None:
    check_unique_names(context, (*loc, "taskRoles"), service.get("taskRoles"))


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
