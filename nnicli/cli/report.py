"""What came out of an experiment: a table for people, a JSON document for machines."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from nnicli import ConfigError, TrialJob
from nnicli.cli.display import brief_parameters
from nnicli.cli.problems import to_document as to_problem_document
from nnicli.results import Mode, rank_trials
from nnicli.units import format_duration

_MOST_ROWS = 40


@dataclass
class Report:
    """All that is to be told at the end, filled in as far as the experiment came."""

    exp_id: str | None = None
    name: str | None = None
    status: str | None = None
    mode: Mode | None = None
    elapsed_s: float = 0.0
    trials: list[TrialJob] = field(default_factory=list)
    error: BaseException | None = None
    error_text: str = ""
    exit_code: int = 0

    @property
    def best(self) -> TrialJob | None:
        """The best trial, None without one or without a direction."""
        if self.mode is None:
            return None
        ranked = rank_trials(self.trials, mode=self.mode)
        return ranked[0][0] if ranked else None


def print_report(console: Console, report: Report) -> None:
    """Print the table of trials and the best one."""
    if not report.trials:
        return
    best = report.best
    console.print(_trial_table(report.trials, best))
    hidden = len(report.trials) - _MOST_ROWS
    if hidden > 0:
        console.print(f"... and {hidden} more; --json has them all")
    if best is not None:
        value = best.final_value
        parameters = brief_parameters(best.parameters)
        console.print(
            f"Best trial ({report.mode}): {best.trialJobId} with {value:.6g}", style="bold"
        )
        console.print(f"  {parameters}", markup=False, highlight=False)
    elif report.mode is None:
        console.print("No best trial: the tuner's classArgs have no optimize_mode to tell it by.")


def _trial_table(trials: list[TrialJob], best: TrialJob | None) -> Table:
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column("trial", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("metric", justify="right", no_wrap=True)
    table.add_column("duration", justify="right", no_wrap=True)
    table.add_column("parameters", overflow="fold")
    for trial in trials[:_MOST_ROWS]:
        is_best = best is not None and trial.trialJobId == best.trialJobId
        duration = trial.duration
        table.add_row(
            "" if trial.sequenceId is None else str(trial.sequenceId),
            trial.trialJobId,
            trial.status,
            "" if trial.final_value is None else f"{trial.final_value:.6g}",
            "" if duration is None else format_duration(duration.total_seconds()),
            brief_parameters(trial.parameters),
            style="bold green" if is_best else None,
        )
    return table


def to_document(report: Report) -> dict[str, Any]:
    """Return the report as strict JSON values; NaN and the infinities become text."""
    best = report.best
    document = {
        "exp_id": report.exp_id,
        "name": report.name,
        "status": report.status,
        "exit_code": report.exit_code,
        "duration_s": round(report.elapsed_s, 3),
        "optimize_mode": report.mode,
        "trials": [_trial_document(trial) for trial in report.trials],
        "best": None if best is None else _trial_document(best),
        "error": None if report.error is None else _error_document(report),
    }
    strict: dict[str, Any] = _strict(document)
    return strict


def _trial_document(trial: TrialJob) -> dict[str, Any]:
    duration = trial.duration
    return {
        "id": trial.trialJobId,
        "sequence_id": trial.sequenceId,
        "status": trial.status,
        "parameters": trial.parameters,
        "metric": trial.finalMetricData[0].data if trial.finalMetricData else None,
        "duration_s": None if duration is None else duration.total_seconds(),
    }


def _error_document(report: Report) -> dict[str, Any]:
    error = report.error
    problems = error.problems if isinstance(error, ConfigError) else ()
    return {
        "type": type(error).__name__,
        "message": report.error_text,
        "problems": [to_problem_document(problem) for problem in problems],
    }


def _strict(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return value
