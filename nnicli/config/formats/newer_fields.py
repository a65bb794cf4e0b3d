"""Fields that were added after a release."""

from __future__ import annotations

from collections.abc import Mapping

from nnicli.config.field_names import Format, is_v1
from nnicli.config.rules.context import RuleContext
from nnicli.config.secrets import Loc
from nnicli.config.services import SERVICES

# Format and loc of a field, in `trainingService` of every service -> first release that has it.
_NEWER: Mapping[tuple[Format, Loc], str] = {
    ("v1", ("maxTrialDuration",)): "2.4",
    ("v1", ("sharedStorage",)): "2.1",
    ("v2", ("maxTrialDuration",)): "2.4",
    ("v2", ("sharedStorage",)): "2.1",
    ("v2", ("trainingService", "trialCommand")): "2.6",
    ("v2", ("trainingService", "trialCodeDirectory")): "2.6",
    ("v2", ("trainingService", "trialGpuNumber")): "2.6",
    ("v2", ("trainingService", "nniManagerIp")): "2.6",
    ("v2", ("trainingService", "debug")): "2.6",
}


def check_newer_fields(context: RuleContext) -> None:
    """Check that there are no fields that were added after the release."""
    own: Format = "v1" if is_v1(context.data) else "v2"
    newer = dict(_NEWER)
    for service in SERVICES:
        newer.update(service.newer_fields)
    for (format_, field), since in newer.items():
        if format_ == own and not context.release.has(since):
            for loc, section in context.sections(field[:-1]):
                if field[-1] in section:
                    message = f"is not available in this release; added in {since}"
                    context.document.report((*loc, field[-1]), message, rule="unknown-key")
