"""The outcome of an experiment: a table for people, a JSON document for machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from nnicli import ConfigError, TrialJob
from nnicli.cli.display import describe_parameters
from nnicli.cli.problems import to_document as to_problem_document
from nnicli.cli.trials import trial_table
from nnicli.results import Mode, rank_trials, trials_table

_MOST_ROWS = 40


@dataclass
class Report:
    """Everything to report at the end, filled in as far as the experiment got."""

    exp_id: str | None = None
    name: str | None = None
    directory: str | None = None
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
    """Print a table of the trials, and the best trial."""
    if not report.trials:
        return
    best = report.best
    console.print(trial_table(report.trials[:_MOST_ROWS], best))
    hidden = len(report.trials) - _MOST_ROWS
    if hidden > 0:
        console.print(f"... and {hidden} more; --json prints them all")
    if best is not None:
        value = best.final_value
        parameters = describe_parameters(best)
        console.print(
            f"Best trial ({report.mode}): {best.trialJobId} with {value:.6g}", style="bold"
        )
        console.print(f"  {parameters}")
    elif report.mode is None and any(trial.final_value is not None for trial in report.trials):
        console.print("No best trial: the tuner's classArgs do not set optimize_mode.")


def to_document(report: Report) -> dict[str, Any]:
    """Return the report for machines."""
    best = report.best
    return {
        "exp_id": report.exp_id,
        "name": report.name,
        "status": report.status,
        "exit_code": report.exit_code,
        "duration_s": round(report.elapsed_s, 3),
        "optimize_mode": report.mode,
        "trials": trials_table(report.trials).rows,
        "best": None if best is None else trials_table([best]).rows[0],
        "error": None if report.error is None else _error_document(report),
    }


def _error_document(report: Report) -> dict[str, Any]:
    error = report.error
    problems = error.problems if isinstance(error, ConfigError) else ()
    return {
        "type": type(error).__name__,
        "message": report.error_text,
        "problems": [to_problem_document(problem) for problem in problems],
    }
