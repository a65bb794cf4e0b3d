"""Snapshots of data from a manager or from an experiment's files.

Attributes in camelCase have NNI's names, those in snake_case are derived by nnicli, except for the
names of hyper-parameters, which NNI itself writes in snake_case. `raw` is what was sent; for data
from files it is what the manager would send, but with hyper-parameters as values and not as
texts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, TypedDict, TypeVar

from nnicli.bulk import fill
from nnicli.decoding import decode_hyper_parameters, decode_metric, decode_result, decode_trial
from nnicli.errors import ProcessIdentity
from nnicli.printable import printable_line
from nnicli.units import from_epoch_ms

_Snapshot = TypeVar("_Snapshot", "TrialJob", "TrialResult")


class ExperimentStatus(str, Enum):
    """Status of an experiment; DONE is not final, as a higher limit reopens the experiment."""

    INITIALIZED = "INITIALIZED"
    RUNNING = "RUNNING"
    NO_MORE_TRIAL = "NO_MORE_TRIAL"
    TUNER_NO_MORE_TRIAL = "TUNER_NO_MORE_TRIAL"
    DONE = "DONE"
    ERROR = "ERROR"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    VIEWED = "VIEWED"

    def __str__(self) -> str:
        return self.value


class TrialJobStatus(str, Enum):
    """Status of a trial."""

    UNKNOWN = "UNKNOWN"
    WAITING = "WAITING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    USER_CANCELED = "USER_CANCELED"
    SYS_CANCELED = "SYS_CANCELED"
    EARLY_STOPPED = "EARLY_STOPPED"

    def __str__(self) -> str:
        return self.value

    @property
    def is_finished(self) -> bool:
        """Whether it is a final status."""
        return self in _FINISHED


# As plain text: `.value` takes longer than the rest of a trial's status.
_KNOWN, _NOT_READ, _UNKNOWN = "KNOWN", "NOT_READ", "UNKNOWN"
_FINISHED = frozenset(
    (
        TrialJobStatus.SUCCEEDED,
        TrialJobStatus.FAILED,
        TrialJobStatus.USER_CANCELED,
        TrialJobStatus.SYS_CANCELED,
        TrialJobStatus.EARLY_STOPPED,
    )
)


class ParametersStatus(str, Enum):
    """Whether it is known which hyper-parameters a trial ran with.

    On a local machine and over SSH the 3.0 manager gives the next set of a queue to the trial that
    asks first (`v3/compat.js`); in all other cases each trial gets its own.
    """

    KNOWN = "KNOWN"
    """The trial ran with these."""
    NOT_READ = "NOT_READ"
    """The trial ended without reading any; these are what the manager intended for it."""
    UNKNOWN = "UNKNOWN"
    """It is not known yet, or no longer; these are what the manager intended for it."""

    def __str__(self) -> str:
        return self.value


class MetricType(str, Enum):
    """Whether a metric is intermediate or final."""

    PERIODICAL = "PERIODICAL"
    FINAL = "FINAL"

    def __str__(self) -> str:
        return self.value


class NNIManagerStatus(TypedDict):
    """The manager's status, an ExperimentStatus as text, and its error messages."""

    status: str
    errors: list[str]


class TrialJobStatistics(TypedDict):
    """Number of trials with a status."""

    trialJobStatus: str
    trialJobNumber: int


class _ProfileAlways(TypedDict):
    id: str
    revision: int
    execDuration: int
    logDir: str
    nextSequenceId: int
    params: dict[str, Any]


class ExperimentProfile(_ProfileAlways, total=False):
    """An experiment: `params` is its config; times in ms since 1970, execDuration in seconds.

    `logDir` is the experiment's own directory.
    """

    startTime: int
    endTime: int


def _changed(instance: _Snapshot, **attributes: Any) -> _Snapshot:
    changed = copy(instance)
    for name, value in attributes.items():
        object.__setattr__(changed, name, value)
    return changed


@dataclass(frozen=True, slots=True, init=False)
class TrialHyperParameters:
    """The hyper-parameters of a trial.

    Attributes:
        parameter_id: Number given by the tuner; text with Hyperband and BOHB, None for submitted
            points.
        parameter_source: `algorithm`, `customized` or `resumed`.
        parameters: Name -> value.
        parameter_index: Index of this set in its trial, 0 except for multi-phase; None for
            submitted points.
    """

    parameter_id: int | str | None
    parameter_source: str | None
    parameters: dict[str, Any]
    parameter_index: int | None
    raw: Any = field(repr=False, compare=False)

    def __init__(self, json_obj: Mapping[str, Any] | str) -> None:
        """Create them from what the manager sends: a JSON object, or its text."""
        fill(self, *decode_hyper_parameters(json_obj), json_obj)

    def __hash__(self) -> int:
        return hash((self.parameter_id, self.parameter_source, self.parameter_index))


@dataclass(frozen=True, slots=True, init=False)
class TrialMetricData:
    """A metric that a trial reported.

    Attributes:
        timestamp: When it was reported, in ms since 1970.
        trialJobId: The trial.
        parameterId: Id of its hyper-parameters.
        type: PERIODICAL or FINAL.
        sequence: Number among the trial's metrics of this type, from 0.
        data: Usually a number, or a dict with the key "default"; decoded.
    """

    timestamp: int
    trialJobId: str
    parameterId: int | str | None
    type: str
    sequence: int | None
    data: Any
    raw: Any = field(repr=False, compare=False)

    def __init__(self, json_obj: Mapping[str, Any]) -> None:
        """Create it from what the manager sends."""
        fill(self, *decode_metric(json_obj), json_obj)

    def __hash__(self) -> int:
        # Equal metrics have equal hashes; `data` may be a dict.
        return hash((self.trialJobId, self.timestamp, self.type, self.sequence))

    @property
    def is_damaged(self) -> bool:
        """Whether what was stored is not JSON; `data` is then its text."""
        return isinstance(self.data, str) and self.data == self.raw.get("data")

    @property
    def reported_at(self) -> datetime | None:
        """When it was reported, in UTC."""
        return from_epoch_ms(self.timestamp)


def group_metrics(metrics: Iterable[TrialMetricData]) -> dict[str, list[TrialMetricData]]:
    """Return the metrics by trial job id, each trial's in the order reported.

    The manager stores metrics concurrently, so those of the same moment may be stored and sent in
    any order, but their timestamps are in the right order (3.0, `sqlDatabase.js`).
    """
    grouped: dict[str, list[TrialMetricData]] = {}
    for metric in metrics:
        grouped.setdefault(metric.trialJobId, []).append(metric)
    for group in grouped.values():
        if not all(one.timestamp < other.timestamp for one, other in pairwise(group)):
            group.sort(key=_moment)
    return grouped


def _moment(metric: TrialMetricData) -> tuple[int, bool, int]:
    return metric.timestamp, metric.type == "FINAL", metric.sequence or 0


@dataclass(frozen=True, slots=True, init=False)
class TrialResult:
    """The parameters and the final metric of a trial that succeeded.

    Attributes:
        parameter: Hyper-parameters, name -> value.
        value: The final metric, usually a number, or a dict with the key "default"; decoded.
        trialJobId: The trial.
        parameters_status: A ParametersStatus as text: whether the trial ran with `parameter`. The
            manager does not send it, so it is KNOWN unless `with_parameter` sets it.
    """

    parameter: dict[str, Any]
    value: Any
    trialJobId: str
    parameters_status: str
    raw: Any = field(repr=False, compare=False)

    def __init__(self, json_obj: Mapping[str, Any]) -> None:
        """Create it from what the manager sends."""
        fill(self, *decode_result(json_obj), _KNOWN, json_obj)

    def __hash__(self) -> int:
        return hash(self.trialJobId)

    def with_parameter(
        self, parameter: dict[str, Any], *, parameters_status: str = _KNOWN
    ) -> TrialResult:
        """Return the same result with other hyper-parameters; `raw` is not changed."""
        return _changed(self, parameter=parameter, parameters_status=str(parameters_status))


def make_result(
    trial_job_id: str, parameter: dict[str, Any], value: Any, *, parameters_status: str = _KNOWN
) -> TrialResult:
    """Return a result of decoded values; its `raw` is what the manager would send."""
    result = TrialResult.__new__(TrialResult)
    raw = {"parameter": parameter, "value": json.dumps(value), "trialJobId": trial_job_id}
    fill(result, parameter, value, trial_job_id, str(parameters_status), raw)
    return result


@dataclass(frozen=True, slots=True, init=False)
class TrialJob:
    """A trial at the moment when it was read.

    Attributes:
        trialJobId: Its id.
        status: A TrialJobStatus as text; statuses unknown to nnicli pass through.
        hyperParameters: One set, more only with the multi-phase of 1.x and 2.0.
        logPath: Where its output is, according to the manager: a directory, or up to 2.10 the URL
            of one.
        startTime: Milliseconds since 1970, None before the start.
        endTime: Milliseconds since 1970, None before the end.
        finalMetricData: The final metric; empty unless the trial succeeded with one.
        sequenceId: Number in the experiment; not unique after a resume of 2.10 or later.
        stderrPath: Where its error output should be; only for failed trials.
        message: The manager's explanation of its status.
        parameters_status: A ParametersStatus as text: whether the trial ran with
            `hyperParameters`, as far as its own record shows. `Experiment` and `open_experiment()`
            also use other sources, a `ManagerClient` does not.
    """

    trialJobId: str
    status: str
    hyperParameters: list[TrialHyperParameters]
    logPath: str | None
    startTime: int | None
    endTime: int | None
    finalMetricData: list[TrialMetricData]
    sequenceId: int | None
    stderrPath: str | None
    message: str | None
    parameters_status: str
    raw: Any = field(repr=False, compare=False)

    def __init__(self, json_obj: Mapping[str, Any]) -> None:
        """Create it from what a manager of any release sends."""
        trial_id, status, sets, log, start, end, finals, number, stderr, message = decode_trial(
            json_obj
        )
        parameters = list(map(TrialHyperParameters, sets))
        metrics = list(map(TrialMetricData, finals))
        known = _status_by_record(parameters, metrics, json_obj)
        fill(
            self,
            *(trial_id, status, parameters, log, start, end, metrics, number, stderr, message),
            known,
            json_obj,
        )

    def __repr__(self) -> str:
        number = "" if self.sequenceId is None else f" #{self.sequenceId}"
        final = f", final {self.finalMetricData[0].data!r}" if self.finalMetricData else ""
        name = f"{printable_line(self.trialJobId, most=30)}{number}"
        shown = f"{self.status}{final}, {self.parameters!r}"
        return f"<TrialJob {name} {printable_line(shown, most=110)}>"

    def __hash__(self) -> int:
        return hash(self.trialJobId)

    def with_hyper_parameters(
        self, sets: list[TrialHyperParameters], *, parameters_status: str = _KNOWN
    ) -> TrialJob:
        """Return the same trial with other hyper-parameters; `raw` is not changed."""
        return _changed(self, hyperParameters=sets, parameters_status=str(parameters_status))

    @property
    def parameter_index(self) -> int | None:
        """The index of the last hyper-parameters, None without any."""
        return self.hyperParameters[-1].parameter_index if self.hyperParameters else None

    @property
    def parameters(self) -> dict[str, Any]:
        """The last hyper-parameters, name -> value; empty without any."""
        return self.hyperParameters[-1].parameters if self.hyperParameters else {}

    @property
    def draws_from_queue(self) -> bool:
        """Whether it gets the next hyper-parameters of a queue when it asks, and not its own.

        Only such trials have an environment (3.0, `v3/compat.js`).
        """
        return _draws_from_queue(self.hyperParameters, self.raw)

    @property
    def is_finished(self) -> bool:
        """Whether its status is final."""
        return self.status in {status.value for status in _FINISHED}

    @property
    def started_at(self) -> datetime | None:
        """When it started, in UTC."""
        return from_epoch_ms(self.startTime)

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, in UTC."""
        return from_epoch_ms(self.endTime)

    @property
    def duration(self) -> timedelta | None:
        """How long it ran, None before its end."""
        if self.startTime is None or self.endTime is None:
            return None
        return timedelta(milliseconds=self.endTime - self.startTime)

    @property
    def final_value(self) -> float | None:
        """The final metric as a number, or the "default" of a dict; None without one."""
        return self.final_metric("default")

    def final_metric(self, name: str) -> float | None:
        """Return a number from the final metric, None if there is none with that name.

        Args:
            name: Key in the metric; `default` also means a metric that is a plain number.
        """
        if not self.finalMetricData:
            return None
        data = self.finalMetricData[0].data
        value = data.get(name) if isinstance(data, dict) else data if name == "default" else None
        if not isinstance(value, int | float) or isinstance(value, bool):
            return None
        try:
            float(value)
        except OverflowError:
            # The manager reads it like this, and `1e400` is read like this here.
            return math.inf if value > 0 else -math.inf
        return value


def _draws_from_queue(sets: list[TrialHyperParameters], raw: Mapping[str, Any]) -> bool:
    return len(sets) == 1 and raw.get("envId") is not None


def _status_by_record(
    sets: list[TrialHyperParameters], finals: list[TrialMetricData], raw: Mapping[str, Any]
) -> str:
    """Return whether a trial's own record shows which hyper-parameters it ran with."""
    if len(sets) != 1:
        # Multi-phase, from before the queue existed.
        return _KNOWN
    if not finals:
        return _UNKNOWN if _draws_from_queue(sets, raw) else _KNOWN
    reported, meant = finals[0].parameterId, sets[0].parameter_id
    if _draws_from_queue(sets, raw):
        # All submitted points have None as their id.
        return _KNOWN if meant is not None and reported == meant else _UNKNOWN
    # A trial that never asked does not report an id (up to 2.10.1).
    return _NOT_READ if reported is None and meant is not None else _KNOWN


@dataclass(frozen=True, slots=True)
class ExperimentRecord:
    """What is known of an experiment on this machine.

    Attributes:
        exp_id: Its id.
        name: Its name, None without one.
        status: An ExperimentStatus as text; STOPPED if its manager is not alive, even if the
            registry says otherwise; `UNKNOWN` if only its manager knows and does not answer.
        registry_status: Its status in NNI's registry, None if it is not registered.
        platform: The training service, named as in the config; None if not known.
        port: The manager's port, None without a manager.
        url: The manager's address, None without a manager.
        started_at: When it was last started, in UTC; None if not known.
        ended_at: When it was stopped, in UTC; None while it runs, or if not known.
        directory: Its own directory, None if that does not exist.
        version: NNI's release while its manager is alive, such as `2.10.1`; otherwise the releases
            that write such files, such as `2.2-2.10`; None if not known.
        owner: Its manager's process, None without a manager.
        registry: The registry that has it, None if it is not registered.
        raw: Its entry there, empty if it is not registered.
    """

    exp_id: str
    name: str | None
    status: str
    registry_status: str | None
    platform: str | None
    port: int | None
    url: str | None
    started_at: datetime | None
    ended_at: datetime | None
    directory: Path | None
    version: str | None
    owner: ProcessIdentity | None
    registry: Path | None
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    def __repr__(self) -> str:
        name = "" if self.name is None else f" {printable_line(self.name, most=20)!r}"
        parts = (printable_line(self.exp_id, most=20), self.status, self.platform or "")
        shown = printable_line(" ".join(part for part in parts if part), most=60)
        directory = "missing" if self.directory is None else str(self.directory)
        return f"<ExperimentRecord {shown}{name} in {_end_of(directory, most=60)}>"

    @property
    def is_running(self) -> bool:
        """Whether its manager is alive, whether to run trials or only to view it."""
        return self.owner is not None

    @property
    def is_registered(self) -> bool:
        """Whether a registry has it."""
        return self.registry is not None


def _end_of(path: str, *, most: int) -> str:
    """Return a path in a form safe to show, only the end of a long one."""
    return printable_line(path if len(path) <= most else f"...{path[-most:]}")


class TrialSource(Protocol):
    """Everything that can be read from an experiment's manager or files."""

    def get_experiment_profile(self) -> ExperimentProfile:
        """Return the experiment's profile."""

    def get_job_statistics(self) -> list[TrialJobStatistics]:
        """Return the number of trials with each status."""

    def list_trial_jobs(self) -> list[TrialJob]:
        """Return all trials in the order of their creation."""

    def iter_trial_jobs(self) -> Iterator[TrialJob]:
        """Yield all trials in that order, if possible without loading all at once."""

    def get_trial_job(self, trial_job_id: str) -> TrialJob:
        """Return one trial.

        Raises:
            TrialJobNotFoundError: No trial has that id.
        """

    def get_job_metrics(self, trial_job_id: str | None = None) -> dict[str, list[TrialMetricData]]:
        """Return metrics by trial job id, of one trial or of all."""

    def last_parameter_ids(self, trial_job_ids: Collection[str]) -> dict[str, int | str | None]:
        """Return the `parameterId` of the last metric of each of these trials that has one."""

    def trial_log(self, trial_job_id: str, kind: str = "stdout") -> str:
        """Return a log of a trial: `stdout`, `stderr` or `trial`."""
