"""The training service that runs trials on machines over SSH."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnicli.config.converter import NO_PLACE_IN_V2, Converter
from nnicli.config.gpus import with_gpu_text
from nnicli.config.paths import absolute_path, is_there, with_absolute_paths
from nnicli.config.releases import Release
from nnicli.config.rules.context import RuleContext
from nnicli.config.rules.shared import check_file, check_gpu_text, check_one_of
from nnicli.config.secrets import Loc, show_path
from nnicli.config.services.base import FirstRequest, Section, Service, Trap
from nnicli.config.services.machines import (
    NEW,
    OLD,
    check_concurrency,
    check_machines,
    list_machines,
)
from nnicli.config.services.shared import (
    GPUS,
    HERE,
    assume_no_gpu_in_v1,
    check_shared_gpu,
    complete_gpus,
    gpus_to_v1,
    gpus_to_v2,
    takes_gpu,
)
from nnicli.config.services.ssh_keys import check_key

MACHINE = {
    "ip": "host",
    "port": "port",
    "username": "user",
    "passwd": "password",
    "sshKeyPath": "sshKeyFile",
    "passphrase": "sshPassphrase",
    "pythonPath": "pythonPath",
    **GPUS,
}
"""Fields of a machine, v1 -> v2."""

_DEFAULT_KEY = "~/.ssh/id_rsa"
_NO_REUSE = {"remoteConfig": {"reuse": False}}
_OWN_NAMES = ("localhost", "127.0.0.1", "::1")


def _check_machines(context: RuleContext, loc: Loc, service: Section) -> None:
    """Check machines, each of which needs a password or a key file that exists."""
    takes = takes_gpu(context, loc, service)
    machines = list_machines(service, loc)
    check_machines(context, machines, NEW)
    reuses = service.get("reuseMode", context.release.reuses_machines)
    if reuses and not takes and isinstance(context.data.get("trainingService"), dict):
        check_concurrency(context, ("trialConcurrency",), machines)
    for here, machine in machines:
        check_shared_gpu(context, here, machine, takes_gpu=takes)
        _check_login(context, (*here, "sshKeyFile"), machine)


def _check_login(context: RuleContext, loc: Loc, machine: Section) -> None:
    key = machine.get("sshKeyFile")
    if "password" in machine:
        if key is not None:
            message = "is not used: NNI uses the password; leave one of them out"
            context.document.report(loc, message, rule="exclusive", severity="warning")
        return
    text = key if isinstance(key, str) else _DEFAULT_KEY
    path = Path(absolute_path(text, context.base))
    if not is_there(path.is_file):
        message = f"file not found: {show_path(text, str(path))}; give a key file, or a password"
        context.document.report(loc, message, rule="path")
    else:
        check_key(context, loc, text, passphrase=machine.get("sshPassphrase"))


def _check_reuse_mode(context: RuleContext, loc: Loc, service: Section) -> None:
    """Warn of a missing `reuseMode`, whose default changed twice."""
    if "reuseMode" not in service:
        message = "is not given; its default is true from 2.2 to 2.10, and false in other releases"
        context.document.report((*loc, "reuseMode"), message, rule="default", severity="warning")


def _lacks_address(context: RuleContext, loc: Loc, service: Section) -> bool:
    """Return whether its machines would look for the manager at `localhost`."""
    _, address = context.effective("nniManagerIp", loc, service)
    hosts = [machine.get("host") for _, machine in list_machines(service, loc)]
    is_reused = isinstance(loc[-1], int) or service.get("reuseMode") is True
    return not is_reused and address is None and any(host not in _OWN_NAMES for host in hosts)


def _complete(service: Section, base: Path, release: Release) -> Section:
    machines = [_complete_machine(machine, base) for machine in service["machineList"]]
    return {"reuseMode": release.reuses_machines, **service, "machineList": machines}


def _complete_machine(machine: Mapping[str, Any], base: Path) -> Section:
    completed = {"port": 22, "useActiveGpu": False, **machine}
    if "password" in completed:
        completed.pop("sshKeyFile", None)
    else:
        completed["sshKeyFile"] = absolute_path(completed.get("sshKeyFile", _DEFAULT_KEY), base)
    return complete_gpus(completed)


def _check_v1_machines(context: RuleContext) -> None:
    machines = list_machines(context.data, ())
    check_machines(context, machines, OLD)
    for here, machine in machines:
        check_one_of(context, here, machine, ("passwd", "sshKeyPath"))
        check_gpu_text(context, (*here, "gpuIndices"), machine.get("gpuIndices"))
        if "passphrase" in machine and "sshKeyPath" not in machine:
            message = "is only for sshKeyPath: it opens the key"
            context.document.report((*here, "passphrase"), message, rule="exclusive")
        _check_v1_key(context, here, machine)
        for name in ("preCommand", "pythonPath"):
            if name in machine and name != context.release.machine_command:
                known = context.release.machine_command or "none"
                message = f"is not available in this release; allowed: {known}"
                context.document.report((*here, name), message, rule="unknown-key")


def _check_v1_key(context: RuleContext, here: Loc, machine: Mapping[str, Any]) -> None:
    loc, text = (*here, "sshKeyPath"), machine.get("sshKeyPath")
    check_file(context, loc, text)
    if isinstance(text, str) and is_there(Path(absolute_path(text, context.base)).is_file):
        check_key(context, loc, text, passphrase=machine.get("passphrase"))


def _complete_v1(config: Mapping[str, Any], base: Path) -> Section:
    if "machineList" not in config:
        return {}
    machines = [
        with_gpu_text(with_absolute_paths({"port": 22, **machine}, ("sshKeyPath",), base))
        for machine in config["machineList"]
    ]
    return {"machineList": machines}


def _to_v2(converter: Converter) -> None:
    converter.move(("remoteConfig", "reuse"), (*HERE, "reuseMode"))
    for old, new in converter.open_items(("machineList",), (*HERE, "machineList")):
        message = f"{NO_PLACE_IN_V2}; give the directory of the Python as pythonPath"
        converter.report_loss((*old, "preCommand"), message)
        gpus_to_v2(converter, old, new, MACHINE)
    message = "is v1's default; v2's has changed twice"
    converter.assume((*HERE, "reuseMode"), False, message)


def _to_v1(converter: Converter, loc: Loc, machine_command: str) -> None:
    reuses = bool(converter.get((*loc, "reuseMode")))
    converter.move((*loc, "reuseMode"), ("remoteConfig", "reuse"))
    converter.put(("remoteConfig", "reuse"), reuses)
    for old, new in converter.open_items((*loc, "machineList"), ("machineList",)):
        _machine_to_v1(converter, old, new, machine_command)
    assume_no_gpu_in_v1(converter)


def _machine_to_v1(converter: Converter, old: Loc, new: Loc, machine_command: str) -> None:
    names = {v2: v1 for v1, v2 in MACHINE.items() if v1 not in (*GPUS, "pythonPath")}
    has_password = converter.get((*old, "password")) is not None
    for name in ("sshKeyFile", "sshPassphrase") if has_password else ():
        converter.drop((*old, name), "is not used, as there is a password")
    converter.move_all(old, new, names)
    gpus_to_v1(converter, old, new)
    if machine_command == "pythonPath":
        converter.move((*old, "pythonPath"), (*new, "pythonPath"))
    else:
        message = "is not available in this release; put that Python first in the machine's PATH"
        converter.report_loss((*old, "pythonPath"), message)
    if not has_password:
        converter.assume((*new, "sshKeyPath"), _DEFAULT_KEY, "is v2's default")


REMOTE = Service(
    v1_name="remote",
    v2_name="remote",
    runs_in_code=True,
    checks=(_check_machines, _check_reuse_mode),
    traps=(
        # Seen in the code of 3.0 (`remote_v3`).
        Trap(
            "nniManagerIp",
            _lacks_address,
            "is required but missing: without it the machines look for the manager at localhost. "
            "Give the address at which they reach this machine",
            since="3.0",
        ),
    ),
    complete=_complete,
    # `remote_config` determines which service gets the machines.
    sections={"remoteConfig": "remote_config", "machineList": "machine_list"},
    v1_section_checks=(_check_v1_machines,),
    complete_v1=_complete_v1,
    needed_section="machineList",
    to_v2=_to_v2,
    to_v1=_to_v1,
    # From 2.2 on managers take machines only in the v2 format.
    requests=(
        FirstRequest(
            "1.8",
            refused_sections=("remoteConfig",),
            refused_fields={"machineList": ("preCommand", "pythonPath")},
        ),
        FirstRequest(
            "1.9",
            defaults=_NO_REUSE,
            refused_fields={"machineList": ("pythonPath",)},
        ),
        FirstRequest(
            "2.1",
            defaults=_NO_REUSE,
            refused_fields={"machineList": ("preCommand",)},
        ),
    ),
    next_port_since="1.8",
)
