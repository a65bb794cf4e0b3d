"""Validation of a config against the schema of its format, adapted to a release."""

from __future__ import annotations

from nnicli.config.documents.document import Document
from nnicli.config.field_names import ALGORITHMS, TOP, invert, is_v1
from nnicli.config.formats.v1 import is_legacy
from nnicli.config.releases import CHANGED_CONSTRUCTORS, Release
from nnicli.config.schema.schemas import described_algorithms
from nnicli.config.schema.validate import Variant, validate
from nnicli.config.services.remote import MACHINE
from nnicli.config.target import Target

# Name of a field in one format -> its name in the other, for both.
_OTHER_NAMES = {
    **invert(TOP),
    **invert(MACHINE),
    **TOP,
    **MACHINE,
    **dict.fromkeys(ALGORITHMS.values(), "name"),
    "codeDir": "codeDirectory",
}


def check_schema(document: Document, release: Release, target: Target | None = None) -> None:
    """Report how a config violates the schema of its format."""
    is_old = is_v1(document.data)
    # nnictl of 2.6 and later converts such a config, and needs neither field.
    is_free = is_old and not release.needs_names and not is_legacy(document.data, release)
    variant = Variant(
        _other_arguments(release, is_v1=is_old),
        optional=("authorName", "experimentName") if is_free else (),
        registered=_registered(target, is_v1=is_old),
    )
    name = "experiment-v1" if is_old else "experiment-v2"
    validate(document, name, variant=variant, other_names=_OTHER_NAMES)


def _other_arguments(release: Release, *, is_v1: bool) -> tuple[tuple[str, str], ...]:
    """Return the algorithms whose arguments the schema of the other format describes."""
    if not is_v1:
        return tuple((name, "experiment-v1") for name in release.old_constructors)
    changed = described_algorithms("experiment-v1") - {*release.old_constructors}
    if release.checks_arguments:
        changed &= {*CHANGED_CONSTRUCTORS}
    return tuple((name, "experiment-v2") for name in sorted(changed))


def _registered(target: Target | None, *, is_v1: bool) -> tuple[tuple[str, str], ...]:
    if target is None:
        return ()
    # An advisor is a tuner in the v2 format.
    return tuple(
        ("tuner" if kind == "advisor" and not is_v1 else kind, name)
        for kind in ALGORITHMS
        for name in target.names(kind)
    )
