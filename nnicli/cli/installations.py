"""`nnicli installations`: the NNI installations on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nnicli.cli.exits import Exit
from nnicli.cli.output import print_error, print_json

if TYPE_CHECKING:
    from nnicli import FoundInstallation

_HINT = (
    "no usable NNI found; install one in nnicli's environment with `pip install nni==3.0`, or set "
    "NNICLI_NNI to the path of another environment"
)


@click.command(short_help="List the NNI installations on this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def installations(*, as_json: bool) -> None:
    """List the NNI installations on this machine and show whether each is usable.

    `nnicli run` uses the one at NNICLI_NNI if that variable is set, else the one in its own
    environment; its --nni selects another. The exit code is 0 if any is usable, else 1.
    """
    from nnicli import find_installations

    found = find_installations()
    if as_json:
        print_json([_to_document(one) for one in found])
    elif found:
        _print_table(found)
    if not any(one.is_usable for one in found):
        print_error(_HINT)
        raise SystemExit(Exit.FAILED)


def _to_document(found: FoundInstallation) -> dict[str, object]:
    return {
        "path": str(found.path),
        "version": found.version,
        "python_version": found.python_version,
        "node_version": found.node_version,
        "is_usable": found.is_usable,
        "problem": found.problem or None,
    }


def _print_table(found: list[FoundInstallation]) -> None:
    from rich.text import Text

    from nnicli.cli.consoles import new_table, open_output

    table = new_table("NNI", "Python", "node.js", "usable")
    table.add_column("where", overflow="fold")
    for one in found:
        where = Text(str(one.path))
        if one.problem:
            where.append(f"\n{one.problem}", style="dim")
        table.add_row(
            one.version or "?",
            one.python_version or "?",
            one.node_version or "?",
            "yes" if one.is_usable else "no",
            where,
        )
    open_output().print(table)
