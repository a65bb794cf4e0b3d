"""Rich consoles and tables on which text from outside is plain text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from nnicli.printable import printable, printable_line

# For a file or a pipe, which does not have a width.
_WIDE = 200
# A longer cell would fill the screen; --json prints all of it.
_MOST_IN_LINE = 500


class SafeConsole(Console):
    """A console without markup or emoji codes, whose only control characters are its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return the text as it will be shown, so that its width is right."""
        return super().render_str(printable(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Return the segments to write; text that was not a plain string is sanitised here."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield segment._replace(text=printable(segment.text))


class SafeTable(Table):
    """A table whose cells have one line each, or one line for each item of a sequence."""

    def add_row(self, *cells: Any, style: Any = None, end_section: bool = False) -> None:
        """Add a row."""
        super().add_row(*map(_to_cell, cells), style=style, end_section=end_section)


def _to_cell(cell: Any) -> Any:
    if isinstance(cell, str):
        return printable_line(cell, most=_MOST_IN_LINE)
    if isinstance(cell, list | tuple):
        return "\n".join(printable_line(line, most=_MOST_IN_LINE) for line in cell)
    return cell


def open_output() -> Console:
    """Return the console on standard output."""
    output = SafeConsole()
    return output if output.is_terminal else SafeConsole(width=_WIDE)


def open_messages() -> Console:
    """Return the console on standard error."""
    return SafeConsole(stderr=True)


def new_table(*columns: str) -> SafeTable:
    """Return a table whose given columns are never wrapped."""
    table = SafeTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table
