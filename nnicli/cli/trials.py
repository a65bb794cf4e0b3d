"""Trials as a table on a terminal."""

from __future__ import annotations

from rich.box import SIMPLE
from rich.table import Table

from nnicli import TrialJob
from nnicli.cli.consoles import SafeTable
from nnicli.cli.display import describe_parameters
from nnicli.units import format_duration


def trial_table(trials: list[TrialJob], best: TrialJob | None) -> Table:
    """Return a table with a row for each trial, the best one marked."""
    table = SafeTable(box=SIMPLE, pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column("trial", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("metric", justify="right", no_wrap=True)
    table.add_column("duration", justify="right", no_wrap=True)
    table.add_column("parameters", overflow="fold")
    for trial in trials:
        is_best = best is not None and trial.trialJobId == best.trialJobId
        duration = trial.duration
        table.add_row(
            "" if trial.sequenceId is None else str(trial.sequenceId),
            trial.trialJobId,
            trial.status,
            "" if trial.final_value is None else f"{trial.final_value:.6g}",
            "" if duration is None else format_duration(duration.total_seconds()),
            describe_parameters(trial),
            style="bold green" if is_best else None,
        )
    return table
