"""Where managers of each release leave an experiment's files: one row a family, newest last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nnicli.errors import InvalidValueError
from nnicli.versions import row_for

_COLUMNS = ("timestamp", "trialJobId", "event", "data", "logPath", "sequenceId", "message")
# What pathlib takes for a name, though it names no folder of its own.
_NO_NAMES = ("", "..")


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of an experiment that ran on the local training service.

    Attributes:
        since: First release of the family.
        trial_event_columns: Columns of the table TrialJobEvent, in order.
        trial_directory: Folder of a trial below the experiment's own; `{trial}` is its id.
        trial_logs: Kind of a trial's log -> name of the file in that folder.
    """

    since: str
    trial_event_columns: tuple[str, ...]
    trial_directory: str
    trial_logs: Mapping[str, str]

    def trial_log_path(self, directory: Path, trial_job_id: str, kind: str) -> Path:
        """Return the file to which a trial of the experiment in this folder wrote.

        Raises:
            InvalidValueError: The id would lead out of the folder.
        """
        # A database may come from somebody else, so not even its own ids are trusted.
        is_name = trial_job_id not in _NO_NAMES and Path(trial_job_id).name == trial_job_id
        if not is_name or "\0" in trial_job_id:
            raise InvalidValueError(
                f"trial_job_id: {trial_job_id!r} cannot be the name of a folder",
                field="trial_job_id",
                value=trial_job_id,
            )
        folder = self.trial_directory.format(trial=trial_job_id)
        return directory / folder / self.trial_logs[kind]


_2_7 = Layout(
    since="2.7",
    trial_event_columns=_COLUMNS,
    trial_directory="trials/{trial}",
    trial_logs={"stdout": "stdout", "stderr": "stderr", "trial": "trial.log"},
)
_3_0 = replace(
    _2_7,
    since="3.0",
    trial_event_columns=(*_COLUMNS, "environmentId"),
    trial_directory="environments/local-env/trials/{trial}",
    trial_logs={"stdout": "trial.stdout", "stderr": "trial.stderr", "trial": "trial.log"},
)

LAYOUTS = (_2_7, _3_0)


def layout_for(version: str) -> Layout:
    """Return the row for an NNI release.

    A newer release than any that is known gets the newest row and a logged warning.

    Raises:
        UnsupportedVersionError: The release is older than every row.
    """
    return row_for(LAYOUTS, version)


def layout_with(trial_event_columns: tuple[str, ...]) -> Layout:
    """Return the row whose database has these columns; the newest where none has."""
    fitting = (row for row in LAYOUTS if row.trial_event_columns == trial_event_columns)
    return next(fitting, LAYOUTS[-1])
