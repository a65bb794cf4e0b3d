"""`nnicli experiment save` and `load`: an experiment as one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from nnicli.cli.output import json_option, print_json, print_result, reporting_errors


@click.command(short_help="Save an experiment as one file.")
@click.argument("experiment", metavar="EXPERIMENT")
@click.argument("file", metavar="FILE")
@click.option("--code", is_flag=True, help="Also save the trials' code directories.")
@click.option("--trials", is_flag=True, help="Also save what the trials wrote.")
@click.option(
    "--experiments-directory",
    metavar="DIR",
    help="Another parent of experiment directories to search.",
)
@json_option
@reporting_errors
def save(
    experiment: str,
    file: str,
    *,
    code: bool,
    trials: bool,
    experiments_directory: str | None,
    as_json: bool,
) -> None:
    """Save an experiment to FILE, a zip archive with checksums.

    The archive has the config, search space, database, logs and tuner checkpoints. A running
    experiment is saved in its current state and continues. FILE contains the whole config,
    passwords included.
    """
    from nnicli import save_experiment
    from nnicli.units import format_size

    with _progress("saving") as progress:
        saved = save_experiment(
            experiment,
            file,
            include_code=code,
            include_trials=trials,
            experiments_directory=experiments_directory,
            progress=progress,
        )
    if as_json:
        print_json(
            {
                "exp_id": saved.exp_id,
                "path": str(saved.path),
                "size": saved.size,
                "files": saved.files,
                "skipped": saved.skipped,
            }
        )
    else:
        size = format_size(saved.size)
        print_result(f"saved {saved.exp_id} in {saved.path} ({saved.files} files, {size})")


@click.command(short_help="Load a saved experiment.")
@click.argument("file", metavar="FILE")
@click.option(
    "--experiments-directory",
    metavar="DIR",
    help="Parent of the experiment directory.  [default: ~/nni-experiments]",
)
@click.option("--code-directory", metavar="DIR", help="Where the trials' code is on this machine.")
@json_option
@reporting_errors
def load(
    file: str, *, experiments_directory: str | None, code_directory: str | None, as_json: bool
) -> None:
    """Load the experiment in FILE, so that it can be viewed and resumed on this machine.

    Archives from `nnictl experiment save` can be loaded too. Resuming runs the commands in the
    config, so load only archives that you trust.
    """
    from nnicli import load_experiment

    with _progress("loading") as progress:
        loaded = load_experiment(
            file,
            experiments_directory=experiments_directory,
            code_directory=code_directory,
            progress=progress,
        )
    if as_json:
        code = loaded.code_directory
        print_json(
            {
                "exp_id": loaded.exp_id,
                "directory": str(loaded.directory),
                "code_directory": None if code is None else str(code),
                "has_code": loaded.has_code,
            }
        )
    else:
        print_result(f"loaded {loaded.exp_id} into {loaded.directory}")


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show a progress bar on a terminal, and warnings above it."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from nnicli.cli.consoles import open_messages
    from nnicli.cli.display import ConsoleHandler

    messages = open_messages()
    columns = (TextColumn(title), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with (
        ConsoleHandler(messages),
        Progress(
            *columns, console=messages, transient=True, disable=not messages.is_terminal
        ) as bar,
    ):
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
