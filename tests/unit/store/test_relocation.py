"""Relocating changes every path below the old ones, and nothing else."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from nnicli import DecodingError
from nnicli.store import ExperimentDatabase
from nnicli.store.relocation import Relocation, recorded_directories, relocate_database
from tests.unit.store.recordings import Recording

RELOCATION = Relocation(
    {
        "/old/nni/id": "/new/nni/id",
        "/old/home": "/new/home",
        "/old/home/code/": "/new/nni/id/code",
        "/": "/never",
        "": "/never",
    },
    parent="/new/nni",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/old/home", "/new/home"),
        ("/old/home/code", "/new/nni/id/code"),
        ("/old/home/code/trial.py", "/new/nni/id/code/trial.py"),
        ("/old/home/codes", "/new/home/codes"),
        ("/old/homes/code", "/old/homes/code"),
        ("/very/old/home", "/very/old/home"),
        ("file://localhost:/old/nni/id/trials/x", "file://localhost:/new/nni/id/trials/x"),
        ("file://host/old/home/x", "file://host/old/home/x"),
        (
            "python3 /old/home/code/a.py --data=/old/home/d '/old/home'",
            "python3 /new/nni/id/code/a.py --data=/new/home/d '/new/home'",
        ),
        ("/", "/"),
        ("", ""),
        ("~/old/home", "~/old/home"),
    ],
)
def test_only_whole_paths_are_changed(text: str, expected: str) -> None:
    assert RELOCATION.text(text) == expected


def test_paths_can_be_swapped() -> None:
    """A new path is not taken for an old one."""
    swap = Relocation({"/a": "/b", "/b": "/a"}, parent="/")

    assert swap.text("/a/x:/b/y") == "/b/x:/a/y"


def test_the_search_space_is_not_changed() -> None:
    config = {
        "searchSpace": {"model": {"_type": "choice", "_value": ["/old/home/m1"]}},
        "experimentWorkingDirectory": "/old",
        "tuner": {"codeDirectory": "/old/home/code/tuner", "classArgs": {"logDir": "tb", "n": 1.0}},
        "clusterMetaData": [{"key": "codeDir", "value": "/old/home/code"}],
    }

    assert RELOCATION.config(config) == {
        "searchSpace": {"model": {"_type": "choice", "_value": ["/old/home/m1"]}},
        "experimentWorkingDirectory": "/new/nni",
        "tuner": {
            "codeDirectory": "/new/nni/id/code/tuner",
            "classArgs": {"logDir": "tb", "n": 1.0},
        },
        "clusterMetaData": [{"key": "codeDir", "value": "/new/nni/id/code"}],
    }


MACHINE_HERE = {"sshKeyFile": "/old/home/.ssh/id", "sshKeyPath": "/old/home/.ssh/id"}
MACHINE_THERE = {
    "host": "10.0.0.7",
    "pythonPath": "/old/home/venv/bin",
    "preCommand": "source /old/home/venv/bin/activate",
    "port": 22,
}


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda machines: {"trainingService": {"platform": "remote", "machineList": machines}},
        lambda machines: {"trainingService": [{"platform": "local"}, {"machineList": machines}]},
        lambda machines: {"machineList": machines},
        lambda machines: {"clusterMetaData": [{"key": "machine_list", "value": machines}]},
    ],
    ids=["v2", "hybrid", "v1", "metadata"],
)
def test_paths_on_other_machines_are_not_changed(
    wrapped: Callable[[object], dict[str, object]],
) -> None:
    """The key for one is on this machine, and has moved."""
    moved = {key: text.replace("old", "new") for key, text in MACHINE_HERE.items()}

    assert RELOCATION.config(wrapped([{**MACHINE_THERE, **MACHINE_HERE}, "/old/home"])) == wrapped(
        [{**MACHINE_THERE, **moved}, "/old/home"]
    )
    assert RELOCATION.config(wrapped("/old/home")) == wrapped("/old/home")


@pytest.mark.parametrize(
    ("log_path", "expected"),
    [
        ("10.0.0.7:/old/nni/id/trials/x", "10.0.0.7:/old/nni/id/trials/x"),
        ("host: /old/nni/id/trials/x", "host: /old/nni/id/trials/x"),
        ("file://10.0.0.7:/old/nni/id/trials/x", "file://10.0.0.7:/old/nni/id/trials/x"),
        ("file://localhost:/old/nni/id/trials/x", "file://localhost:/new/nni/id/trials/x"),
        ("/old/nni/id/trials/x", "/new/nni/id/trials/x"),
    ],
)
def test_log_paths_on_other_machines_are_not_changed(
    database: ExperimentDatabase, log_path: str, expected: str
) -> None:
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute("update TrialJobEvent set logPath = ?", (log_path,))

    relocate_database(database.path, RELOCATION)

    with closing(sqlite3.connect(database.path)) as connection:
        rows = connection.execute("select distinct logPath from TrialJobEvent").fetchall()
    assert rows == [(expected,)]


def test_a_recorded_database_is_moved_and_keeps_its_results(recording: Recording) -> None:
    path = recording.database.path
    (old,) = recorded_directories(path)
    trials, metrics = recording.database.list_trial_jobs(), recording.database.get_job_metrics()

    relocate_database(path, Relocation({old: "/new/nni/recorded"}, parent="/new/nni"))

    assert recorded_directories(path) == ["/new/nni/recorded"]
    moved = ExperimentDatabase(path)
    paths = [str(trial.logPath) for trial in moved.list_trial_jobs()]
    assert paths
    assert all("/new/nni/recorded/" in text for text in paths)
    assert [text.replace("/new/nni/recorded", old) for text in paths] == [
        str(trial.logPath) for trial in trials
    ]
    assert moved.get_job_metrics() == metrics
    assert [path.name for path in path.parent.iterdir()] == ["nni.sqlite"]


def test_a_config_without_an_old_path_keeps_its_text(database: ExperimentDatabase) -> None:
    text = '{ "maxTrialNumber" : 1e1, "experimentWorkingDirectory" : "/new/nni" }'
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute("update ExperimentProfile set params = ?", (text,))

    relocate_database(database.path, Relocation({"/old": "/new"}, parent="/new/nni"))

    with closing(sqlite3.connect(database.path)) as connection:
        rows = connection.execute("select distinct params from ExperimentProfile").fetchall()
    assert rows == [(text,)]


@pytest.mark.parametrize(
    "statement",
    [
        "drop table ExperimentProfile",
        "update ExperimentProfile set params = '{'",
        "update ExperimentProfile set params = '[]'",
    ],
)
def test_a_database_without_an_experiment_is_an_error(
    database: ExperimentDatabase, statement: str
) -> None:
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute(statement)

    with pytest.raises(DecodingError, match="not the database of an experiment"):
        relocate_database(database.path, RELOCATION)


def test_a_file_that_is_not_a_database_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "nni.sqlite"
    path.write_text(json.dumps({"no": "database"}) * 100, "utf-8")

    with pytest.raises(DecodingError, match=r"nni\.sqlite is not the database of an experiment"):
        recorded_directories(path)
