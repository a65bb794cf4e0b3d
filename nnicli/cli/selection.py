"""Which experiment a command is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nnicli.errors import ExperimentNotFoundError, InvalidValueError

if TYPE_CHECKING:
    from nnicli import ExperimentRecord, RecordedExperiment

F = TypeVar("F", bound=Callable[..., Any])

_MOST_NAMED = 10

parents_option = click.option(
    "--experiments-directory",
    "parents",
    metavar="DIR",
    multiple=True,
    help="Another parent of experiments' folders to search; may be given again.",
)
"""The option of every command that searches for experiments."""


def select_record(experiment: str | None, parents: Sequence[str]) -> ExperimentRecord:
    """Return the experiment that is meant.

    Args:
        experiment: Its id, its own folder, or its `nni.sqlite`; None: the only one that runs, else
            the only one that there is.
        parents: Further parents of experiments' folders.

    Raises:
        ExperimentNotFoundError: There is none.
        InvalidValueError: There are several.
    """
    from nnicli.housekeeping import are_one, find_records, match_records

    records = find_records([] if experiment is None else [experiment], parents)
    fitting = records if experiment is None else match_records(records, experiment)
    chosen = [record for record in fitting if record.is_running] or fitting
    if are_one(chosen):
        return chosen[0]
    if not chosen:
        if experiment is None:
            what = "no experiment was found on this machine"
        else:
            what = f"no experiment {experiment!r} was found"
        raise ExperimentNotFoundError(
            f"{what}; `nnicli experiment list --all` lists those that are known, and "
            "--experiments-directory adds a folder to search",
            exp_id=experiment or "",
        )
    raise InvalidValueError(
        f"there are {len(chosen)} of them; pass one of: {_names(chosen, experiment)}",
        field="EXPERIMENT",
        value=experiment,
    )


def open_record(record: ExperimentRecord) -> RecordedExperiment:
    """Return an experiment's files.

    Raises:
        ExperimentNotFoundError: They are not there.
    """
    if record.directory is None:
        raise ExperimentNotFoundError(
            f"experiment {record.exp_id} is in the registry {record.registry}, and its folder is "
            "not where that says; pass the folder itself if it was moved",
            exp_id=record.exp_id,
        )
    from nnicli import open_experiment

    return open_experiment(record.directory)


def with_experiment(command: F) -> F:
    """Give a command the argument and the option by which an experiment is chosen."""
    argument = click.argument("experiment", metavar="[EXPERIMENT]", required=False)
    return argument(parents_option(command))


def _names(records: Sequence[ExperimentRecord], experiment: str | None) -> str:
    names = [
        record.exp_id if experiment is None else str(record.directory or record.exp_id)
        for record in records
    ]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
