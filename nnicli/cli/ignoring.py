"""`--ignore`: the option that turns checks of configs off."""

from __future__ import annotations

import click

ignoring = click.option(
    "--ignore",
    multiple=True,
    metavar="RULE",
    help="Turn a check off, by the name in brackets that its problems have; may be repeated.",
)
