"""Hostile databases do not hang nnicli, run code, fill memory, or harm other files."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from nnicli import list_experiments
from nnicli.errors import DecodingError, NnicliError
from nnicli.store import ExperimentDatabase
from nnicli.store.database import guarded
from nnicli.store.database.records import ExperimentDatabase as Database
from nnicli.store.database.repair import repair_search_space
from nnicli.store.database.sqlite import open_read_only
from nnicli.store.paths import SIDE_FILES
from nnicli.store.relocation import Relocation, recorded_directories, relocate_database
from tests.unit.store.recordings import load_recording

pytestmark = pytest.mark.timeout(60)

ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n"
EVENTS = "timestamp, trialJobId, event, data, logPath, sequenceId, message, environmentId"
_TRIGGER = "CREATE TRIGGER t AFTER UPDATE ON TrialJobEvent BEGIN SELECT 1; END"
_INSERT = "pragma writable_schema = on; insert into sqlite_master values"
PARTS = {
    "endless view": "alter table TrialJobEvent rename to x; create view TrialJobEvent as"
    f" select i as timestamp, i as trialJobId, '' as event from ({ENDLESS})",
    "other view": f"create view harmless as {ENDLESS}",
    "trigger": "create trigger t after update on TrialJobEvent begin"
    " insert into MetricData select * from MetricData; end",
    "virtual table": "drop table MetricData; create virtual table MetricData using fts5(data)",
    "computed column": "alter table MetricData add column heavy as (hex(zeroblob(20)))",
    "rowid": "drop table ExperimentProfile;"
    " create table ExperimentProfile (params, id, revision, rowid text default 'zzz')",
    "hidden trigger": f"{_INSERT} ('table', 'x', 'x', 0, '{_TRIGGER}')",
    "bytes": f"{_INSERT} ('index', 'x', 'x', 0, x'43524541544520564945570a')",
    "lying view": "pragma writable_schema = on;"
    " delete from sqlite_master where name = 'MetricData';"
    f"{_INSERT} ('table', 'MetricData', 'MetricData', 0, 'create/**/view MetricData as select 1')",
    "many tables": ";".join(f"create table t{number}(a)" for number in range(1_001)),
}


@pytest.fixture
def database(tmp_path: Path) -> ExperimentDatabase:
    return load_recording("3.0", tmp_path).database


def change(database: ExperimentDatabase, script: str) -> None:
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.executescript(script)


def everything(database: ExperimentDatabase) -> list[Callable[[], object]]:
    """Return every way in which nnicli opens a database."""
    relocation = Relocation({"/old": "/new"}, parent="/new")
    return [
        database.trial_event_columns,
        database.get_experiment_profile,
        database.get_job_statistics,
        database.list_trial_jobs,
        lambda: list(database.iter_trial_jobs()),
        database.get_job_metrics,
        lambda: recorded_directories(database.path),
        lambda: relocate_database(database.path, relocation),
        lambda: repair_search_space(database.path),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("script", PARTS.values(), ids=PARTS)
def test_everything_but_plain_tables_is_refused_however_a_database_is_opened(
    database: ExperimentDatabase, script: str
) -> None:
    change(database, script)
    size = database.path.stat().st_size

    for act in everything(database):
        with pytest.raises(DecodingError):
            act()

    assert database.path.stat().st_size == size


def test_computed_indices_are_refused_for_a_change(
    database: ExperimentDatabase,
) -> None:
    change(database, "create index heavy on TrialJobEvent(hex(zeroblob(20)))")

    with pytest.raises(DecodingError, match="its index 'heavy' is computed"):
        relocate_database(database.path, Relocation({"/old": "/new"}, parent="/new"))


def test_a_check_is_not_computed_by_a_change(database: ExperimentDatabase) -> None:
    change(
        database,
        "alter table TrialJobEvent rename to old;"
        f"create table TrialJobEvent (timestamp, trialJobId, event, data, logPath"
        f" check (length(hex(zeroblob(30000000))) < 0), sequenceId, message, environmentId);"
        "pragma ignore_check_constraints = on;"
        f"insert into TrialJobEvent select {EVENTS} from old",
    )

    relocate_database(database.path, Relocation({"/old": "/new"}, parent="/new"))


def test_a_change_cannot_fill_the_disk(
    database: ExperimentDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "_GROWTH", 1)
    monkeypatch.setattr(guarded, "_FEW_PAGES", 0)
    change(database, "update TrialJobEvent set logPath = '/old'")

    with pytest.raises(DecodingError, match="full"):
        relocate_database(database.path, Relocation({"/old": "/" + "n" * 1_000_000}, parent="/new"))


def test_an_endless_query_is_ended_and_reported(
    database: ExperimentDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "_READING_S", 0.05)
    count = f"select count(*) from ({ENDLESS})"

    with (
        pytest.raises(DecodingError, match=r"a query took longer than 0 s"),
        database._connection() as connection,  # noqa: SLF001 - no query of ours is endless
    ):
        connection.execute(count)


def test_one_hostile_database_does_not_keep_others_from_being_listed(
    home: Path, database: ExperimentDatabase
) -> None:
    parent = home / "nni-experiments"
    parent.mkdir()
    shutil.copytree(database.directory, parent / "good")
    change(database, PARTS["endless view"].replace("TrialJobEvent", "ExperimentProfile"))
    shutil.copytree(database.directory, parent / "bad")
    (parent / "pipe" / "db").mkdir(parents=True)
    os.mkfifo(parent / "pipe" / "db" / "nni.sqlite")

    listed = {record.exp_id: record for record in list_experiments()}

    assert listed["good"].platform == "local"
    assert listed["bad"].platform is None


@pytest.mark.parametrize("suffix", SIDE_FILES)
def test_a_pipe_next_to_a_database_does_not_block(
    database: ExperimentDatabase, suffix: str
) -> None:
    os.mkfifo(f"{database.path}{suffix}")

    for act in everything(database):
        with pytest.raises(DecodingError, match="expected a regular file, found a named pipe"):
            act()


def test_a_link_next_to_a_database_is_not_followed(
    database: ExperimentDatabase, tmp_path: Path
) -> None:
    (tmp_path / "precious").write_text("data")
    Path(f"{database.path}-journal").symlink_to(tmp_path / "precious")

    for act in everything(database):
        with pytest.raises(DecodingError, match="a link, which is not followed"):
            act()

    assert (tmp_path / "precious").read_text() == "data"


def write_journal(path: Path, victim: Path) -> None:
    """Put a journal next to a database, of an unfinished change, that names another file.

    SQLite plays it back and deletes that file (3.40, seen live).
    """
    page_size = 4096
    content = path.read_bytes()
    page, nonce = content[:page_size], 1_234
    header = bytes.fromhex("d9d505f920a163d7")
    header += struct.pack(">IIIII", 1, nonce, len(content) // page_size, 512, page_size)
    checksum = nonce + sum(page[at] for at in range(page_size - 200, 0, -200))
    record = struct.pack(">I", 1) + page + struct.pack(">I", checksum & 0xFFFFFFFF)
    name = os.fsencode(victim)
    named = struct.pack(">I", 0x40000000 // page_size + 1) + name
    named += struct.pack(">II", len(name), sum(name)) + header[:8]
    path.with_name(path.name + "-journal").write_bytes(header.ljust(512, b"\0") + record + named)


def test_a_journal_that_names_another_file_does_not_delete_it(
    database: ExperimentDatabase, tmp_path: Path
) -> None:
    victim = tmp_path / "precious"
    victim.write_text("data")
    write_journal(database.path, victim)

    for act in everything(database):
        with pytest.raises(DecodingError, match="the journal next to it names another file"):
            act()
    assert victim.read_text() == "data"

    # Without nnicli's check, SQLite deletes the file.
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("select count(*) from TrialJobEvent")
    assert not victim.exists()


def test_implausibly_long_values_are_refused(
    database: ExperimentDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.version_info < (3, 11):
        pytest.skip("Python 3.10 cannot limit values")
    change(database, "update MetricData set data = zeroblob(2000000)")
    monkeypatch.setattr(guarded, "_LONGEST_VALUE", 1_000_000)

    with pytest.raises(DecodingError, match="too big"):
        database.get_job_metrics()


def test_rows_that_hold_more_than_their_file_are_refused(
    database: ExperimentDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when all of them share the pages of one long value."""
    monkeypatch.setattr(guarded, "_LEAST_EXPANDED", 0)
    monkeypatch.setattr(guarded, "_SAMPLED", 1)
    with open_read_only(database.path) as connection:
        connection.check_expanded([("x" * 1_000,)])
        with pytest.raises(sqlite3.DatabaseError, match="more data than the whole file"):
            connection.check_expanded([("x" * 1_000,)] * 10_000)


def test_every_damaged_page_is_read_or_reported(database: ExperimentDatabase) -> None:
    content = database.path.read_bytes()
    for place in range(0, len(content), 1_009):
        damaged = bytearray(content)
        damaged[place : place + 64] = b"\xff" * 64
        database.path.write_bytes(damaged)
        for act in everything(database)[:6]:
            with suppress(NnicliError):
                act()


VALUES = ("null", "1", "1e999", "x'00ff'", "char(0)", "-9223372036854775808", "''")
COLUMNS = [
    *(f"TrialJobEvent.{name}" for name in EVENTS.split(", ")),
    *(f"MetricData.{name}" for name in ("timestamp", "trialJobId", "parameterId", "type", "data")),
    *(
        f"ExperimentProfile.{name}"
        for name in ("params", "id", "execDuration", "startTime", "endTime", "logDir", "revision")
    ),
]


@pytest.mark.parametrize("column", COLUMNS)
def test_nonsense_in_a_column_is_read_or_reported(
    home: Path, database: ExperimentDatabase, column: str
) -> None:
    """The types that a database gives to its columns are hints only."""
    table, name = column.split(".")
    content = database.path.read_bytes()
    for value in VALUES:
        database.path.write_bytes(content)
        change(database, f"update {table} set {name} = {value}")
        reads = everything(database)
        reads += [
            lambda: database.trial_log("nosuch"),
            lambda: [database.trial_log(trial.trialJobId) for trial in database.list_trial_jobs()],
            lambda: database.get_experiment_profile()["id"],
        ]
        for read in reads:
            with suppress(NnicliError):
                read()
    shutil.copytree(database.directory, home / "nni-experiments" / "odd")
    assert [record.exp_id for record in list_experiments()] == ["odd"]


@pytest.mark.parametrize("depth", [101, 100_000])
def test_a_config_that_is_nested_too_deeply_is_an_error(
    database: ExperimentDatabase, depth: int
) -> None:
    text = '{"a":' * depth + "1" + "}" * depth
    change(database, f"update ExperimentProfile set params = '{text}'")

    with pytest.raises(DecodingError, match=r"nested too deeply|is not a JSON object"):
        database.get_experiment_profile()


def test_a_copy_that_does_not_fit_is_not_made(
    database: ExperimentDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file with holes may claim to have a terabyte."""
    change(database, "pragma journal_mode = wal")
    Path(f"{database.path}-wal").write_bytes(b"\x37\x7f\x06\x82" + bytes(28))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with database.path.open("r+b") as file:
        file.truncate(1 << 43)

    with pytest.raises(DecodingError, match="reading it requires a copy, but only"):
        database.list_trial_jobs()

    assert list(temporary.iterdir()) == []


def test_what_a_killed_read_leaves_is_private_and_removed_by_the_next(
    database: ExperimentDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy has the whole config, with its passwords."""
    change(database, "pragma journal_mode = wal")
    Path(f"{database.path}-wal").write_bytes(b"\x37\x7f\x06\x82" + bytes(28))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    code = """
import os, sys
from pathlib import Path
from nnicli.store.database.sqlite import open_read_only
with open_read_only(Path(sys.argv[1])):
    os.kill(os.getpid(), 9)
"""
    environment = {**os.environ, "TMPDIR": str(temporary)}
    subprocess.run(
        [sys.executable, "-c", code, str(database.path)], check=False, env=environment, timeout=30
    )
    (left,) = temporary.iterdir()
    assert left.stat().st_mode & 0o777 == 0o700

    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    Database(database.path).list_trial_jobs()

    assert list(temporary.iterdir()) == []
