"""Every verb takes every kind of reference, or says why not and what to do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nnicli import (
    Experiment,
    InvalidValueError,
    StateError,
    open_experiment,
    save_experiment,
)
from nnicli.cli import main
from nnicli.housekeeping import find_experiment
from nnicli.launcher import find_managers
from nnicli.testing import FakeInstallation
from tests.contract.scenes import LONG_TRIAL, running_trials, wait_for, write_config
from tests.unit.store.recordings import load_recording

References = Mapping[str, str]

FILES = ("id", "prefix", "directory", "database")
ADDRESSES = ("address", "port")
KINDS = (*FILES, "archive", *ADDRESSES)
# Verb -> its arguments and the kinds that it serves; {} is the reference.
VERBS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "show": (("experiment", "show", "{}"), KINDS),
    "status": (("experiment", "status", "{}"), KINDS),
    "export": (("experiment", "export", "{}"), KINDS),
    "trial ls": (("trial", "ls", "{}"), KINDS),
    "log manager": (("log", "manager", "{}"), KINDS),
    "log dispatcher": (("log", "dispatcher", "{}"), KINDS),
    "log stdout": (("log", "stdout", "{}"), KINDS),
    "log stderr": (("log", "stderr", "{}"), KINDS),
    "log trial": (("log", "trial", "{}", "--trial", "{trial}"), KINDS),
    "import": (("experiment", "import", "{}", "-f", "{results}"), (*FILES, *ADDRESSES)),
    "save": (("experiment", "save", "{}", "{file}"), (*FILES, *ADDRESSES)),
    "delete": (("experiment", "delete", "{}", "--dry-run"), FILES),
}
REFUSALS = {
    ("import", "archive"): (4, "is not running, and only a running tuner accepts results"),
    ("save", "archive"): (2, "is an archive, which cannot be used here; it is already saved"),
    ("delete", "archive"): (2, "is an archive, which cannot be used here; delete the file itself"),
    ("delete", "address"): (2, "is the address of a manager, which cannot be used here; pass its"),
    ("delete", "port"): (2, "is the address of a manager, which cannot be used here; pass its id"),
}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Experiment]:
    installation = FakeInstallation.create(tmp_path / "nni")
    with Experiment(nni=installation.prefix, url_prefix="team/a") as experiment:
        experiment.start_experiment(write_config(tmp_path / "project", LONG_TRIAL))
        wait_for(lambda: len(running_trials(experiment)) == 2, "both trials run")
        yield experiment


@pytest.fixture
def references(running: Experiment, home: Path, tmp_path: Path) -> References:
    """Return kind -> a reference of that kind to the experiment that runs."""
    exp_id = str(running.exp_id)
    directory = home / "nni-experiments" / exp_id
    archive = tmp_path / "saved.zip"
    save_experiment(exp_id, archive, include_trials=True)
    return {
        "id": exp_id,
        "prefix": exp_id[:5],
        "directory": str(directory),
        "database": str(directory / "db" / "nni.sqlite"),
        "archive": str(archive),
        "address": str(running.endpoint),
        "port": f":{running.port}",
    }


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_takes_every_kind_of_reference(
    verb: str, references: References, running: Experiment, tmp_path: Path
) -> None:
    arguments, served = VERBS[verb]
    (tmp_path / "results.json").write_text("[]")
    for kind, reference in references.items():
        words = {
            "{}": reference,
            "{trial}": running.list_trial_jobs()[0].trialJobId,
            "{file}": str(tmp_path / f"{kind}.zip"),
            "{results}": str(tmp_path / "results.json"),
        }

        result = run(*(words.get(word, word) for word in arguments))

        expected, message = REFUSALS.get((verb, kind), (0, ""))
        assert (kind in served) == (expected == 0)
        assert result.exit_code == expected, (kind, result.output)
        assert message in result.stderr


def test_show_and_trial_ls_say_the_same_whatever_the_reference(
    references: References, running: Experiment
) -> None:
    trials = {trial.trialJobId for trial in running.list_trial_jobs()}

    for kind, reference in references.items():
        shown = json.loads(run("experiment", "show", reference, "--json").stdout)
        listed = json.loads(run("trial", "ls", reference, "--json").stdout)

        assert shown["exp_id"] == running.exp_id, kind
        assert shown["is_running"] == (kind != "archive"), kind
        assert {trial["id"] for trial in listed} == trials, kind


CALLS: dict[str, Callable[[str], object]] = {
    "resume": lambda reference: Experiment().resume_experiment(reference),
    "view": lambda reference: Experiment().view_experiment(reference),
}


@pytest.mark.parametrize("call", CALLS)
def test_what_is_reopened_is_named_by_id_or_files(
    call: str,
    references: References,
    running: Experiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It runs, and that this is noticed proves that it was found."""
    monkeypatch.setenv("NNICLI_NNI", str(tmp_path / "nni"))
    for kind in FILES:
        with pytest.raises(StateError, match=f"experiment {running.exp_id} still has a manager"):
            CALLS[call](references[kind])
    with pytest.raises(
        InvalidValueError, match=r"is an archive, .*; load it first with load_experiment\(\)"
    ):
        CALLS[call](references["archive"])
    for kind in ADDRESSES:
        with pytest.raises(
            InvalidValueError, match=r"is the address of a manager, .*; connect_experiment\(\)"
        ):
            CALLS[call](references[kind])


def test_open_experiment_reads_by_every_kind(references: References, running: Experiment) -> None:
    for kind, reference in references.items():
        opened = open_experiment(reference)

        assert opened.exp_id == running.exp_id, kind
        assert len(opened.list_trial_jobs()) >= 2, kind


def test_an_address_without_a_manager_is_4() -> None:
    result = run("trial", "ls", "http://127.0.0.1:9")

    assert result.exit_code == 4


def test_a_prefix_of_several_ids_lists_them(home: Path) -> None:
    for name in ("abcd", "abce", "xyz"):
        _make(home / "nni-experiments", name)

    result = run("trial", "ls", "abc")

    assert result.exit_code == 2
    assert "'abc' is a prefix of 2 experiment ids: " in result.stderr
    assert {"abcd", "abce"} <= set(result.stderr.replace(",", " ").replace(";", " ").split())
    assert run("trial", "ls", "abcd").exit_code == 0
    assert run("trial", "ls", "x").exit_code == 0


def _make(parent: Path, exp_id: str) -> Path:
    parent.mkdir(exist_ok=True)
    recording = load_recording("3.0", parent)
    return recording.database.directory.rename(parent / exp_id)


def test_an_id_is_meant_before_a_prefix_and_a_path(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = home / "nni-experiments"
    _make(parent, "ab")
    _make(parent, "abc")
    shutil.copytree(parent / "abc", tmp_path / "here" / "ab")
    shutil.copytree(parent / "abc", tmp_path / "here" / "abcd")
    monkeypatch.chdir(tmp_path / "here")

    assert open_experiment("ab").directory == parent / "ab"
    assert open_experiment("./ab").directory == tmp_path / "here" / "ab"
    assert open_experiment("abcd").directory == tmp_path / "here" / "abcd"


def test_an_archive_is_unpacked_for_as_long_as_it_is_read(
    references: References,
) -> None:
    opened = open_experiment(references["archive"])
    directory = opened.directory
    assert directory.is_dir()
    assert opened.manager_log()

    del opened

    assert not directory.parent.exists()


def test_a_damaged_archive_is_1(tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 cut short")

    result = run("trial", "ls", str(tmp_path / "bad.zip"))

    assert result.exit_code == 1
    assert "is damaged" in result.stderr


def test_a_command_line_that_names_a_port_does_not_serve_it(tmp_path: Path) -> None:
    """A manager that is starting, or lost its port to another, was taken for the one there."""
    entry = tmp_path / "main.js"
    words = ["import time; time.sleep(60)", str(entry), "--port", "1", "--url_prefix", "x"]
    with subprocess.Popen([sys.executable, "-c", *words], cwd=tmp_path) as starting:
        try:
            wait_for(
                lambda: starting.pid in {one.identity.pid for one in find_managers()},
                "it looks like a manager",
            )

            found = find_experiment(":1")

            assert (found.record, found.url) == (None, "http://127.0.0.1:1")
        finally:
            starting.kill()
