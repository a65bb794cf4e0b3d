"""An experiment's results as a file, in nnictl's two export formats."""

from __future__ import annotations

import ast
import csv
import io
import json
from collections.abc import Mapping
from itertools import chain
from typing import Any, Literal

from nnicli.decoding import decode_json, decode_nested
from nnicli.errors import DecodingError
from nnicli.results.pairing import PairedTrials
from nnicli.results.table import (
    INTERMEDIATE,
    METRIC,
    OTHER_COLUMNS,
    PARAMETER,
    PARAMETERS_STATUS,
    TRIAL,
    VALUE,
    Table,
    flatten,
    results_table,
)

ExportFormat = Literal["csv", "json"]
EXPORT_FORMATS: tuple[ExportFormat, ...] = ("csv", "json")

# First characters that make a spreadsheet read a cell as a formula, and the escape itself.
_ESCAPED = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
_PYTHON_NAMES = {"True": True, "False": False, "None": None}


def export_text(
    trials: PairedTrials,
    kind: ExportFormat,
    *,
    intermediate: bool = False,
    csv_escape: bool = False,
) -> str:
    """Return the parameters and the final metric of every trial that succeeded with a metric.

    `json` is a list of `{"parameter": {...}, "value": ..., "trialJobId": ...}`, in which `value` is
    JSON text as reported by trials. `csv` has a column for each hyper-parameter, `reward` or the
    parts of a metric that is a dict, and `trialJobId` (2.0 to 3.0, `nnictl_utils.py`).
    Intermediate metrics are a list of JSON texts in `json`, and one such list as text in `csv`;
    unlike nnictl's, it does not include the final metric.

    A trial that may have run with other hyper-parameters also has `parameters_status`, a
    ParametersStatus; `csv` has that column only if there is such a trial.

    Cells of `csv` are JSON for None, booleans, lists and dicts, where nnictl uses Python's
    spelling, and for text that would be read as something else. An empty cell is a hyper-parameter
    that the trial does not have. Parameters that are not a dict are JSON in a column `parameter`.

    Args:
        trials: Trials of the live manager or of the experiment's files.
        kind: `csv` or `json`.
        intermediate: Whether to add `intermediate`, the intermediate metrics.
        csv_escape: Whether text in csv that a spreadsheet would read as a formula is prefixed with
            `'`; see `parse_export`.
    """
    metrics = trials.get_job_metrics() if intermediate else None
    table = results_table(trials.export_data(), metrics)
    return _to_json(table) if kind == "json" else _to_csv(table, is_escaped=csv_escape)


def _to_json(table: Table) -> str:
    return json.dumps([_encode_metrics(row) for row in table.rows])


def _encode_metrics(row: Mapping[str, Any]) -> dict[str, Any]:
    encoded = {**row, VALUE: json.dumps(row[VALUE])}
    if INTERMEDIATE in row:
        encoded[INTERMEDIATE] = list(map(json.dumps, row[INTERMEDIATE]))
    return encoded


def _to_csv(table: Table, *, is_escaped: bool) -> str:
    flat = flatten(table)
    # nnictl writes the columns in random order.
    cells = Table(flat.columns, list(map(_to_cells, table.rows, flat.rows)))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    for line in chain([cells.columns], cells.lines(absent="")):
        writer.writerow(map(_escape, line) if is_escaped else line)
    return text.getvalue()


def _to_cells(row: Mapping[str, Any], flat: Mapping[str, Any]) -> dict[str, Any]:
    cells = {name: _to_cell(value) for name, value in flat.items()}
    if not isinstance(row[PARAMETER], dict):
        cells[PARAMETER] = json.dumps(row[PARAMETER])
    if INTERMEDIATE in row:
        cells[INTERMEDIATE] = f"[{','.join(map(json.dumps, row[INTERMEDIATE]))}]"
    return cells | {name: row[name] for name in (TRIAL, PARAMETERS_STATUS) if name in row}


def _escape(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_ESCAPED) else cell


def _unescape(row: Mapping[Any, Any]) -> dict[Any, Any]:
    # csv puts cells beyond the last column under None.
    return {
        name and name.removeprefix("'"): cell.removeprefix("'") if isinstance(cell, str) else cell
        for name, cell in row.items()
    }


def _to_cell(value: Any) -> Any:
    if value is None or isinstance(value, bool | list | dict):
        return json.dumps(value)
    if isinstance(value, str) and (not value or _read_cell(value) != value):
        return json.dumps(value)
    return value


def parse_export(
    text: str, kind: ExportFormat, *, csv_escape: bool = False
) -> list[dict[str, Any]]:
    """Return known results from a file of either format, as `Experiment.import_data` takes them.

    csv does not distinguish text from numbers, or parameters from parts of a metric: a cell that is
    JSON, or None, a boolean, a list or a dict in the Python spelling of nnictl's files, is read as
    that value, and a file without the column `reward` is refused. An empty cell is a
    hyper-parameter that the trial does not have. A byte order mark is ignored.

    Args:
        text: The file's content.
        kind: `csv` or `json`.
        csv_escape: Whether the file was written with `csv_escape`: a `'` at the start of a cell is
            then removed. The file itself does not show whether it was.

    Raises:
        DecodingError: It is not such a file.
    """
    text = text.removeprefix("\ufeff")
    if kind == "json":
        rows = decode_json(text)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise _not_results("JSON that is not a list of objects")
        return [
            {"parameter": row.get("parameter"), "value": decode_nested(row.get("value"))}
            for row in rows
        ]
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        names, found = reader.fieldnames or (), list(reader)
    except csv.Error as error:
        raise _not_results(f"a line that is not csv ({error})") from error
    if METRIC not in names:
        raise _not_results(f"no column {METRIC}")
    return [_read_row(_unescape(row) if csv_escape else row) for row in found]


def _read_row(row: dict[Any, Any]) -> dict[str, Any]:
    # csv puts cells beyond the last column under None.
    if any(row.pop(None, ())):
        raise _not_results("a row with more cells than there are columns")
    return {
        "parameter": {
            name: _read_cell(cell)
            for name, cell in row.items()
            if name not in OTHER_COLUMNS and cell
        },
        "value": _read_cell(row[METRIC] or ""),
    }


def _read_cell(cell: str) -> Any:
    """Return the value of a cell: JSON, or in Python's spelling; any other cell is text."""
    if cell in _PYTHON_NAMES:
        return _PYTHON_NAMES[cell]
    value = decode_nested(cell)
    return _read_literal(cell) if value == cell and cell[:1] in ("[", "{") else value


def _read_literal(cell: str) -> Any:
    try:
        value = ast.literal_eval(cell)
        # What only Python can spell, such as a set, is not a result.
        json.dumps(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return cell
    return value


def _not_results(found: str) -> DecodingError:
    return DecodingError(
        f"found {found}; allowed: a JSON list of {{'parameter': {{...}}, 'value': number}}, or csv "
        f"with a column for each hyper-parameter and {METRIC}, as `nnicli experiment export` "
        "writes them"
    )
