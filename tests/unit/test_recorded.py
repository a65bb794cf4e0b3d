"""Experiments are read from their files."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from nnicli import (
    DecodingError,
    ExperimentNotFoundError,
    InvalidValueError,
    RecordedExperiment,
    TrialJobNotFoundError,
    open_experiment,
    recorded as recorded_module,
)
from tests.unit.store.recordings import RECORDINGS, close, load_recording, with_values


def make_experiment(parent: Path, exp_id: str, release: str = "3.0") -> Path:
    """Put a recorded experiment into a directory; return the experiment directory."""
    database = parent / exp_id / "db" / "nni.sqlite"
    database.parent.mkdir(parents=True)
    shutil.copyfile(RECORDINGS / release / "store-nni.sqlite", database)
    return parent / exp_id


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


@pytest.fixture
def directory(home: Path) -> Path:
    return make_experiment(home / "nni-experiments", "recorded")


@pytest.fixture
def recorded(directory: Path) -> RecordedExperiment:
    return open_experiment(directory)


def test_it_is_opened_by_id_directory_or_file(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = directory / "db" / "nni.sqlite"
    monkeypatch.chdir(directory.parent)
    for name in ("recorded", directory, str(directory), database, str(database), Path("recorded")):
        opened = open_experiment(name)

        assert opened.directory == directory
        assert opened.exp_id == "recorded"


def test_further_directories_are_searched_for_an_id(tmp_path: Path) -> None:
    directory = make_experiment(tmp_path / "elsewhere", "recorded")

    opened = open_experiment("recorded", experiments_directories=[directory.parent])

    assert opened.directory == directory


def test_a_missing_experiment_is_reported(tmp_path: Path) -> None:
    with pytest.raises(
        ExperimentNotFoundError, match="experiment 'nope' not found; looked for its"
    ):
        open_experiment("nope")
    with pytest.raises(
        ExperimentNotFoundError, match="allowed: an experiment's id or a unique prefix"
    ):
        open_experiment(tmp_path / "nope")


@pytest.mark.parametrize("name", ["~nosuchuser", "~nosuchuser/nni-experiments/recorded"])
def test_the_home_of_an_unknown_user_has_no_experiment(name: str) -> None:
    with pytest.raises(
        ExperimentNotFoundError, match=r"no experiment found at|experiment '~nosuchuser' not found"
    ):
        open_experiment(name)


@pytest.mark.parametrize("name", ["a\0b", "x" * 5_000, "x/" + "y" * 5_000])
def test_what_cannot_be_a_path_is_not_found(name: str) -> None:
    with pytest.raises(
        ExperimentNotFoundError, match=r"no experiment found at|experiment 'x+' not found"
    ):
        open_experiment(name)


def test_a_directory_of_another_user_is_reported(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = make_experiment(tmp_path / "shared", "theirs")
    twin = make_experiment(tmp_path / "shared", directory.name)
    monkeypatch.chdir(theirs.parent)
    close(monkeypatch, theirs)
    close(monkeypatch, twin)

    for name in (theirs, str(theirs), theirs / "db", theirs / "db" / "nni.sqlite", "theirs"):
        with pytest.raises(
            DecodingError, match=r"theirs.* cannot be read as an experiment: Permission denied"
        ):
            open_experiment(name)
    assert open_experiment(directory.name).directory == directory


def test_a_link_is_the_experiment_that_it_leads_to(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is running is checked by its id, which the name of a link is not."""
    latest = directory.parent / "_latest"
    latest.symlink_to(directory)
    asked: list[tuple[str, Path]] = []
    manager = SimpleNamespace(runs=lambda *names: asked.append(names))
    monkeypatch.setattr(recorded_module, "find_managers", lambda: [manager])

    for name in ("_latest", "~/nni-experiments/_latest", latest, latest / "db" / "nni.sqlite"):
        opened = open_experiment(name)
        assert list(opened.follow_manager_log()) == []

        assert opened.directory == directory
        assert set(asked) == {(directory.name, directory)}


def test_a_file_that_is_something_else_is_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("trialCommand: python3 trial.py\n" * 50)

    with pytest.raises(DecodingError, match="cannot be read as the database"):
        open_experiment(tmp_path / "config.yml")


@pytest.mark.parametrize("release", ["2.7", "3.0"])
def test_everything_is_read_as_the_manager_sent_it(tmp_path: Path, release: str) -> None:
    recording = load_recording(release, tmp_path)
    recorded = open_experiment(recording.database.directory)

    assert recorded.get_experiment_profile() == recording.answers["/experiment"]
    assert recorded.get_job_statistics() == recording.answers["/job-statistics"]
    trials = recorded.list_trial_jobs()
    assert [trial.raw for trial in trials] == [
        with_values(trial) for trial in recording.answers["/trial-jobs"]
    ]
    assert repr(recorded.get_trial_job(trials[0].trialJobId)) == repr(trials[0])
    assert len(recorded.get_job_metrics()) > 4
    assert [row.raw for row in recorded.export_data()] == recording.answers["/export-data"]


def test_trials_have_the_hyper_parameters_that_they_ran_with(
    recorded: RecordedExperiment,
) -> None:
    """The 3.0 manager itself mixes them up; the final metrics show the right ones."""
    for trial in recorded.list_trial_jobs():
        for metric in trial.finalMetricData:
            assert metric.parameterId == trial.hyperParameters[0].parameter_id


def test_reading_changes_no_byte_and_leaves_nothing(
    directory: Path, recorded: RecordedExperiment
) -> None:
    write(directory / "log" / "nnimanager.log", "started\n")

    def look() -> dict[Path, tuple[int, str]]:
        return {
            path: (
                path.stat().st_mtime_ns,
                hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            )
            for path in directory.rglob("*")
        }

    before = look()

    trial = recorded.list_trial_jobs()[0].trialJobId
    recorded.get_job_metrics()
    recorded.export_data()
    recorded.get_experiment_profile()
    recorded.get_job_statistics()
    recorded.best_trial(mode="maximize")
    recorded.manager_log()
    recorded.dispatcher_log()
    recorded.trial_log(trial)
    list(recorded.follow_manager_log())

    assert look() == before


def test_the_logs_of_manager_and_tuner_are_read(
    directory: Path, recorded: RecordedExperiment
) -> None:
    write(directory / "log" / "nnimanager.log", "one\ntwo\n")
    write(directory / "log" / "nnictl_stdout.log", "printed\n")
    write(directory / "log" / "nnictl_stderr.log", "failed\n")
    write(directory / "log" / "dispatcher.log", "Dispatcher started\nDispatcher terminated\n")

    assert recorded.manager_log() == "one\ntwo\n"
    assert recorded.manager_log(head=1) == "one\n"
    assert recorded.manager_log("stdout") == "printed\n"
    assert recorded.manager_log("stderr") == "failed\n"
    assert recorded.dispatcher_log(tail=1) == "Dispatcher terminated\n"
    assert list(recorded.follow_dispatcher_log(tail=1)) == ["Dispatcher terminated\n"]
    assert list(recorded.follow_manager_log("stderr")) == ["failed\n"]


def test_the_output_of_a_1_x_manager_is_found_in_its_launcher_directory(
    home: Path, recorded: RecordedExperiment
) -> None:
    launcher = home / ".local" / "nnictl"
    write(launcher / ".experiment", '{"recorded": {"fileName": "k2l3m4n5"}}')
    write(launcher / "k2l3m4n5" / "stderr", "failed\n")

    assert recorded.manager_log("stderr") == "failed\n"


def test_logs_that_were_never_written_are_empty(recorded: RecordedExperiment) -> None:
    trial = recorded.list_trial_jobs()[0].trialJobId

    assert recorded.manager_log() == recorded.manager_log("stdout") == ""
    assert recorded.dispatcher_log() == recorded.trial_log(trial) == ""
    assert list(recorded.follow_trial_log(trial)) == []


@pytest.mark.parametrize(
    "parent",
    ["environments/local-env/trials", "environments/aBcDe/trials", "trials"],
    ids=["3.0", "other environment", "older"],
)
def test_a_trial_s_log_is_found_in_every_layout(
    directory: Path, recorded: RecordedExperiment, parent: str
) -> None:
    trial = recorded.list_trial_jobs()[0].trialJobId
    name = "stderr" if parent == "trials" else "trial.stderr"
    write(directory / parent / trial / name, "one\ntwo\n")

    assert recorded.trial_log(trial, "stderr", tail=1) == "two\n"
    assert "".join(recorded.follow_trial_log(trial, "stderr")) == "one\ntwo\n"


def test_an_unknown_kind_of_log_is_refused(recorded: RecordedExperiment) -> None:
    with pytest.raises(
        InvalidValueError, match="kind: 'errors' is not allowed; allowed: log, stdout, stderr"
    ):
        recorded.manager_log("errors")


def test_following_an_unknown_trial_is_refused_at_once(recorded: RecordedExperiment) -> None:
    with pytest.raises(TrialJobNotFoundError, match="no trial 'nope'"):
        recorded.follow_trial_log("nope")


def test_it_shows_where_it_is(directory: Path, recorded: RecordedExperiment) -> None:
    assert repr(recorded) == f"<nnicli.RecordedExperiment {str(directory)!r}>"
