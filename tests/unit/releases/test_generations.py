from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from nnicli import NniInstallation
from nnicli.config.formats.start_requests import StartRequests
from nnicli.errors import UnsupportedVersionError
from nnicli.launcher import StartPlan
from nnicli.releases import GENERATIONS, Action, Generation, find_release
from nnicli.store import Run
from nnicli.versions import NEWEST_KNOWN, parse_version

INSTALLATION = NniInstallation(
    version="3.0",
    entry=Path("/env/site-packages/nni_node/main.js"),
    node=Path("/env/site-packages/nni_node/node"),
    bin_directory=Path("/env/bin"),
)
NO_REQUESTS = StartRequests(metadata=(), profile={})
RUN = Run(
    "ab12cd34",
    Path("/data/my experiments"),
    port=8081,
    url_prefix="team/a",
    platform="remote",
)
PLAN = StartPlan(action="resume", run=RUN, requests=NO_REQUESTS, log_level="trace")
LEVELS = ("fatal", "error", "warning", "info", "debug", "trace")
# `--log-level` choices that the parsers of these releases take.
STRICT_LEVELS = {"critical", "error", "warning", "info", "debug"}
MANAGER_LEVELS = {
    "1.8": set(LEVELS),
    "2.0": set(LEVELS),
    "2.2": set(LEVELS),
    "2.3": set(LEVELS),
    "2.7": STRICT_LEVELS,
    "2.8": STRICT_LEVELS,
    "3.0": {*STRICT_LEVELS, "trace"},
}
every_row = pytest.mark.parametrize("row", GENERATIONS, ids=lambda row: row.since)


def _argv(release: str, plan: StartPlan) -> list[str]:
    return plan.argv(replace(INSTALLATION, version=release))


def _parse(argv: list[str]) -> dict[str, str]:
    flags = argv[argv.index(str(INSTALLATION.entry)) + 1 :]
    return dict(zip(flags[::2], flags[1::2], strict=True))


def test_rows_rise_strictly() -> None:
    releases = [parse_version(row.since) for row in GENERATIONS]

    assert releases == sorted(set(releases))


@every_row
def test_the_command_line_parses_back_to_its_arguments(row: Generation) -> None:
    told = _parse(_argv(row.since, PLAN))

    same = [field for field in row.flags if field not in ("log_level", "python")]
    assert {field: told.pop(row.flags[field]) for field in same} == {
        field: str(getattr(RUN, field)) for field in same
    }
    if "python" in row.flags:
        assert told.pop(row.flags["python"]) == "python3"
    assert told.pop(row.flags["log_level"]) in MANAGER_LEVELS[row.since]
    action = row.actions["resume"]
    assert told == dict(zip(action[::2], action[1::2], strict=True))


@every_row
@pytest.mark.parametrize("level", LEVELS)
def test_every_level_of_a_config_is_one_that_the_manager_takes(row: Generation, level: str) -> None:
    """The parsers are strict: `fatal`, which configs allow, ends the manager at once."""
    argv = _argv(row.since, replace(PLAN, log_level=level))

    assert _parse(argv)[row.flags["log_level"]] in MANAGER_LEVELS[row.since]


@every_row
def test_what_is_empty_is_not_told(row: Generation) -> None:
    """A manager of 1.x makes up the id of a new experiment, and a prefix is seldom wanted."""
    argv = _argv(row.since, StartPlan("create", Run("", Path("/data"), port=8080), NO_REQUESTS))

    assert "" not in argv
    assert not {"--url-prefix", "--url_prefix", "--experiment_id", "--experiment-id"} & set(argv)


@every_row
@pytest.mark.parametrize("action", ["create", "resume", "view"])
def test_no_flag_is_told_to_be_false(row: Generation, action: Action) -> None:
    """Up to 2.5 the manager exits over `--readonly false` and `--foreground false` (seen live)."""
    argv = _argv(row.since, replace(PLAN, action=action))

    assert "false" not in argv


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("create", ["--start_mode", "new"]),
        ("resume", ["--start_mode", "resume"]),
        ("view", ["--start_mode", "resume", "--readonly", "true"]),
    ],
)
def test_a_view_was_a_kind_of_resume_up_to_2_6(action: Action, told: list[str]) -> None:
    argv = _argv("2.6", replace(PLAN, action=action))

    assert argv[-len(told) :] == told


def test_openpai_is_pai_to_the_managers_that_are_told_the_platform() -> None:
    argv = _argv("2.2", replace(PLAN, run=replace(RUN, platform="openpai")))

    assert _parse(argv)["--mode"] == "pai"


@pytest.mark.parametrize(("version", "chooses"), [("1.8", True), ("1.9", True), ("2.0", False)])
def test_managers_of_1_x_make_up_the_id(version: str, chooses: bool) -> None:
    assert find_release(version).launch.chooses_id is chooses


def test_only_releases_from_2_8_on_are_told_the_interpreter() -> None:
    """2.7 ends with an unknown flag; 2.8 and later end without it."""
    told = [row.since for row in GENERATIONS if "--python-interpreter" in row.flags.values()]

    assert told == ["2.8", "3.0"]


@pytest.mark.parametrize(
    ("version", "since"),
    [
        ("1.8", "1.8"),
        ("v1.9", "1.8"),
        ("2.1", "2.0"),
        ("2.6.1", "2.3"),
        ("2.7", "2.7"),
        ("2.10.1", "2.8"),
        ("3.0.0", "3.0"),
    ],
)
def test_a_release_has_the_last_row_that_is_not_newer(version: str, since: str) -> None:
    assert find_release(version).launch.since == since


def test_an_unknown_newer_release_uses_the_newest_row_and_warns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        release = find_release("4.1")

    assert release.launch is GENERATIONS[-1]
    assert f"NNI 4.1 is newer than {NEWEST_KNOWN}" in caplog.text


def test_an_older_release_is_refused_with_the_oldest_that_works() -> None:
    with pytest.raises(UnsupportedVersionError, match=r"NNI 1\.7\.1 is not supported.* is 1\.8"):
        find_release("1.7.1")
