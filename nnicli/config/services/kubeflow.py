"""The training service that runs trials on Kubernetes with an operator of Kubeflow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnicli.config.converter import NO_PLACE_IN_V1, Converter
from nnicli.config.field_names import invert
from nnicli.config.paths import absolute_path
from nnicli.config.releases import Release
from nnicli.config.rules.context import RuleContext
from nnicli.config.rules.shared import check_code_directory, check_file
from nnicli.config.secrets import Loc
from nnicli.config.services.base import FirstRequest, Section, Service, Trap
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

_SECTION = "kubeflowConfig"
_CONFIG = {
    "operator": "operator",
    "apiVersion": "apiVersion",
    "reuse": "reuseMode",
    "namespace": "namespace",
}
_ROLE = {"replicas": "replicas", **ROLE}
_ROLES = ("worker", "ps", "master")
# Operator -> the role that it needs, and the one that it does not have.
_OPERATOR_ROLES = {"tf-operator": ("worker", "master"), "pytorch-operator": ("master", "ps")}


def _check_roles(context: RuleContext, loc: Loc, roles: Mapping[str, Any], operator: Any) -> None:
    """Check that there is the role that an operator needs, and not one that it does not have."""
    if not isinstance(operator, str) or operator not in _OPERATOR_ROLES:
        return
    needed, foreign = _OPERATOR_ROLES[operator]
    if needed not in roles:
        message = f"is required but missing: operator {operator} runs it"
        context.document.report((*loc, needed), message, rule="operator-role")
    if foreign in roles:
        message = f"is not a role of operator {operator}; leave it out"
        context.document.report((*loc, foreign), message, rule="operator-role")


def _check_operator(context: RuleContext, loc: Loc, service: Section) -> None:
    _check_roles(context, loc, service, service.get("operator"))


def _check_code(context: RuleContext, loc: Loc, service: Section) -> None:
    for name in _ROLES:
        role = service.get(name)
        if isinstance(role, dict):
            check_code_directory(context, (*loc, name, "codeDirectory"), role.get("codeDirectory"))


def _has_no_command(context: RuleContext, loc: Loc, service: Section) -> bool:
    _, command = context.effective("trialCommand", loc, service)
    return command is None and service.get("reuseMode") is not False


def _complete(service: Section, base: Path, _release: Release) -> Section:
    roles = {
        name: {
            "gpuNumber": 0,
            "dockerImage": IMAGE,
            **service[name],
            # NNI would leave it relative, to the manager's own directory.
            "codeDirectory": absolute_path(service[name]["codeDirectory"], base),
        }
        for name in _ROLES
        if name in service
    }
    return {"reuseMode": True, "trialCommand": "", **service, **roles}


def _check_v1(context: RuleContext) -> None:
    trial = context.section("trial")
    _check_roles(context, ("trial",), trial, context.section(_SECTION).get("operator"))
    for name in _ROLES:
        role = trial.get(name)
        if isinstance(role, dict):
            loc = ("trial", name, "privateRegistryAuthPath")
            check_file(context, loc, role.get("privateRegistryAuthPath"))


def _to_v2(converter: Converter) -> None:
    converter.move_all((_SECTION,), HERE, _CONFIG)
    storage_to_v2(converter, _SECTION)
    report_lost_nas_mode(converter)
    for name in _ROLES:
        if isinstance(converter.get(("trial", name)), dict):
            new = (*HERE, name)
            converter.move_all(("trial", name), new, _ROLE)
            report_lost_registry(converter, ("trial", name))
            converter.put((*new, "codeDirectory"), converter.get(("trial", "codeDir")))
            assume_command(converter, ("trial", name))


def _to_v1(converter: Converter, loc: Loc, _machine_command: str) -> None:
    converter.move_all(loc, (_SECTION,), invert(_CONFIG))
    storage_to_v1(converter, loc, _SECTION)
    directories: set[str] = set()
    for name in _ROLES:
        role = converter.get((*loc, name))
        if isinstance(role, dict):
            names = invert(_ROLE)
            converter.move_all((*loc, name), ("trial", name), names, {"memorySize": parse_memory})
            complete_v1_role(converter, ("trial", name))
            directories.add(str(role.get("codeDirectory")))
            converter.skip((*loc, name, "codeDirectory"))
    _unite_code_directories(converter, loc, directories)


def _unite_code_directories(converter: Converter, loc: Loc, directories: set[str]) -> None:
    """Carry over the code directory, which the roles of v1 share."""
    if len(directories) > 1:
        message = f"{NO_PLACE_IN_V1}, which has one code directory for all roles"
        converter.report_loss((*loc, "worker", "codeDirectory"), message)
    for directory in directories:
        converter.target["trial"]["codeDir"] = directory


KUBEFLOW = Service(
    v1_name="kubeflow",
    v2_name="kubeflow",
    has_roles=True,
    checks=(check_storage, _check_operator, _check_code),
    traps=(
        NO_REUSE,
        # In reuse mode a job runs this command; without one, jobs end at once and are replaced.
        Trap(
            "trialCommand",
            _has_no_command,
            "is required but missing: without it the manager creates job after job for ever",
            since="2.4",
        ),
    ),
    complete=_complete,
    sections={_SECTION: "kubeflow_config"},
    v1_checks=(_check_v1, v1_storage_check(_SECTION)),
    to_v2=_to_v2,
    to_v1=_to_v1,
    newer_fields={
        ("v1", (_SECTION, "namespace")): "2.7",
        ("v2", ("trainingService", "namespace")): "2.7",
    },
    # Checked with the joi schemas of these releases; from 2.4 on the manager checks nothing.
    requests=(FirstRequest("1.8", refused_fields={_SECTION: ("reuse",)}), FirstRequest("2.4")),
    next_port_since="1.8",
)
