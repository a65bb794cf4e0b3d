"""`nnicli experiment`: the experiments of this machine, whether their managers live or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click

from nnicli.cli.output import (
    format_time,
    json_option,
    print_json,
    say,
    tell,
    telling_errors,
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

# In which the whole config is told once more, piece by piece and partly as text (1.x to 2.1).
_REPEATS = "clusterMetaData"
_SPACE = "searchSpace"


@click.group(short_help="List, show, export, save and delete experiments.")
def experiment() -> None:
    """List, show, export, save and delete experiments, from their files where those suffice.

    EXPERIMENT is an id, a unique prefix of one, an experiment's own folder, its nni.sqlite, an
    archive, or its manager's address: http://host[:port][/prefix], or :port on this machine.
    Without it, the only experiment that runs is meant, else the only one that there is.
    """


@experiment.command("list", short_help="List experiments.")
@click.option("--all", "is_all", is_flag=True, help="Those without a manager, too.")
@parents_option
@json_option
@telling_errors
def list_(*, is_all: bool, parents: Sequence[str], as_json: bool) -> None:
    """List the experiments that run; with --all, every one that a registry or a folder tells of."""
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
        tell("no experiment runs" if not is_all else "no experiment is known here")
    if hidden:
        tell(f"{hidden} without a manager; --all lists them, too")


@experiment.command("show", short_help="Show an experiment and its config.")
@with_experiment
@json_option
@telling_errors
def show(experiment: str | None, *, parents: Sequence[str], as_json: bool) -> None:
    """Show what is known of an experiment, and its config without its secrets."""
    import yaml

    with selected(experiment, parents) as one:
        profile: dict[str, Any] = {**one.reader.get_experiment_profile()}
    profile["params"] = presentable_params(profile["params"])
    if as_json:
        print_json({**_record_document(one.record), "profile": profile})
        return
    _print_facts(one, {"config": ""})
    say(yaml.safe_dump(profile["params"], sort_keys=False, allow_unicode=True).rstrip("\n"))


@experiment.command("status", short_help="Tell how far an experiment is.")
@with_experiment
@json_option
@telling_errors
def status(experiment: str | None, *, parents: Sequence[str], as_json: bool) -> None:
    """Tell an experiment's status, from its manager if that lives, and how many trials it has."""
    with selected(experiment, parents) as one:
        record = one.record
        said, errors = _ask_status(one)
        statistics = one.reader.get_job_statistics()
    counts = {row["trialJobStatus"]: row["trialJobNumber"] for row in statistics}
    if as_json:
        document = _record_document(record)
        print_json({**document, "status": said, "errors": errors, "trials": counts})
        return
    trials = ", ".join(f"{number} {name}" for name, number in counts.items()) or "none yet"
    noted = record.registry_status
    if not record.is_running and noted not in (None, said):
        said = f"{said} (its manager is gone; the registry still says {noted})"
    facts = {"status": said, "trials": trials}
    _print_facts(one, {**facts, **({"errors": "; ".join(errors)} if errors else {})})


@experiment.command("export", short_help="Write the results of an experiment to a file.")
@with_experiment
@click.option("-t", "--type", "kind", type=click.Choice(["csv", "json"]), help="Form of the file.")
@click.option("-f", "--filename", metavar="FILE", help="The file.  [default: standard output]")
@click.option("-i", "--intermediate", is_flag=True, help="Add the intermediate metrics.")
@click.option("--json", "as_json", is_flag=True, help="The same as --type json.")
@click.option(
    "--csv-escape", is_flag=True, help="Put a ' before text that a spreadsheet would compute."
)
@telling_errors
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
    """Write the parameters and the final metric of every trial that succeeded with one.

    The form is that of nnictl. Without --type it is what FILE ends in, .csv or .json, else csv.
    Results come from trials: where those are not yours, open csv in a spreadsheet only if it was
    written with --csv-escape. `import --csv-escape` reads it back.
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
            tell(f"wrote {filename}")
            return
        text = one.reader.export_text(
            chosen or "csv", intermediate=intermediate, csv_escape=csv_escape
        )
    write_data(text if text.endswith("\n") else f"{text}\n")


@experiment.command("import", short_help="Tell a running experiment known results.")
@with_experiment
@click.option(
    "-f", "--filename", metavar="FILE", required=True, help="json or csv as `export` writes it."
)
@click.option("--csv-escape", is_flag=True, help="It was written with this option.")
@json_option
@telling_errors
def import_(
    experiment: str | None,
    *,
    parents: Sequence[str],
    filename: str,
    csv_escape: bool,
    as_json: bool,
) -> None:
    """Tell the tuner of a running experiment results that are known already.

    All of them have to be points of its search space; if one is not, nothing is sent.
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
            f"experiment {exp_id} has no manager, and only a tuner that runs takes results; "
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
        say(f"imported {len(rows)} results into experiment {exp_id}")


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
    """Return a config as it may be shown; names in a search space are no secrets."""
    from nnicli.config import cut_depth, mask_secrets

    # A database may have been made by anybody.
    params = cut_depth(params)
    space = {_SPACE: params[_SPACE]} if _SPACE in params else {}
    rest = {key: value for key, value in params.items() if key not in (_SPACE, _REPEATS)}
    return {**mask_secrets(rest), **space}


def _print_records(records: Sequence[ExperimentRecord]) -> None:
    from nnicli.cli.consoles import new_table, open_output

    table = new_table("id", "status", "started", "NNI")
    table.add_column("port", justify="right", no_wrap=True)
    table.add_column("name", overflow="fold")
    table.add_column("folder", overflow="fold")
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
    """Return a folder as people write it."""
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
        **({"read from": one.place} if one.place is not None else {}),
        "folder": str(record.directory or ""),
        **more,
    }
    width = max(map(len, facts)) + 1
    for name, value in facts.items():
        if value or name in more:
            say(f"{name + ':':<{width}} {printable_line(value)}".rstrip())
