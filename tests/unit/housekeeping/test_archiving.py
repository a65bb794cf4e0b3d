"""Saving and loading: all or nothing, and nothing is ever overwritten."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from nnicli import (
    AlreadyExistsError,
    ArchiveError,
    DecodingError,
    Experiment,
    ExperimentNotFoundError,
    InvalidValueError,
    RegistryError,
    StateError,
    list_experiments,
    load_experiment,
    open_experiment,
    save_experiment,
)
from nnicli.housekeeping.archiving import code_directories
from nnicli.store import ExperimentDatabase, Registry
from tests.contract.scenes import running_trials
from tests.support import KILLS
from tests.unit.store.recordings import load_recording


@pytest.fixture
def code(tmp_path: Path) -> Path:
    directory = tmp_path / "code"
    directory.mkdir()
    (directory / "trial.py").write_text("print()", "utf-8")
    return directory


@pytest.fixture
def recorded(parent: Path, code: Path) -> Path:
    """Return the directory of a stopped experiment of 3.0, with logs, code and files of a trial."""
    database = load_recording("3.0", parent).database
    with closing(sqlite3.connect(database.path)) as connection, connection:
        params = database.get_experiment_profile()["params"]
        params["trialCodeDirectory"] = str(code)
        params["trainingService"] = {"platform": "local", "trialCodeDirectory": str(code)}
        params["tuner"] = {"name": "TPE", "classArgs": {"warm_start": f"{Path.home()}/points"}}
        connection.execute("update ExperimentProfile set params = ?", (json.dumps(params),))
    directory = database.directory
    for name in ("log/nnimanager.log", "environments/local-env/trials/aBcDe/trial.log"):
        (directory / name).parent.mkdir(parents=True)
        (directory / name).write_text("a line\n", "utf-8")
    entry = {
        "id": "recorded",
        "port": 8080,
        "startTime": 1795612535745,
        "endTime": "N/A",
        "status": "RUNNING",
        "platform": "local",
        "experimentName": "first",
        "tag": ["kept"],
        "pid": os.getpid(),
        "webuiUrl": ["http://127.0.0.1:8080"],
        "logDir": str(parent),
        "prefixUrl": None,
    }
    Registry().ensure("recorded", entry)
    return directory


@pytest.fixture
def move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Return a function that switches to the home of another user, and returns that."""

    def to_new_home() -> Path:
        new_home = tmp_path / "new-home"
        new_home.mkdir()
        monkeypatch.setenv("HOME", str(new_home))
        return new_home

    return to_new_home


def names_below(directory: Path) -> list[str]:
    return sorted(
        str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()
    )


def test_only_records_are_saved_by_default(recorded: Path, tmp_path: Path) -> None:
    brief = save_experiment(recorded.name, tmp_path / "brief.zip")
    full = save_experiment(
        recorded.name, tmp_path / "full.zip", include_code=True, include_trials=True
    )

    documents = ["MEMBERS", "SHA256SUMS", "config.json", "manifest.json", "search_space.json"]
    records = ["experiment/db/nni.sqlite", "experiment/log/nnimanager.log"]
    more = ["code/0/trial.py", "experiment/environments/local-env/trials/aBcDe/trial.log"]
    for saved, expected in ((brief, records), (full, records + more)):
        with zipfile.ZipFile(saved.path) as archive:
            files = [name for name in archive.namelist() if not name.endswith("/")]
        assert sorted(files) == sorted(documents + expected)
        assert saved.files == len(expected)
        assert saved.size == saved.path.stat().st_size


def test_config_and_search_space_can_be_read_without_nni(recorded: Path, tmp_path: Path) -> None:
    params = ExperimentDatabase.of(recorded).get_experiment_profile()["params"]

    saved = save_experiment(recorded.name, tmp_path / "saved.zip")

    with zipfile.ZipFile(saved.path) as archive:
        assert json.loads(archive.read("config.json")) == params
        assert json.loads(archive.read("search_space.json")) == params["searchSpace"]


def test_an_experiment_is_saved_by_its_directory(recorded: Path, tmp_path: Path) -> None:
    """It is not registered, and not in a directory that is searched."""
    (tmp_path / "stray").mkdir()
    stray = recorded.rename(tmp_path / "stray" / "recorded")
    Registry().remove("recorded")

    saved = save_experiment(stray, tmp_path / "saved.zip")

    assert saved.exp_id == "recorded"
    assert saved.path.exists()


def test_a_loaded_experiment_has_the_paths_of_this_machine(
    recorded: Path, home: Path, tmp_path: Path, move: Callable[[], Path]
) -> None:
    saved = save_experiment(recorded.name, tmp_path / "saved.zip", include_code=True)
    results = open_experiment(recorded).export_data()
    new_home = move()

    loaded = load_experiment(saved.path)

    assert loaded.directory == new_home / "nni-experiments" / "recorded"
    assert (loaded.code_directory, loaded.has_code) == (loaded.directory / "code" / "0", True)
    assert names_below(loaded.directory) == [
        "code/0/trial.py",
        "db/nni.sqlite",
        "log/nnimanager.log",
    ]
    database = ExperimentDatabase.of(loaded.directory)
    assert open_experiment(loaded.directory).export_data() == results
    params = database.get_experiment_profile()["params"]
    assert params["tuner"]["classArgs"] == {"warm_start": f"{new_home}/points"}
    assert str(home) not in json.dumps(params)
    entry = Registry().read()["recorded"]
    assert isinstance(entry.pop("endTime"), int)
    assert entry == {
        "id": "recorded",
        "port": 8080,
        "startTime": 1795612535745,
        "status": "STOPPED",
        "platform": "local",
        "experimentName": "first",
        "tag": ["kept"],
        "pid": None,
        "webuiUrl": [],
        "logDir": str(new_home / "nni-experiments"),
        "prefixUrl": None,
    }


def test_what_was_loaded_can_be_saved_and_loaded_again(
    recorded: Path, tmp_path: Path, move: Callable[[], Path], code: Path
) -> None:
    save_experiment(recorded.name, tmp_path / "one.zip", include_code=True, include_trials=True)
    shutil.rmtree(code)
    move()
    first = load_experiment(tmp_path / "one.zip")
    names = names_below(first.directory)
    save_experiment("recorded", tmp_path / "two.zip", include_code=True, include_trials=True)
    Registry().remove("recorded")
    first.directory.rename(tmp_path / "gone")

    second = load_experiment(tmp_path / "two.zip", experiments_directory=tmp_path / "elsewhere")

    assert names_below(second.directory) == names
    assert second.has_code


def test_existing_code_is_used(
    recorded: Path, tmp_path: Path, move: Callable[[], Path], caplog: pytest.LogCaptureFixture
) -> None:
    saved = save_experiment(recorded.name, tmp_path / "saved.zip", include_code=True)
    move()
    mine = tmp_path / "mine"
    mine.mkdir()

    loaded = load_experiment(saved.path, code_directory=mine)

    assert (loaded.code_directory, loaded.has_code) == (mine, True)
    assert not (loaded.directory / "code").exists()
    with pytest.raises(InvalidValueError, match=r"code_directory: directory .*missing not found"):
        load_experiment(saved.path, code_directory=tmp_path / "missing")
    assert "cannot be resumed" not in caplog.text


def test_missing_code_is_reported(
    recorded: Path,
    tmp_path: Path,
    move: Callable[[], Path],
    code: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    saved = save_experiment(recorded.name, tmp_path / "saved.zip")
    shutil.rmtree(code)
    with pytest.raises(ArchiveError, match=r"the code cannot be saved: directory .* not found"):
        save_experiment(recorded.name, tmp_path / "other.zip", include_code=True)
    move()

    loaded = load_experiment(saved.path)

    assert not loaded.has_code
    assert "can be viewed and not resumed" in caplog.text


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"trialCodeDirectory": "/a", "trainingService": {"trialCodeDirectory": "/a"}}, ["/a"]),
        ({"tuner": {"codeDirectory": "/b"}, "trialCodeDirectory": "/a"}, ["/a", "/b"]),
        ({"trialCodeDirectory": "/a", "tuner": {"codeDirectory": "/a/tuner"}}, ["/a"]),
        ({"clusterMetaData": [{"key": "codeDir", "value": "/a"}]}, ["/a"]),
        ({"clusterMetaData": [{"key": "trial_config", "value": {"codeDir": "/a"}}]}, ["/a"]),
        ({"searchSpace": {"codeDir": "/a"}, "tuner": {"classArgs": {"codeDir": "/b"}}}, []),
        ({"trialCodeDirectory": "relative"}, []),
    ],
)
def test_code_directories_are_found_in_both_formats(
    params: dict[str, object], expected: list[str]
) -> None:
    assert [str(directory) for directory in code_directories(params)] == expected


# Refusals


def with_manifest(archive: Path, change: dict[str, object]) -> Path:
    """Return a copy of an archive with a changed manifest and without checksums."""
    hostile = archive.with_name("hostile.zip")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(hostile, "w") as new:
        for info in old.infolist():
            if info.filename not in ("MEMBERS", "SHA256SUMS"):
                content = old.read(info)
                if info.filename == "manifest.json":
                    content = json.dumps({**json.loads(content), **change}).encode()
                new.writestr(info, content)
    return hostile


def test_nothing_that_exists_is_overwritten(recorded: Path, tmp_path: Path) -> None:
    saved = save_experiment(recorded.name, tmp_path / "saved.zip")
    before = names_below(recorded)

    with pytest.raises(
        AlreadyExistsError, match="recorded already exists; refusing to overwrite it"
    ):
        load_experiment(saved.path)
    with pytest.raises(AlreadyExistsError, match="already has an experiment recorded"):
        load_experiment(saved.path, experiments_directory=tmp_path / "elsewhere")
    with pytest.raises(AlreadyExistsError, match=r"saved\.zip already exists; refusing to over"):
        save_experiment(recorded.name, saved.path)

    assert names_below(recorded) == before
    assert not (tmp_path / "elsewhere").exists()


def test_an_unknown_experiment_cannot_be_saved(recorded: Path, tmp_path: Path) -> None:
    with pytest.raises(ExperimentNotFoundError, match="experiment 'nosuch' not found"):
        save_experiment("nosuch", tmp_path / "saved.zip")
    shutil.rmtree(recorded)
    with pytest.raises(ExperimentNotFoundError, match="the files of experiment recorded are gone"):
        save_experiment("recorded", tmp_path / "saved.zip")
    assert not (tmp_path / "saved.zip").exists()


def test_a_renamed_directory_is_not_saved(recorded: Path, tmp_path: Path) -> None:
    """NNI would resume another experiment than the one in its database."""
    renamed = recorded.rename(tmp_path / "renamed")

    with pytest.raises(
        StateError, match=r"is named 'renamed', .* is 'recorded'; rename the directory back"
    ):
        save_experiment(renamed, tmp_path / "saved.zip")

    assert not (tmp_path / "saved.zip").exists()


def test_an_archive_of_a_renamed_directory_is_refused(
    recorded: Path, tmp_path: Path, move: Callable[[], Path]
) -> None:
    saved = save_experiment(recorded.name, tmp_path / "saved.zip")
    renamed = with_manifest(saved.path, {"exp_id": "renamed"})
    new_home = move()

    with pytest.raises(
        ArchiveError, match="is of experiment 'renamed', but its database is of 'recorded'"
    ):
        load_experiment(renamed)

    assert list(new_home.iterdir()) == []


def test_a_damaged_database_is_reported_with_its_path(recorded: Path, tmp_path: Path) -> None:
    database = ExperimentDatabase.of(recorded).path
    database.write_bytes(b"no database" * 1000)

    with pytest.raises(DecodingError, match=f"^{database} cannot be read as the database"):
        save_experiment(recorded.name, tmp_path / "saved.zip")

    assert not (tmp_path / "saved.zip").exists()


def test_a_database_that_cannot_be_copied_is_reported_with_its_path(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr("nnicli.housekeeping.archiving.copy_database", fail)

    with pytest.raises(ArchiveError, match=r"db/nni\.sqlite: database is locked; nothing was"):
        save_experiment(recorded.name, tmp_path / "saved.zip")

    assert not (tmp_path / "saved.zip").exists()


def test_paths_on_another_machine_are_not_changed(
    recorded: Path, home: Path, tmp_path: Path, move: Callable[[], Path]
) -> None:
    """A remote machine may have a home directory with the same path."""
    database = ExperimentDatabase.of(recorded)
    machine = {"host": "10.0.0.7", "pythonPath": f"{home}/venv", "sshKeyFile": f"{home}/.ssh/id"}
    there = f"10.0.0.7:{home}/nni-experiments/recorded/trials/x"
    with closing(sqlite3.connect(database.path)) as connection, connection:
        params = database.get_experiment_profile()["params"]
        params["trainingService"] = {"platform": "remote", "machineList": [machine]}
        connection.execute("update ExperimentProfile set params = ?", (json.dumps(params),))
        connection.execute("update TrialJobEvent set logPath = ?", (there,))
    saved = save_experiment(recorded.name, tmp_path / "saved.zip")
    new_home = move()

    loaded = ExperimentDatabase.of(load_experiment(saved.path).directory)

    service = loaded.get_experiment_profile()["params"]["trainingService"]
    assert service["machineList"] == [{**machine, "sshKeyFile": f"{new_home}/.ssh/id"}]
    assert {trial.logPath for trial in loaded.list_trial_jobs()} == {there}


def test_a_hostile_archive_leaves_nothing(
    recorded: Path, tmp_path: Path, move: Callable[[], Path]
) -> None:
    saved = save_experiment(recorded.name, tmp_path / "saved.zip", include_code=True)
    hostile = with_manifest(saved.path, {"code": {"code/0": "/a", "code/z/.ssh": "/b"}})
    links = {"experiment/code/z": f"0/{'b/' * 8}../../../../..", "code/0/b": "."}
    with zipfile.ZipFile(hostile, "a") as archive:
        archive.writestr("code/z/.ssh/authorized_keys", "evil")
        for name, text in links.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, text)
    new_home = move()

    with pytest.raises(ArchiveError, match="'experiment/code/z' is a link to another directory"):
        load_experiment(hostile)

    assert list(new_home.iterdir()) == []


def test_a_failed_load_leaves_nothing(
    recorded: Path, tmp_path: Path, move: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = save_experiment(recorded.name, tmp_path / "saved.zip", include_code=True)
    new_home = move()

    def fail(_registry: Registry, _exp_id: str, _entry: object) -> None:
        raise RegistryError("no lock")

    monkeypatch.setattr(Registry, "ensure", fail)

    with pytest.raises(RegistryError, match="no lock"):
        load_experiment(saved.path)

    assert names_below(new_home) in ([], ["nni-experiments/.nnicli.lock"])
    assert list(new_home.glob("*/*rec*")) == []


def test_a_refused_load_makes_no_directory(
    recorded: Path, tmp_path: Path, move: Callable[[], Path]
) -> None:
    saved = save_experiment(recorded.name, tmp_path / "saved.zip")
    content = bytearray(saved.path.read_bytes())
    # In the middle of the database.
    content[len(content) // 3] ^= 1
    saved.path.write_bytes(content)
    new_home = move()

    with pytest.raises(ArchiveError, match="is damaged, or not a saved experiment"):
        load_experiment(saved.path, experiments_directory=new_home / "some" / "where")

    assert list(new_home.iterdir()) == []


@pytest.mark.parametrize("exp_id", ["..", ".", "", "a/b", "/etc", ".hidden", "a\\b", "a\nb", 7])
def test_an_id_that_leads_elsewhere_is_refused(
    exp_id: object, recorded: Path, tmp_path: Path, move: Callable[[], Path]
) -> None:
    saved = save_experiment(recorded.name, tmp_path / "saved.zip")
    hostile = with_manifest(saved.path, {"exp_id": exp_id})
    new_home = move()

    with pytest.raises(ArchiveError, match=r"hostile\.zip cannot be loaded"):
        load_experiment(hostile)

    assert list(new_home.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"layout": "9.9"},
        {"layout": None},
        {"entry": []},
        {"homes": "/home"},
        {"homes": [1]},
        {"code": {"code/0": 1}},
        {"code": {"../code": "/code"}},
        {"code": {"experiment/db": "/code"}},
        {"launcher": "experiment", "layout": "1.8"},
        {"launcher": "missing"},
        {"more": 1},
    ],
    ids=str,
)
def test_an_invalid_manifest_is_refused(
    change: dict[str, object], recorded: Path, tmp_path: Path, move: Callable[[], Path]
) -> None:
    saved = save_experiment(recorded.name, tmp_path / "saved.zip", include_code=True)
    hostile = with_manifest(saved.path, change)
    new_home = move()

    with pytest.raises(ArchiveError, match=r"hostile\.zip cannot be loaded"):
        load_experiment(hostile)

    assert list(new_home.iterdir()) == []


def test_an_archive_of_a_later_nnicli_is_an_error(tmp_path: Path) -> None:
    hostile = tmp_path / "later.zip"
    with zipfile.ZipFile(hostile, "w") as new:
        new.writestr("manifest.json", json.dumps({"format": "nnicli experiment", "version": 2}))

    with pytest.raises(ArchiveError, match="saved by a later nnicli"):
        load_experiment(hostile)


# With a manager


def test_a_running_experiment_is_saved_and_continues(
    running: Experiment, tmp_path: Path, move: Callable[[], Path]
) -> None:
    saved = save_experiment(str(running.exp_id), tmp_path / "saved.zip", include_trials=True)

    assert running_trials(running)
    move()
    loaded = load_experiment(saved.path, experiments_directory=tmp_path / "elsewhere")
    (record,) = list_experiments()
    assert (record.directory, record.status) == (loaded.directory, "STOPPED")
    assert ExperimentDatabase.of(loaded.directory).list_trial_jobs()


def test_a_running_experiment_is_not_overwritten(running: Experiment, tmp_path: Path) -> None:
    saved = save_experiment(str(running.exp_id), tmp_path / "saved.zip")

    with pytest.raises(StateError, match=r"is running here .* stop and delete it first"):
        load_experiment(saved.path)

    assert running_trials(running)


# Killed in the middle

_LOAD = """
import sys
from nnicli import load_experiment
print("ready", flush=True)
load_experiment(sys.argv[1])
"""
_SAVE = """
import sys
from nnicli import save_experiment
print("ready", flush=True)
save_experiment("recorded", sys.argv[1], include_trials=True)
"""


def run_and_kill(code: str, argument: Path, *, after_s: float, home: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(argument)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HOME": str(home)},
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
@pytest.mark.timeout(120 + 10 * KILLS)
def test_killed_saves_and_loads_are_complete_or_undone(recorded: Path, tmp_path: Path) -> None:
    """What they leave is removed by the next one."""
    (recorded / "environments" / "weights").write_bytes(random.Random(1).randbytes(4 << 20))
    saved = save_experiment(recorded.name, tmp_path / "saved.zip", include_trials=True)
    expected = names_below(recorded)
    randomness = random.Random(2)
    for number in range(KILLS):
        place = tmp_path / f"place{number}"
        place.mkdir()
        run_and_kill(_SAVE, place / "a.zip", after_s=randomness.uniform(0, 0.25), home=Path.home())
        if not (place / "a.zip").exists():
            save_experiment(recorded.name, place / "a.zip", include_trials=True)
        assert [path.name for path in place.iterdir() if path.is_file()] == ["a.zip"]

        new_home = tmp_path / f"home{number}"
        new_home.mkdir()
        run_and_kill(_LOAD, place / "a.zip", after_s=randomness.uniform(0, 0.25), home=new_home)
        experiments = new_home / "nni-experiments"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOME", str(new_home))
            if not (experiments / "recorded").exists():
                assert Registry().read() == {}
                load_experiment(saved.path)
            assert names_below(experiments / "recorded") == expected
            loaded = open_experiment(experiments / "recorded")
            assert loaded.export_data() == open_experiment(recorded).export_data()
            # The next process that works there sweeps up.
            save_experiment("recorded", place / "b.zip", include_trials=True)
        assert sorted(path.name for path in place.iterdir()) == ["a.zip", "b.zip"]
