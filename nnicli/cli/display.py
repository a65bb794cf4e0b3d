"""Progress on standard error: a live display on a terminal, otherwise a line for each change."""

from __future__ import annotations

import logging
from copy import copy
from types import TracebackType
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nnicli import ParametersStatus, TrialJob
from nnicli.cli.progress import Snapshot
from nnicli.errors import Advice
from nnicli.printable import printable_line
from nnicli.units import format_duration

_REFRESHES_PER_S = 4


class Display(Protocol):
    """Shows the progress of an experiment."""

    def show(self, snapshot: Snapshot) -> None:
        """Show the latest snapshot."""

    def close(self) -> None:
        """Stop, leaving the last snapshot on the screen."""


def open_display(console: Console, title: str) -> Display:
    """Return the display that fits the console."""
    return LiveDisplay(console, title) if console.is_terminal else LineDisplay(console)


class LineDisplay:
    """One line for each change, which stays readable in a log."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: Snapshot | None = None

    def show(self, snapshot: Snapshot) -> None:
        """Print a line if anything but the time has changed."""
        if snapshot != self._last:
            elapsed = format_duration(snapshot.elapsed_s)
            line = f"[{elapsed:>7}] {snapshot.status}: {describe(snapshot)}"
            _print_line(self._console, line)
            self._last = snapshot

    def close(self) -> None:
        """Do nothing: every line is complete."""


class LiveDisplay:
    """A few lines, redrawn in place."""

    def __init__(self, console: Console, title: str) -> None:
        self._title = title
        self._snapshot: Snapshot | None = None
        self._live = Live(
            console=console, refresh_per_second=_REFRESHES_PER_S, redirect_stdout=False
        )
        self._live.start()

    def show(self, snapshot: Snapshot) -> None:
        """Redraw with the latest snapshot."""
        self._live.update(self._render(snapshot))

    def close(self) -> None:
        """Stop redrawing, leaving the last snapshot on the screen."""
        self._live.stop()

    def _render(self, snapshot: Snapshot) -> RenderableType:
        bar = Table.grid(padding=(0, 1), expand=True)
        bar.add_column(ratio=1)
        bar.add_column(justify="right", no_wrap=True)
        total = snapshot.total
        limit = str(total) if total is not None else "no limit"
        bar.add_row(
            ProgressBar(total=total or max(snapshot.done, 1), completed=snapshot.done),
            f"{snapshot.done}/{limit} {_trials(snapshot)}  {format_duration(snapshot.elapsed_s)}",
        )
        state = Text.assemble((snapshot.status, "bold"), "  ", describe(snapshot, with_done=False))
        state.no_wrap, state.overflow = True, "ellipsis"
        heading = Text(self._title, style="cyan", no_wrap=True, overflow="ellipsis")
        return Group(heading, bar, state)


def describe(snapshot: Snapshot, *, with_done: bool = True) -> str:
    """Return an experiment's progress in one line."""
    parts = [f"{snapshot.running} running"]
    if with_done:
        of = f" of {snapshot.total}" if snapshot.total is not None else ""
        parts.insert(0, f"{snapshot.done}{of} {_trials(snapshot)} done")
    if snapshot.failed:
        parts.append(f"{snapshot.failed} failed")
    if snapshot.best is not None:
        trial, value = snapshot.best
        parts.append(f"best {value:.6g} ({describe_parameters(trial)})")
    return ", ".join(parts)


def _trials(snapshot: Snapshot) -> str:
    number = snapshot.done if snapshot.total is None else snapshot.total
    return "trial" if number == 1 else "trials"


# Shown after parameters that the manager generated for a trial.
_CAVEATS = {
    ParametersStatus.NOT_READ.value: "never read by the trial",
    ParametersStatus.UNKNOWN.value: "not confirmed",
}


def describe_parameters(trial: TrialJob) -> str:
    """Return a trial's parameters in one short line, noting if it may not have run with them."""
    caveat = _CAVEATS.get(trial.parameters_status)
    parameters = brief_parameters(trial.parameters)
    return parameters if caveat is None else f"{parameters} ({caveat})"


def brief_parameters(parameters: Any) -> str:
    """Return parameters in one short line."""
    if isinstance(parameters, dict):
        parameters = ", ".join(f"{name}={_brief(value)}" for name, value in parameters.items())
    return printable_line(str(parameters))


def _brief(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _print_line(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True)


def _in_shell(argument: object) -> object:
    return argument.shell if isinstance(argument, Advice) else argument


class ConsoleHandler(logging.Handler):
    """Prints nnicli's warnings on the console, above a live display rather than across it."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        if isinstance(record.args, tuple):
            record = copy(record)
            record.args = tuple(map(_in_shell, record.args or ()))
        line = f"{record.levelname.lower()}: {record.getMessage()}"
        _print_line(self._console, line)

    def __enter__(self) -> ConsoleHandler:  # noqa: PYI034 - typing.Self needs Python 3.11
        logging.getLogger("nnicli").addHandler(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        logging.getLogger("nnicli").removeHandler(self)
