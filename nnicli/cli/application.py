"""The command `nnicli` and its verbs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

import nnicli
from nnicli.cli.archives import load, save
from nnicli.cli.cleanup import delete, prune, reconcile
from nnicli.cli.configs import convert, schema, validate
from nnicli.cli.experiment import experiment
from nnicli.cli.installations import installations
from nnicli.cli.log import log
from nnicli.cli.run import run
from nnicli.cli.streams import guard_streams
from nnicli.cli.trial import trial
from nnicli.printable import printable


class _Nnicli(click.Group):
    """Guards the standard streams, and click's own messages about arguments."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        guard_streams()
        return super().main(*arguments, **options)

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with _safe_messages():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with _safe_messages():
            return super().invoke(ctx)


@contextmanager
def _safe_messages() -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        # The message quotes arguments, which scripts may take from files.
        vars(error)["message"] = printable(error.message)
        raise


@click.group(cls=_Nnicli, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(nnicli.__version__, message="nnicli %(version)s")
def main() -> None:
    """Launch and control Microsoft NNI experiments, without nnictl."""


for _command in (
    run,
    experiment,
    trial,
    log,
    validate,
    convert,
    schema,
    reconcile,
    installations,
):
    main.add_command(_command)
for _command in (save, load, delete, prune):
    experiment.add_command(_command)
