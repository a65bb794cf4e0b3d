"""How managers of each release want things said over HTTP: one row a family, newest last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nnicli.units import parse_duration
from nnicli.versions import row_for


@dataclass(frozen=True, slots=True)
class ProfileField:
    """One updatable field of the profile.

    Attributes:
        update_type: What PUT calls it.
        key: Its key in `params`.
    """

    update_type: str
    key: str


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a family of managers calls the fields that can be updated, and how trials' files.

    Attributes:
        since: First release of the family.
        fields: nnicli's name of a field -> the manager's.
        trial_files: Kind of a trial's log -> name of the file that the manager serves.
    """

    since: str
    fields: Mapping[str, ProfileField]
    trial_files: Mapping[str, str]

    def encode(self, field: str, value: Any) -> Any:
        """Return a value as the manager takes it: durations as text with a unit."""
        return f"{value}s" if field == "max_experiment_duration" else value

    def decode(self, field: str, value: Any) -> Any:
        """Return a value of the manager's profile as nnicli has it: durations in seconds."""
        if field == "max_experiment_duration" and value is not None:
            return parse_duration(value, field=field)
        return value


_2_7 = Dialect(
    since="2.7",
    # 2.2 to 2.10.1 take and ignore the keys of before, maxExecDuration and maxTrialNum (seen live).
    fields={
        "trial_concurrency": ProfileField("TRIAL_CONCURRENCY", "trialConcurrency"),
        "max_experiment_duration": ProfileField("MAX_EXEC_DURATION", "maxExperimentDuration"),
        "max_trial_number": ProfileField("MAX_TRIAL_NUM", "maxTrialNumber"),
        "search_space": ProfileField("SEARCH_SPACE", "searchSpace"),
    },
    trial_files={"stdout": "stdout", "stderr": "stderr", "trial": "trial.log"},
)

DIALECTS = (_2_7,)


def dialect_for(version: str) -> Dialect:
    """Return the row for a manager's release.

    A newer release than any that is known gets the newest row and a logged warning.

    Raises:
        UnsupportedVersionError: The release is older than every row.
    """
    return row_for(DIALECTS, version)
