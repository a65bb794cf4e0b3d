"""Results as columns and rows, from which every output format is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nnicli.errors import DecodingError
from nnicli.models import MetricType, ParametersStatus, TrialJob, TrialMetricData, TrialResult

PARAMETER, VALUE, TRIAL = "parameter", "value", "trialJobId"
PARAMETERS_STATUS, INTERMEDIATE = "parameters_status", "intermediate"
METRIC = "reward"
"""The column of a metric that is not a dict, named as in nnictl."""
OTHER_COLUMNS = (METRIC, TRIAL, PARAMETERS_STATUS, INTERMEDIATE)
"""The columns of a flat table after those of hyper-parameters, in their order."""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns in order, and rows of values.

    Attributes:
        columns: Names of the columns.
        rows: Column -> decoded value; columns that a row does not have are absent.
    """

    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]

    def lines(self, absent: Any) -> Iterator[list[Any]]:
        """Return the values of each row in the order of the columns."""
        return ([row.get(name, absent) for name in self.columns] for row in self.rows)


def results_table(
    results: Iterable[TrialResult], metrics: Mapping[str, Iterable[TrialMetricData]] | None = None
) -> Table:
    """Return a row for each result.

    Its columns are `parameter`, `value` and `trialJobId`; `parameters_status`, only in rows whose
    parameters are not known; and with metrics `intermediate`, the values of intermediate metrics.

    Args:
        results: The results, from `export_data()`.
        metrics: Trial job id -> metrics of the trial, for all results; None: no `intermediate`.

    Raises:
        DecodingError: A metric is not JSON.
    """
    rows = [_row(result, metrics) for result in results]
    names = (PARAMETER, VALUE, TRIAL, PARAMETERS_STATUS, INTERMEDIATE)
    return Table([name for name in names if any(name in row for row in rows)], rows)


def _row(
    result: TrialResult, metrics: Mapping[str, Iterable[TrialMetricData]] | None
) -> dict[str, Any]:
    row = {PARAMETER: result.parameter, VALUE: result.value, TRIAL: result.trialJobId}
    if result.parameters_status != ParametersStatus.KNOWN:
        row[PARAMETERS_STATUS] = result.parameters_status
    if metrics is not None:
        reported = metrics.get(result.trialJobId, ())
        periodical = (metric for metric in reported if metric.type == MetricType.PERIODICAL)
        row[INTERMEDIATE] = list(map(metric_value, periodical))
    return row


def metric_value(metric: TrialMetricData) -> Any:
    """Return the value of a metric.

    Raises:
        DecodingError: It is not JSON.
    """
    if metric.is_damaged:
        raise DecodingError(f"trial {metric.trialJobId}: expected JSON, found {metric.data!r:.200}")
    return metric.data


def flatten(table: Table) -> Table:
    """Return a table of results with a column for each hyper-parameter and part of a metric.

    Parameters that are not a dict stay in `parameter`, and a metric that is not a dict is `reward`.
    The columns are in the order of their first occurrence, those of `OTHER_COLUMNS` at the end.
    """
    rows = [_flatten(row) for row in table.rows]
    found = dict.fromkeys(name for row in rows for name in row)
    last = [name for name in OTHER_COLUMNS if name in found]
    columns = [name for name in found if name not in OTHER_COLUMNS] + last
    return Table(columns or [METRIC, TRIAL], rows)


def _flatten(row: Mapping[str, Any]) -> dict[str, Any]:
    parameter, value = row[PARAMETER], row[VALUE]
    flat = dict(parameter) if isinstance(parameter, dict) else {PARAMETER: parameter}
    flat.update(value if isinstance(value, dict) else {METRIC: value})
    return flat | {name: row[name] for name in OTHER_COLUMNS if name in row}


def trials_table(trials: Iterable[TrialJob]) -> Table:
    """Return a row for each trial; `metric` is its final metric, `duration_s` is in seconds."""
    columns = ("id", "sequence_id", "status", "parameters", "parameters_status", "metric")
    return Table((*columns, "duration_s"), list(map(_trial_row, trials)))


def _trial_row(trial: TrialJob) -> dict[str, Any]:
    return {
        "id": trial.trialJobId,
        "sequence_id": trial.sequenceId,
        "status": trial.status,
        "parameters": trial.parameters,
        "parameters_status": trial.parameters_status,
        "metric": trial.finalMetricData[0].data if trial.finalMetricData else None,
        "duration_s": None if trial.duration is None else trial.duration.total_seconds(),
    }
