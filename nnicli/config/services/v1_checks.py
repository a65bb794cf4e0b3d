"""What a schema cannot say of the sections of training services in the v1 format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nnicli.config.rules.context import (
    RuleContext,
    check_file,
    check_folder,
    check_mapping_file,
    check_operator_roles,
    check_unique_names,
)
from nnicli.config.secrets import Loc

_PAI_RESOURCES = ("gpuNum", "cpuNum", "memoryMB")
_PAI_NEEDS = ("command", "image", "paiStorageConfigName")
_KEY_VAULT = ("keyVault", "azureStorage")
# Platform in a hybrid list -> the section that it needs.
_HYBRID_SECTIONS = {"remote": "machineList", "pai": "paiConfig", "aml": "amlConfig"}


def check_sections(context: RuleContext) -> None:
    """Check the sections that the config's training service has for itself."""
    platform = context.data.get("trainingServicePlatform")
    if isinstance(platform, str):
        for check in _CHECKS.get(platform, ()):
            check(context)


def _check_pai(context: RuleContext) -> None:
    """OpenPAI is told what a trial needs by the config, or by a job file of its own."""
    trial, config = context.section("trial"), context.section("paiConfig")
    report = context.document.report
    here = ("trial", "nniManagerNFSMountPath")
    check_folder(context, here, trial.get("nniManagerNFSMountPath"))
    if "paiConfigPath" in trial:
        _check_job_file(context, ("trial", "paiConfigPath"), trial["paiConfigPath"])
        return
    for name in _PAI_NEEDS:
        if name not in trial:
            message = "is required and missing where there is no paiConfigPath"
            report(("trial", name), message, rule="required")
    for name in _PAI_RESOURCES:
        if name not in trial and name not in config:
            message = "is required and missing, here or in paiConfig, without a paiConfigPath"
            report(("trial", name), message, rule="required")


def _check_job_file(context: RuleContext, loc: Loc, text: Any) -> None:
    before = len(context.document.reported)
    job = check_mapping_file(context, loc, text)
    if len(context.document.reported) == before and not job.get("taskRoles"):
        message = f"{text} has no taskRoles; expected a job file of OpenPAI"
        context.document.report(loc, message, rule="required")


def _check_yarn(context: RuleContext) -> None:
    trial = context.section("trial")
    check_file(context, ("trial", "authFile"), trial.get("authFile"))
    shared, memory = trial.get("shmMB"), trial.get("memoryMB")
    if isinstance(shared, int) and isinstance(memory, int) and shared > memory:
        message = f"found {shared}; allowed: at most memoryMB, which is {memory}"
        context.document.report(("trial", "shmMB"), message, rule="range")


def _check_operator(context: RuleContext) -> None:
    trial = context.section("trial")
    operator = context.section("kubeflowConfig").get("operator")
    check_operator_roles(context, ("trial",), trial, operator)
    for name in ("ps", "master", "worker"):
        role = trial.get(name)
        if isinstance(role, dict):
            loc = ("trial", name, "privateRegistryAuthPath")
            check_file(context, loc, role.get("privateRegistryAuthPath"))


def _check_storage(section: str) -> Callable[[RuleContext], None]:
    """Storage is NFS, or an Azure share whose key is in a vault."""

    def check(context: RuleContext) -> None:
        config = context.section(section)
        if not config:
            return
        kind = config.get("storage", "nfs" if "azureStorage" not in config else "azureStorage")
        if kind == "pvc":
            _need(context, section, config, ("pvc", "configPath"), kind)
        elif kind == "nfs":
            _need(context, section, config, ("nfs",), kind)
            _refuse(context, section, config, _KEY_VAULT, kind)
        elif kind == "azureStorage":
            if "storage" not in config:
                message = "is required and missing; write storage: azureStorage"
                context.document.report((section, "storage"), message, rule="required")
            _need(context, section, config, _KEY_VAULT, kind)
            _refuse(context, section, config, ("nfs",), kind)

    return check


def _need(
    context: RuleContext, section: str, config: Mapping[str, Any], names: tuple[str, ...], kind: str
) -> None:
    for name in names:
        if name not in config:
            message = f"is required and missing with storage {kind}"
            context.document.report((section, name), message, rule="required")


def _refuse(
    context: RuleContext, section: str, config: Mapping[str, Any], names: tuple[str, ...], kind: str
) -> None:
    for name in names:
        if name in config:
            message = f"excludes storage {kind}; leave one of them out"
            context.document.report((section, name), message, rule="exclusive")


def _check_task_roles(context: RuleContext) -> None:
    trial, config = context.section("trial"), context.section("frameworkcontrollerConfig")
    roles = trial.get("taskRoles")
    if "configPath" in config:
        here = ("frameworkcontrollerConfig", "configPath")
        check_mapping_file(context, here, config["configPath"])
    if roles is None and "configPath" not in config:
        hint = ", or a configPath in frameworkcontrollerConfig (2.2 and later)"
        message = f"is required and missing: the roles of a trial{hint}"
        context.document.report(("trial", "taskRoles"), message, rule="required")
    check_unique_names(context, ("trial", "taskRoles"), roles)
    for index, role in enumerate(roles if isinstance(roles, list) else []):
        if isinstance(role, dict):
            loc = ("trial", "taskRoles", index, "privateRegistryAuthPath")
            check_file(context, loc, role.get("privateRegistryAuthPath"))


def _check_hybrid(context: RuleContext) -> None:
    platforms = context.section("hybridConfig").get("trainingServicePlatforms")
    named = platforms if isinstance(platforms, list) else []
    for platform, section in _HYBRID_SECTIONS.items():
        if platform in named and section not in context.data:
            message = f"is required and missing: hybridConfig names {platform}"
            context.document.report((section,), message, rule="required")


_CHECKS: Mapping[str, tuple[Callable[[RuleContext], None], ...]] = {
    "pai": (_check_pai,),
    "paiYarn": (_check_yarn,),
    "kubeflow": (_check_operator, _check_storage("kubeflowConfig")),
    "frameworkcontroller": (_check_task_roles, _check_storage("frameworkcontrollerConfig")),
    "hybrid": (_check_hybrid,),
}
