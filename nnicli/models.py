"""Snapshots of what a manager or an experiment's files say.

camelCase attributes are NNI's own words, snake_case ones are nnicli's reading of them, except for
the names of hyper-parameters, which NNI itself writes in snake_case. `raw` keeps what was sent;
from files, what the manager would send, but hyper-parameters as values and not as their texts.
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
    """What a manager says of its experiment; DONE is not final, as a higher limit reopens it."""

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
    """What a manager says of a trial."""

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
        """Whether it is a last status."""
        return self in _FINISHED


# As plain text: `.value` costs more than the rest of a trial's status.
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
    """How far it is known which hyper-parameters a trial ran with.

    The 3.0 manager hands them from a queue to whichever trial asks first, on a local machine and
    over SSH (`v3/compat.js`); everywhere else each trial gets its own.
    """

    KNOWN = "KNOWN"
    """The trial ran with these."""
    NOT_READ = "NOT_READ"
    """The trial ended without reading any; these are what the manager meant for it."""
    UNKNOWN = "UNKNOWN"
    """Nothing says so yet, or any more; these are what the manager meant for it."""

    def __str__(self) -> str:
        return self.value


class MetricType(str, Enum):
    """Whether a metric is one on the way or the one that counts."""

    PERIODICAL = "PERIODICAL"
    FINAL = "FINAL"

    def __str__(self) -> str:
        return self.value


class NNIManagerStatus(TypedDict):
    """The manager's status, an ExperimentStatus as text, and what it says went wrong."""

    status: str
    errors: list[str]


class TrialJobStatistics(TypedDict):
    """How many trials are in one status."""

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

    `logDir` is the experiment's own folder.
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
        parameter_id: Number given by the tuner; text with Hyperband and BOHB, None for the
            caller's own points.
        parameter_source: `algorithm`, `customized` or `resumed`.
        parameters: Name -> value.
        parameter_index: Index of this set in its trial, 0 but for multi-phase; None for the
            caller's own points.
    """

    parameter_id: int | str | None
    parameter_source: str | None
    parameters: dict[str, Any]
    parameter_index: int | None
    raw: Any = field(repr=False, compare=False)

    def __init__(self, json_obj: Mapping[str, Any] | str) -> None:
        """Take them as the manager sends them: a JSON object, or its text."""
        fill(self, *decode_hyper_parameters(json_obj), json_obj)

    def __hash__(self) -> int:
        return hash((self.parameter_id, self.parameter_source, self.parameter_index))


@dataclass(frozen=True, slots=True, init=False)
class TrialMetricData:
    """A metric that a trial reported.

    Attributes:
        timestamp: When, in ms since 1970.
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
        """Take it as the manager sends it."""
        fill(self, *decode_metric(json_obj), json_obj)

    def __hash__(self) -> int:
        # What is equal has the same; `data` may be a dict.
        return hash((self.trialJobId, self.timestamp, self.type, self.sequence))

    @property
    def is_damaged(self) -> bool:
        """Whether what was stored is not JSON; `data` is its text then."""
        return isinstance(self.data, str) and self.data == self.raw.get("data")

    @property
    def reported_at(self) -> datetime | None:
        """When it was reported, in UTC."""
        return from_epoch_ms(self.timestamp)


def group_metrics(metrics: Iterable[TrialMetricData]) -> dict[str, list[TrialMetricData]]:
    """Return the metrics by trial job id, each trial's in the order reported.

    The manager stores metrics side by side, so those of one moment may lie and be sent in any
    order; their timestamps are taken in the right one (3.0, `sqlDatabase.js`).
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
            manager does not send it, so KNOWN until `with_parameter` says otherwise.
    """

    parameter: dict[str, Any]
    value: Any
    trialJobId: str
    parameters_status: str
    raw: Any = field(repr=False, compare=False)

    def __init__(self, json_obj: Mapping[str, Any]) -> None:
        """Take it as the manager sends it."""
        fill(self, *decode_result(json_obj), _KNOWN, json_obj)

    def __hash__(self) -> int:
        return hash(self.trialJobId)

    def with_parameter(
        self, parameter: dict[str, Any], *, parameters_status: str = _KNOWN
    ) -> TrialResult:
        """Return the same result with other hyper-parameters; `raw` stays."""
        return _changed(self, parameter=parameter, parameters_status=str(parameters_status))


def make_result(
    trial_job_id: str, parameter: dict[str, Any], value: Any, *, parameters_status: str = _KNOWN
) -> TrialResult:
    """Return a result of values that are decoded; its `raw` is what the manager would send."""
    result = TrialResult.__new__(TrialResult)
    raw = {"parameter": parameter, "value": json.dumps(value), "trialJobId": trial_job_id}
    fill(result, parameter, value, trial_job_id, str(parameters_status), raw)
    return result


@dataclass(frozen=True, slots=True, init=False)
class TrialJob:
    """A trial as it was when it was read.

    Attributes:
        trialJobId: Its id.
        status: A TrialJobStatus as text; statuses unknown to nnicli pass through.
        hyperParameters: One set, more only with the multi-phase of 1.x and 2.0.
        logPath: Where its output is, as the manager says: a folder, or a URL of one up to 2.10.
        startTime: Milliseconds since 1970, None before the start.
        endTime: Milliseconds since 1970, None before the end.
        finalMetricData: The final metric; empty unless the trial succeeded with one.
        sequenceId: Number in the experiment; not unique after a resume of 2.10 or later.
        stderrPath: Where its error output is said to be; for failed trials only.
        message: What the manager says of its status.
        parameters_status: A ParametersStatus as text: whether the trial ran with
            `hyperParameters`, as far as its own record says. `Experiment` and `open_experiment()`
            look further where it does not, a `ManagerClient` does not.
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
        """Take it as a manager of any release sends it."""
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
        """Return the same trial with other hyper-parameters; `raw` stays."""
        return _changed(self, hyperParameters=sets, parameters_status=str(parameters_status))

    @property
    def parameter_index(self) -> int | None:
        """The last hyper-parameters' index, None without any."""
        return self.hyperParameters[-1].parameter_index if self.hyperParameters else None

    @property
    def parameters(self) -> dict[str, Any]:
        """The last hyper-parameters, name -> value; empty without any."""
        return self.hyperParameters[-1].parameters if self.hyperParameters else {}

    @property
    def draws_from_queue(self) -> bool:
        """Whether it gets whichever hyper-parameters are next when it asks, not its own.

        Only then has it an environment (3.0, `v3/compat.js`).
        """
        return _draws_from_queue(self.hyperParameters, self.raw)

    @property
    def is_finished(self) -> bool:
        """Whether its status is a last one."""
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
        """The final metric as a number, of a dict its "default"; None without one."""
        return self.final_metric("default")

    def final_metric(self, name: str) -> float | None:
        """Return one number of the final metric, None where it has none of that name.

        Args:
            name: Key in the metric; `default` is also a metric that is a plain number.
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
            # As the manager reads it, and as `1e400` is read here.
            return math.inf if value > 0 else -math.inf
        return value


def _draws_from_queue(sets: list[TrialHyperParameters], raw: Mapping[str, Any]) -> bool:
    return len(sets) == 1 and raw.get("envId") is not None


def _status_by_record(
    sets: list[TrialHyperParameters], finals: list[TrialMetricData], raw: Mapping[str, Any]
) -> str:
    """Return how far a trial's own record says which hyper-parameters it ran with."""
    if len(sets) != 1:
        # Multi-phase, before there was a queue.
        return _KNOWN
    if not finals:
        return _UNKNOWN if _draws_from_queue(sets, raw) else _KNOWN
    reported, meant = finals[0].parameterId, sets[0].parameter_id
    if _draws_from_queue(sets, raw):
        # All of the caller's own points have None as their id.
        return _KNOWN if meant is not None and reported == meant else _UNKNOWN
    # A trial that never asked reports no id (to 2.10.1).
    return _NOT_READ if reported is None and meant is not None else _KNOWN


@dataclass(frozen=True, slots=True)
class ExperimentRecord:
    """What this machine knows of an experiment without asking its manager.

    Attributes:
        exp_id: Its id.
        name: Its name, None without one.
        status: An ExperimentStatus as text; STOPPED where no manager of it lives, whatever was
            noted; `UNKNOWN` where only its manager knows and does not answer.
        registry_status: What NNI's registry has, None for an experiment that is not registered.
        platform: The training service, in the config's words; None where nothing tells it.
        port: The manager's port, None while there is no manager.
        url: The manager's address, None while there is no manager.
        started_at: When it was started last, in UTC; None where nothing tells it.
        ended_at: When it was stopped, in UTC; None while it runs, or where nothing tells it.
        directory: Its own folder, None where there is none.
        version: NNI's release while its manager lives, such as `2.10.1`; else the releases that
            leave such files, such as `2.2-2.10`; None where nothing tells it.
        owner: Its manager, None while there is none.
        registry: The registry that has it, None where none has.
        raw: Its entry there, empty where there is none.
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
        folder = "missing" if self.directory is None else str(self.directory)
        return f"<ExperimentRecord {shown}{name} in {_end_of(folder, most=60)}>"

    @property
    def is_running(self) -> bool:
        """Whether its manager lives, be it for work or for a view."""
        return self.owner is not None

    @property
    def is_registered(self) -> bool:
        """Whether a registry has it."""
        return self.registry is not None


def _end_of(path: str, *, most: int) -> str:
    """Return a path as it may be shown; of a long one the end, which tells most."""
    return printable_line(path if len(path) <= most else f"...{path[-most:]}")


class TrialSource(Protocol):
    """Everything that can be read of an experiment, from its manager or from its files."""

    def get_experiment_profile(self) -> ExperimentProfile:
        """Return the experiment's profile."""

    def get_job_statistics(self) -> list[TrialJobStatistics]:
        """Return how many trials are in each status."""

    def list_trial_jobs(self) -> list[TrialJob]:
        """Return all trials in the order in which they were made."""

    def iter_trial_jobs(self) -> Iterator[TrialJob]:
        """Return all trials in that order, where possible without having all at once."""

    def get_trial_job(self, trial_job_id: str) -> TrialJob:
        """Return one trial.

        Raises:
            TrialJobNotFoundError: There is none of that id.
        """

    def get_job_metrics(self, trial_job_id: str | None = None) -> dict[str, list[TrialMetricData]]:
        """Return metrics by trial job id, of one trial or of all."""

    def last_parameter_ids(self, trial_job_ids: Collection[str]) -> dict[str, int | str | None]:
        """Return, of each of these trials with a metric, the `parameterId` of the last one."""

    def trial_log(self, trial_job_id: str, kind: str = "stdout") -> str:
        """Return what a trial wrote: `stdout`, `stderr` or `trial`."""
