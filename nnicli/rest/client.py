"""The REST client: one typed method per request."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, TypeVar, cast

from nnicli.bulk import collection_paused
from nnicli.choices import check_choice
from nnicli.decoding import (
    brief,
    decode_json,
    decode_object,
    decode_profile,
    decode_statistics,
    decode_text,
)
from nnicli.errors import (
    ConnectionLostError,
    DecodingError,
    RequestTimeoutError,
    ResponseError,
    RestError,
    StatusError,
    TrialJobNotFoundError,
    TrialLogNotAvailableError,
    UnsupportedVersionError,
    UpdateNotAppliedError,
)
from nnicli.models import (
    ExperimentProfile,
    NNIManagerStatus,
    TrialJob,
    TrialJobStatistics,
    TrialMetricData,
    TrialResult,
    group_metrics,
)
from nnicli.printable import printable_line
from nnicli.redaction import MASK
from nnicli.rest import endpoints
from nnicli.rest.address import is_segment
from nnicli.rest.connection import Connection
from nnicli.rest.dialects import DIALECTS, Dialect
from nnicli.rest.endpoints import Endpoint
from nnicli.rest.messages import Request, Response, Transport
from nnicli.rest.transport import RequestsTransport
from nnicli.safe_logging import get_logger
from nnicli.versions import parse_version
from nnicli.waiting import Deadline, bounded

logger = get_logger(__name__)

T = TypeVar("T")

_TRIES = 3
_BACKOFF_S = 0.1
# With no time left a request could not even fail properly.
_LEAST_S = 0.001
_BODY_START = 200
# A node stack trace with its message is 1 or 2 KB.
_MOST_SAID_BYTES = 16_384
# The answer of managers about files of trials on other machines.
_NOT_IMPLEMENTED = "Method not implemented"
# The start of the web page that a manager sends for unknown paths.
_WEB_PAGE = "<!doctype html"


class ManagerClient:
    """The client of one manager; also a TrialSource.

    Every method raises a RestError if the manager cannot be reached, refuses, or sends an invalid
    answer, and an UnsupportedVersionError, without sending anything, if the manager's release does
    not have the request.

    Args:
        connection: How to reach the manager, or just its endpoint.
        dialect: The dialect of the manager's release; None: that of the release it reports.
        transport: Sends the requests; None: the one that uses requests.
        explain_silence: Returns, for an endpoint, what is known about a manager that does not
            answer; added to the error.

    Attributes:
        connection: How to reach the manager.

    Raises:
        InvalidValueError: The endpoint is not a valid URL.
    """

    def __init__(
        self,
        connection: Connection | str,
        *,
        dialect: Dialect | None = None,
        transport: Transport | None = None,
        explain_silence: Callable[[str], str] | None = None,
    ) -> None:
        self.connection = (
            connection if isinstance(connection, Connection) else Connection(connection)
        )
        self._dialect = dialect
        self._explain_silence = explain_silence
        self._transport: Transport = transport or RequestsTransport(self.connection)

    def __repr__(self) -> str:
        return f"ManagerClient({self.endpoint!r})"

    def __enter__(self) -> ManagerClient:  # noqa: PYI034 - typing.Self needs Python 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def endpoint(self) -> str:
        """The manager's URL without credentials."""
        return self.connection.endpoint

    @property
    def port(self) -> int:
        """The manager's port."""
        return self.connection.port

    @property
    def dialect(self) -> Dialect:
        """The dialect of the manager's release, which is requested when first needed."""
        if self._dialect is None:
            self._dialect = DIALECTS.row_for(self.get_version())
        return self._dialect

    @property
    def can_be_stopped(self) -> bool:
        """Whether the manager's release has a request to stop; before 2.1 only a signal works."""
        return self.dialect.has(endpoints.STOP_EXPERIMENT)

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    # The manager

    def get_version(self) -> str:
        """Return the manager's release as it spells it, such as `3.0.0`."""
        response = self._call(endpoints.GET_VERSION)
        text = response.text.strip() if len(response.body) <= _BODY_START else ""
        try:
            parse_version(text)
        except ValueError:
            raise _nonsense(endpoints.GET_VERSION, response, "a release number") from None
        return text

    def get_experiment_status(self) -> NNIManagerStatus:
        """Return the manager's status and its errors."""
        response = self._call(endpoints.GET_STATUS)
        status = _to_status(response)
        if status is None:
            raise _nonsense(endpoints.GET_STATUS, response, "an object with a status")
        return status

    def poll_status(self, timeout_s: float) -> NNIManagerStatus | None:
        """Return the status after a single try, None while the manager is not ready.

        3.0 first sends the plain text INITIALIZING, and another program on its port anything.
        """
        request = Request("GET", endpoints.GET_STATUS.path, connect_s=timeout_s, read_s=timeout_s)
        try:
            return _to_status(self._transport.send(request))
        except RestError:
            return None

    def set_cluster_metadata(self, body: Mapping[str, Any]) -> None:
        """Send settings of the training service, before the start (1.0 to 2.1).

        A manager that rejects them may exit at once; since 2.2 it accepts only those of Kubernetes.
        """
        self._call(endpoints.SET_CLUSTER_METADATA, body=body)

    def start_experiment(self, document: Mapping[str, Any]) -> str:
        """Start the experiment; return its id, empty if it is resumed or viewed."""
        response = self._call(endpoints.START_EXPERIMENT, body=document)
        if not response.body:
            return ""
        exp_id = _decode(endpoints.START_EXPERIMENT, response, dict).get("experiment_id", "")
        if not isinstance(exp_id, str):
            raise _nonsense(endpoints.START_EXPERIMENT, response, "an experiment_id that is text")
        return exp_id

    def stop_experiment(self) -> None:
        """Ask the manager to stop (2.1 and later); it answers before it has stopped.

        Idle connections are closed first: the manager would wait 5 s for each.
        """
        self._transport.close()
        self._call(endpoints.STOP_EXPERIMENT)

    def list_experiments(self) -> list[dict[str, Any]]:
        """Return all entries of NNI's registry on the manager's machine (2.0 and later)."""
        return self._models(endpoints.LIST_EXPERIMENTS, decode_object)

    def get_experiment_metadata(self) -> dict[str, Any]:
        """Return this experiment's entry in NNI's registry (2.4 and later).

        A manager without an entry there never answers (seen live).
        """
        return self._get(endpoints.GET_METADATA, dict)

    def get_log_file(self, name: str) -> str:
        """Return a file in the experiment's log directory, such as `nnimanager.log`."""
        response = self._call(endpoints.GET_LOG_FILE, arguments={"name": name}, scans=True)
        if response.text.lstrip()[: len(_WEB_PAGE)].lower() == _WEB_PAGE:
            raise _nonsense(endpoints.GET_LOG_FILE, response, f"the log {name}")
        return response.text

    # The profile

    def get_experiment_profile(self) -> ExperimentProfile:
        """Return the experiment's profile; `params` is its config."""
        response = self._call(endpoints.GET_PROFILE)
        if not response.body:
            raise _nonsense(
                endpoints.GET_PROFILE, response, "a profile; this manager has no experiment yet"
            )
        raw = _decode(endpoints.GET_PROFILE, response, dict)
        profile = _build(endpoints.GET_PROFILE, response, decode_profile, raw)
        if not is_segment(profile["id"]):
            raise _nonsense(endpoints.GET_PROFILE, response, "an id that can name a directory")
        return cast(ExperimentProfile, profile)

    def update_profile(
        self,
        *,
        trial_concurrency: int | None = None,
        max_experiment_duration: int | None = None,
        max_trial_number: int | None = None,
        search_space: Mapping[str, Any] | None = None,
    ) -> ExperimentProfile:
        """Change fields of the running experiment one by one, and read each back.

        Args:
            trial_concurrency: How many trials run at once.
            max_experiment_duration: Seconds.
            max_trial_number: How many trials there may be.
            search_space: The whole search space.

        Returns:
            The profile after the changes.

        Raises:
            UpdateNotAppliedError: The manager still has another value.
        """
        wanted = {
            "trial_concurrency": trial_concurrency,
            "max_experiment_duration": max_experiment_duration,
            "max_trial_number": max_trial_number,
            "search_space": search_space,
        }
        profile = None
        for field, value in wanted.items():
            if value is not None:
                profile = self._update(field, value)
        return profile or self.get_experiment_profile()

    def _update(self, field: str, value: Any) -> ExperimentProfile:
        row = self.dialect.fields[field]
        lost: RestError | None = None
        try:
            self._call(
                endpoints.UPDATE_PROFILE,
                query={"update_type": row.update_type},
                body=self._profile_with(row.key, row.encode(value)),
            )
        except (ConnectionLostError, RequestTimeoutError) as error:
            # It may have taken effect nevertheless, which the profile shows.
            lost = error
        profile = self.get_experiment_profile()
        found = self.get_field(profile, field)
        if found != value:
            raise UpdateNotAppliedError(
                f"{field}: wanted {brief(value)}, manager has {brief(found)}"
                + (f" ({lost})" if lost else ""),
                method=endpoints.UPDATE_PROFILE.method,
                url=self.endpoint,
                field=field,
                wanted=value,
                found=found,
            ) from lost
        return profile

    def get_field(self, profile: ExperimentProfile, field: str) -> Any:
        """Return an updatable field of the manager's profile, durations in seconds.

        Raises:
            ResponseError: The value in the profile is not valid for this field.
        """
        try:
            return self.dialect.read(field, profile["params"])
        except DecodingError as error:
            endpoint = endpoints.GET_PROFILE
            raise ResponseError(
                f"{endpoint.method} {self.endpoint}{endpoint.path}: {error}",
                method=endpoint.method,
                url=f"{self.endpoint}{endpoint.path}",
                body_start=error.body_start,
            ) from None

    def _profile_with(self, key: str, value: Any) -> dict[str, Any]:
        if not self.dialect.takes_whole_profile:
            return {"params": {key: value}}
        profile = self.get_experiment_profile()
        return {**profile, "params": {**profile["params"], key: value}}

    def import_data(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Send known results to the tuner: `{"parameter": {...}, "value": ...}` each."""
        encode = self.dialect.encode_result
        body = [{**row, "value": encode(row["value"])} for row in rows]
        self._call(endpoints.IMPORT_DATA, body=body)

    def get_imported_data(self) -> list[Any]:
        """Return the imported data, one item per import."""
        return self._models(endpoints.GET_IMPORTED_DATA, decode_text)

    # Trials

    def get_job_statistics(self) -> list[TrialJobStatistics]:
        """Return how many trials are in each status; statuses without a trial are absent."""
        rows = self._models(endpoints.GET_STATISTICS, decode_statistics)
        return cast(list[TrialJobStatistics], rows)

    def list_trial_jobs(self, status: str | None = None) -> list[TrialJob]:
        """Return all trials, or those in one status, in the order of their creation."""
        query = {} if status is None else {"status": str(status)}
        return self._models(endpoints.LIST_TRIALS, TrialJob, query=query)

    def iter_trial_jobs(self) -> Iterator[TrialJob]:
        """Iterate over `list_trial_jobs()`; managers send all trials at once."""
        return iter(self.list_trial_jobs())

    def get_trial_job(self, trial_job_id: str) -> TrialJob:
        """Return one trial.

        Raises:
            TrialJobNotFoundError: The id is unknown; managers answer 200 with an empty body.
        """
        response = self._call(endpoints.GET_TRIAL, arguments={"trial_job_id": trial_job_id})
        if not response.body:
            raise TrialJobNotFoundError(
                f"the experiment at {self.endpoint} has no trial {trial_job_id!r}",
                trial_job_id=trial_job_id,
            )
        return _build(
            endpoints.GET_TRIAL, response, TrialJob, _decode(endpoints.GET_TRIAL, response, dict)
        )

    def submit_trial(self, parameters: Mapping[str, Any]) -> int:
        """Queue a trial with the given parameters; return its sequence id."""
        response = self._call(endpoints.SUBMIT_TRIAL, body=parameters)
        number = _decode(endpoints.SUBMIT_TRIAL, response, dict).get("sequenceId")
        if type(number) is not int:
            raise _nonsense(endpoints.SUBMIT_TRIAL, response, "a sequenceId")
        return number

    def kill_trial_job(self, trial_job_id: str) -> None:
        """Cancel a trial; this changes the status even of one that has succeeded (3.0).

        Raises:
            TrialJobNotFoundError: The id is unknown.
        """
        try:
            self._call(endpoints.KILL_TRIAL, arguments={"trial_job_id": trial_job_id})
        except StatusError:
            # 3.0 answers an unknown id with 500 and the text of a TypeError.
            self.get_trial_job(trial_job_id)
            raise

    def trial_log(self, trial_job_id: str, kind: str = "stdout") -> str:
        """Return a trial's log, `stdout`, `stderr` or `trial`; empty if nothing was written yet.

        Raises:
            InvalidValueError: The kind is not one of these.
            TrialJobNotFoundError: The trial was not found.
            TrialLogNotAvailableError: It ran on another machine. Managers up to 2.10 do not have
                logs from there, nor does 3.0 with a training service that it took from 2.x.
        """
        dialect = self.dialect
        check_choice(kind, dialect.trial_files, field="kind")
        name = dialect.trial_files[kind]
        trial = self.get_trial_job(trial_job_id)
        try:
            text = self.get_trial_file(trial_job_id, name).decode("utf-8", "replace")
        except StatusError as error:
            if "ENOENT" in error.server_message or "not found" in error.server_message:
                return ""
            if error.server_message.startswith(_NOT_IMPLEMENTED):
                raise TrialLogNotAvailableError(
                    f"trial {trial_job_id} ran on another machine, and this manager cannot read "
                    f"its log there; it is at {trial.logPath}",
                    trial_job_id=trial_job_id,
                    location=trial.logPath or "",
                ) from error
            raise
        return "" if text == dialect.empty_files.format(name=name) else text

    def get_trial_file(self, trial_job_id: str, name: str) -> bytes:
        """Return a file in a trial's directory: `stdout`, `stderr`, `trial.log`, in 3.0 any file.

        Up to 2.3 the names are TRIAL_LOG, TRIAL_ERROR and, in 2.3, TRIAL_STDOUT.
        """
        arguments = {"trial_job_id": trial_job_id, "name": name}
        return self._call(self.dialect.trial_file, arguments=arguments, scans=True).body

    # Metrics

    def get_job_metrics(
        self,
        trial_job_id: str | None = None,
        *,
        type: str | None = None,  # noqa: A002 - NNI's word
    ) -> dict[str, list[TrialMetricData]]:
        """Return reported metrics by trial job id.

        Args:
            trial_job_id: One trial, or None for all of them.
            type: `PERIODICAL` or `FINAL`; None for both.
        """
        query = {} if type is None else {"type": str(type)}
        if trial_job_id is None:
            metrics = self._models(endpoints.GET_METRICS, TrialMetricData, query=query)
        else:
            metrics = self._models(
                endpoints.GET_TRIAL_METRICS,
                TrialMetricData,
                arguments={"trial_job_id": trial_job_id},
                query=query,
            )
        return group_metrics(metrics)

    def list_metrics_in_range(self, first: int, last: int) -> dict[str, list[TrialMetricData]]:
        """Return the metrics of the trials with sequence ids from `first` to `last`, inclusive."""
        return group_metrics(
            self._models(
                endpoints.GET_METRIC_RANGE,
                TrialMetricData,
                arguments={"first": first, "last": last},
            )
        )

    def list_latest_metrics(self) -> dict[str, list[TrialMetricData]]:
        """Return the final metrics, and the latest intermediate metric of each trial."""
        return group_metrics(self._models(endpoints.GET_LATEST_METRICS, TrialMetricData))

    def last_parameter_ids(self, trial_job_ids: Collection[str]) -> dict[str, int | str | None]:
        """Return, for each of these trials with a metric, the `parameterId` of the last one."""
        latest = self.list_latest_metrics()
        return {name: latest[name][-1].parameterId for name in trial_job_ids if name in latest}

    def export_data(self) -> list[TrialResult]:
        """Return parameters and final metric of every trial that succeeded with a metric."""
        return self._models(endpoints.EXPORT_DATA, TrialResult)

    # TensorBoard

    def start_tensorboard(self, trial_job_ids: Iterable[str]) -> dict[str, Any]:
        """Start a TensorBoard for these trials on the manager's machine (2.2 and later)."""
        body = {"trials": ",".join(trial_job_ids)}
        response = self._call(endpoints.START_TENSORBOARD, body=body)
        return _decode(endpoints.START_TENSORBOARD, response, dict)

    def list_tensorboards(self) -> list[dict[str, Any]]:
        """Return all TensorBoards of this manager."""
        return self._models(endpoints.LIST_TENSORBOARDS, decode_object)

    def get_tensorboard(self, task_id: str) -> dict[str, Any]:
        """Return one TensorBoard."""
        return self._get(endpoints.GET_TENSORBOARD, dict, task_id=task_id)

    def refresh_tensorboard(self, task_id: str) -> dict[str, Any]:
        """Load the trials' data again."""
        return self._get(endpoints.REFRESH_TENSORBOARD, dict, task_id=task_id)

    def stop_tensorboard(self, task_id: str) -> dict[str, Any]:
        """Stop one TensorBoard."""
        return self._get(endpoints.STOP_TENSORBOARD, dict, task_id=task_id)

    def stop_all_tensorboards(self) -> None:
        """Stop all TensorBoards of this manager."""
        self._call(endpoints.STOP_ALL_TENSORBOARDS)

    # How it is done

    def _get(self, endpoint: Endpoint, kind: type[T], **arguments: object) -> T:
        return _decode(endpoint, self._call(endpoint, arguments=arguments), kind)

    def _models(
        self,
        endpoint: Endpoint,
        model: Callable[[Any], T],
        *,
        arguments: Mapping[str, object] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> list[T]:
        response = self._call(endpoint, arguments=arguments, query=query)
        with collection_paused():
            items: list[Any] = _decode(endpoint, response, list)
            try:
                return [model(item) for item in items]
            except DecodingError:
                # Again, one by one, to find out which item failed.
                return [_build(endpoint, response, model, item) for item in items]

    def _call(
        self,
        endpoint: Endpoint,
        *,
        arguments: Mapping[str, object] | None = None,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        scans: bool = False,
    ) -> Response:
        """Send a request by its row of the table; return its answer if it succeeded.

        Raises:
            UnsupportedVersionError: The manager's release does not have it; nothing was sent.
        """
        self._check_has(endpoint)
        limit_s = (
            self.connection.timeouts.scan_s
            if scans or endpoint.scans
            else self.connection.timeouts.read_s
        )
        request = Request(
            endpoint.method,
            endpoint.fill(**(arguments or {})),
            query=query or {},
            body=body,
            connect_s=self.connection.timeouts.connect_s,
            close=endpoint.closes,
        )
        response = self._send(request, endpoint, bounded(limit_s))
        if not 200 <= response.status_code < 300:
            raise _status_error(endpoint, response)
        return response

    def _check_has(self, endpoint: Endpoint) -> None:
        # Endpoints that all releases have need no lookup of the manager's release.
        if endpoint.since != endpoints.OLDEST and not self.dialect.has(endpoint):
            raise UnsupportedVersionError(
                f"{endpoint.method} {endpoint.path} needs NNI {endpoint.since} or later, and the "
                f"manager at {self.endpoint} is older; use a newer NNI"
            )

    def _send(self, request: Request, endpoint: Endpoint, deadline: Deadline) -> Response:
        """Send a request, and retry it where that is allowed, all by one deadline."""
        tries = 0
        while True:
            tries += 1
            read_s = max(deadline.remaining_s, _LEAST_S)
            try:
                return self._transport.send(replace(request, read_s=read_s))
            except RestError as error:
                if tries == _TRIES or deadline.expired or not endpoint.retry.covers(error):
                    self._add_explanation(error, deadline)
                    raise
                logger.debug("try %d of %d failed: %s", tries, _TRIES, error)
                deadline.sleep(_BACKOFF_S * 2**tries * random.uniform(0.5, 1.5))  # noqa: S311 - jitter

    def _add_explanation(self, error: RestError, deadline: Deadline) -> None:
        """Add to the error how long it waited, and why nothing came, as far as known."""
        if isinstance(error, RequestTimeoutError):
            explain = self._explain_silence
            known = explain(self.endpoint) if explain is not None else ""
            what = known or "something accepts connections there, but hangs or is overloaded"
            error.args = (f"{error.message} (waited {deadline.waited_s:.1f} s); {what}",)


def _to_status(response: Response) -> NNIManagerStatus | None:
    try:
        answer = decode_json(response.text)
    except DecodingError:
        return None
    if response.status_code != 200 or not isinstance(answer, dict):
        return None
    status, errors = answer.get("status"), answer.get("errors") or []
    if not isinstance(status, str) or not isinstance(errors, list):
        return None
    said = [_quoted(response, error) for error in errors]
    return {"status": status, "errors": said}


def _decode(endpoint: Endpoint, response: Response, kind: type[T]) -> T:
    try:
        value = decode_json(response.text)
    except DecodingError:
        raise _nonsense(endpoint, response, "JSON") from None
    if not isinstance(value, kind):
        raise _nonsense(endpoint, response, f"a JSON {kind.__name__}")
    return value


def _build(endpoint: Endpoint, response: Response, model: Callable[[Any], T], item: Any) -> T:
    try:
        return model(item)
    except DecodingError as error:
        problem = str(error)
        if response.secrets.are_in(response.text):
            # The error's excerpt may end in the middle of a secret.
            problem = "an unexpected answer, not shown because it quotes credentials"
        raise ResponseError(
            f"{endpoint.method} {response.url}: {problem}",
            method=endpoint.method,
            url=response.url,
            body_start=_quoted(response, item),
        ) from None


def _nonsense(endpoint: Endpoint, response: Response, expected: str) -> ResponseError:
    start = _start_of(response)
    found = f"{start!r}"
    if start.lstrip().startswith("<"):
        # A manager answers unknown paths with its web page and 200.
        found = (
            "HTML; this is a web page: not a manager of a release with this endpoint, or a wrong "
            "URL prefix"
        )
    return ResponseError(
        f"{endpoint.method} {response.url}: expected {expected}, found {found}",
        method=endpoint.method,
        url=response.url,
        body_start=start,
    )


def _status_error(endpoint: Endpoint, response: Response) -> StatusError:
    said = _server_message(response)
    # Its query may contain a token.
    location = response.secrets.hide(response.location).partition("?")[0]
    target = printable_line(location, most=_BODY_START)
    redirect = f" to {target}" if target else ""
    return StatusError(
        f"{endpoint.method} {response.url}: HTTP {response.status_code}{redirect}"
        + (f": {said}" if said else ""),
        method=endpoint.method,
        url=response.url,
        status_code=response.status_code,
        server_message=said,
    )


def _server_message(response: Response) -> str:
    """Return the manager's explanation: `error`, from joi also `message`, or the plain text."""
    try:
        answer = decode_json(response.body[:_MOST_SAID_BYTES].decode("utf-8", "replace"))
    except DecodingError:
        start = _start_of(response)
        return "a web page" if start.lstrip().startswith("<") else start.strip()
    said = (
        (answer.get("message") or answer.get("error") or "") if isinstance(answer, dict) else answer
    )
    return _quoted(response, said)


def _quoted(response: Response, value: object) -> str:
    """Return a part of an answer for an error, without credentials."""
    if isinstance(value, str):
        return response.secrets.hide(value)
    return MASK if response.secrets.are_in(response.text) else brief(value)


def _start_of(response: Response) -> str:
    """Return the start of an answer, cut only after its secrets are hidden."""
    start = response.body[:_MOST_SAID_BYTES].decode("utf-8", "replace")
    return response.secrets.hide(start)[:_BODY_START]
