"""`--ignore`: the option that turns off checks of configs."""

from __future__ import annotations

import click

ignoring = click.option(
    "--ignore",
    multiple=True,
    metavar="RULE",
    help="Turn off a check, by the name in brackets after its problems; may be repeated.",
)
