"""The strict command line of managers since 2.7."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from nnicli.testing.fake_node.releases import Release

_ACTIONS = ("create", "resume", "view")


class CommandLineError(Exception):
    """The real manager would refuse the command line."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of a manager."""

    port: int
    experiment_id: str
    action: str
    experiments_directory: str
    python_interpreter: str
    url_prefix: str


def parse_arguments(argv: Sequence[str], release: Release) -> Arguments:
    """Parse the arguments of `node`: options of node, the path of main.js and the flags.

    Raises:
        CommandLineError: The release would refuse them.
    """
    flags = _read_flags(_skip_to_script(argv))
    known = {*release.required, *release.optional}
    unknown = sorted(flags.keys() - known)
    if unknown:
        raise CommandLineError(f"Unknown arguments: {', '.join(unknown)}")
    missing = [name for name in release.required if name not in flags]
    if missing:
        raise CommandLineError(f"Missing required arguments: {', '.join(missing)}")
    _check_choice(flags, "action", _ACTIONS)
    _check_choice(flags, "log-level", release.log_levels)
    _check_values(flags, release)
    return Arguments(
        port=int(flags["port"]),
        experiment_id=flags["experiment-id"],
        action=flags["action"],
        experiments_directory=os.path.abspath(flags["experiments-directory"]),  # noqa: PTH100 - pathlib costs start-up time
        # 2.7 does not have this flag and uses the python3 on PATH.
        python_interpreter=flags.get("python-interpreter", "python3"),
        url_prefix=flags.get("url-prefix", ""),
    )


def _skip_to_script(argv: Sequence[str]) -> Sequence[str]:
    for index, argument in enumerate(argv):
        if not argument.startswith("-"):
            if os.path.basename(argument) != "main.js":  # noqa: PTH119 - pathlib costs start-up time
                raise CommandLineError(f"Cannot find module '{argument}'")
            return argv[index + 1 :]
    raise CommandLineError("no main.js in the command line")


def _read_flags(arguments: Sequence[str]) -> dict[str, str]:
    flags: dict[str, str] = {}
    name = ""
    for argument in arguments:
        if argument.startswith("--"):
            name, _, value = argument[2:].partition("=")
            flags[name] = value
        elif name and not flags[name]:
            flags[name] = argument
        else:
            raise CommandLineError(f"Unknown argument: {argument}")
    return flags


def _check_choice(flags: dict[str, str], name: str, choices: Sequence[str]) -> None:
    if flags[name] not in choices:
        raise CommandLineError(
            f"Invalid values:\n  Argument: {name}, Given: {flags[name]!r}, Choices: {choices}"
        )


def _check_values(flags: dict[str, str], release: Release) -> None:
    if not flags["port"].isdigit():
        raise CommandLineError(f"port is not a number: {flags['port']!r}")
    directory = flags["experiments-directory"]
    if release.needs_absolute_directory and not directory.startswith("/"):
        raise CommandLineError(f"AssertionError: experiments-directory {directory!r}")
    prefix = flags.get("url-prefix", "")
    if prefix.startswith("/") or prefix.endswith("/"):
        raise CommandLineError(f"AssertionError: url-prefix {prefix!r}")
