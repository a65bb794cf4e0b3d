"""All checks of a config in its own format."""

from __future__ import annotations

from nnicli.config.field_names import is_v1
from nnicli.config.formats.schema_check import check_schema
from nnicli.config.formats.v1_checks import RULES as V1_RULES
from nnicli.config.formats.v2_checks import RULES as V2_RULES
from nnicli.config.rules.context import RuleContext


def apply_rules(context: RuleContext) -> None:
    """Report how a config violates the schema and the rules of its format."""
    check_schema(context.document, context.release, context.target)
    for rule in V1_RULES if is_v1(context.data) else V2_RULES:
        rule(context)
