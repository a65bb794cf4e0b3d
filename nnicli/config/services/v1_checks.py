"""What a schema cannot say of the sections of training services in the v1 format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nnicli.config.documents.document import Keys
from nnicli.config.rules.context import (
    Subject,
    check_file,
    check_folder,
    check_mapping_file,
    check_operator_roles,
    check_unique_names,
)

_PAI_RESOURCES = ("gpuNum", "cpuNum", "memoryMB")
_PAI_NEEDS = ("command", "image", "paiStorageConfigName")
_KEY_VAULT = ("keyVault", "azureStorage")
# Platform in a hybrid list -> the section that it needs.
_HYBRID_SECTIONS = {"remote": "machineList", "pai": "paiConfig", "aml": "amlConfig"}


def check_sections(subject: Subject) -> None:
    """Check the sections that the config's training service has for itself."""
    platform = subject.data.get("trainingServicePlatform")
    if isinstance(platform, str):
        for check in _CHECKS.get(platform, ()):
            check(subject)


def _check_pai(subject: Subject) -> None:
    """OpenPAI is told what a trial needs by the config, or by a job file of its own."""
    trial, config = subject.section("trial"), subject.section("paiConfig")
    report = subject.document.report
    here = ("trial", "nniManagerNFSMountPath")
    check_folder(subject, here, trial.get("nniManagerNFSMountPath"))
    if "paiConfigPath" in trial:
        _check_job_file(subject, ("trial", "paiConfigPath"), trial["paiConfigPath"])
        return
    for name in _PAI_NEEDS:
        if name not in trial:
            message = "is required and missing where there is no paiConfigPath"
            report(("trial", name), message, rule="required")
    for name in _PAI_RESOURCES:
        if name not in trial and name not in config:
            message = "is required and missing, here or in paiConfig, without a paiConfigPath"
            report(("trial", name), message, rule="required")


def _check_job_file(subject: Subject, keys: Keys, text: Any) -> None:
    before = len(subject.document.reported)
    job = check_mapping_file(subject, keys, text)
    if len(subject.document.reported) == before and not job.get("taskRoles"):
        message = f"{text} has no taskRoles; expected a job file of OpenPAI"
        subject.document.report(keys, message, rule="required")


def _check_yarn(subject: Subject) -> None:
    trial = subject.section("trial")
    check_file(subject, ("trial", "authFile"), trial.get("authFile"))
    shared, memory = trial.get("shmMB"), trial.get("memoryMB")
    if isinstance(shared, int) and isinstance(memory, int) and shared > memory:
        message = f"found {shared}; allowed: at most memoryMB, which is {memory}"
        subject.document.report(("trial", "shmMB"), message, rule="range")


def _check_operator(subject: Subject) -> None:
    trial = subject.section("trial")
    operator = subject.section("kubeflowConfig").get("operator")
    check_operator_roles(subject, ("trial",), trial, operator)
    for name in ("ps", "master", "worker"):
        role = trial.get(name)
        if isinstance(role, dict):
            keys = ("trial", name, "privateRegistryAuthPath")
            check_file(subject, keys, role.get("privateRegistryAuthPath"))


def _check_storage(section: str) -> Callable[[Subject], None]:
    """Storage is NFS, or an Azure share whose key is in a vault."""

    def check(subject: Subject) -> None:
        config = subject.section(section)
        if not config:
            return
        kind = config.get("storage", "nfs" if "azureStorage" not in config else "azureStorage")
        if kind == "pvc":
            _need(subject, section, config, ("pvc", "configPath"), kind)
        elif kind == "nfs":
            _need(subject, section, config, ("nfs",), kind)
            _refuse(subject, section, config, _KEY_VAULT, kind)
        elif kind == "azureStorage":
            if "storage" not in config:
                message = "is required and missing; write storage: azureStorage"
                subject.document.report((section, "storage"), message, rule="required")
            _need(subject, section, config, _KEY_VAULT, kind)
            _refuse(subject, section, config, ("nfs",), kind)

    return check


def _need(
    subject: Subject, section: str, config: Mapping[str, Any], names: tuple[str, ...], kind: str
) -> None:
    for name in names:
        if name not in config:
            message = f"is required and missing with storage {kind}"
            subject.document.report((section, name), message, rule="required")


def _refuse(
    subject: Subject, section: str, config: Mapping[str, Any], names: tuple[str, ...], kind: str
) -> None:
    for name in names:
        if name in config:
            message = f"excludes storage {kind}; leave one of them out"
            subject.document.report((section, name), message, rule="exclusive")


def _check_task_roles(subject: Subject) -> None:
    trial, config = subject.section("trial"), subject.section("frameworkcontrollerConfig")
    roles = trial.get("taskRoles")
    if "configPath" in config:
        here = ("frameworkcontrollerConfig", "configPath")
        check_mapping_file(subject, here, config["configPath"])
    if roles is None and "configPath" not in config:
        hint = ", or a configPath in frameworkcontrollerConfig (2.2 and later)"
        message = f"is required and missing: the roles of a trial{hint}"
        subject.document.report(("trial", "taskRoles"), message, rule="required")
    check_unique_names(subject, ("trial", "taskRoles"), roles)
    for index, role in enumerate(roles if isinstance(roles, list) else []):
        if isinstance(role, dict):
            keys = ("trial", "taskRoles", index, "privateRegistryAuthPath")
            check_file(subject, keys, role.get("privateRegistryAuthPath"))


def _check_hybrid(subject: Subject) -> None:
    platforms = subject.section("hybridConfig").get("trainingServicePlatforms")
    named = platforms if isinstance(platforms, list) else []
    for platform, section in _HYBRID_SECTIONS.items():
        if platform in named and section not in subject.data:
            message = f"is required and missing: hybridConfig names {platform}"
            subject.document.report((section,), message, rule="required")


_CHECKS: Mapping[str, tuple[Callable[[Subject], None], ...]] = {
    "pai": (_check_pai,),
    "paiYarn": (_check_yarn,),
    "kubeflow": (_check_operator, _check_storage("kubeflowConfig")),
    "frameworkcontroller": (_check_task_roles, _check_storage("frameworkcontrollerConfig")),
    "hybrid": (_check_hybrid,),
}
