"""The training service that runs several others side by side, a list in the v2 format."""

from __future__ import annotations

from typing import Any

from nnicli.config.converter import NO_PLACE_IN_V1, Converter
from nnicli.config.rules.context import RuleContext
from nnicli.config.secrets import Loc
from nnicli.config.services.aml import AML
from nnicli.config.services.base import Service
from nnicli.config.services.local import LOCAL
from nnicli.config.services.openpai import OPENPAI
from nnicli.config.services.remote import REMOTE
from nnicli.config.services.shared import HERE, SHORTCUTS, trial_to_v1

_SECTION = "hybridConfig"
_PARTS = (AML, REMOTE, LOCAL, OPENPAI)


def _check_v1(context: RuleContext) -> None:
    platforms = context.section(_SECTION).get("trainingServicePlatforms")
    named = platforms if isinstance(platforms, list) else []
    for part in _PARTS:
        section = part.needed_section
        if section and part.v1_name in named and section not in context.data:
            message = f"is required but missing: hybridConfig names {part.v1_name}"
            context.document.report((section,), message, rule="required")


def hybrid_to_v1(converter: Converter, services: list[Any], machine_command: str) -> None:
    """Carry a list of services over to the v1 format."""
    parts = {part.v2_name: part for part in _PARTS}
    platforms = [str(service.get("platform")) for service in services if isinstance(service, dict)]
    if not parts.keys() >= {*platforms} or len(set(platforms)) != len(platforms):
        message = f"{NO_PLACE_IN_V1}: hybrid takes local, remote, openpai and aml there, each once"
        converter.report_loss(HERE, message)
        return
    converter.put(("trainingServicePlatform",), "hybrid")
    converter.put(
        (_SECTION, "trainingServicePlatforms"), [parts[name].v1_name for name in platforms]
    )
    for index, platform in enumerate(platforms):
        here: Loc = (*HERE, index)
        converter.skip((*here, "platform"))
        if not any(converter.get((*here, name)) is not None for name in SHORTCUTS):
            trial_to_v1(converter, here, has_roles=False)
        to_v1 = parts[platform].to_v1
        if to_v1 is not None:
            to_v1(converter, here, machine_command)


HYBRID = Service(
    v1_name="hybrid",
    sections={_SECTION: "hybrid_config"},
    v1_checks=(_check_v1,),
    parts=_PARTS,
    next_port_since="2.0",
)
