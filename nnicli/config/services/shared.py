"""What several training services have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnicli.config.converter import NO_PLACE_IN_V2, Converter
from nnicli.config.field_names import TRIAL, invert
from nnicli.config.gpus import to_gpu_list, to_gpu_text
from nnicli.config.rules.context import RuleContext
from nnicli.config.rules.shared import check_gpu_text
from nnicli.config.secrets import Loc, show
from nnicli.config.services.base import Section

HERE: Loc = ("trainingService",)
"""Loc of the one training service of a config in the v2 format."""

IMAGE = "msranni/nni:latest"
"""Default of every Docker image in the v2 format."""

SHORTCUTS = ("trialCommand", "trialCodeDirectory", "trialGpuNumber")
"""Fields of the whole experiment that describe a trial; a service may override them."""

GPUS = {
    "maxTrialNumPerGpu": "maxTrialNumberPerGpu",
    "useActiveGpu": "useActiveGpu",
    "gpuIndices": "gpuIndices",
}
"""Fields about GPUs, v1 -> v2."""


def takes_gpu(context: RuleContext, loc: Loc, service: Section) -> bool:
    """Return whether trials of a service ask for GPUs (v2)."""
    _, number = context.effective("trialGpuNumber", loc, service)
    return isinstance(number, int) and number > 0


def check_shared_gpu(context: RuleContext, loc: Loc, section: Section, *, takes_gpu: bool) -> None:
    """Check that GPUs are shared only if trials take one, and that each is named once (v2)."""
    if not takes_gpu and section.get("maxTrialNumberPerGpu", 1) != 1:
        value = show(section["maxTrialNumberPerGpu"], ())
        message = f"found {value}; without trialGpuNumber it must be 1"
        context.document.report((*loc, "maxTrialNumberPerGpu"), message, rule="gpu")
    check_gpu_text(context, (*loc, "gpuIndices"), section.get("gpuIndices"))


def complete_gpus(section: Mapping[str, Any]) -> Section:
    """Return a section of the v2 format with the defaults of its fields about GPUs."""
    completed = {"maxTrialNumberPerGpu": 1, **section}
    if "gpuIndices" in completed:
        completed["gpuIndices"] = to_gpu_list(completed["gpuIndices"])
    return completed


def asks_for_gpus(converter: Converter) -> bool:
    """Return whether trials of a v1 config ask for GPUs."""
    return bool(converter.get(("trial", "gpuNum")))


def gpus_to_v2(converter: Converter, old: Loc, new: Loc, names: Mapping[str, str]) -> None:
    """Carry a section over, without `maxTrialNumPerGpu` if trials ask for no GPU."""
    if not asks_for_gpus(converter):
        converter.drop((*old, "maxTrialNumPerGpu"), "has no effect while trials take no GPU")
    converter.move_all(old, new, names)


def gpus_to_v1(converter: Converter, old: Loc, new: Loc) -> None:
    """Carry the fields about GPUs over."""
    converter.move_all(old, new, invert(GPUS), {"gpuIndices": to_gpu_text})


def image_to_v1(converter: Converter, loc: Loc) -> None:
    """Carry the Docker image of trials over."""
    converter.move((*loc, "dockerImage"), ("trial", "image"))
    converter.assume(("trial", "image"), IMAGE, "is v2's default")


def trial_to_v1(converter: Converter, loc: Loc, *, has_roles: bool) -> None:
    """Carry the description of a trial over; the service's own fields come first."""
    names = invert(TRIAL)
    for name in ("trialCommand", "trialGpuNumber") if has_roles else ():
        for field in ((*loc, name), (name,)):
            converter.drop(field, "is not used: the roles have it")
    for name in SHORTCUTS:
        own = converter.get((*loc, name)) is not None
        converter.move(((*loc, name) if own else (name,)), ("trial", names[name]))
        converter.skip((name,))
    for name in ("nniManagerIp", "debug"):
        converter.move((*loc, name), (name,))
    converter.assume(("trial", "codeDir"), ".", "is the config's own directory, as in v2")


def assume_no_gpu_in_v1(converter: Converter) -> None:
    """Set the number of GPUs to 0, unless it is given."""
    converter.assume(("trial", "gpuNum"), 0, "is none, required in v1")


def report_unused(converter: Converter, section: str, names: tuple[str, ...], service: str) -> None:
    """Report fields of a v1 section that a service of the v2 format does not have."""
    for name in names:
        message = f"{NO_PLACE_IN_V2} of {service}; leave it out"
        converter.report_loss((section, name), message, "warning")
