"""The experiment that a command acts on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from nnicli import ExperimentRecord
    from nnicli.housekeeping import FoundExperiment
    from nnicli.reader import ExperimentReader

F = TypeVar("F", bound=Callable[..., Any])

parents_option = click.option(
    "--experiments-directory",
    "parents",
    metavar="DIR",
    multiple=True,
    help="Another parent of experiment directories to search; may be repeated.",
)
"""The option of every command that searches for experiments."""


def with_experiment(command: F) -> F:
    """Add the argument and the option that select an experiment to a command."""
    argument = click.argument("experiment", metavar="[EXPERIMENT]", required=False)
    return argument(parents_option(command))


@dataclass(frozen=True, slots=True)
class Selected:
    """The experiment that a command acts on.

    Attributes:
        record: Its record.
        reader: Its trials, logs and results, from its manager if an address was given, else from
            its files.
        path: The archive or the database that was given, otherwise None.
    """

    record: ExperimentRecord
    reader: ExperimentReader
    path: str | None


def find_url(experiment: str | None, parents: Sequence[str]) -> tuple[str, str | None]:
    """Return an experiment's id or else its reference, and its manager's address if it runs."""
    found = _find(experiment, parents)
    if found.kind == "address":
        return found.url or "", found.url
    if found.record is None:
        return str(found.path), None
    return found.record.exp_id, found.record.url


@contextmanager
def selected(experiment: str | None, parents: Sequence[str]) -> Iterator[Selected]:
    """Open the selected experiment for reading.

    Args:
        experiment: A reference; None: the only running one, else the only one that exists.
        parents: Further parents of experiment directories.

    Raises:
        ExperimentNotFoundError: The experiment or its files were not found.
        InvalidValueError: Several experiments match.
        RestError: No manager answers at the address.
    """
    found = _find(experiment, parents)
    if found.kind == "address":
        with _connected(str(found.url)) as reader:
            yield Selected(found.record or _record_at(reader), reader, None)
        return
    from nnicli import open_experiment

    if found.record is not None:
        yield Selected(found.record, open_experiment(found.directory), None)
        return
    path = str(found.path)
    reader = open_experiment(path)
    yield Selected(_record_in(reader), reader, path)


def _find(experiment: str | None, parents: Sequence[str]) -> FoundExperiment:
    from nnicli.housekeeping import find_experiment

    return find_experiment(experiment, experiments_directories=parents)


@contextmanager
def _connected(url: str) -> Iterator[Any]:
    from nnicli import Experiment

    experiment = Experiment()
    experiment.connect_experiment(url)
    try:
        yield experiment
    finally:
        experiment.disconnect()


def _record_at(experiment: Any) -> ExperimentRecord:
    """Return the record of an experiment whose manager is on another machine."""
    from dataclasses import replace

    return replace(
        _record_in(experiment),
        status=experiment.get_experiment_status()["status"],
        port=experiment.port,
        url=experiment.endpoint,
        ended_at=None,
        version=experiment.client.get_version(),
    )


def _record_in(reader: ExperimentReader) -> ExperimentRecord:
    """Return the record of an experiment of which only the profile is known."""
    from nnicli import ExperimentRecord
    from nnicli.store import platform_of
    from nnicli.units import from_epoch_ms

    profile = reader.get_experiment_profile()
    return ExperimentRecord(
        exp_id=profile["id"],
        name=profile["params"].get("experimentName"),
        status="STOPPED",
        registry_status=None,
        platform=platform_of(profile["params"]),
        port=None,
        url=None,
        started_at=from_epoch_ms(profile.get("startTime")),
        ended_at=from_epoch_ms(profile.get("endTime")),
        directory=None,
        version=None,
        owner=None,
        registry=None,
        raw={},
    )
