"""The training service that runs trials on Alibaba Cloud's Deep Learning Containers."""

from __future__ import annotations

from pathlib import Path

from nnicli.config.releases import Release
from nnicli.config.rules.context import RuleContext
from nnicli.config.secrets import Loc
from nnicli.config.services.base import Section, Service


def _check(context: RuleContext, loc: Loc, service: Section) -> None:
    if "workspaceId" not in service and context.release.needs_dlc_workspace:
        message = "is required but missing (2.8 and later)"
        context.document.report((*loc, "workspaceId"), message, rule="required")


def _complete(service: Section, _base: Path, _release: Release) -> Section:
    return {"type": "Worker", "jobType": "TFJob", **service}


DLC = Service(
    v2_name="dlc",
    checks=(_check,),
    complete=_complete,
    newer_fields={("v2", ("trainingService", "ossDataSourceId")): "2.7"},
)
