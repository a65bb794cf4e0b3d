"""`nnicli experiment`, `trial` and `log`, on running and stopped experiments."""

from __future__ import annotations

import csv
import io
import json
import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result

from nnicli import Experiment, open_experiment
from nnicli.cli import main
from nnicli.cli.consoles import SafeConsole
from nnicli.cli.display import ConsoleHandler, LineDisplay, describe
from nnicli.cli.progress import Snapshot, Watcher
from nnicli.rest import DIALECTS
from nnicli.testing import FakeInstallation
from tests.contract.scenes import LONG_TRIAL, running_trials, wait_for, write_config
from tests.unit.store.recordings import RECORDINGS


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def document_of(*arguments: str) -> Any:
    """Return the JSON document that a successful command prints."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def make_experiment(parent: Path, exp_id: str) -> Path:
    """Put a recorded experiment with its logs into a directory; return the experiment directory."""
    directory = parent / exp_id
    for name in ("db", "log"):
        (directory / name).mkdir(parents=True)
    shutil.copyfile(RECORDINGS / "3.0" / "store-nni.sqlite", directory / "db" / "nni.sqlite")
    for name in ("nnimanager", "nnictl_stdout", "nnictl_stderr", "dispatcher"):
        (directory / "log" / f"{name}.log").write_text(f"{name} 1\n{name} 2\n")
    return directory


@pytest.fixture
def directory(home: Path) -> Path:
    return make_experiment(home / "nni-experiments", "recorded")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Experiment]:
    installation = FakeInstallation.create(tmp_path / "nni")
    with Experiment(nni=installation.prefix) as experiment:
        experiment.start_experiment(
            write_config(tmp_path / "project", LONG_TRIAL, maxTrialNumber=5)
        )
        wait_for(lambda: len(running_trials(experiment)) == 2, "both trials run")
        yield experiment


# Which experiment


def test_without_an_experiment_the_list_says_so() -> None:
    result = run("experiment", "list", "--all")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "no experiments found\n"
    assert document_of("experiment", "list", "--all") == []
    assert run("trial", "ls").exit_code == 1


def test_an_unknown_experiment_is_1_and_says_what_to_do(directory: Path) -> None:
    result = run("trial", "ls", "nope")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "experiment 'nope' not found; looked for its database in:" in result.stderr
    assert "`nnicli experiment list --all` lists those that are known" in result.stderr
    assert directory.is_dir()


def test_several_experiments_are_2_and_are_listed(directory: Path) -> None:
    make_experiment(directory.parent, "other")

    result = run("trial", "ls")

    assert result.exit_code == 2
    assert "found 2 experiments; pass one of: " in result.stderr
    assert {"recorded", "other"} <= set(result.stderr.replace(",", " ").split())


def test_one_id_in_two_directories_is_2_and_both_are_listed(
    directory: Path, tmp_path: Path
) -> None:
    copy = make_experiment(tmp_path / "copies", "recorded")
    parent = str(copy.parent)

    result = run("trial", "ls", "recorded", "--experiments-directory", parent)

    assert result.exit_code == 2
    assert {str(directory), str(copy)} <= set(
        result.stderr.replace(",", " ").replace(";", " ").split()
    )
    assert len(document_of("trial", "ls", str(copy))) == 11


def test_trials_whose_parameters_are_not_known_are_marked(directory: Path) -> None:
    """Only trials 2 and 7 reported nothing."""
    log = directory / "log" / "nnimanager.log"
    by_number = {one["sequence_id"]: one for one in document_of("trial", "ls")}
    log.write_text(
        f"[2026-11-26 17:24:42] INFO (LocalV3.local) Created trial {by_number[7]['id']}\n"
    )

    statuses = {one["sequence_id"]: one["parameters_status"] for one in document_of("trial", "ls")}
    table = " ".join(run("trial", "ls").stdout.split())

    assert {2: "UNKNOWN", 7: "NOT_READ"}.items() <= statuses.items()
    assert set(statuses.values()) == {"KNOWN", "UNKNOWN", "NOT_READ"}
    assert table.count("(not confirmed)") == table.count("(never read by the trial)") == 1


def test_an_experiment_is_named_by_id_directory_or_file(tmp_path: Path) -> None:
    directory = make_experiment(tmp_path / "elsewhere", "recorded")
    names = [str(directory), str(directory / "db" / "nni.sqlite")]

    assert [len(document_of("trial", "ls", name)) for name in names] == [11, 11]
    parent = ("--experiments-directory", str(directory.parent))
    assert len(document_of("trial", "ls", "recorded", *parent)) == 11


def test_an_experiment_without_its_directory_is_reported(home: Path) -> None:
    registry = home / "nni-experiments" / ".experiment"
    registry.parent.mkdir()
    registry.write_text('{"ghost": {"id": "ghost", "status": "STOPPED"}}')

    result = run("experiment", "show", "ghost")

    assert result.exit_code == 1
    expected = f"the directory of experiment ghost is not where the registry {registry} says"
    assert expected in result.stderr
    assert "missing" in run("experiment", "list", "--all").stdout


# The experiments


def test_the_list_hides_stopped_experiments(directory: Path) -> None:
    result = run("experiment", "list")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "no running experiments\n1 without a manager; use --all to list them\n"
    assert document_of("experiment", "list") == []
    assert directory.is_dir()


def test_the_list_can_show_all(directory: Path) -> None:
    (row,) = [
        line for line in run("experiment", "list", "--all").stdout.splitlines() if "STOPPED" in line
    ]

    assert row.split()[:2] == ["recorded", "STOPPED"]
    assert row.split()[-1] == "~/nni-experiments/recorded"
    (document,) = document_of("experiment", "list", "--all")
    assert document["directory"] == str(directory)
    assert document["is_running"] is False
    assert document["version"] == "3.0"
    assert document["pid"] is None


def test_a_name_is_printed_unchanged(directory: Path) -> None:
    """Rich would take text in square brackets for a style."""
    entry = {"id": "recorded", "status": "STOPPED", "experimentName": "[red]mnist[/red]"}
    (directory.parent / ".experiment").write_text(json.dumps({"recorded": entry}))

    assert "[red]mnist[/red]" in run("experiment", "list", "--all").stdout


@pytest.mark.parametrize(("name", "shown"), [("bs:100:x", "bs:100:x"), (5, " 5 ")])
def test_a_name_is_text_without_emoji(directory: Path, name: Any, shown: str) -> None:
    """Other programs may write a number."""
    entry = {"id": "recorded", "status": "STOPPED", "experimentName": name}
    (directory.parent / ".experiment").write_text(json.dumps({"recorded": entry}))

    result = run("experiment", "list", "--all")

    assert result.exit_code == 0
    assert shown in result.stdout


def test_a_damaged_registry_is_reported_and_the_directories_are_listed(directory: Path) -> None:
    (directory.parent / ".experiment").write_text("{")

    result = run("experiment", "list", "--all")

    assert result.exit_code == 0
    assert "recorded" in result.stdout


def test_show_prints_the_config_without_its_secrets(directory: Path) -> None:
    result = run("experiment", "show")

    assert result.exit_code == 0
    assert "experiment: recorded\n" in result.stdout
    assert "trialCommand: python3 trial.py\n" in result.stdout
    document = document_of("experiment", "show")
    assert document["profile"]["params"]["maxTrialNumber"] == 11
    assert document["profile"]["logDir"]
    assert directory.is_dir()


def test_a_config_nested_400_deep_is_cut_off() -> None:
    from nnicli.cli.experiment import presentable_params

    params: dict[str, Any] = {}
    for _ in range(400):
        params = {"searchSpace": params, "a": [{"password": "hush"}]}

    shown = json.dumps(presentable_params(params), indent=2)

    assert "..." in shown
    assert shown.count("***") < 60


def test_passwords_are_masked_and_names_in_the_search_space_are_not() -> None:
    from nnicli.cli.experiment import presentable_params

    params = {
        "trainingService": {"machineList": [{"host": "gpu", "password": "hush"}]},
        "clusterMetaData": [{"key": "machine_list", "value": "hush"}],
        "searchSpace": {"token_size": {"_type": "choice", "_value": [1]}},
    }

    assert presentable_params(params) == {
        "trainingService": {"machineList": [{"host": "gpu", "password": "***"}]},
        "searchSpace": {"token_size": {"_type": "choice", "_value": [1]}},
    }


def test_the_status_counts_trials(directory: Path) -> None:
    recorded = {
        row["trialJobStatus"]: row["trialJobNumber"]
        for row in open_experiment(directory).get_job_statistics()
    }

    result = run("experiment", "status")

    assert result.exit_code == 0
    assert "status:     STOPPED\n" in result.stdout
    assert f"{recorded['SUCCEEDED']} SUCCEEDED" in result.stdout
    document = document_of("experiment", "status")
    assert document["trials"] == recorded
    assert (document["status"], document["errors"]) == ("STOPPED", [])


def test_a_dead_manager_is_reported(directory: Path) -> None:
    entry = {"id": "recorded", "status": "RUNNING", "port": 8080}
    (directory.parent / ".experiment").write_text(json.dumps({"recorded": entry}))

    result = run("experiment", "status")

    assert "STOPPED (its manager is gone; the registry still says RUNNING)" in result.stdout


def test_a_running_experiment_is_asked_for_its_status(running: Experiment) -> None:
    document = document_of("experiment", "status")

    assert document["status"] == "RUNNING"
    assert document["trials"] == {"RUNNING": 2}
    assert document["port"] == running.port
    assert f"manager:    {document['url']} (pid " in run("experiment", "status").stdout
    assert str(running.exp_id) in run("experiment", "list").stdout


# Results


def test_results_go_to_standard_output(directory: Path) -> None:
    recorded = open_experiment(directory)

    result = run("experiment", "export", "recorded", "--intermediate")

    rows = list(csv.DictReader(io.StringIO(result.stdout, newline="")))
    assert [row["trialJobId"] for row in rows] == [one.trialJobId for one in recorded.export_data()]
    assert {row["intermediate"] for row in rows} == {'[0.25,{"default": 0.5, "loss": 1}]'}
    assert len(document_of("experiment", "export")) == len(rows)


@pytest.mark.parametrize("arguments", [["-f", "out.json"], ["-f", "out", "-t", "json"]])
def test_results_go_to_a_file(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    result = run("experiment", "export", *arguments)

    assert (result.exit_code, result.stdout) == (0, "")
    rows = json.loads((tmp_path / arguments[1]).read_text())
    assert len(rows) == len(open_experiment(directory).export_data())


@pytest.mark.parametrize("name", ["results", "results.txt"])
def test_without_a_type_or_a_known_ending_results_are_csv(
    directory: Path, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name

    result = run("experiment", "export", "-f", str(path))

    assert (result.exit_code, result.stdout) == (0, "")
    assert path.read_bytes().decode() == open_experiment(directory).export_text("csv")


def test_a_file_that_cannot_be_written_is_1(directory: Path, tmp_path: Path) -> None:
    path = tmp_path / "nope" / "out.csv"

    result = run("experiment", "export", "recorded", "-f", str(path))

    assert result.exit_code == 1
    assert result.stderr == f"nnicli: {path}: No such file or directory\n"
    assert directory.is_dir()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows", "x,reward\r\n0.5,1.0\r\n"),
        ("rows.CSV", "\ufeffx,reward\r\n0.5,1.0\r\n"),
        ("rows.txt", ' [{"parameter": {"x": 0.5}, "value": 1.0}]'),
    ],
)
def test_a_file_is_imported_whatever_its_name(
    running: Experiment, tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")

    assert document_of("experiment", "import", "-f", str(tmp_path / name))["imported"] == 1
    (imported,) = running.client.get_imported_data()
    assert imported == [{"parameter": {"x": 0.5}, "value": 1.0}]


def test_known_results_are_imported(running: Experiment, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("x,reward,trialJobId\r\n0.5,1.0,a\r\n0.25,2.0,b\r\n")

    assert document_of("experiment", "import", "-f", str(path)) == {
        "exp_id": running.exp_id,
        "imported": 2,
    }
    (imported,) = running.client.get_imported_data()
    assert imported == [
        {"parameter": {"x": 0.5}, "value": 1.0},
        {"parameter": {"x": 0.25}, "value": 2.0},
    ]


def test_results_outside_the_search_space_are_not_sent(running: Experiment, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('[{"parameter": {"x": 0.5}, "value": 1}, {"parameter": {"x": 5}, "value": 1}]')

    result = run("experiment", "import", "-f", str(path))

    assert result.exit_code == 2
    assert "rows[1].parameter: {'x': 5} has x = 5; the search space has uniform" in result.stderr
    assert running.client.get_imported_data() == []


def test_an_import_needs_a_manager(directory: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text("[]")

    result = run("experiment", "import", "-f", str(path))

    assert result.exit_code == 4
    assert (
        "experiment recorded is not running, and only a running tuner accepts results"
        in result.stderr
    )
    assert directory.is_dir()


def test_a_missing_results_file_is_reported(directory: Path, tmp_path: Path) -> None:
    result = run("experiment", "import", "-f", str(tmp_path / "nope.json"))

    assert result.exit_code == 1
    assert f"{tmp_path / 'nope.json'}: No such file or directory" in result.stderr
    assert directory.is_dir()


# Trials


def test_trials_are_listed_in_their_order(directory: Path) -> None:
    trials = [trial.trialJobId for trial in open_experiment(directory).list_trial_jobs()]

    assert [trial["id"] for trial in document_of("trial", "ls")] == trials
    lines = run("trial", "ls").stdout.splitlines()
    assert [word for line in lines for word in line.split()[:2] if word in trials] == trials


def test_parameters_are_printed_without_emoji(directory: Path) -> None:
    with closing(sqlite3.connect(directory / "db" / "nni.sqlite")) as database, database:
        changed = database.execute(
            """update TrialJobEvent set data = replace(data, '"kind": "', '"kind": "bs:100:')"""
            ' where data like \'%"kind": "%\''
        )
        assert changed.rowcount

    assert "bs:100:" in run("trial", "ls").stdout


@pytest.mark.parametrize(
    ("counts", "total", "text"),
    [
        ({"SUCCEEDED": 1}, None, "1 trial done, 0 running"),
        ({"SUCCEEDED": 2, "RUNNING": 1}, None, "2 trials done, 1 running"),
        ({"SUCCEEDED": 1}, 1, "1 of 1 trial done, 0 running"),
        ({"FAILED": 1, "EARLY_STOPPED": 1}, 8, "2 of 8 trials done, 0 running, 1 failed"),
        ({"WAITING": 1, "UNKNOWN": 1, "ADD_RESUMED": 2}, 8, "0 of 8 trials done, 0 running"),
    ],
)
def test_progress_counts_ended_trials(counts: dict[str, int], total: int | None, text: str) -> None:
    """A trial resubmitted by a resume is ADD_RESUMED for a moment (2.10 and later)."""
    assert describe(Snapshot("RUNNING", counts, total, None, 0)) == text


@pytest.mark.parametrize(
    ("version", "params"),
    [("1.9", {"maxTrialNum": 7}), ("3.0.0", {"maxTrialNumber": 7, "maxTrialNum": 99})],
)
def test_progress_shows_the_limit_whatever_the_release_calls_it(
    version: str, params: dict[str, Any]
) -> None:
    experiment = SimpleNamespace(
        client=SimpleNamespace(dialect=DIALECTS.row_for(version)),
        get_experiment_profile=lambda: {"params": params},
        list_trial_jobs=list,
    )

    assert Watcher(cast("Experiment", experiment)).take_snapshot("RUNNING").total == 7


def test_progress_and_warnings_are_printed_without_emoji() -> None:
    output = io.StringIO()
    console = SafeConsole(file=output)
    record = logging.LogRecord("nnicli", logging.WARNING, "", 0, "bs:100:x", None, None)

    ConsoleHandler(console).emit(record)
    LineDisplay(console).show(Snapshot("bs:100:y", {}, None, None, 0))

    assert "warning: bs:100:x" in output.getvalue()
    assert "bs:100:y: " in output.getvalue()


def test_the_best_and_the_worst_are_listed_by_a_direction(directory: Path) -> None:
    best = open_experiment(directory).best_trial(mode="minimize").trialJobId

    ranked = document_of("trial", "ls", "--head", "99", "--mode", "minimize")

    assert ranked[0]["id"] == best
    assert document_of("trial", "ls", "--head", "1", "--mode", "minimize") == ranked[:1]
    assert document_of("trial", "ls", "--tail", "2", "--mode", "minimize") == ranked[-2:]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--head", "1"], "the tuner's classArgs do not set optimize_mode; pass --mode."),
        (["--head", "1", "--tail", "1", "--mode", "minimize"], "--head and --tail cannot be used"),
        (["--head", "0"], "0 is not in the range"),
    ],
)
def test_bad_usage_is_2(directory: Path, options: list[str], text: str) -> None:
    result = run("trial", "ls", *options)

    assert result.exit_code == 2
    assert text in result.stderr
    assert directory.is_dir()


def test_trials_are_filtered_by_status(directory: Path) -> None:
    failed = document_of("trial", "ls", "--status", "failed")

    assert {trial["status"] for trial in failed} == {"FAILED"}
    assert run("trial", "ls", "--status", "WAITING").stderr == "no trials\n"
    assert directory.is_dir()


# Logs


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("stdout", "nnictl_stdout"),
        ("stderr", "nnictl_stderr"),
        ("manager", "nnimanager"),
        ("dispatcher", "dispatcher"),
    ],
)
def test_logs_are_printed(directory: Path, command: str, name: str) -> None:
    first, second = f"{name} 1\n", f"{name} 2\n"

    assert run("log", command).stdout == first + second
    assert run("log", command, "--head", "1").stdout == first
    assert run("log", command, "-T", "1").stdout == second
    assert run("log", command, "--follow", "--tail", "1").stdout == second
    assert document_of("log", command, "recorded") == {
        "exp_id": "recorded",
        "log": command,
        "text": first + second,
    }
    assert directory.is_dir()


def test_the_log_of_a_trial_is_printed(directory: Path) -> None:
    trial = open_experiment(directory).list_trial_jobs()[0].trialJobId
    logs = directory / "environments" / "local-env" / "trials" / trial
    logs.mkdir(parents=True)
    (logs / "trial.stderr").write_text("Traceback\nKeyError: 1")

    arguments = ("log", "trial", "--trial", trial, "--kind", "stderr")

    assert run(*arguments).stdout == "Traceback\nKeyError: 1\n"
    assert run(*arguments, "--follow").stdout == "Traceback\nKeyError: 1"
    assert document_of(*arguments)["text"] == "Traceback\nKeyError: 1"


def test_a_log_too_large_for_one_text_is_printed_completely(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logs may have gigabytes, and not a single line end."""
    monkeypatch.setattr("nnicli.store.logs.reader._LARGEST_TEXT", 1 << 20)
    log = directory / "log" / "nnimanager.log"
    log.write_text("first\n" + "x" * (3 << 20))

    assert len(run("log", "manager").stdout) == log.stat().st_size + 1
    assert len(run("log", "manager", "--tail", "1").stdout) == (3 << 20) + 1
    assert run("log", "manager", "--head", "1").stdout == "first\n"
    assert "piece by piece" in run("log", "manager", "--json").stderr


@pytest.mark.parametrize("option", ["--trial", "--trial-id", "--trial_id"])
def test_all_logs_of_a_trial_are_printed_with_their_names(directory: Path, option: str) -> None:
    """After importing nni a trial prints to trial.log, and its stdout is empty."""
    recorded = open_experiment(directory)
    trial = recorded.list_trial_jobs()[0].trialJobId
    logs = directory / "environments" / "local-env" / "trials" / trial
    logs.mkdir(parents=True)

    assert recorded.trial_log_kinds(trial) == []
    assert run("log", "trial", option, trial).stderr == f"the logs of trial {trial} are empty\n"

    (logs / "trial.stdout").write_text("")
    (logs / "trial.stderr").write_text("Traceback\nKeyError: 1")
    (logs / "trial.log").write_text("printed\n")
    labelled = "==> stderr <==\nTraceback\nKeyError: 1\n\n==> trial <==\nprinted\n"

    assert recorded.trial_log_kinds(trial) == ["stderr", "trial"]
    assert run("log", "trial", option, trial).stdout == labelled
    assert run("log", "trial", option, trial, "--tail", "1").stdout == (
        "==> stderr <==\nKeyError: 1\n\n==> trial <==\nprinted\n"
    )
    followed = run("log", "trial", option, trial, "--follow").stdout
    assert sorted(followed.split()) == sorted(labelled.split())
    assert document_of("log", "trial", option, trial) == {
        "exp_id": "recorded",
        "trial": trial,
        "logs": {"stderr": "Traceback\nKeyError: 1", "trial": "printed\n"},
    }


@pytest.mark.parametrize("option", [["--json"], ["--head", "1"]])
def test_following_prints_everything_from_a_given_line(directory: Path, option: list[str]) -> None:
    result = run("log", "stdout", "--follow", *option)

    assert result.exit_code == 2
    assert "--follow cannot be used together with --json or --head" in result.stderr
    assert directory.is_dir()


@pytest.mark.parametrize("verb", ["trial ls", "experiment prune"])
def test_a_misspelt_status_is_bad_usage(directory: Path, verb: str) -> None:
    """It used to be taken for a status without trials, with exit code 0."""
    word = "SUCEEDED" if verb == "trial ls" else "STOPED"

    result = run(*verb.split(), "--status", word.lower())

    assert result.exit_code == 2
    meant = word.replace("SUC", "SUCC").replace("STOP", "STOPP")
    assert f"nnicli: --status: '{word}' is not allowed; did you mean '{meant}'?" in result.stderr
    assert directory.is_dir()


def test_without_an_experiment_every_verb_says_so() -> None:
    result = run("experiment", "status")

    assert result.exit_code == 1
    assert result.stderr == (
        "nnicli: no experiments found on this machine; `nnicli experiment list --all` lists "
        "those that are known, and --experiments-directory adds a directory to search\n"
    )


def test_an_unknown_trial_is_1(directory: Path) -> None:
    result = run("log", "trial", "--trial", "nope")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "nnicli: experiment recorded has no trial 'nope'\n"
    assert directory.is_dir()
