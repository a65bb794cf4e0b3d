"""What configs may hold for which release: one row each, newest last."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nnicli.versions import row_for


@dataclass(frozen=True, slots=True)
class Release:
    """What differs between releases in a config.

    Attributes:
        since: First release for which the row holds.
        has_annotation: Whether `useAnnotation` exists; even then only nnictl expands it.
        has_experiment_type: Whether the manager takes `experimentType`.
        advisor_is_tuner: Whether Hyperband and BOHB are tuners; before, they stand as `advisor`.
        takes_blank_in_code_path: Whether trials run in a folder with a blank in its path.
    """

    since: str
    has_annotation: bool
    has_experiment_type: bool
    advisor_is_tuner: bool
    takes_blank_in_code_path: bool


_2_6 = Release(
    since="2.6",
    has_annotation=True,
    has_experiment_type=False,
    advisor_is_tuner=False,
    takes_blank_in_code_path=False,
)
_2_8 = replace(_2_6, since="2.8", advisor_is_tuner=True)
_2_9 = replace(_2_8, since="2.9", has_experiment_type=True)
_3_0 = replace(_2_9, since="3.0", has_annotation=False, takes_blank_in_code_path=True)

RELEASES = (_2_6, _2_8, _2_9, _3_0)


def release_for(version: str | None) -> Release:
    """Return the row for an NNI release, the newest for None.

    Raises:
        UnsupportedVersionError: The release is older than every row.
    """
    return RELEASES[-1] if version is None else row_for(RELEASES, version)
