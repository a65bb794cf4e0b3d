"""What the training services that run trials on Kubernetes have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nnicli.config.converter import NO_PLACE_IN_V2, NOTHING_DEPENDS, Converter
from nnicli.config.rules.context import RuleContext
from nnicli.config.secrets import Loc
from nnicli.config.services.base import Section, Trap
from nnicli.config.services.shared import HERE, IMAGE

ROLE = {
    "command": "command",
    "gpuNum": "gpuNumber",
    "cpuNum": "cpuNumber",
    "memoryMB": "memorySize",
    "image": "dockerImage",
}
"""Fields of a role, v1 -> v2."""

# Section and field in v1 -> field of `storage` in v2.
_STORAGE: Mapping[str, Mapping[tuple[str, str], str]] = {
    "nfs": {("nfs", "server"): "server", ("nfs", "path"): "path"},
    "azureStorage": {
        ("azureStorage", "accountName"): "azureAccount",
        ("azureStorage", "azureShare"): "azureShare",
        ("keyVault", "vaultName"): "keyVaultName",
        ("keyVault", "name"): "keyVaultKey",
    },
}
_KEY_VAULT = ("keyVault", "azureStorage")


def check_storage(context: RuleContext, loc: Loc, service: Section) -> None:
    """Check that storage only has fields of its kind; the schema requires those it needs."""
    storage = service.get("storage")
    if not isinstance(storage, dict):
        return
    kind = str(storage.get("storageType"))
    for other in _STORAGE.keys() - {kind} if kind in _STORAGE else ():
        for name in _STORAGE[other].values():
            if name in storage:
                message = f"is not a field of storageType: {kind}; leave it out"
                context.document.report((*loc, "storage", name), message, rule="exclusive")


def _has_no_reuse(_context: RuleContext, _loc: Loc, service: Section) -> bool:
    return service.get("reuseMode") is False


# ERROR with an assertion (3.0 and 2.10.1, seen live; since 2.4 in the code): without reuse the
# manager expects the requests of the v1 format.
NO_REUSE = Trap(
    "reuseMode",
    _has_no_reuse,
    "found false, which ends every experiment in ERROR; leave it out, or write the config "
    "in the v1 format, where `reuse: false` works",
    since="2.4",
)
"""Reuse mode is turned off."""


def v1_storage_check(section: str) -> Callable[[RuleContext], None]:
    """Return a check that storage is NFS, or an Azure share whose key is in a vault."""

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
                message = "is required but missing; write storage: azureStorage"
                context.document.report((section, "storage"), message, rule="required")
            _need(context, section, config, _KEY_VAULT, kind)
            _refuse(context, section, config, ("nfs",), kind)

    return check


def _need(
    context: RuleContext, section: str, config: Mapping[str, Any], names: tuple[str, ...], kind: str
) -> None:
    for name in names:
        if name not in config:
            message = f"is required but missing with storage {kind}"
            context.document.report((section, name), message, rule="required")


def _refuse(
    context: RuleContext, section: str, config: Mapping[str, Any], names: tuple[str, ...], kind: str
) -> None:
    for name in names:
        if name in config:
            message = f"excludes storage {kind}; leave one of them out"
            context.document.report((section, name), message, rule="exclusive")


def storage_to_v2(converter: Converter, section: str) -> None:
    """Carry the storage of a v1 section over."""
    has_nfs = converter.get((section, "nfs")) is not None
    kind = str(converter.get((section, "storage")) or ("nfs" if has_nfs else "azureStorage"))
    if kind in _STORAGE:
        converter.skip((section, "storage"))
        converter.put((*HERE, "storage", "storageType"), kind)
        for (part, name), new in _STORAGE[kind].items():
            converter.move((section, part, name), (*HERE, "storage", new))
    else:
        message = f"{kind} {NO_PLACE_IN_V2}; allowed there: nfs or azureStorage"
        converter.report_loss((section, "storage"), message)
    converter.drop((section, "uploadRetryCount"), NOTHING_DEPENDS)


def storage_to_v1(converter: Converter, loc: Loc, section: str) -> None:
    """Carry the storage of a service over into a v1 section."""
    kind = str(converter.get((*loc, "storage", "storageType")))
    converter.move((*loc, "storage", "storageType"), (section, "storage"))
    for (part, name), new in _STORAGE.get(kind, {}).items():
        converter.move((*loc, "storage", new), (section, part, name))


def report_lost_nas_mode(converter: Converter) -> None:
    """Report the loss of `nasMode`."""
    converter.report_loss(("trial", "nasMode"), f"{NO_PLACE_IN_V2}; leave it out")


def report_lost_registry(converter: Converter, role: Loc) -> None:
    """Report the loss of a role's credentials for a private registry."""
    message = f"{NO_PLACE_IN_V2}; let the service account pull from the registry"
    converter.report_loss((*role, "privateRegistryAuthPath"), message, "warning")


def assume_command(converter: Converter, role: Loc) -> None:
    """Use a role's command as that of trials in reuse mode, unless there is one."""
    command = converter.get((*role, "command"))
    if command is not None:
        message = "is the command of the first role, which is what runs in reuse mode"
        converter.assume(("trialCommand",), command, message)


def complete_v1_role(converter: Converter, role: Loc) -> None:
    """Give a role of the v1 format the defaults of v2."""
    converter.assume((*role, "gpuNum"), 0, "is v2's default")
    converter.assume((*role, "image"), IMAGE, "is v2's default")
