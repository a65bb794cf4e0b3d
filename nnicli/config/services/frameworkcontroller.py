"""The training service that runs trials on Kubernetes with FrameworkController."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnicli.config.converter import Converter
from nnicli.config.field_names import invert
from nnicli.config.paths import with_absolute_paths
from nnicli.config.releases import Release
from nnicli.config.rules.context import RuleContext
from nnicli.config.rules.shared import check_file, check_mapping_file
from nnicli.config.secrets import Loc, show
from nnicli.config.services.base import FirstRequest, Section, Service
from nnicli.config.services.kubernetes import (
    NO_REUSE,
    ROLE,
    assume_command,
    check_storage,
    complete_v1_role,
    report_lost_nas_mode,
    report_lost_registry,
    storage_to_v1,
    storage_to_v2,
    v1_storage_check,
)
from nnicli.config.services.shared import HERE, IMAGE
from nnicli.units import parse_memory

_SECTION = "frameworkcontrollerConfig"
_CONFIG = {
    "serviceAccountName": "serviceAccountName",
    "reuse": "reuseMode",
    "namespace": "namespace",
}
_ROLE = {"name": "name", "taskNum": "taskNumber", **ROLE}
_POLICY = "frameworkAttemptCompletionPolicy"
_POLICY_FIELDS = {
    "minFailedTaskCount": "minFailedTaskCount",
    "minSucceededTaskCount": "minSucceedTaskCount",
}


def _check_names(context: RuleContext, loc: Loc, roles: Any) -> None:
    """Check that the roles of a list have different names."""
    seen: set[str] = set()
    for index, role in enumerate(roles if isinstance(roles, list) else []):
        name = role.get("name") if isinstance(role, dict) else None
        if not isinstance(name, str):
            continue
        if name in seen:
            message = f"found {show(name, ())} again; give each role a different name"
            context.document.report((*loc, index, "name"), message, rule="unique")
        seen.add(name)


def _check_roles(context: RuleContext, loc: Loc, service: Section) -> None:
    _check_names(context, (*loc, "taskRoles"), service.get("taskRoles"))


def _complete(service: Section, _base: Path, _release: Release) -> Section:
    roles = [{"dockerImage": IMAGE, **role} for role in service["taskRoles"]]
    return {"reuseMode": True, "trialCommand": "", **service, "taskRoles": roles}


def _check_v1(context: RuleContext) -> None:
    roles, config = context.section("trial").get("taskRoles"), context.section(_SECTION)
    if "configPath" in config:
        check_mapping_file(context, (_SECTION, "configPath"), config["configPath"])
    if roles is None and "configPath" not in config:
        hint = ", or a configPath in frameworkcontrollerConfig (2.2 and later)"
        message = f"is required but missing: the roles of a trial{hint}"
        context.document.report(("trial", "taskRoles"), message, rule="required")
    _check_names(context, ("trial", "taskRoles"), roles)
    for index, role in enumerate(roles if isinstance(roles, list) else []):
        if isinstance(role, dict):
            loc = ("trial", "taskRoles", index, "privateRegistryAuthPath")
            check_file(context, loc, role.get("privateRegistryAuthPath"))


def _complete_v1(config: Mapping[str, Any], base: Path) -> Section:
    if _SECTION not in config:
        return {}
    return {_SECTION: with_absolute_paths(config[_SECTION], ("configPath",), base)}


def _to_v2(converter: Converter) -> None:
    converter.move_all((_SECTION,), HERE, _CONFIG)
    storage_to_v2(converter, _SECTION)
    report_lost_nas_mode(converter)
    roles = converter.open_items(("trial", "taskRoles"), (*HERE, "taskRoles"))
    for old, new in roles:
        converter.move_all(old, new, _ROLE)
        report_lost_registry(converter, old)
        converter.move_all((*old, _POLICY), (*new, _POLICY), _POLICY_FIELDS)
    if roles:
        assume_command(converter, roles[0][0])


def _to_v1(converter: Converter, loc: Loc, _machine_command: str) -> None:
    converter.move_all(loc, (_SECTION,), invert(_CONFIG))
    storage_to_v1(converter, loc, _SECTION)
    for old, new in converter.open_items((*loc, "taskRoles"), ("trial", "taskRoles")):
        converter.move_all(old, new, invert(_ROLE), {"memorySize": parse_memory})
        complete_v1_role(converter, new)
        converter.move_all((*old, _POLICY), (*new, _POLICY), invert(_POLICY_FIELDS))


FRAMEWORKCONTROLLER = Service(
    v1_name="frameworkcontroller",
    v2_name="frameworkcontroller",
    has_roles=True,
    checks=(check_storage, _check_roles),
    traps=(NO_REUSE,),
    complete=_complete,
    sections={_SECTION: "frameworkcontroller_config"},
    v1_checks=(_check_v1, v1_storage_check(_SECTION)),
    complete_v1=_complete_v1,
    to_v2=_to_v2,
    to_v1=_to_v1,
    newer_fields={
        ("v1", (_SECTION, "pvc")): "2.2",
        ("v1", (_SECTION, "configPath")): "2.2",
        ("v1", (_SECTION, "namespace")): "2.2",
        ("v2", ("trainingService", "namespace")): "2.7",
    },
    # Checked with the joi schemas of these releases; from 2.4 on the manager checks nothing.
    requests=(FirstRequest("1.8", refused_fields={_SECTION: ("reuse",)}), FirstRequest("2.4")),
    next_port_since="1.8",
)
