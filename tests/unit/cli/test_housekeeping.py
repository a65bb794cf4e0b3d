"""`nnicli experiment save|load|delete|prune` and `reconcile`, in scripts and on terminals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nnicli.cli import cleanup, main
from nnicli.store import Registry
from tests.unit.store.recordings import load_recording


@pytest.fixture
def directory(home: Path) -> Path:
    """Return the directory of a stopped, registered experiment."""
    parent = home / "nni-experiments"
    parent.mkdir()
    directory = load_recording("3.0", parent).database.directory
    entry = {"id": "recorded", "status": "STOPPED", "logDir": str(parent), "endTime": 1}
    Registry().ensure("recorded", entry)
    return directory


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands ask, as on a terminal."""
    monkeypatch.setattr(cleanup, "_can_ask", lambda: True)


def run(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(main, arguments, input=answer)


def document_of(*arguments: str, exit_code: int = 0) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


def test_an_experiment_is_saved_deleted_and_loaded(directory: Path, tmp_path: Path) -> None:
    file = tmp_path / "saved.zip"

    saved = document_of("experiment", "save", "recorded", str(file))
    deleted = document_of("experiment", "delete", "recorded")
    loaded = document_of("experiment", "load", str(file))

    assert saved == {
        "exp_id": "recorded",
        "path": str(file),
        "size": file.stat().st_size,
        "files": 1,
        "skipped": [],
    }
    (deletion,) = deleted
    assert (deletion["paths"], deletion["is_deleted"]) == ([str(directory)], True)
    assert (loaded["exp_id"], loaded["directory"]) == ("recorded", str(directory))
    assert loaded["has_code"] is False
    assert (directory / "db" / "nni.sqlite").is_file()


def test_actions_are_reported_in_words(directory: Path, tmp_path: Path) -> None:
    file = str(tmp_path / "saved.zip")

    assert run("experiment", "save", "recorded", file).stdout.startswith("saved recorded in ")
    assert run("experiment", "delete", "recorded").stdout.startswith("deleted 1 experiment (")
    result = run("experiment", "load", file)
    assert result.stdout == f"loaded recorded into {directory}\n"
    assert "can be viewed and not resumed" in result.stderr


def test_errors_are_reported_with_their_exit_code(directory: Path, tmp_path: Path) -> None:
    file = tmp_path / "saved.zip"
    file.write_text("no archive", "utf-8")

    for arguments, exit_code, message in (
        (
            ["experiment", "save", "recorded", str(file)],
            1,
            "already exists; refusing to overwrite it",
        ),
        (["experiment", "save", "nosuch", "x.zip"], 1, "experiment 'nosuch' not found"),
        (["experiment", "load", str(file)], 1, "is damaged, or not a saved experiment"),
        (["experiment", "delete", "nosuch"], 1, "experiment 'nosuch' not found"),
        (["experiment", "prune"], 2, "prune needs a condition"),
        (["experiment", "prune", "--larger-than", "much"], 2, "'much' is not a size"),
        (["experiment", "prune", "--older-than", "long"], 2, "'long' is not a duration"),
    ):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (exit_code, "")
        assert message in result.stderr
    assert directory.exists()


def test_a_dry_run_deletes_nothing(directory: Path) -> None:
    (deletion,) = document_of("experiment", "delete", "recorded", "--dry-run")

    assert deletion["is_deleted"] is False
    assert deletion["size"] > 0
    assert str(directory) in run("experiment", "delete", "recorded", "--dry-run").stdout
    assert directory.exists()


def test_prune_in_a_script_deletes_only_with_yes(directory: Path) -> None:
    result = run("experiment", "prune", "--larger-than", "1B")
    assert (result.exit_code, result.stderr) == (
        0,
        "nothing was deleted; pass --yes to delete them\n",
    )
    assert "recorded" in result.stdout
    assert directory.exists()

    (deletion,) = document_of("experiment", "prune", "--status", "stopped", "--yes")
    assert deletion["is_deleted"]
    assert not directory.exists()
    assert document_of("experiment", "prune", "--larger-than", "1B", "--yes") == []


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    "command",
    [["delete", "recorded"], ["delete", "recorded", "--json"], ["prune", "--larger-than", "1B"]],
    ids=" ".join,
)
def test_delete_and_prune_ask_first_on_a_terminal(directory: Path, command: list[str]) -> None:
    refused = run("experiment", *command, answer="n\n")
    assert refused.exit_code == 1
    assert "Delete 1 experiment (" in refused.stderr
    assert "to be deleted" in refused.output
    assert "nothing was changed" in refused.stderr
    assert directory.exists()

    agreed = run("experiment", *command, answer="y\n")
    assert agreed.exit_code == 0
    if "--json" in command:
        assert json.loads(agreed.stdout)[0]["is_deleted"]
    else:
        assert "deleted 1 experiment (" in agreed.stdout
    assert not directory.exists()


@pytest.mark.usefixtures("terminal")
def test_prune_deletes_what_was_shown_and_no_more(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another experiment may meet the conditions by the time of the answer."""
    other = directory.parent / "other"

    def agree(*_: object, **__: object) -> bool:
        shutil.copytree(directory, other)
        Registry().ensure("other", {**Registry().read()["recorded"], "id": "other"})
        return True

    monkeypatch.setattr("click.confirm", agree)

    result = run("experiment", "prune", "--larger-than", "1B")

    assert "deleted 1 experiment (" in result.stdout
    assert (directory.exists(), other.exists()) == (False, True)


def test_reconcile_shows_and_repairs_with_yes(directory: Path) -> None:
    Registry().update("recorded", status="RUNNING")

    (finding,) = document_of("reconcile", exit_code=1)
    assert (finding["kind"], finding["exp_id"]) == ("stale", "recorded")
    assert (finding["repairable"], finding["repaired"]) == (True, False)
    assert finding["directory"] == str(directory)
    assert "nothing was changed; pass --yes to repair" in run("reconcile").stderr

    (repaired,) = document_of("reconcile", "--yes")
    assert repaired["repaired"]
    assert Registry().read()["recorded"]["status"] == "STOPPED"
    assert run("reconcile").stdout == "NNI's registry is correct, and nothing is left running\n"


@pytest.mark.usefixtures("directory", "terminal")
def test_reconcile_asks_on_a_terminal() -> None:
    Registry().update("recorded", status="RUNNING")

    refused = run("reconcile", answer="n\n")
    assert (refused.exit_code, Registry().read()["recorded"]["status"]) == (1, "RUNNING")

    agreed = run("reconcile", answer="y\n")
    assert (agreed.exit_code, Registry().read()["recorded"]["status"]) == (0, "STOPPED")
    assert "registered as RUNNING" in agreed.stdout
