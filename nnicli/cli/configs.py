"""`nnicli validate`, `convert` and `schema`: configs without an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from nnicli.cli.exits import Exit
from nnicli.cli.ignoring import ignoring
from nnicli.cli.output import print_error, print_json, print_message, print_result, write_data

if TYPE_CHECKING:
    from nnicli.config import Conversion, Target
    from nnicli.errors import Problem

_VALIDATE_CODES = """\b
Exit codes:
  0    no errors (with --strict: no warnings either)
  1    problems
  2    bad usage, or a file that cannot be read
"""
_CONVERT_CODES = """\b
Exit codes:
  0    converted
  1    converted, but something that the experiment needs was lost
  2    bad usage, or a file that cannot be read
"""
_SCHEMAS = {"v1": "experiment-v1", "v2": "experiment-v2", "search-space": "search-space"}
# Nobody fixes more than these at once.
_MOST_PRINTED = 200
# Rules whose problems mean that the file could not be checked.
_UNREADABLE = frozenset(("file", "encoding"))


@click.command(short_help="Check configs.", epilog=_VALIDATE_CODES)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--nni",
    metavar="PATH",
    help="NNI to check for.  [default: the one that `run` would use, else the newest release]",
)
@click.option("--nni-version", metavar="V", help="Release to check for; it need not be installed.")
@ignoring
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of all problems.")
@click.option(
    "--format",
    "style",
    type=click.Choice(("text", "github")),
    default="text",
    help="github: annotations for GitHub workflows.",
)
def validate(
    *,
    files: tuple[str, ...],
    nni: str | None,
    nni_version: str | None,
    ignore: tuple[str, ...],
    strict: bool,
    as_json: bool,
    style: str,
) -> None:
    """Check configs, v1 or v2, as a start would, and print each problem with its position."""
    if as_json and style != "text":
        raise click.UsageError("--json and --format are mutually exclusive")
    if nni is not None and nni_version is not None:
        raise click.UsageError("--nni and --nni-version are mutually exclusive")
    target = None
    if nni_version is None:
        nni_version, target = _find_target(nni)
    problems = [one for file in files for one in _check(file, nni_version, target, ignore)]
    if as_json:
        from nnicli.cli.problems import to_document

        print_json([to_document(one) for one in problems])
    elif style == "github":
        from nnicli.cli.problems import to_annotation

        for problem in problems:
            print_result(to_annotation(problem))
    else:
        _print_problems(problems, number_of_files=len(files))
    raise SystemExit(_exit_code(problems, strict=strict))


def _find_target(nni: str | None) -> tuple[str | None, Target | None]:
    """Return the release and target of the NNI that a start would use; None without an NNI."""
    import os

    from nnicli import find_installation
    from nnicli.errors import InstallationNotFoundError
    from nnicli.launcher import INSTALLATION_VARIABLE, target_of

    try:
        installation = find_installation(nni)
    except InstallationNotFoundError as error:
        if nni is not None or os.environ.get(INSTALLATION_VARIABLE):
            raise click.UsageError(str(error)) from error
        return None, None
    return installation.version, target_of(installation)


def _check(
    file: str, nni_version: str | None, target: Target | None, ignore: tuple[str, ...]
) -> list[Problem]:
    from nnicli.config import check_config
    from nnicli.errors import InvalidValueError, UnsupportedVersionError

    try:
        return check_config(file, nni_version=nni_version, target=target, ignore=ignore)
    except InvalidValueError as error:
        raise click.UsageError(f"--{error}") from error
    except UnsupportedVersionError as error:
        raise click.BadParameter(str(error), param_hint="--nni-version") from error


def _print_problems(problems: list[Problem], *, number_of_files: int) -> None:
    from nnicli.cli.consoles import open_output
    from nnicli.cli.problems import print_problem
    from nnicli.config import how_to_ignore

    console = open_output()
    for problem in problems[:_MOST_PRINTED]:
        print_problem(console, problem)
    if len(problems) > _MOST_PRINTED:
        console.print(f"... and {len(problems) - _MOST_PRINTED} more; --json prints them all")
    errors = sum(problem.severity == "error" for problem in problems)
    found = f"{_count(errors, 'error')}, {_count(len(problems) - errors, 'warning')}"
    print_message(f"{found} in {_count(number_of_files, 'file')}")
    advice = how_to_ignore(problems)
    if advice is not None:
        print_message(advice[1])


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def _exit_code(problems: list[Problem], *, strict: bool) -> Exit:
    if any(problem.rule in _UNREADABLE and not problem.location for problem in problems):
        return Exit.USAGE
    if any(strict or problem.severity == "error" for problem in problems):
        return Exit.FAILED
    return Exit.SUCCESS


@click.command(short_help="Convert a config to the other format.", epilog=_CONVERT_CODES)
@click.argument("file")
@click.option("--to", type=click.Choice(("v2", "v1")), default="v2", show_default=True)
@click.option("--output", "-o", metavar="PATH", help="Write to PATH.  [default: standard output]")
@click.option("--force", is_flag=True, help="Overwrite the file at PATH.")
@click.option("--json", "as_json", is_flag=True, help="Print the config and the notes as JSON.")
def convert(
    *, file: str, to: Literal["v1", "v2"], output: str | None, force: bool, as_json: bool
) -> None:
    """Convert a config to the other format, keeping its comments and order.

    Anything lost or assumed is reported on stderr, field by field. Paths are not rewritten, so
    write the result to the same directory.
    """
    from nnicli.config import convert_config
    from nnicli.errors import ConfigError

    if as_json and output is not None:
        raise click.UsageError("--json and --output are mutually exclusive")
    try:
        conversion = convert_config(file, to)
    except ConfigError as error:
        print_error(error.text_for("shell"))
        raise SystemExit(Exit.USAGE) from error
    if as_json:
        _print_conversion(conversion)
    else:
        _write(conversion.to_yaml(), output, force=force)
        _print_notes(conversion)
    is_complete = all(note.severity != "error" for note in conversion.notes)
    raise SystemExit(Exit.SUCCESS if is_complete else Exit.FAILED)


def _print_conversion(conversion: Conversion) -> None:
    from nnicli.cli.problems import to_document

    notes = [to_document(note) for note in conversion.notes]
    print_json({"format": conversion.format, "config": conversion.document, "notes": notes})


def _write(text: str, output: str | None, *, force: bool) -> None:
    if output is None:
        write_data(text)
        return
    import os

    # The config may contain passwords, and is written completely or not at all.
    path = Path(output)
    if path.exists() and not force:
        raise click.UsageError(f"{path} already exists; pass --force to overwrite it")
    if path.is_dir():
        raise click.UsageError(f"{path} is a directory; name a file")
    part = path.with_name(f"{path.name}.part")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        part.replace(path.resolve())
    except OSError as error:
        raise click.UsageError(f"cannot write {path}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _print_notes(conversion: Conversion) -> None:
    for note in conversion.notes:
        position = f"line {note.line}: " if note.line and note.rule != "assumed" else ""
        print_message(f"{note.rule}: {position}{note.location}: {note.message}")


@click.command(short_help="Print a JSON schema.")
@click.argument("name", type=click.Choice(tuple(_SCHEMAS)))
def schema(*, name: str) -> None:
    """Print the JSON schema (draft 2020-12) for configs or search spaces."""
    import json

    from nnicli.config import load_schema

    write_data(f"{json.dumps(load_schema(_SCHEMAS[name]), indent=2, ensure_ascii=False)}\n")
