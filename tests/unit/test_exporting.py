"""The files that nnictl writes, and what is read of them again."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nnicli import DecodingError, InvalidValueError, RecordedExperiment, open_experiment
from nnicli.results import parse_export
from tests.unit.store.recordings import load_recording


@pytest.fixture
def recorded(tmp_path: Path) -> RecordedExperiment:
    return open_experiment(load_recording("3.0", tmp_path).database.directory)


def rows_of(text: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(text)
    return rows


def test_json_is_the_managers_export(tmp_path: Path) -> None:
    recording = load_recording("2.7", tmp_path)
    recorded = open_experiment(recording.database.directory)

    assert rows_of(recorded.export_text("json")) == recording.answers["/export-data"]


def test_json_has_what_was_reported_on_the_way_but_not_the_final(
    recorded: RecordedExperiment,
) -> None:
    """nnictl puts the final one there as well."""
    rows = rows_of(recorded.export_text("json", intermediate=True))

    assert len(rows) >= 4
    for row in rows:
        assert row["intermediate"] == ["0.25", '{"default": 0.5, "loss": 1}']


def test_csv_has_a_column_for_each_parameter_and_the_parts_of_a_metric(
    recorded: RecordedExperiment,
) -> None:
    rows = list(csv.DictReader(io.StringIO(recorded.export_text("csv"), newline="")))

    results = recorded.export_data()
    assert list(rows[0]) == ["x", "kind", "default", "accuracy", "reward", "trialJobId"]
    assert [row["trialJobId"] for row in rows] == [result.trialJobId for result in results]
    for row, result in zip(rows, results, strict=True):
        assert float(row["x"]) == result.parameter["x"]
        expected = result.value if isinstance(result.value, dict) else {"reward": result.value}
        columns = ("default", "accuracy", "reward")
        assert {name: row[name] for name in columns if row[name]} == {
            name: str(value) for name, value in expected.items()
        }


def test_csv_has_the_intermediate_metrics_as_one_text(recorded: RecordedExperiment) -> None:
    text = recorded.export_text("csv", intermediate=True)

    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert {row["intermediate"] for row in rows} == {'[0.25,{"default": 0.5, "loss": 1}]'}


def test_without_a_result_there_are_only_the_names(recorded: RecordedExperiment) -> None:
    with closing(sqlite3.connect(recorded.directory / "db" / "nni.sqlite")) as database, database:
        database.execute("delete from MetricData")

    assert recorded.export_text("csv") == "reward,trialJobId\r\n"
    assert recorded.export_text("json") == "[]"


@pytest.mark.parametrize(("name", "kind"), [("out.csv", None), ("OUT.JSON", None), ("out", "csv")])
def test_a_file_is_written(
    recorded: RecordedExperiment, tmp_path: Path, name: str, kind: Any
) -> None:
    path = tmp_path / name
    path.write_text("an earlier one")

    recorded.write_export(path, kind=kind)

    written = path.read_bytes().decode()
    assert written == recorded.export_text("json" if "JSON" in name else "csv")
    assert sorted(tmp_path.iterdir()) == sorted([path, tmp_path / "home", tmp_path / "recorded"])


def test_a_file_of_an_unknown_kind_is_refused(recorded: RecordedExperiment, tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="kind: 'txt' is not allowed; allowed: csv, json"):
        recorded.write_export(tmp_path / "out.txt")

    assert not (tmp_path / "out.txt").exists()


def test_a_write_that_fails_leaves_the_earlier_file(
    recorded: RecordedExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.csv"
    path.write_text("an earlier one")

    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", refuse)

    with pytest.raises(OSError, match="No space left"):
        recorded.write_export(path)
    assert path.read_text() == "an earlier one"
    assert sorted(tmp_path.iterdir()) == sorted([path, tmp_path / "home", tmp_path / "recorded"])


def test_what_was_exported_is_imported_again(recorded: RecordedExperiment) -> None:
    for kind in ("json", "csv"):
        rows = parse_export(recorded.export_text(kind, intermediate=True), kind)

        numbers = [
            {"parameter": result.parameter, "value": result.value}
            for result in recorded.export_data()
            if isinstance(result.value, float) and result.value == result.value
        ]
        assert len(numbers) >= 2
        for number in numbers:
            assert number in rows


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        ("{}", "json", "no list of objects"),
        ("[1]", "json", "no list of objects"),
        ("[", "json", "expected JSON"),
        ("x,y\r\n1,2\r\n", "csv", "no column reward"),
        ("", "csv", "no column reward"),
    ],
)
def test_a_file_that_is_no_export_is_told(text: str, kind: Any, found: str) -> None:
    with pytest.raises(DecodingError, match=found):
        parse_export(text, kind)
