"""`nnicli experiment`: the experiments on this machine, running or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click

from nnicli.cli.output import (
    format_time,
    json_option,
    print_json,
    print_message,
    print_result,
    reporting_errors,
    write_data,
)
from nnicli.cli.selection import find_url, parents_option, selected, with_experiment
from nnicli.printable import printable_line
from nnicli.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nnicli import ExperimentRecord
    from nnicli.cli.selection import Selected
    from nnicli.results import ExportFormat

# Repeats the whole config, in pieces and partly as text (1.x to 2.1).
_REPEATS = "clusterMetaData"
_SPACE = "searchSpace"


@click.group(short_help="List, show, export, save and delete experiments.")
def experiment() -> None:
    """List, show, export, save and delete experiments, without their managers where possible.

    EXPERIMENT is an id or a unique prefix of one, an experiment directory, its nni.sqlite, an
    archive, or a manager's address: http://host[:port][/prefix], or :port on this machine. It
    defaults to the only running experiment, else to the only one that exists.
    """


@experiment.command("list", short_help="List experiments.")
@click.option("--all", "is_all", is_flag=True, help="Include experiments without a manager.")
@parents_option
@json_option
@reporting_errors
def list_(*, is_all: bool, parents: Sequence[str], as_json: bool) -> None:
    """List running experiments; with --all, all that are registered or on disk."""
    from nnicli import list_experiments

    records = list_experiments(experiments_directories=parents)
    shown = [record for record in records if is_all or record.is_running]
    if as_json:
        print_json([_record_document(record) for record in shown])
        return
    if shown:
        _print_records(shown)
    hidden = len(records) - len(shown)
    if not shown:
        print_message("no running experiments" if not is_all else "no experiments found")
    if hidden:
        print_message(f"{hidden} without a manager; use --all to list them")


@experiment.command("show", short_help="Show an experiment and its config.")
@with_experiment
@json_option
@reporting_errors
def show(experiment: str | None, *, parents: Sequence[str], as_json: bool) -> None:
    """Show an experiment's details, and its config without secrets."""
    import yaml

    with selected(experiment, parents) as one:
        profile: dict[str, Any] = {**one.reader.get_experiment_profile()}
    profile["params"] = presentable_params(profile["params"])
    if as_json:
        print_json({**_record_document(one.record), "profile": profile})
        return
    _print_facts(one, {"config": ""})
    print_result(
        yaml.safe_dump(profile["params"], sort_keys=False, allow_unicode=True).rstrip("\n")
    )


@experiment.command("status", short_help="Show an experiment's progress.")
@with_experiment
@json_option
@reporting_errors
def status(experiment: str | None, *, parents: Sequence[str], as_json: bool) -> None:
    """Show an experiment's status, from its manager if it is running, and count its trials."""
    with selected(experiment, parents) as one:
        record = one.record
        shown, errors = _ask_status(one)
        statistics = one.reader.get_job_statistics()
    counts = {row["trialJobStatus"]: row["trialJobNumber"] for row in statistics}
    if as_json:
        document = _record_document(record)
        print_json({**document, "status": shown, "errors": errors, "trials": counts})
        return
    trials = ", ".join(f"{number} {name}" for name, number in counts.items()) or "none yet"
    registered = record.registry_status
    if not record.is_running and registered not in (None, shown):
        shown = f"{shown} (its manager is gone; the registry still says {registered})"
    facts = {"status": shown, "trials": trials}
    _print_facts(one, {**facts, **({"errors": "; ".join(errors)} if errors else {})})


@experiment.command("export", short_help="Export an experiment's results.")
@with_experiment
@click.option(
    "-t", "--type", "kind", type=click.Choice(["csv", "json"]), help="Format of the file."
)
@click.option("-f", "--filename", metavar="FILE", help="Write to FILE.  [default: standard output]")
@click.option("-i", "--intermediate", is_flag=True, help="Include intermediate metrics.")
@click.option("--json", "as_json", is_flag=True, help="Same as --type json.")
@click.option(
    "--csv-escape", is_flag=True, help="Put a ' before text that a spreadsheet would evaluate."
)
@reporting_errors
def export(
    experiment: str | None,
    *,
    parents: Sequence[str],
    kind: Literal["csv", "json"] | None,
    filename: str | None,
    intermediate: bool,
    as_json: bool,
    csv_escape: bool,
) -> None:
    """Export the parameters and final metric of every succeeded trial that has one.

    The format is nnictl's. Without --type it follows the ending of FILE, .csv or .json, else it is
    csv. Results come from trials: if you do not trust these, open csv in a spreadsheet only if it
    was written with --csv-escape. `import --csv-escape` reads it back.
    """
    chosen: Literal["csv", "json"] | None = "json" if as_json else kind
    with selected(experiment, parents) as one:
        if filename is not None:
            one.reader.write_export(
                filename,
                kind=chosen or _kind_by_name(filename) or "csv",
                intermediate=intermediate,
                csv_escape=csv_escape,
            )
            print_message(f"wrote {filename}")
            return
        text = one.reader.export_text(
            chosen or "csv", intermediate=intermediate, csv_escape=csv_escape
        )
    write_data(text if text.endswith("\n") else f"{text}\n")


@experiment.command("import", short_help="Import known results into a running experiment.")
@with_experiment
@click.option(
    "-f",
    "--filename",
    metavar="FILE",
    required=True,
    help="JSON or CSV file as `export` writes it.",
)
@click.option("--csv-escape", is_flag=True, help="FILE was written with this option.")
@json_option
@reporting_errors
def import_(
    experiment: str | None,
    *,
    parents: Sequence[str],
    filename: str,
    csv_escape: bool,
    as_json: bool,
) -> None:
    """Import known results into the tuner of a running experiment.

    Every result must be a point of its search space; otherwise nothing is sent.
    """
    from pathlib import Path

    from nnicli import Experiment, NotConnectedError
    from nnicli.results import parse_export

    exp_id, url = find_url(experiment, parents)
    path = Path(filename).expanduser()
    text = path.read_bytes().decode("utf-8", "replace")
    kind = _kind_by_name(filename) or _kind_by_content(text)
    rows = parse_export(text, kind, csv_escape=csv_escape)
    if url is None:
        raise NotConnectedError(
            f"experiment {exp_id} is not running, and only a running tuner accepts results; "
            "resume it first"
        )
    connected = Experiment()
    connected.connect_experiment(url)
    try:
        exp_id = str(connected.exp_id)
        connected.import_data(rows)
    finally:
        connected.disconnect()
    if as_json:
        print_json({"exp_id": exp_id, "imported": len(rows)})
    else:
        print_result(f"imported {len(rows)} results into experiment {exp_id}")


def _kind_by_name(filename: str) -> ExportFormat | None:
    from nnicli.results import EXPORT_FORMATS

    name = filename.lower()
    return next((kind for kind in EXPORT_FORMATS if name.endswith(f".{kind}")), None)


def _kind_by_content(text: str) -> ExportFormat:
    return "json" if text.lstrip("\ufeff \t\r\n").startswith(("[", "{")) else "csv"


def _ask_status(one: Selected) -> tuple[str, list[str]]:
    if one.record.url is None:
        return one.record.status, []
    from nnicli import Experiment, ManagerClient
    from nnicli.launcher import explain_silence

    if isinstance(one.reader, Experiment):
        answer = one.reader.get_experiment_status()
    else:
        with ManagerClient(one.record.url, explain_silence=explain_silence) as client:
            answer = client.get_experiment_status()
    return answer["status"], [redact(error) for error in answer["errors"]]


def _record_document(record: ExperimentRecord) -> dict[str, Any]:
    return {
        "exp_id": record.exp_id,
        "name": record.name,
        "status": record.status,
        "registry_status": record.registry_status,
        "is_running": record.is_running or record.url is not None,
        "platform": record.platform,
        "port": record.port,
        "url": record.url,
        "pid": record.owner.pid if record.owner is not None else None,
        "started_at": record.started_at.isoformat() if record.started_at else None,
        "ended_at": record.ended_at.isoformat() if record.ended_at else None,
        "directory": None if record.directory is None else str(record.directory),
        "version": record.version,
        "registry": None if record.registry is None else str(record.registry),
    }


def presentable_params(params: dict[str, Any]) -> dict[str, Any]:
    """Return a config that is safe to show; names in a search space are not secrets."""
    from nnicli.config import cut_depth, mask_secrets

    # Anybody may have written the database.
    params = cut_depth(params)
    space = {_SPACE: params[_SPACE]} if _SPACE in params else {}
    rest = {key: value for key, value in params.items() if key not in (_SPACE, _REPEATS)}
    return {**mask_secrets(rest), **space}


def _print_records(records: Sequence[ExperimentRecord]) -> None:
    from nnicli.cli.consoles import new_table, open_output

    table = new_table("id", "status", "started", "NNI")
    table.add_column("port", justify="right", no_wrap=True)
    table.add_column("name", overflow="fold")
    table.add_column("directory", overflow="fold")
    for record in records:
        table.add_row(
            record.exp_id,
            record.status,
            format_time(record.started_at),
            record.version or "?",
            "" if record.port is None else str(record.port),
            record.name or "",
            _short(record.directory),
            style="bold" if record.is_running else None,
        )
    open_output().print(table)


def _short(directory: Path | None) -> str:
    """Return a directory with ~ for the home directory."""
    from nnicli.user_home import find_user_home

    if directory is None:
        return "missing"
    home = find_user_home()
    if home is not None and directory.is_relative_to(home):
        return f"~/{directory.relative_to(home)}"
    return str(directory)


def _describe_manager(record: ExperimentRecord) -> str:
    if record.owner is None:
        return record.url or "none"
    return f"{record.url} (pid {record.owner.pid})"


def _print_facts(one: Selected, more: dict[str, str]) -> None:
    record = one.record
    facts = {
        "experiment": record.exp_id,
        "name": record.name or "",
        "status": record.status,
        "platform": record.platform or "",
        "NNI": record.version or "",
        "manager": _describe_manager(record),
        "started": format_time(record.started_at),
        "ended": format_time(record.ended_at),
        **({"read from": one.path} if one.path is not None else {}),
        "directory": str(record.directory or ""),
        **more,
    }
    width = max(map(len, facts)) + 1
    for name, value in facts.items():
        if value or name in more:
            print_result(f"{name + ':':<{width}} {printable_line(value)}".rstrip())
