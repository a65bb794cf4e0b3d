"""Training services that only the v1 format has."""

from __future__ import annotations

from nnicli.config.rules.context import RuleContext
from nnicli.config.rules.shared import check_file, check_one_of
from nnicli.config.services.base import Service

_YARN = "paiYarnConfig"


def _check_yarn(context: RuleContext) -> None:
    trial = context.section("trial")
    check_file(context, ("trial", "authFile"), trial.get("authFile"))
    shared, memory = trial.get("shmMB"), trial.get("memoryMB")
    if isinstance(shared, int) and isinstance(memory, int) and shared > memory:
        message = f"found {shared}; allowed: at most memoryMB, which is {memory}"
        context.document.report(("trial", "shmMB"), message, rule="range")


def _check_yarn_credentials(context: RuleContext) -> None:
    if isinstance(context.data.get(_YARN), dict):
        check_one_of(context, (_YARN,), context.data[_YARN], ("token", "passWord"))


PAI_YARN = Service(
    v1_name="paiYarn",
    sections={_YARN: "pai_yarn_config"},
    trial_paths=("authFile",),
    v1_checks=(_check_yarn,),
    v1_section_checks=(_check_yarn_credentials,),
    next_port_since="1.8",
)
"""The older OpenPAI, which runs on YARN."""

DLTS = Service(
    v1_name="dlts",
    sections={"dltsConfig": "dlts_config"},
    next_port_since="1.8",
    next_port_until="2.0",
)
"""Microsoft's Deep Learning Training Service."""
