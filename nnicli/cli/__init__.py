"""The command `nnicli`: the only place that prints and exits."""

from __future__ import annotations

import click

import nnicli
from nnicli.cli.configs import convert, schema, validate
from nnicli.cli.managers import managers
from nnicli.cli.run import run

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(nnicli.__version__, message="nnicli %(version)s")
def main() -> None:
    """Launch and control Microsoft NNI experiments, without nnictl."""


main.add_command(run)
main.add_command(managers)
main.add_command(validate)
main.add_command(convert)
main.add_command(schema)
