"""The command `nnicli`: the only place that prints and exits."""

from __future__ import annotations

import click

import nnicli
from nnicli.cli.archives import load, save
from nnicli.cli.cleanup import delete, prune, reconcile
from nnicli.cli.configs import convert, schema, validate
from nnicli.cli.experiment import experiment
from nnicli.cli.log import log
from nnicli.cli.managers import managers
from nnicli.cli.run import run
from nnicli.cli.streams import guard_messages
from nnicli.cli.trial import trial

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(nnicli.__version__, message="nnicli %(version)s")
def main() -> None:
    """Launch and control Microsoft NNI experiments, without nnictl."""
    guard_messages()


for _command in (
    run,
    experiment,
    trial,
    log,
    validate,
    convert,
    schema,
    reconcile,
    managers,
):
    main.add_command(_command)
for _command in (save, load, delete, prune):
    experiment.add_command(_command)
