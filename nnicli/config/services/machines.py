"""What is odd about the machines of a remote training service, in both formats."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nnicli.config.documents.document import Keys
from nnicli.config.rules.context import Subject
from nnicli.config.secrets import show

Machines = Sequence[tuple[Keys, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Names:
    """What a format calls the fields of a machine."""

    host: str
    user: str


OLD = Names("ip", "username")
NEW = Names("host", "user")

_PORT = re.compile(r"[^:]*:\d+", re.ASCII)
_PROGRAM = re.compile(r"(?:.*[/\\])?python[\d.]*(?:\.exe)?", re.IGNORECASE | re.DOTALL)


def check_machines(subject: Subject, machines: Machines, names: Names) -> None:
    """Check what is wrong with machines whatever the release, and tell of what is odd."""
    seen: dict[tuple[Any, ...], Keys] = {}
    for keys, machine in machines:
        _check_host(subject, (*keys, names.host), machine.get(names.host), names)
        _check_python(subject, (*keys, "pythonPath"), machine.get("pythonPath"))
        identity = (machine.get(names.host), machine.get("port", 22), machine.get(names.user))
        try:
            earlier = seen.setdefault(identity, keys)
        except TypeError:
            # The schema refuses lists and mappings there.
            continue
        if earlier != keys and identity[0] is not None:
            place = subject.document.locate(earlier)
            message = f"found the machine of {place} again; write it once"
            subject.document.report((*keys, names.host), message, rule="unique", severity="warning")


def check_concurrency(subject: Subject, keys: Keys, machines: Machines) -> None:
    """Tell of more trials at once than machines, where each runs one at a time.

    In reuse mode a machine runs one trial, unless trials ask for GPUs (2.0 to 3.0, in the code).
    """
    number = subject.data.get("trialConcurrency")
    if isinstance(number, int) and number > len(machines) > 0:
        message = (
            f"found {number}, but in reuse mode each machine runs one trial at a time, so "
            f"{len(machines)} run at once; add machines, or set reuseMode to false"
        )
        subject.document.report(keys, message, rule="concurrency", severity="warning")


def _check_host(subject: Subject, keys: Keys, host: Any, names: Names) -> None:
    if not isinstance(host, str):
        return
    # What is before the @ may be more than a user.
    address = host.rpartition("@")[2]
    if "@" in host or _PORT.fullmatch(address):
        wanted = f"a name or an address alone; write {names.user} and port apart"
        message = f"found {show(address, ()) if '@' not in host else 'a user and an address'}"
        subject.document.report(keys, f"{message}; allowed: {wanted}", rule="host")


def _check_python(subject: Subject, keys: Keys, path: Any) -> None:
    if isinstance(path, str) and _PROGRAM.fullmatch(path):
        message = f"found {show(path, keys)}, a program; NNI wants the folder that it is in"
        subject.document.report(keys, message, rule="path", severity="warning")
