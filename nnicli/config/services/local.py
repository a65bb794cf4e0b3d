"""The training service that runs trials on the manager's machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnicli.config.converter import Converter
from nnicli.config.gpus import with_gpu_text
from nnicli.config.releases import Release
from nnicli.config.rules.context import RuleContext
from nnicli.config.rules.shared import check_gpu_text
from nnicli.config.secrets import Loc
from nnicli.config.services.base import Section, Service, Trap
from nnicli.config.services.shared import (
    GPUS,
    HERE,
    asks_for_gpus,
    assume_no_gpu_in_v1,
    check_shared_gpu,
    complete_gpus,
    gpus_to_v1,
    gpus_to_v2,
    takes_gpu,
)

_SECTION = "localConfig"


def _check_gpus(context: RuleContext, loc: Loc, service: Section) -> None:
    takes = takes_gpu(context, loc, service)
    if takes and "useActiveGpu" not in service:
        message = "is required with trialGpuNumber: whether to use GPUs that are in use"
        context.document.report((*loc, "useActiveGpu"), message, rule="gpu")
    check_shared_gpu(context, loc, service, takes_gpu=takes)


def _is_in_list(_context: RuleContext, loc: Loc, _service: Section) -> bool:
    return isinstance(loc[-1], int)


def _has_reuse(_context: RuleContext, _loc: Loc, service: Section) -> bool:
    return service.get("reuseMode") is True


def _complete(service: Section, _base: Path, _release: Release) -> Section:
    # The local service does not use the manager's address, and NNI leaves it out.
    service.pop("nniManagerIp", None)
    return complete_gpus({"reuseMode": False, **service})


def _check_v1_section(context: RuleContext) -> None:
    section = context.section(_SECTION)
    check_gpu_text(context, (_SECTION, "gpuIndices"), section.get("gpuIndices"))


def _complete_v1(config: Mapping[str, Any], _base: Path) -> Section:
    return {_SECTION: with_gpu_text(config[_SECTION])} if _SECTION in config else {}


def _to_v2(converter: Converter) -> None:
    gpus_to_v2(converter, (_SECTION,), HERE, GPUS)
    if asks_for_gpus(converter):
        message = "is v1's default, required in v2"
        converter.assume((*HERE, "useActiveGpu"), False, message)


def _to_v1(converter: Converter, loc: Loc, _machine_command: str) -> None:
    gpus_to_v1(converter, loc, (_SECTION,))
    if not converter.get((*loc, "reuseMode")):
        converter.skip((*loc, "reuseMode"))
    assume_no_gpu_in_v1(converter)


LOCAL = Service(
    v1_name="local",
    v2_name="local",
    runs_here=True,
    runs_in_code=True,
    checks=(_check_gpus,),
    traps=(
        Trap(
            "platform",
            _is_in_list,
            "found local in a list, which ends every experiment in ERROR; write it as a mapping",
            since="3.0",
        ),
        Trap(
            "reuseMode",
            _has_reuse,
            "found true, which ended local experiments of 3.0 in ERROR; leave it out",
            since="1.8",
            severity="warning",
        ),
    ),
    complete=_complete,
    sections={_SECTION: "local_config"},
    has_own_sections=False,
    v1_section_checks=(_check_v1_section,),
    complete_v1=_complete_v1,
    to_v2=_to_v2,
    to_v1=_to_v1,
)
