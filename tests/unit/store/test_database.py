"""Recorded experiments, compared with the answers of their real managers."""

from __future__ import annotations

import errno
import os
import sqlite3
import traceback
from contextlib import closing
from pathlib import Path

import pytest

from nnicli.errors import (
    DecodingError,
    ExperimentNotFoundError,
    InvalidValueError,
    TrialJobNotFoundError,
    TrialLogNotAvailableError,
)
from nnicli.models import TrialJob, TrialMetricData, group_metrics
from nnicli.store import LAYOUTS, ExperimentDatabase
from tests.unit.store.recordings import Recording, load_recording, with_values


def change(database: ExperimentDatabase, *statements: str) -> None:
    """Change this test's copy of a database."""
    with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def write_trial_file(database: ExperimentDatabase, parent: str, name: str, content: bytes) -> None:
    """Write a file of the experiment's first trial."""
    trial = database.list_trial_jobs()[0].trialJobId
    directory = database.directory / parent / trial
    directory.mkdir(parents=True)
    (directory / name).write_bytes(content)


def test_the_profile_is_the_managers(recording: Recording) -> None:
    assert recording.database.get_experiment_profile() == recording.answers["/experiment"]


def test_trials_are_the_managers(recording: Recording) -> None:
    """Field by field: status, times, paths, hyper-parameters, and the order."""
    answer = recording.answers["/trial-jobs"]

    trials = recording.database.list_trial_jobs()

    assert [trial.raw for trial in trials] == [with_values(trial) for trial in answer]
    # A NaN differs from itself, so the models are compared as text.
    assert repr(trials) == repr([TrialJob(trial) for trial in answer])
    # It proves little unless trials have ended in every way.
    assert {trial.status for trial in trials} >= {"SUCCEEDED", "FAILED", "USER_CANCELED"}


def test_one_trial_is_the_managers(recording: Recording) -> None:
    for answer in recording.answers["/trial-jobs"]:
        trial = recording.database.get_trial_job(answer["trialJobId"])

        assert trial.raw == with_values(answer)


def test_an_unknown_trial_is_named(database: ExperimentDatabase) -> None:
    with pytest.raises(TrialJobNotFoundError, match="recorded has no trial 'nope'") as caught:
        database.get_trial_job("nope")

    assert caught.value.trial_job_id == "nope"


def test_metrics_are_the_managers(recording: Recording) -> None:
    """Including those of failed trials, and the second of two final ones."""
    answers = group_metrics(map(TrialMetricData, recording.answers["/metric-data"]))

    metrics = recording.database.get_job_metrics()

    assert repr(metrics) == repr(answers)
    assert list(metrics) == list(answers)
    for trial_job_id, group in metrics.items():
        assert [metric.raw for metric in group] == [m.raw for m in answers[trial_job_id]]


def test_metrics_of_one_trial_are_the_managers(recording: Recording) -> None:
    every = recording.database.get_job_metrics()
    trials = [trial["trialJobId"] for trial in recording.answers["/trial-jobs"]]

    found = {trial: recording.database.get_job_metrics(trial) for trial in trials}

    expected = {trial: {trial: every[trial]} if trial in every else {} for trial in trials}
    assert repr(found) == repr(expected)


def test_trials_come_in_the_same_order_a_few_at_a_time(
    database: ExperimentDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = database.list_trial_jobs()
    monkeypatch.setattr("nnicli.store.database.records._TRIALS_AT_A_TIME", 2)

    a_few = list(database.iter_trial_jobs())

    assert len(a_few) > 4
    assert [trial.raw for trial in a_few] == [trial.raw for trial in at_once]


def test_statistics_are_the_managers(recording: Recording) -> None:
    assert recording.database.get_job_statistics() == recording.answers["/job-statistics"]


def test_reading_changes_no_byte_and_leaves_nothing(recording: Recording) -> None:
    database = recording.database
    files = {path: path.stat() for path in database.directory.rglob("*")}
    content = database.path.read_bytes()

    database.list_trial_jobs()
    database.get_job_metrics()
    database.get_experiment_profile()

    assert database.path.read_bytes() == content
    after = {path: path.stat() for path in database.directory.rglob("*")}
    assert {path: seen.st_mtime_ns for path, seen in after.items()} == {
        path: seen.st_mtime_ns for path, seen in files.items()
    }


def test_a_database_shows_its_path(database: ExperimentDatabase) -> None:
    assert repr(database) == f"ExperimentDatabase({str(database.path)!r})"


def test_the_newest_profile_has_the_highest_revision(
    database: ExperimentDatabase,
) -> None:
    newest = database.get_experiment_profile()
    change(
        database,
        "create table Copy as select * from ExperimentProfile order by revision limit 1",
        "insert into ExperimentProfile select * from Copy",
    )

    assert database.get_experiment_profile() == newest


def test_the_columns_are_those_of_the_release(recording: Recording) -> None:
    """They decide whether a release may resume the experiment."""
    columns = recording.database.trial_event_columns()

    assert columns == LAYOUTS.row_for(recording.release).trial_event_columns


def test_a_missing_database_is_reported(tmp_path: Path) -> None:
    database = ExperimentDatabase(tmp_path / "aBcD" / "db" / "nni.sqlite")

    with pytest.raises(ExperimentNotFoundError, match=r"no database at .*nni\.sqlite") as caught:
        database.list_trial_jobs()

    assert caught.value.exp_id == "aBcD"


def test_an_experiment_that_was_never_started_has_no_profile(database: ExperimentDatabase) -> None:
    """The manager creates its tables before it gets an experiment."""
    change(database, "delete from ExperimentProfile", "delete from TrialJobEvent")

    with pytest.raises(ExperimentNotFoundError, match="never started"):
        database.get_experiment_profile()
    assert database.list_trial_jobs() == []


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "no such table"),
        (b"no database at all, but long enough to be taken for one" * 40, "not a database"),
    ],
    ids=["empty", "other"],
)
def test_a_file_that_is_not_a_database_is_reported(
    database: ExperimentDatabase, content: bytes, text: str
) -> None:
    database.path.write_bytes(content)

    for read in (database.list_trial_jobs, database.get_experiment_profile):
        with pytest.raises(DecodingError, match=rf"nni\.sqlite cannot be read.*{text}"):
            read()
    assert database.path.read_bytes() == content


def test_a_truncated_database_is_reported(database: ExperimentDatabase) -> None:
    content = database.path.read_bytes()[:20_000]
    database.path.write_bytes(content)

    with pytest.raises(DecodingError, match="malformed"):
        database.list_trial_jobs()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('\'{"trialCommand": "x --password=hunter2\'', "not a JSON object"),
        ("'[\"hunter2\"]'", "not a JSON object"),
        ("'null'", "not a JSON object"),
        ('cast(\'{"a": "hunter2"}\' as blob)', "not a JSON object"),
        ("null", "not a JSON object"),
        ("cast(x'68756e74657232ff' as text)", "Could not decode to UTF-8 column 'params'"),
    ],
)
def test_a_damaged_config_is_reported_without_its_text(
    database: ExperimentDatabase, value: str, reason: str
) -> None:
    """It may have secrets, and errors end up in logs."""
    change(database, f"update ExperimentProfile set params = {value}")

    with pytest.raises(DecodingError, match=rf"nni\.sqlite cannot be read.*{reason}") as caught:
        database.get_experiment_profile()

    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.body_start == ""


def test_a_database_in_an_unreadable_directory_is_reported(
    database: ExperimentDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with one in another user's directory."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("pathlib.Path.stat", refuse)

    with pytest.raises(DecodingError, match=r"nni\.sqlite cannot be read.*Permission denied"):
        database.list_trial_jobs()


def test_a_table_that_lacks_a_column_is_reported(database: ExperimentDatabase) -> None:
    change(database, "alter table TrialJobEvent rename column timestamp to timestamq")

    with pytest.raises(DecodingError, match="table TrialJobEvent has no column timestamp"):
        database.list_trial_jobs()


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"create index MetricData_type", b"cr\xf6ate index"), (b"endTime integer", b"endTi\xf1e")],
    ids=["statement", "column"],
)
def test_a_schema_that_is_not_valid_text_is_reported(
    database: ExperimentDatabase, old: bytes, new: bytes
) -> None:
    """Python's driver fails on SQLite's message, which quotes it, or on the column's name."""
    content = database.path.read_bytes()
    at = content.lower().index(old.lower())
    database.path.write_bytes(content[:at] + new + content[at + len(new) :])

    with pytest.raises(
        DecodingError, match=r"cannot be read.*(Could not decode|is not valid text|can't decode)"
    ):
        database.get_experiment_profile()


def test_an_unreadable_database_is_reported(
    database: ExperimentDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("os.open", refuse)

    with pytest.raises(DecodingError, match=r"nni\.sqlite cannot be read.*Permission denied"):
        database.list_trial_jobs()


@pytest.mark.parametrize("name", ["a b", "50%41?mode=rwc#x", "größe", "quote'\"s"])
def test_any_directory_name_is_read(recording: Recording, name: str) -> None:
    """The path becomes part of a URI, in which some of these have another meaning."""
    moved = recording.database.directory.rename(recording.database.directory.with_name(name))

    trials = ExperimentDatabase(moved / "db" / "nni.sqlite").list_trial_jobs()

    assert [trial.raw for trial in trials] == [
        with_values(trial) for trial in recording.answers["/trial-jobs"]
    ]


def test_a_directory_name_that_is_not_valid_text_is_read(database: ExperimentDatabase) -> None:
    name = os.fsdecode(b"latin\xe9")
    moved = database.directory.rename(database.directory.with_name(name))

    assert ExperimentDatabase(moved / "db" / "nni.sqlite").list_trial_jobs()


TRIAL_FILES = [
    ("2.7", "trials", "stdout", "stdout"),
    ("2.7", "trials", "stderr", "stderr"),
    ("2.7", "trials", "trial", "trial.log"),
    ("3.0", "environments/local-env/trials", "stdout", "trial.stdout"),
    ("3.0", "environments/local-env/trials", "stderr", "trial.stderr"),
    ("3.0", "environments/local-env/trials", "trial", "trial.log"),
]


@pytest.mark.parametrize(("release", "directory", "kind", "name"), TRIAL_FILES)
def test_the_logs_of_a_trial_are_found(
    tmp_path: Path, release: str, directory: str, kind: str, name: str
) -> None:
    """Unchanged: the \\r of progress bars is kept, and invalid UTF-8 is replaced."""
    database = load_recording(release, tmp_path).database
    write_trial_file(database, directory, name, b"10%\r100%\n\xff\n")

    trial = database.list_trial_jobs()[0].trialJobId
    assert database.trial_log(trial, kind) == "10%\r100%\n\ufffd\n"


@pytest.mark.parametrize(
    "log_path",
    [
        "10.0.0.7:~/nni-experiments/id/environments/worker1/trials/t",
        "file://10.0.0.7:/tmp/nni-experiments/id/trials/t",
        "https://pai.example/job-detail.html?jobName=t",
        "nfs://10.0.0.7:/exports/nni/id/t/output",
    ],
)
def test_a_log_on_another_machine_is_distinguished_from_an_empty_one(
    database: ExperimentDatabase, log_path: str
) -> None:
    change(database, f"update TrialJobEvent set logPath = '{log_path}' where logPath is not null")
    trial = database.list_trial_jobs()[0].trialJobId

    with pytest.raises(TrialLogNotAvailableError, match=r"another machine.*it is at ") as caught:
        database.trial_log(trial)
    assert (caught.value.trial_job_id, caught.value.location) == (trial, log_path)

    # What a manager of 3.0 has fetched is kept.
    write_trial_file(database, "trials", "trial.stdout", b"from there\n")
    assert database.trial_log(trial) == "from there\n"


@pytest.mark.parametrize(
    "log_path", ["", "/exp/trials/t", "C:\\exp\\trials\\t", "file://localhost:/exp/trials/t"]
)
def test_a_log_that_is_missing_on_this_machine_is_empty(
    database: ExperimentDatabase, log_path: str
) -> None:
    change(database, f"update TrialJobEvent set logPath = '{log_path}'")

    assert database.trial_log(database.list_trial_jobs()[0].trialJobId) == ""


def test_a_trial_that_wrote_nothing_has_an_empty_log(database: ExperimentDatabase) -> None:
    assert database.trial_log(database.list_trial_jobs()[0].trialJobId) == ""


def test_an_unknown_kind_of_log_is_refused(database: ExperimentDatabase) -> None:
    with pytest.raises(
        InvalidValueError, match=r"kind: 'log' is not allowed; allowed: stdout, stderr, trial"
    ):
        database.trial_log(database.list_trial_jobs()[0].trialJobId, kind="log")


def test_the_log_of_an_unknown_trial_is_an_error(database: ExperimentDatabase) -> None:
    with pytest.raises(TrialJobNotFoundError, match="no trial 'nope'"):
        database.trial_log("nope")


@pytest.mark.parametrize("trial_id", ["../../../../secret", "..", "/etc", "a/b", "a\0b"])
def test_no_trial_id_leads_out_of_the_directory(
    database: ExperimentDatabase, trial_id: str
) -> None:
    """Neither a given id nor one in a database that anybody may have written."""
    with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        connection.execute("update TrialJobEvent set trialJobId = ?", (trial_id,))

    with pytest.raises(InvalidValueError, match="is not a valid directory name"):
        database.trial_log(trial_id, "trial")
