"""`nnicli trial`: the trials of an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nnicli.cli.output import print_json, print_message, reporting_errors
from nnicli.cli.selection import selected, with_experiment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnicli import ExperimentProfile, TrialJob
    from nnicli.results import Mode


@click.group(short_help="List the trials of an experiment.")
def trial() -> None:
    """List the trials of an experiment, from its files."""


@trial.command("ls", short_help="List trials.")
@with_experiment
@click.option(
    "--status", "statuses", multiple=True, help="Only trials with this status; may be repeated."
)
@click.option("--head", type=click.IntRange(min=1), metavar="N", help="Only the N best.")
@click.option("--tail", type=click.IntRange(min=1), metavar="N", help="Only the N worst.")
@click.option(
    "--mode",
    type=click.Choice(["maximize", "minimize"]),
    help="Which metrics are best.  [default: the tuner's optimize_mode]",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@reporting_errors
def ls(
    experiment: str | None,
    *,
    parents: Sequence[str],
    statuses: Sequence[str],
    head: int | None,
    tail: int | None,
    mode: Mode | None,
    as_json: bool,
) -> None:
    """List trials in order of creation; with --head or --tail, the best first.

    EXPERIMENT is an id or a unique prefix of one, an experiment directory, its nni.sqlite, an
    archive, or a manager's address: http://host[:port][/prefix], or :port on this machine. It
    defaults to the only running experiment, else to the only one that exists.
    """
    from nnicli import TrialJobStatus
    from nnicli.choices import check_choice
    from nnicli.cli.consoles import open_output
    from nnicli.cli.trials import trial_table
    from nnicli.results import rank_trials, trials_table

    with selected(experiment, parents) as one_experiment:
        reader = one_experiment.reader
        direction = _direction(reader.get_experiment_profile(), mode, is_needed=bool(head or tail))
        every = reader.list_trial_jobs()
    wanted = {status.upper() for status in statuses}
    # An unknown release of NNI may have other statuses.
    known = dict.fromkeys((*map(str, TrialJobStatus), *(one.status for one in every)))
    for status in wanted:
        check_choice(status, known, field="status")
    trials = [one for one in every if not wanted or one.status in wanted]
    ranked = [one for one, _ in rank_trials(trials, mode=direction)] if direction else []
    shown = _portion(ranked, head, tail) if head or tail else trials
    if as_json:
        print_json(trials_table(shown).rows)
    elif shown:
        open_output().print(trial_table(shown, ranked[0] if ranked else None))
    else:
        print_message("no trials")


def _portion(ranked: list[TrialJob], head: int | None, tail: int | None) -> list[TrialJob]:
    if head is not None and tail is not None:
        raise click.UsageError("--head and --tail cannot be used together.")
    return ranked[:head] if head is not None else ranked[-(tail or 0) :]


def _direction(profile: ExperimentProfile, mode: Mode | None, *, is_needed: bool) -> Mode | None:
    from nnicli.results import optimize_mode

    direction = mode or optimize_mode(profile)
    if direction is None and is_needed:
        raise click.UsageError("the tuner's classArgs do not set optimize_mode; pass --mode.")
    return direction
