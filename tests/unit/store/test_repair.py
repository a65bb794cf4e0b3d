"""The only write to an experiment's database: a profile revision before a resume."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nnicli.errors import DecodingError
from nnicli.store import ExperimentDatabase, repair_search_space

SPACE = {"x": {"_type": "choice", "_value": [1, 2]}}
_COLUMNS = "params, id, execDuration, startTime, endTime, logDir, nextSequenceId, revision"


def make_database(path: Path, *params: dict[str, Any]) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"create table ExperimentProfile ({_COLUMNS})")
        for revision, one in enumerate(params):
            row = (json.dumps(one), "aBcD", 12, 34, None, "/x", 3, revision)
            connection.execute("insert into ExperimentProfile values (?,?,?,?,?,?,?,?)", row)
    return path


def _rows(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("select * from ExperimentProfile order by revision").fetchall()


def test_a_space_stored_as_text_becomes_an_object_in_a_new_revision(tmp_path: Path) -> None:
    first = {"searchSpace": SPACE, "maxTrialNumber": 1}
    path = make_database(
        tmp_path / "nni.sqlite", first, {**first, "searchSpace": json.dumps(SPACE)}
    )
    before = _rows(path)

    assert repair_search_space(path)

    *kept, new = _rows(path)
    assert kept == before
    assert new[1:] == ("aBcD", 12, 34, None, "/x", 3, 2)
    assert ExperimentDatabase(path).get_experiment_profile()["params"] == first
    assert not repair_search_space(path)
    assert _rows(path) == [*before, new]


@pytest.mark.parametrize("params", [[], [{"searchSpace": SPACE}], [{}]])
def test_nothing_is_written_if_nothing_is_wrong(
    tmp_path: Path, params: list[dict[str, Any]]
) -> None:
    path = make_database(tmp_path / "nni.sqlite", *params)
    before = path.read_bytes()

    assert not repair_search_space(path)

    assert path.read_bytes() == before


def test_a_database_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    path = make_database(tmp_path / "nni.sqlite", {"searchSpace": json.dumps(SPACE)})
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("drop table ExperimentProfile")

    with pytest.raises(DecodingError, match="cannot be repaired before the resume"):
        repair_search_space(path)
