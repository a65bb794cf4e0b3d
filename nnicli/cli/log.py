"""`nnicli log`: what a manager, its tuner and its trials wrote."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nnicli.cli.output import LogWriter, print_json, tell, telling_errors
from nnicli.cli.selection import selected, with_experiment
from nnicli.errors import NnicliError

if TYPE_CHECKING:
    from nnicli.reader import ExperimentReader

F = TypeVar("F", bound=Callable[..., Any])

_TRIAL_LOGS = ("stdout", "stderr", "trial")


@click.group(short_help="Print what a manager, its tuner and its trials wrote.")
def log() -> None:
    """Print what a manager, its tuner and its trials wrote, from the experiment's files.

    EXPERIMENT is an id, a unique prefix of one, an experiment's own folder, its nni.sqlite, an
    archive, or its manager's address: http://host[:port][/prefix], or :port on this machine.
    Without it, the only experiment that runs is meant, else the only one that there is.
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
        lambda recorded, **portion: recorded.follow_dispatcher_log(**portion),
        **options,
    )


@log.command(short_help="What a trial wrote.")
@_with_portion
@click.option(
    "--trial",
    "--trial-id",
    "--trial_id",
    "trial_id",
    metavar="TRIAL",
    required=True,
    help="Id of the trial.",
)
@click.option(
    "--kind",
    type=click.Choice(_TRIAL_LOGS),
    help="Only this one; `trial` is what NNI logs inside the trial.  [default: all, labelled]",
)
@telling_errors
def trial(experiment: str | None, *, trial_id: str, kind: str | None, **options: Any) -> None:
    """Print what a trial wrote: its standard output, its standard error and NNI's trial.log.

    What a trial prints after it has imported nni is in trial.log (1.9 to 3.0), so all logs that
    have text are shown.
    """
    if kind is None:
        _print_all(experiment, trial_id, **options)
        return
    _print(
        experiment,
        kind,
        lambda recorded, **portion: recorded.trial_log(trial_id, kind, **portion),
        lambda recorded, **portion: recorded.follow_trial_log(trial_id, kind, **portion),
        **options,
    )


_Read = Callable[..., str]
_Follow = Callable[..., Iterator[str]]
# What is there is followed for no time, which tells it piece by piece: a log may have gigabytes.
_AS_IT_IS = 0.0


def _manager_log(kind: str) -> tuple[_Read, _Follow]:
    return (
        lambda recorded, **portion: recorded.manager_log(kind, **portion),
        lambda recorded, **portion: recorded.follow_manager_log(kind, **portion),
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
    _check_portion(head, is_followed=is_followed, as_json=as_json)
    with selected(experiment, parents) as one:
        if as_json:
            text = read(one.reader, head=head, tail=tail)
            print_json({"exp_id": one.record.exp_id, "log": name, "text": text})
            return
        pieces: Iterable[str]
        if head is None:
            pieces = follow(one.reader, tail=tail, timeout=None if is_followed else _AS_IT_IS)
        else:
            pieces = [read(one.reader, head=head)]
        log = LogWriter()
        for piece in pieces:
            log.write(piece)
        if not is_followed:
            log.close()


def _check_portion(head: int | None, *, is_followed: bool, as_json: bool) -> None:
    if is_followed and (as_json or head is not None):
        raise click.UsageError("--follow cannot be used together with --json or --head.")


def _print_all(
    experiment: str | None,
    trial_id: str,
    *,
    parents: Sequence[str],
    head: int | None,
    tail: int | None,
    is_followed: bool,
    as_json: bool,
) -> None:
    """Print every log of a trial that has text, each below its name, as `tail` does with files."""
    _check_portion(head, is_followed=is_followed, as_json=as_json)
    with selected(experiment, parents) as one:
        if is_followed:
            _print_labelled(_follow_all(one.reader, trial_id, tail))
            return
        kinds = one.reader.trial_log_kinds(trial_id)
        if as_json:
            texts = {
                kind: one.reader.trial_log(trial_id, kind, head=head, tail=tail) for kind in kinds
            }
            print_json({"exp_id": one.record.exp_id, "trial": trial_id, "logs": texts})
        elif kinds:
            _print_labelled(
                (kind, piece)
                for kind in kinds
                for piece in _pieces_of(one.reader, trial_id, kind, head=head, tail=tail)
            )
        else:
            tell(f"trial {trial_id} has written nothing")


def _pieces_of(
    reader: ExperimentReader, trial_id: str, kind: str, *, head: int | None, tail: int | None
) -> Iterable[str]:
    if head is None:
        return reader.follow_trial_log(trial_id, kind, tail=tail, timeout=_AS_IT_IS)
    return [reader.trial_log(trial_id, kind, head=head)]


def _print_labelled(pieces: Iterable[tuple[str, str]]) -> None:
    """Print pieces of several logs, with a log's name where another one comes before."""
    previous, log = None, LogWriter()
    for kind, piece in pieces:
        if kind != previous:
            log.close()
            log.write(f"{'' if previous is None else chr(10)}==> {kind} <==\n")
            previous = kind
        log.write(piece)
    log.close()


def _follow_all(
    reader: ExperimentReader, trial_id: str, tail: int | None
) -> Iterator[tuple[str, str]]:
    """Return the name and the text of each piece that a trial writes, until it has ended."""
    follows = {kind: reader.follow_trial_log(trial_id, kind, tail=tail) for kind in _TRIAL_LOGS}
    pieces: SimpleQueue[tuple[str, str | BaseException | None]] = SimpleQueue()
    for kind, follow in follows.items():
        # Each waits for its own file; whoever ends the command does not wait for them.
        threading.Thread(target=_pass_on, args=(kind, follow, pieces), daemon=True).start()
    left = len(follows)
    while left:
        kind, piece = pieces.get()
        if isinstance(piece, BaseException):
            raise piece
        if piece is None:
            left -= 1
        else:
            yield kind, piece


def _pass_on(
    kind: str,
    follow: Iterator[str],
    pieces: SimpleQueue[tuple[str, str | BaseException | None]],
) -> None:
    try:
        for piece in follow:
            pieces.put((kind, piece))
    except NnicliError as error:
        pieces.put((kind, error))
    else:
        pieces.put((kind, None))
