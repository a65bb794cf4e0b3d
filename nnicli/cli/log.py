"""`nnicli log`: the logs of a manager, its tuner and its trials."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nnicli.cli.output import LogWriter, print_json, print_message, reporting_errors
from nnicli.cli.selection import selected, with_experiment
from nnicli.errors import NnicliError

if TYPE_CHECKING:
    from nnicli.reader import ExperimentReader

F = TypeVar("F", bound=Callable[..., Any])

_TRIAL_LOGS = ("stdout", "stderr", "trial")


@click.group(short_help="Print the logs of a manager, its tuner or its trials.")
def log() -> None:
    """Print the logs of a manager, its tuner or its trials, from the experiment's files.

    EXPERIMENT is an id or a unique prefix of one, an experiment directory, its nni.sqlite, an
    archive, or a manager's address: http://host[:port][/prefix], or :port on this machine. It
    defaults to the only running experiment, else to the only one that exists.
    """


def _with_portion(command: F) -> F:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
        click.option(
            "-f",
            "--follow",
            "is_followed",
            is_flag=True,
            help="Follow the log until its writer has exited.",
        ),
        click.option(
            "-T",
            "--tail",
            type=click.IntRange(min=0),
            metavar="N",
            help="Print only the last N lines.",
        ),
        click.option(
            "-H",
            "--head",
            type=click.IntRange(min=0),
            metavar="N",
            help="Print only the first N lines.",
        ),
    ):
        command = option(command)
    return with_experiment(command)


@log.command(short_help="Print the manager's standard output.")
@_with_portion
@reporting_errors
def stdout(experiment: str | None, **options: Any) -> None:
    """Print the manager's standard output."""
    _print(experiment, "stdout", *_manager_log("stdout"), **options)


@log.command(short_help="Print the manager's standard error.")
@_with_portion
@reporting_errors
def stderr(experiment: str | None, **options: Any) -> None:
    """Print the manager's standard error, which shows early failures."""
    _print(experiment, "stderr", *_manager_log("stderr"), **options)


@log.command(short_help="Print the manager's log.")
@_with_portion
@reporting_errors
def manager(experiment: str | None, **options: Any) -> None:
    """Print the manager's log, nnimanager.log."""
    _print(experiment, "manager", *_manager_log("log"), **options)


@log.command(short_help="Print the log of the tuner's process.")
@_with_portion
@reporting_errors
def dispatcher(experiment: str | None, **options: Any) -> None:
    """Print the log of the tuner's process, dispatcher.log, which shows why a tuner failed."""
    _print(
        experiment,
        "dispatcher",
        lambda recorded, **portion: recorded.dispatcher_log(**portion),
        lambda recorded, **portion: recorded.follow_dispatcher_log(**portion),
        **options,
    )


@log.command(short_help="Print the logs of a trial.")
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
    help="Print only this log; `trial` is NNI's own.  [default: all, labelled]",
)
@reporting_errors
def trial(experiment: str | None, *, trial_id: str, kind: str | None, **options: Any) -> None:
    """Print the logs of a trial: its standard output, standard error and NNI's trial.log.

    After importing nni, a trial's output goes to trial.log (1.9 to 3.0), so all logs that are not
    empty are printed.
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
# Following with this timeout reads what exists piece by piece: a log may have gigabytes.
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
    """Print every non-empty log of a trial below its name, as `tail` does for several files."""
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
            print_message(f"the logs of trial {trial_id} are empty")


def _pieces_of(
    reader: ExperimentReader, trial_id: str, kind: str, *, head: int | None, tail: int | None
) -> Iterable[str]:
    if head is None:
        return reader.follow_trial_log(trial_id, kind, tail=tail, timeout=_AS_IT_IS)
    return [reader.trial_log(trial_id, kind, head=head)]


def _print_labelled(pieces: Iterable[tuple[str, str]]) -> None:
    """Print pieces of several logs, with a log's name wherever the log changes."""
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
    """Yield the log's name and the text of each piece that a trial writes, until it ends."""
    follows = {kind: reader.follow_trial_log(trial_id, kind, tail=tail) for kind in _TRIAL_LOGS}
    pieces: SimpleQueue[tuple[str, str | BaseException | None]] = SimpleQueue()
    for kind, follow in follows.items():
        # Each waits for its own file; the command can exit without waiting for them.
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
