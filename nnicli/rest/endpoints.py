"""Every endpoint of the managers' REST API, one row each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote

from nnicli.errors import ConnectError, ConnectionLostError, RequestTimeoutError, RestError
from nnicli.rest.address import check_segment


class Retry(Enum):
    """After which errors a request is sent again: those in the value."""

    ALWAYS = (ConnectError, ConnectionLostError, RequestTimeoutError)
    """Reads: repeating them changes nothing."""
    UNSENT = (ConnectError,)
    """A request whose answer is lost may have taken effect, so only unsent ones are repeated."""
    NEVER = ()
    """Repeating them does harm: a second start POST starts a second management loop."""

    def covers(self, error: RestError) -> bool:
        """Return whether the request is sent again after this error."""
        return isinstance(error, self.value)


OLDEST = "1.8"
"""The first release that nnicli supports."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint of the REST API.

    Attributes:
        method: HTTP method.
        path: Path below the manager's URL; `{name}` is an argument.
        retry: After which errors it is sent again.
        scans: Whether the manager reads its whole database for it, which takes seconds with
            100,000 trials.
        closes: Whether the connection is closed afterwards.
        since: First release with this endpoint.
    """

    method: str
    path: str
    retry: Retry
    scans: bool = False
    closes: bool = False
    since: str = OLDEST

    def fill(self, **arguments: object) -> str:
        """Return the path with its arguments, each as exactly one part of it.

        Raises:
            InvalidValueError: An argument is not one part of a path.
        """
        return self.path.format(
            **{
                name: quote(check_segment(value, name), safe="")
                for name, value in arguments.items()
            }
        )


_API = "/api/v1/nni"


def _get(path: str, *, scans: bool = False, since: str = OLDEST) -> Endpoint:
    return Endpoint("GET", _API + path, Retry.ALWAYS, scans=scans, since=since)


def _post(path: str, *, since: str = OLDEST) -> Endpoint:
    return Endpoint("POST", _API + path, Retry.NEVER, since=since)


# `since` is the first release whose `restHandler.js` has the route (1.8 to 3.0, source).
GET_VERSION = _get("/version")
GET_STATUS = _get("/check-status")
GET_PROFILE = _get("/experiment")
START_EXPERIMENT = _post("/experiment")
# A repetition may fail although the first request succeeded, and a failure ends the manager.
SET_CLUSTER_METADATA = Endpoint(
    "PUT", f"{_API}/experiment/cluster-metadata", Retry.NEVER, scans=True
)
UPDATE_PROFILE = Endpoint("PUT", f"{_API}/experiment", Retry.UNSENT)
# Repeated after a refusal it would reach whatever has taken the port meanwhile.
STOP_EXPERIMENT = Endpoint("DELETE", f"{_API}/experiment", Retry.NEVER, closes=True, since="2.1")
IMPORT_DATA = _post("/experiment/import-data")
GET_IMPORTED_DATA = _get("/experiment/imported-data", scans=True, since="1.9")
GET_METADATA = _get("/experiment-metadata", since="2.4")
LIST_EXPERIMENTS = _get("/experiments-info", since="2.0")
GET_STATISTICS = _get("/job-statistics", scans=True)
LIST_TRIALS = _get("/trial-jobs", scans=True)
GET_TRIAL = _get("/trial-jobs/{trial_job_id}", scans=True)
SUBMIT_TRIAL = _post("/trial-jobs")
# Repeated after the end of the trial it would turn SUCCEEDED into USER_CANCELED.
KILL_TRIAL = Endpoint("DELETE", _API + "/trial-jobs/{trial_job_id}", Retry.NEVER)
GET_METRICS = _get("/metric-data", scans=True)
GET_TRIAL_METRICS = _get("/metric-data/{trial_job_id}", scans=True)
GET_METRIC_RANGE = _get("/metric-data-range/{first}/{last}", scans=True)
GET_LATEST_METRICS = _get("/metric-data-latest", scans=True)
EXPORT_DATA = _get("/export-data", scans=True)
GET_TRIAL_FILE = _get("/trial-file/{trial_job_id}/{name}", since="2.4")
# The equivalent in 1.8 to 2.3.
GET_TRIAL_LOG = _get("/trial-log/{trial_job_id}/{name}")
START_TENSORBOARD = _post("/tensorboard", since="2.2")
GET_TENSORBOARD = _get("/tensorboard/{task_id}", since="2.2")
REFRESH_TENSORBOARD = Endpoint("PUT", _API + "/tensorboard/{task_id}", Retry.UNSENT, since="2.2")
STOP_TENSORBOARD = Endpoint("DELETE", _API + "/tensorboard/{task_id}", Retry.UNSENT, since="2.2")
LIST_TENSORBOARDS = _get("/tensorboard-tasks", since="2.2")
STOP_ALL_TENSORBOARDS = Endpoint("DELETE", f"{_API}/tensorboard-tasks", Retry.UNSENT, since="2.2")
# Static files of the experiment's log directory, outside the API.
GET_LOG_FILE = Endpoint("GET", "/logs/{name}", Retry.ALWAYS)
