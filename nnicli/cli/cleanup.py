"""`nnicli experiment delete` and `prune`, and `nnicli reconcile`, which ask before they act."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from nnicli.cli.exits import Exit
from nnicli.cli.output import (
    format_time,
    json_option,
    print_json,
    print_message,
    print_result,
    reporting_errors,
)
from nnicli.cli.selection import parents_option

if TYPE_CHECKING:
    from rich.console import Console

    from nnicli import Deletion, Finding

_YES = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


@click.command(short_help="Delete experiments.")
@click.argument("experiments", metavar="EXPERIMENT...", nargs=-1, required=True)
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted.")
@click.option("--stop", is_flag=True, help="Stop running experiments first.")
@_YES
@parents_option
@json_option
@reporting_errors
def delete(
    experiments: Sequence[str],
    *,
    dry_run: bool,
    stop: bool,
    yes: bool,
    parents: Sequence[str],
    as_json: bool,
) -> None:
    """Delete experiments: their directories, links to these, and their entries in NNI's registry.

    Links inside the directories are not followed. On a terminal the command shows what would be
    deleted and asks, with --json too; otherwise, or with --yes, it deletes at once.
    """
    from nnicli import delete_experiments
    from nnicli.cli.consoles import open_messages

    def act(*, dry_run: bool) -> list[Deletion]:
        return delete_experiments(
            experiments, dry_run=dry_run, stop_running=stop, experiments_directories=parents
        )

    if dry_run:
        _show_deletions(act(dry_run=True), as_json=as_json)
        return
    if not yes and _can_ask():
        plans = act(dry_run=True)
        _print_deletions(plans, open_messages())
        _require_yes(f"Delete {_count(plans)}?")
    _show_deletions(act(dry_run=False), as_json=as_json)


@click.command(short_help="Delete stopped experiments by age, status or size.")
@click.option("--older-than", metavar="DURATION", help="Ended longer ago than this, such as 30d.")
@click.option(
    "--status",
    "statuses",
    metavar="STATUS",
    multiple=True,
    help="Has this status in NNI's registry, such as ERROR; may be repeated.",
)
@click.option(
    "--larger-than", metavar="SIZE", help="Uses more disk space than this, such as 500MB."
)
@_YES
@parents_option
@json_option
@reporting_errors
def prune(
    *,
    older_than: str | None,
    statuses: Sequence[str],
    larger_than: str | None,
    yes: bool,
    parents: Sequence[str],
    as_json: bool,
) -> None:
    """Delete stopped experiments that meet every condition.

    The command shows what would be deleted. On a terminal it then asks; otherwise it deletes only
    with --yes.
    """
    from nnicli import delete_experiments, prune_experiments
    from nnicli.units import parse_size

    least = None if larger_than is None else parse_size(larger_than, field="--larger-than")

    def act(*, dry_run: bool) -> list[Deletion]:
        return prune_experiments(
            older_than=older_than,
            statuses=[status.upper() for status in statuses],
            larger_than=least,
            dry_run=dry_run,
            experiments_directories=parents,
        )

    if yes:
        _show_deletions(act(dry_run=False), as_json=as_json)
        return
    plans = act(dry_run=True)
    _show_deletions(plans, as_json=as_json)
    if plans and not as_json and _can_ask():
        _require_yes(f"Delete {_count(plans)}?")
        # Only those shown, not others that meet the conditions by now.
        shown = [plan.record.directory for plan in plans if plan.record.directory is not None]
        deleted = delete_experiments(shown, experiments_directories=parents)
        _show_deletions(deleted, as_json=False)
    elif plans:
        print_message("nothing was deleted; pass --yes to delete them")


@click.command(short_help="Find and repair errors in NNI's registry.")
@_YES
@parents_option
@json_option
@reporting_errors
def reconcile(*, yes: bool, parents: Sequence[str], as_json: bool) -> None:
    """Find and repair errors in NNI's registry, and what killed processes left behind.

    \b
    ghost      registered, but not on disk
    stray      on disk, but not registered
    stale      registered as running, but its manager is gone
    orphans    tuners and trials that outlived their manager
    idle       a manager whose launcher was killed before sending the experiment
    lost       a manager whose experiment is not on disk
    unstarted  files of an interrupted start
    leftover   a temporary file of a killed nnicli

    The command shows what it finds. On a terminal it then asks; otherwise it repairs only with
    --yes. The exit code is 1 if anything is left to repair.
    """  # noqa: D301 - click needs the character itself
    from nnicli import reconcile_experiments

    found = reconcile_experiments(repair=yes, experiments_directories=parents)
    _show_findings(found, as_json=as_json)
    repairable = [finding for finding in found if finding.repairable]
    if not yes and repairable and not as_json and _can_ask():
        _require_yes(f"Repair {len(repairable)} of {len(found)}?")
        found = reconcile_experiments(repair=True, experiments_directories=parents)
        _show_findings(found, as_json=False)
    elif repairable and not yes:
        print_message("nothing was changed; pass --yes to repair what can be repaired")
    if not all(finding.repaired for finding in found):
        raise SystemExit(Exit.FAILED)


def _can_ask() -> bool:
    return sys.stdin.isatty()


def _require_yes(question: str) -> None:
    if not click.confirm(question, err=True):
        print_message("nothing was changed")
        raise SystemExit(Exit.FAILED)


def _count(plans: Sequence[Deletion]) -> str:
    from nnicli.units import format_size

    what = "1 experiment" if len(plans) == 1 else f"{len(plans)} experiments"
    return f"{what} ({format_size(sum(plan.size for plan in plans))})"


def _show_deletions(deletions: Sequence[Deletion], *, as_json: bool) -> None:
    if as_json:
        print_json([_deletion_document(deletion) for deletion in deletions])
    elif not deletions:
        print_message("no experiment meets the conditions")
    elif deletions[0].is_done:
        print_result(f"deleted {_count(deletions)}")
    else:
        from nnicli.cli.consoles import open_output

        _print_deletions(deletions, open_output())


def _deletion_document(deletion: Deletion) -> dict[str, Any]:
    return {
        "exp_id": deletion.record.exp_id,
        "paths": [str(path) for path in deletion.paths],
        "size": deletion.size,
        "pids": [process.pid for process in deletion.processes],
        "is_deleted": deletion.is_done,
    }


def _print_deletions(deletions: Sequence[Deletion], console: Console) -> None:
    from nnicli.cli.consoles import new_table
    from nnicli.units import format_size

    table = new_table("id", "status", "ended")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("to be deleted", overflow="fold")
    for deletion in deletions:
        record = deletion.record
        table.add_row(
            record.exp_id,
            "running" if deletion.processes else record.registry_status or record.status,
            format_time(record.ended_at),
            format_size(deletion.size),
            [str(path) for path in deletion.paths] or "its entry in the registry",
        )
    console.print(table)


def _show_findings(found: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        print_json([_finding_document(finding) for finding in found])
    elif not found:
        print_result("NNI's registry is correct, and nothing is left running")
    else:
        _print_findings(found)


def _finding_document(finding: Finding) -> dict[str, Any]:
    directory = finding.record.directory
    return {
        "kind": finding.kind,
        "exp_id": finding.record.exp_id,
        "directory": None if directory is None else str(directory),
        "message": finding.message,
        "pids": [process.pid for process in finding.processes],
        "repairable": finding.repairable,
        "repaired": finding.repaired,
        "paths": [str(path) for path in finding.paths],
        "error": finding.error or None,
    }


def _print_findings(found: Sequence[Finding]) -> None:
    from nnicli.cli.consoles import new_table, open_output

    table = new_table("what", "id", "repaired")
    table.add_column("found", overflow="fold")
    for finding in found:
        pids = [f"pid {process.pid}" for process in finding.processes]
        error = [finding.error] if finding.error else []
        lines = [finding.message, *pids, *error]
        table.add_row(finding.kind, finding.record.exp_id, _describe_repair(finding), lines)
    open_output().print(table)


def _describe_repair(finding: Finding) -> str:
    if finding.repaired:
        return "yes"
    if finding.error:
        return "failed"
    return "not yet" if finding.repairable else "cannot be"
