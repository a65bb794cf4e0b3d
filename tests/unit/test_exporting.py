"""Export files in nnictl's formats, written and read back."""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from nnicli import DecodingError, InvalidValueError, RecordedExperiment, open_experiment
from nnicli.models import TrialResult
from nnicli.results import export_text, parse_export
from nnicli.results.pairing import PairedTrials
from tests.unit.store.recordings import load_recording


@pytest.fixture
def recorded(tmp_path: Path) -> RecordedExperiment:
    return open_experiment(load_recording("3.0", tmp_path).database.directory)


def rows_of(text: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(text)
    return rows


def test_json_is_the_export_of_the_manager(tmp_path: Path) -> None:
    recording = load_recording("2.7", tmp_path)
    recorded = open_experiment(recording.database.directory)

    assert rows_of(recorded.export_text("json")) == recording.answers["/export-data"]


def test_json_has_intermediate_metrics_without_the_final_one(
    recorded: RecordedExperiment,
) -> None:
    """nnictl includes the final one."""
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


def test_without_results_there_is_only_the_header(recorded: RecordedExperiment) -> None:
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


def test_an_unknown_format_is_refused(recorded: RecordedExperiment, tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="kind: 'txt' is not allowed; allowed: csv, json"):
        recorded.write_export(tmp_path / "out.txt")

    assert not (tmp_path / "out.txt").exists()


def test_a_failed_write_keeps_the_existing_file(
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


def test_an_export_can_be_imported_again(recorded: RecordedExperiment) -> None:
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
        ("{}", "json", "JSON that is not a list of objects"),
        ("[1]", "json", "JSON that is not a list of objects"),
        ("[", "json", "expected JSON"),
        ("x,y\r\n1,2\r\n", "csv", "no column reward"),
        ("", "csv", "no column reward"),
        ("x,reward\r\n1,2,3\r\n", "csv", "a row with more cells"),
    ],
)
def test_a_file_that_is_not_an_export_is_refused(text: str, kind: Any, found: str) -> None:
    with pytest.raises(DecodingError, match=found):
        parse_export(text, kind)


# Where a file is written


def test_a_link_is_kept_and_its_target_keeps_its_mode(
    recorded: RecordedExperiment, tmp_path: Path
) -> None:
    path, link = tmp_path / "out.csv", tmp_path / "l.csv"
    path.write_text("an earlier one")
    path.chmod(0o664)
    link.symlink_to(path)

    recorded.write_export(link)

    assert link.is_symlink()
    assert path.read_bytes().decode() == recorded.export_text("csv")
    assert stat.S_IMODE(path.stat().st_mode) == 0o664


def test_a_new_file_has_the_default_mode(recorded: RecordedExperiment, tmp_path: Path) -> None:
    (tmp_path / "other").touch()

    recorded.write_export(tmp_path / "out.csv")

    assert (tmp_path / "out.csv").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_pipe_is_written_to(recorded: RecordedExperiment, tmp_path: Path) -> None:
    path = tmp_path / "pipe.csv"
    os.mkfifo(path)
    # Open for reading and writing, so that neither end waits for the other.
    reader = os.open(path, os.O_RDWR)
    try:
        recorded.write_export(path)
        assert os.read(reader, 100_000).decode() == recorded.export_text("csv")
    finally:
        os.close(reader)
    assert path.is_fifo()


def test_a_file_that_cannot_be_written_is_named_as_given(
    recorded: RecordedExperiment, tmp_path: Path
) -> None:
    path = tmp_path / "nope" / "out.csv"

    with pytest.raises(FileNotFoundError) as caught:
        recorded.write_export(path)
    assert caught.value.filename == str(path)

    (tmp_path / "directory.csv").mkdir()
    with pytest.raises(IsADirectoryError):
        recorded.write_export(tmp_path / "directory.csv")


# The content of csv


class Results:
    """A source that only has results."""

    def __init__(self, *parameters: Any, doubted: int | None = None) -> None:
        self._parameters = parameters
        self._doubted = doubted

    def export_data(self) -> list[TrialResult]:
        results = [
            TrialResult({"parameter": parameter, "value": "1.5", "trialJobId": f"t{index}"})
            for index, parameter in enumerate(self._parameters)
        ]
        if self._doubted is not None:
            one = results[self._doubted]
            results[self._doubted] = one.with_parameter(one.parameter, parameters_status="UNKNOWN")
        return results


def csv_of(*parameters: Any) -> str:
    return export_text(cast("PairedTrials", Results(*parameters)), "csv")


def test_unknown_hyper_parameters_are_marked() -> None:
    """Without such a trial the file is as nnictl writes it."""
    source = cast("PairedTrials", Results({"x": 1}, {"x": 2}, doubted=1))

    text, rows = export_text(source, "csv"), rows_of(export_text(source, "json"))

    assert text.splitlines() == [
        "x,reward,trialJobId,parameters_status",
        "1,1.5,t0,",
        "2,1.5,t1,UNKNOWN",
    ]
    assert [row.get("parameters_status") for row in rows] == [None, "UNKNOWN"]
    assert [row["parameter"] for row in parse_export(text, "csv")] == [{"x": 1}, {"x": 2}]
    assert "parameters_status" not in csv_of({"x": 1})


@pytest.mark.parametrize(
    ("parameter", "cell"), [([1, 2], '"[1, 2]"'), ("lr", '"""lr"""'), (None, "null"), (3, "3")]
)
def test_parameters_that_are_not_a_dict_are_one_column(parameter: Any, cell: str) -> None:
    """Custom tuners generate them."""
    assert csv_of(parameter) == f"parameter,reward,trialJobId\r\n{cell},1.5,t0\r\n"


def test_every_kind_of_value_is_read_back_from_csv() -> None:
    parameters: list[dict[str, Any]] = [
        {"b": True, "n": None, "d": {"_name": "conv", "k": 3}, "l": [1, None, "é"]},
        {"t": "relu", "i": 3, "f": 1e-05, "b": False},
        # Text that would be read as something else.
        {"t": "1", "b": "True", "n": "null", "l": "[1]", "d": "{'a': 1}", "e": "", "q": '"x"'},
    ]

    rows = parse_export(csv_of(*parameters), "csv")

    expected = [{"parameter": parameter, "value": 1.5} for parameter in parameters]
    # As text, because 1 == True.
    assert json.dumps(rows, sort_keys=True) == json.dumps(expected, sort_keys=True)


def test_plain_text_and_numbers_are_written_as_by_nnictl() -> None:
    text = csv_of({"x": 0.5, "n": 3, "kind": "relu", "words": "a, b"})

    assert text == 'x,n,kind,words,reward,trialJobId\r\n0.5,3,relu,"a, b",1.5,t0\r\n'


def test_the_csv_of_nnictl_is_read() -> None:
    """It writes `str()` of every value."""
    parameter = {"b": True, "n": None, "d": {"_name": "conv", "on": False}, "l": ["x", None]}
    text = io.StringIO()
    writer = csv.DictWriter(text, [*parameter, "t", "reward", "trialJobId"])
    writer.writeheader()
    values = {name: str(value) for name, value in parameter.items()}
    writer.writerow({**values, "t": "{'a", "reward": 1, "trialJobId": "a"})

    (row,) = parse_export(text.getvalue(), "csv")

    assert row == {"parameter": {**parameter, "t": "{'a"}, "value": 1}


def test_an_empty_cell_is_not_a_parameter() -> None:
    assert parse_export("x,y,reward\r\n,2,1\r\n", "csv") == [{"parameter": {"y": 2}, "value": 1}]


@pytest.mark.parametrize(
    ("text", "kind"),
    [("x,reward\r\n2,1\r\n", "csv"), ('[{"parameter": {"x": 2}, "value": 1}]', "json")],
)
def test_a_byte_order_mark_is_ignored(text: str, kind: Any) -> None:
    """Excel writes one."""
    assert parse_export(f"\ufeff{text}", kind) == [{"parameter": {"x": 2}, "value": 1}]


FORMULAS = ["=1+1", "+1+1", "-2+3", "@SUM(1)", "\t=1", "\r=1", "'=1", "''", "=", "-"]


def test_formulas_are_escaped_on_request() -> None:
    rows = [{text: text, "x": -0.5} for text in FORMULAS]

    escaped = csv_of_escaped(*rows)
    (names, *lines) = csv.reader(io.StringIO(escaped, newline=""))

    cells = [cell for line in (names, *lines) for cell in line]
    assert not [cell for cell in cells if cell.startswith(tuple("=+@\t\r"))]
    assert [cell for cell in cells if cell.startswith("-")] == ["-0.5"] * len(rows)
    assert [row["parameter"] for row in parse_export(escaped, "csv", csv_escape=True)] == rows


def test_formulas_are_not_escaped_by_default() -> None:
    """It is nnictl's format, which other programs read."""
    assert "\n=1+1," in csv_of({"x": "=1+1"})
    assert parse_export(csv_of({"x": "'=1"}), "csv")[0]["parameter"] == {"x": "'=1"}


def csv_of_escaped(*parameters: Any) -> str:
    return export_text(cast("PairedTrials", Results(*parameters)), "csv", csv_escape=True)


def test_a_cell_longer_than_csv_allows_is_an_error() -> None:
    with pytest.raises(DecodingError, match="a line that is not csv"):
        parse_export(f"x,reward\r\n{'x' * 200_000},1\r\n", "csv")


def test_files_of_a_killed_export_are_private_and_removed_by_the_next(
    recorded: RecordedExperiment, tmp_path: Path
) -> None:
    code = """
import os, sys
from pathlib import Path
from nnicli.store import write_whole
Path.replace = lambda *_: os.kill(os.getpid(), 9)
write_whole(Path(sys.argv[1]), "secret")
"""
    place = tmp_path / "exports"
    place.mkdir()
    subprocess.run([sys.executable, "-c", code, str(place / "r.csv")], check=False, timeout=30)
    (left,) = place.iterdir()
    assert left.stat().st_mode & 0o777 == 0o700

    recorded.write_export(place / "r.csv")

    assert [path.name for path in place.iterdir()] == ["r.csv"]
