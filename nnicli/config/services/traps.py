"""Training services that a release takes and then cannot run, in the v2 format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nnicli.config.rules.context import RuleContext, machines_of
from nnicli.config.secrets import Loc
from nnicli.errors import Severity

Service = dict[str, Any]
_KUBERNETES = ("kubeflow", "frameworkcontroller")
_OWN_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class _Trap:
    """A service that ends in ERROR, or in something worse.

    Attributes:
        platforms: Platforms that it is about.
        field: Field that it is reported at.
        is_met: Whether a service is one; asked for those platforms only.
        message: What happens, and what to do.
        since: First release in which it was seen.
        severity: `error` where it was seen live or is plain from the manager's code.
    """

    platforms: tuple[str, ...]
    field: str
    is_met: Callable[[RuleContext, Loc, Service], bool]
    message: str
    since: str
    severity: Severity = "error"


def check_traps(context: RuleContext, loc: Loc, service: Service) -> None:
    """Report what a release takes and cannot run."""
    for trap in _TRAPS:
        is_here = service["platform"] in trap.platforms and context.release.has(trap.since)
        if is_here and trap.is_met(context, loc, service):
            place, _ = context.effective(trap.field, loc, service)
            context.document.report(place, trap.message, rule="trap", severity=trap.severity)


def _has_no_reuse(_subject: RuleContext, _keys: Loc, service: Service) -> bool:
    return service.get("reuseMode") is False


def _has_reuse(_subject: RuleContext, _keys: Loc, service: Service) -> bool:
    return service.get("reuseMode") is True


def _has_no_command(context: RuleContext, loc: Loc, service: Service) -> bool:
    _, command = context.effective("trialCommand", loc, service)
    return command is None and service.get("reuseMode") is not False


def _is_in_list(_subject: RuleContext, loc: Loc, _service: Service) -> bool:
    return isinstance(loc[-1], int)


def _cannot_be_found(context: RuleContext, loc: Loc, service: Service) -> bool:
    """Its machines look for the manager at `localhost`."""
    _, address = context.effective("nniManagerIp", loc, service)
    hosts = [machine.get("host") for _, machine in machines_of(service, loc)]
    is_reused = isinstance(loc[-1], int) or service.get("reuseMode") is True
    return not is_reused and address is None and any(host not in _OWN_NAMES for host in hosts)


_TRAPS = (
    # ERROR with an assertion (3.0 and 2.10.1, seen live; since 2.4 in the code): without reuse the
    # manager waits for the requests of the v1 format.
    _Trap(
        _KUBERNETES,
        "reuseMode",
        _has_no_reuse,
        "found false, with which every experiment ends in ERROR; leave it out, or write the config "
        "in the v1 format, where `reuse: false` works",
        since="2.4",
    ),
    # In reuse mode a job runs this command; without one jobs end at once, and others are made.
    _Trap(
        ("kubeflow",),
        "trialCommand",
        _has_no_command,
        "is required and missing: without it the manager makes one job after another for ever",
        since="2.4",
    ),
    _Trap(
        ("local",),
        "platform",
        _is_in_list,
        "found local in a list, with which every experiment ends in ERROR; write it as a mapping",
        since="3.0",
    ),
    # Plain from the code of 3.0 (`remote_v3`).
    _Trap(
        ("remote",),
        "nniManagerIp",
        _cannot_be_found,
        "is required and missing: without it the machines look for the manager at localhost. Give "
        "the address under which they reach this one",
        since="3.0",
    ),
    _Trap(
        ("local",),
        "reuseMode",
        _has_reuse,
        "found true, with which local experiments of 3.0 ended in ERROR; leave it out",
        since="1.8",
        severity="warning",
    ),
)
