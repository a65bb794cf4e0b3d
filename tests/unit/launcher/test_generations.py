from __future__ import annotations

import logging
from pathlib import Path

import pytest

from nnicli.errors import UnsupportedVersionError
from nnicli.launcher import (
    GENERATIONS,
    Generation,
    ManagerArguments,
    NniInstallation,
    generation_for,
)
from nnicli.versions import parse_version

INSTALLATION = NniInstallation(
    version="3.0",
    entry=Path("/env/site-packages/nni_node/main.js"),
    node=Path("/env/site-packages/nni_node/node"),
    bin_directory=Path("/env/bin"),
)
ARGUMENTS = ManagerArguments(
    action="resume",
    exp_id="ab12cd34",
    port=8081,
    experiments_directory=Path("/data/my experiments"),
    log_level="trace",
    url_prefix="team/a",
)
LEVELS = ("fatal", "error", "warning", "info", "debug", "trace")
# `--log-level` choices that the parsers of these releases take.
MANAGER_LEVELS = {
    "2.7": {"critical", "error", "warning", "info", "debug"},
    "2.8": {"critical", "error", "warning", "info", "debug"},
    "3.0": {"critical", "error", "warning", "info", "debug", "trace"},
}
every_row = pytest.mark.parametrize("row", GENERATIONS, ids=lambda row: row.since)


def _parse(argv: list[str]) -> dict[str, str]:
    flags = argv[argv.index(str(INSTALLATION.entry)) + 1 :]
    return dict(zip(flags[::2], flags[1::2], strict=True))


def test_rows_rise_strictly() -> None:
    releases = [parse_version(row.since) for row in GENERATIONS]

    assert releases == sorted(set(releases))


@every_row
def test_the_command_line_parses_back_to_its_arguments(row: Generation) -> None:
    told = _parse(row.argv(INSTALLATION, ARGUMENTS))

    assert {field: told[flag] for field, flag in row.flags.items() if field != "log_level"} == {
        field: str(getattr(ARGUMENTS, field)) for field in row.flags if field != "log_level"
    }
    assert set(told) == set(row.flags.values())


@every_row
@pytest.mark.parametrize("level", LEVELS)
def test_every_level_of_a_config_is_one_that_the_manager_takes(row: Generation, level: str) -> None:
    """The parsers are strict: `fatal`, which configs allow, ends the manager at once."""
    assert row.log_levels[level] in MANAGER_LEVELS[row.since]


@every_row
def test_an_empty_prefix_is_not_told(row: Generation) -> None:
    arguments = ManagerArguments("create", "x", 8080, Path("/data"))

    assert "--url-prefix" not in row.argv(INSTALLATION, arguments)


def test_only_releases_from_2_8_on_are_told_the_interpreter() -> None:
    """2.7 ends with an unknown flag; 2.8 and later end without it."""
    told = {row.since: "--python-interpreter" in row.flags.values() for row in GENERATIONS}

    assert told == {"2.7": False, "2.8": True, "3.0": True}


@pytest.mark.parametrize(
    ("version", "since"),
    [("2.7", "2.7"), ("2.8", "2.8"), ("2.10.1", "2.8"), ("3.0", "3.0"), ("3.0.0", "3.0")],
)
def test_a_release_has_the_last_row_that_is_not_newer(version: str, since: str) -> None:
    assert generation_for(version).since == since


def test_an_unknown_newer_release_uses_the_newest_row_and_warns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        row = generation_for("4.1")

    assert row is GENERATIONS[-1]
    assert "NNI 4.1 is newer than 3.0" in caplog.text


def test_an_older_release_is_refused_with_the_oldest_that_works() -> None:
    with pytest.raises(UnsupportedVersionError, match=r"NNI 2\.6 is not supported.*: 2\.7"):
        generation_for("2.6")
