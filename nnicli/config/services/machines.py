"""Checks of the machines of a remote training service, in both formats."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nnicli.config.rules.context import RuleContext
from nnicli.config.secrets import Loc, show

Machines = Sequence[tuple[Loc, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Names:
    """Names of the fields of a machine in a format."""

    host: str
    user: str


OLD = Names("ip", "username")
NEW = Names("host", "user")

_PORT = re.compile(r"[^:]*:\d+", re.ASCII)
_PROGRAM = re.compile(r"(?:.*[/\\])?python[\d.]*(?:\.exe)?", re.IGNORECASE | re.DOTALL)


def check_machines(context: RuleContext, machines: Machines, names: Names) -> None:
    """Check machines for errors of any release, and warn of what is odd."""
    seen: dict[tuple[Any, ...], Loc] = {}
    for loc, machine in machines:
        _check_host(context, (*loc, names.host), machine.get(names.host), names)
        _check_python(context, (*loc, "pythonPath"), machine.get("pythonPath"))
        identity = (machine.get(names.host), machine.get("port", 22), machine.get(names.user))
        try:
            earlier = seen.setdefault(identity, loc)
        except TypeError:
            # The schema has reported a list or a mapping there.
            continue
        if earlier != loc and identity[0] is not None:
            first = context.document.locate(earlier)
            message = f"found the same machine as in {first}; give it once"
            context.document.report((*loc, names.host), message, rule="unique", severity="warning")


def check_concurrency(context: RuleContext, loc: Loc, machines: Machines) -> None:
    """Warn of more trials at once than machines that run one trial at a time.

    In reuse mode a machine runs one trial at a time, unless trials ask for GPUs (2.0 to 3.0, in the
    code).
    """
    number = context.data.get("trialConcurrency")
    if isinstance(number, int) and number > len(machines) > 0:
        message = (
            f"found {number}, but in reuse mode each machine runs one trial at a time, so "
            f"{len(machines)} run at once; add machines, or set reuseMode to false"
        )
        context.document.report(loc, message, rule="concurrency", severity="warning")


def _check_host(context: RuleContext, loc: Loc, host: Any, names: Names) -> None:
    if not isinstance(host, str):
        return
    # The part before the @ may include a password.
    address = host.rpartition("@")[2]
    if "@" in host or _PORT.fullmatch(address):
        wanted = f"only a name or an address; give {names.user} and port separately"
        message = f"found {show(address, ()) if '@' not in host else 'a user and an address'}"
        context.document.report(loc, f"{message}; allowed: {wanted}", rule="host")


def _check_python(context: RuleContext, loc: Loc, path: Any) -> None:
    if isinstance(path, str) and _PROGRAM.fullmatch(path):
        message = f"found {show(path, loc)}, a program; NNI needs the directory that it is in"
        context.document.report(loc, message, rule="path", severity="warning")


def list_machines(config: Mapping[str, Any], loc: Loc) -> list[tuple[Loc, dict[str, Any]]]:
    """Return the machines of a remote service, or of a v1 config, each with its loc."""
    machines = config.get("machineList")
    return [
        ((*loc, "machineList", index), machine)
        for index, machine in enumerate(machines if isinstance(machines, list) else [])
        if isinstance(machine, dict)
    ]
