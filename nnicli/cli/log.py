"""`nnicli log`: what a manager, its tuner and its trials wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nnicli.cli.output import print_json, telling_errors
from nnicli.cli.selection import open_record, select_record, with_experiment

if TYPE_CHECKING:
    from nnicli import RecordedExperiment

F = TypeVar("F", bound=Callable[..., Any])

_TRIAL_LOGS = ("stdout", "stderr", "trial")


@click.group(short_help="Print what a manager, its tuner and its trials wrote.")
def log() -> None:
    """Print what a manager, its tuner and its trials wrote, from the experiment's files.

    EXPERIMENT is an id, an experiment's own folder, or its nni.sqlite; without it, the only
    experiment that runs is meant, else the only one that there is.
    """


def _with_portion(command: F) -> F:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
        click.option(
            "-f", "--follow", "is_followed", is_flag=True, help="Go on until its writer has ended."
        ),
        click.option("-T", "--tail", type=click.IntRange(min=0), metavar="N", help="Last lines."),
        click.option("-H", "--head", type=click.IntRange(min=0), metavar="N", help="First lines."),
    ):
        command = option(command)
    return with_experiment(command)


@log.command(short_help="What the manager printed.")
@_with_portion
@telling_errors
def stdout(experiment: str | None, **options: Any) -> None:
    """Print the manager's standard output."""
    _print(experiment, "stdout", *_manager_log("stdout"), **options)


@log.command(short_help="What the manager printed about its failures.")
@_with_portion
@telling_errors
def stderr(experiment: str | None, **options: Any) -> None:
    """Print the manager's standard error output, where early failures show."""
    _print(experiment, "stderr", *_manager_log("stderr"), **options)


@log.command(short_help="What the manager logs.")
@_with_portion
@telling_errors
def manager(experiment: str | None, **options: Any) -> None:
    """Print the manager's own log."""
    _print(experiment, "manager", *_manager_log("log"), **options)


@log.command(short_help="What the tuner's process logs.")
@_with_portion
@telling_errors
def dispatcher(experiment: str | None, **options: Any) -> None:
    """Print the log of the tuner's process, with the traceback of a tuner that failed."""
    _print(
        experiment,
        "dispatcher",
        lambda recorded, **portion: recorded.dispatcher_log(**portion),
        lambda recorded, tail: recorded.follow_dispatcher_log(tail=tail),
        **options,
    )


@log.command(short_help="What a trial wrote.")
@_with_portion
@click.option("--trial", "trial_id", metavar="TRIAL", required=True, help="Id of the trial.")
@click.option(
    "--kind",
    type=click.Choice(_TRIAL_LOGS),
    default="stdout",
    show_default=True,
    help="`trial` is what NNI logs inside the trial.",
)
@telling_errors
def trial(experiment: str | None, *, trial_id: str, kind: str, **options: Any) -> None:
    """Print what a trial wrote."""
    _print(
        experiment,
        kind,
        lambda recorded, **portion: recorded.trial_log(trial_id, kind, **portion),
        lambda recorded, tail: recorded.follow_trial_log(trial_id, kind, tail=tail),
        **options,
    )


_Read = Callable[..., str]
_Follow = Callable[["RecordedExperiment", "int | None"], Iterator[str]]


def _manager_log(kind: str) -> tuple[_Read, _Follow]:
    return (
        lambda recorded, **portion: recorded.manager_log(kind, **portion),
        lambda recorded, tail: recorded.follow_manager_log(kind, tail=tail),
    )


def _print(
    experiment: str | None,
    name: str,
    read: _Read,
    follow: _Follow,
    *,
    parents: Sequence[str],
    head: int | None,
    tail: int | None,
    is_followed: bool,
    as_json: bool,
) -> None:
    if is_followed and (as_json or head is not None):
        raise click.UsageError("--follow cannot be used together with --json or --head.")
    recorded = open_record(select_record(experiment, parents))
    if is_followed:
        for piece in follow(recorded, tail):
            click.echo(piece, nl=False)
        return
    text = read(recorded, head=head, tail=tail)
    if as_json:
        print_json({"exp_id": recorded.directory.name, "log": name, "text": text})
    else:
        click.echo(text, nl=bool(text) and not text.endswith("\n"))
