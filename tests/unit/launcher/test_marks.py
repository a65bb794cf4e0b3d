"""How the processes of an experiment are recognized, by environment and command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnicli.errors import ProcessIdentity
from nnicli.launcher import ProcessMarks, marks
from nnicli.releases import GENERATIONS, Action, Generation
from nnicli.store import Run

RUN = Run("aBcD1234", Path("/data/experiments"), port=8081, url_prefix="team/a")
MARKS = ProcessMarks("aBcD1234", Path("/data/experiments/aBcD1234"), ProcessIdentity(1, 2.0))
every_row = pytest.mark.parametrize("row", GENERATIONS, ids=lambda row: row.since)


def _argv(row: Generation, action: Action) -> list[str]:
    return ["/env/node", "/env/nni_node/main.js", *row.arguments(action, RUN, log_level="info")]


@every_row
def test_a_manager_is_recognized_by_the_command_line_of_every_row(row: Generation) -> None:
    argv = _argv(row, "resume")

    assert marks.is_manager(argv)
    assert marks.manager_entry(argv) == Path("/env/nni_node/main.js")
    arguments = marks.manager_arguments(argv)
    assert arguments["exp_id"] == "aBcD1234"
    assert arguments["experiments_directory"] == "/data/experiments"
    assert arguments["port"] == "8081"
    assert arguments.get("url_prefix", "") == ("team/a" if "url_prefix" in row.flags else "")


@every_row
@pytest.mark.parametrize("action", ["create", "resume", "view"])
def test_the_command_line_of_every_row_shows_the_action(row: Generation, action: Action) -> None:
    """Up to 2.6 a view is a kind of resume, and has its flags too."""
    argv = _argv(row, action)

    assert marks.creates_experiment(argv) == (action == "create")
    assert marks.is_view(argv) == (action == "view")


@pytest.mark.parametrize(
    "argv",
    [
        ["vim", "/env/nni_node/main.js"],
        ["grep", "--port", "main.js"],
        ["node", "main.js", "--port", "8080"],
        [],
    ],
)
def test_an_editor_or_a_search_is_not_a_manager(argv: list[str]) -> None:
    assert not marks.is_manager(argv)


@pytest.mark.parametrize(
    ("environ", "is_marked"),
    [
        ({"NNI_EXP_ID": "aBcD1234"}, True),
        ({"NNI_EXP_ID": "aBcD1234", "NNI_SYS_DIR": "/data/experiments/aBcD1234/trials/x"}, True),
        ({"NNI_EXP_ID": "aBcD1234", "NNI_OUTPUT_DIR": "/elsewhere/aBcD1234/trials/x"}, False),
        ({"NNI_LOG_DIRECTORY": "/data/experiments/aBcD1234/log"}, True),
        ({"NNI_LOG_DIRECTORY": "/data/experiments/aBcD12345/log"}, False),
        ({"NNI_EXP_ID": "other"}, False),
        ({}, False),
    ],
)
def test_an_id_counts_only_with_a_matching_directory(
    environ: dict[str, str], is_marked: bool
) -> None:
    """Ids are unique within one experiments directory only."""
    assert MARKS.are_in(environ) == is_marked


def test_without_a_directory_nothing_is_marked() -> None:
    """An id that a 1.x manager has not reported yet is empty, and would match every process."""
    assert not ProcessMarks("", None, None).are_in({"NNI_EXP_ID": ""})


@pytest.mark.parametrize(
    ("environ", "directory"),
    [
        ({"NNI_EXP_ID": "aBcD", "NNI_SYS_DIR": "/data/aBcD/trials/x"}, Path("/data/aBcD")),
        ({"NNI_EXP_ID": "aBcD", "NNI_OUTPUT_DIR": "/data/aBcD/trials/x"}, Path("/data/aBcD")),
        ({"NNI_EXP_ID": "aBcD", "NNI_SYS_DIR": "/data/other/trials/x"}, None),
        ({"NNI_LOG_DIRECTORY": "/data/aBcD/log"}, Path("/data/aBcD")),
        ({"NNI_EXP_ID": "aBcD"}, None),
        ({}, None),
    ],
)
def test_tuner_and_trials_name_their_experiment_directory(
    environ: dict[str, str], directory: Path | None
) -> None:
    assert marks.directory_in(environ) == directory


def test_a_tuner_is_recognized_and_its_shell_is_not() -> None:
    assert marks.is_tuner(["python3", "-m", "nni", "--exp_params", "e30="])
    assert not marks.is_tuner(["sh", "-c", "python3 -m nni --exp_params e30="])
