"""The training service that runs trials on Azure Machine Learning."""

from __future__ import annotations

from pathlib import Path

from nnicli.config.converter import Converter
from nnicli.config.field_names import invert
from nnicli.config.releases import Release
from nnicli.config.secrets import Loc
from nnicli.config.services.base import Section, Service
from nnicli.config.services.shared import HERE, IMAGE, image_to_v1, report_unused

_SECTION = "amlConfig"
_CONFIG = {
    "subscriptionId": "subscriptionId",
    "resourceGroup": "resourceGroup",
    "workspaceName": "workspaceName",
    "computeTarget": "computeTarget",
    "maxTrialNumPerGpu": "maxTrialNumberPerGpu",
}


def _complete(service: Section, _base: Path, _release: Release) -> Section:
    return {"dockerImage": IMAGE, "maxTrialNumberPerGpu": 1, **service}


def _to_v2(converter: Converter) -> None:
    converter.move(("trial", "image"), (*HERE, "dockerImage"))
    converter.move_all((_SECTION,), HERE, _CONFIG)
    report_unused(converter, _SECTION, ("useActiveGpu",), "aml")


def _to_v1(converter: Converter, loc: Loc, _machine_command: str) -> None:
    image_to_v1(converter, loc)
    converter.move_all(loc, (_SECTION,), invert(_CONFIG))


# nnictl checks that the port after the manager's is free, although nothing uses it.
AML = Service(
    v1_name="aml",
    v2_name="aml",
    complete=_complete,
    sections={_SECTION: "aml_config"},
    needed_section=_SECTION,
    to_v2=_to_v2,
    to_v1=_to_v1,
)
