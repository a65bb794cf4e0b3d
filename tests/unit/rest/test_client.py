"""Each method of the client: what it sends, and what it returns for the answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request as WerkzeugRequest, Response as WerkzeugResponse

from nnicli import ManagerClient
from nnicli.errors import (
    ConnectError,
    ConnectionLostError,
    InvalidValueError,
    RequestTimeoutError,
    ResponseError,
    RestError,
    StatusError,
    TrialJobNotFoundError,
    TrialLogNotAvailableError,
    UpdateNotAppliedError,
)
from nnicli.rest import DIALECTS, Connection, Request, Response
from nnicli.versions import NEWEST_KNOWN
from nnicli.waiting import Deadline, Timeouts, within

API = "/api/v1/nni"
METRIC = {
    "timestamp": 1,
    "trialJobId": "a",
    "parameterId": "0",
    "type": "FINAL",
    "sequence": 0,
    "data": '"1"',
}
TRIAL = {"trialJobId": "a", "status": "RUNNING", "hyperParameters": []}
PROFILE = {
    "id": "x",
    "revision": 1,
    "execDuration": 0,
    "logDir": "/x",
    "nextSequenceId": 0,
    "params": {
        "trialConcurrency": 1,
        "maxTrialNumber": 5,
        "maxExperimentDuration": "1h",
        "searchSpace": {"x": {"_type": "uniform", "_value": [0, 1]}},
    },
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without a pause."""
    monkeypatch.setattr("nnicli.rest.client._BACKOFF_S", 0.0)


@pytest.fixture
def client(httpserver: HTTPServer) -> Iterator[ManagerClient]:
    timeouts = Timeouts(connect_s=2, read_s=2, scan_s=2)
    endpoint = httpserver.url_for("").rstrip("/")
    with ManagerClient(
        Connection(endpoint, timeouts=timeouts), dialect=DIALECTS.row_for("3.0")
    ) as client:
        yield client


CALLS: list[tuple[str, tuple[Any, ...], str, str, str, Any, Any]] = [
    # method, arguments, HTTP method, path, query, body sent, answer
    ("get_version", (), "GET", "/version", "", None, "3.0.0"),
    ("get_experiment_status", (), "GET", "/check-status", "", None,
     {"status": "RUNNING", "errors": []}),
    ("get_experiment_profile", (), "GET", "/experiment", "", None, PROFILE),
    ("start_experiment", ({"a": 1},), "POST", "/experiment", "", {"a": 1}, {"experiment_id": "x"}),
    ("stop_experiment", (), "DELETE", "/experiment", "", None, ""),
    ("import_data", ([{"parameter": {}, "value": 1}],), "POST", "/experiment/import-data", "",
     [{"parameter": {}, "value": 1}], ""),
    ("get_imported_data", (), "GET", "/experiment/imported-data", "", None, ['[{"value": 1}]']),
    ("get_experiment_metadata", (), "GET", "/experiment-metadata", "", None, {"id": "x"}),
    ("list_experiments", (), "GET", "/experiments-info", "", None, [{"id": "x"}]),
    ("get_job_statistics", (), "GET", "/job-statistics", "", None,
     [{"trialJobStatus": "RUNNING", "trialJobNumber": 1}]),
    ("list_trial_jobs", (), "GET", "/trial-jobs", "", None, [TRIAL]),
    ("list_trial_jobs", ("FAILED",), "GET", "/trial-jobs", "status=FAILED", None, []),
    ("get_trial_job", ("a",), "GET", "/trial-jobs/a", "", None, TRIAL),
    ("submit_trial", ({"x": 1},), "POST", "/trial-jobs", "", {"x": 1}, {"sequenceId": 3}),
    ("kill_trial_job", ("a",), "DELETE", "/trial-jobs/a", "", None, ""),
    ("get_job_metrics", (), "GET", "/metric-data", "", None, [METRIC]),
    ("get_job_metrics", ("a",), "GET", "/metric-data/a", "", None, [METRIC]),
    ("list_metrics_in_range", (0, 3), "GET", "/metric-data-range/0/3", "", None, [METRIC]),
    ("list_latest_metrics", (), "GET", "/metric-data-latest", "", None, [METRIC]),
    ("export_data", (), "GET", "/export-data", "", None,
     [{"parameter": {}, "value": "1", "trialJobId": "a"}]),
    ("get_trial_file", ("a", "stdout"), "GET", "/trial-file/a/stdout", "", None, "text"),
    ("start_tensorboard", (["a", "b"],), "POST", "/tensorboard", "", {"trials": "a,b"},
     {"id": "t"}),
    ("list_tensorboards", (), "GET", "/tensorboard-tasks", "", None, []),
    ("get_tensorboard", ("t",), "GET", "/tensorboard/t", "", None, {"id": "t"}),
    ("refresh_tensorboard", ("t",), "PUT", "/tensorboard/t", "", None, {"id": "t"}),
    ("stop_tensorboard", ("t",), "DELETE", "/tensorboard/t", "", None, {"id": "t"}),
    ("stop_all_tensorboards", (), "DELETE", "/tensorboard-tasks", "", None, ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "arguments", "method", "path", "query", "body", "answer"),
    CALLS,
    ids=[f"{call[0]}{call[1]!r}" for call in CALLS],
)
def test_what_each_method_sends(
    client: ManagerClient,
    httpserver: HTTPServer,
    call: str,
    arguments: tuple[Any, ...],
    method: str,
    path: str,
    query: str,
    body: Any,
    answer: Any,
) -> None:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    httpserver.expect_ordered_request(
        API + path, method=method, query_string=query
    ).respond_with_data(text)

    getattr(client, call)(*arguments)

    ((request, _),) = httpserver.log
    assert (json.loads(request.data) if request.data else None) == body


def test_log_files_are_outside_the_api(client: ManagerClient, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/logs/nnimanager.log").respond_with_data("[...] INFO")

    assert client.get_log_file("nnimanager.log") == "[...] INFO"


def test_metrics_are_grouped_by_trial(client: ManagerClient, httpserver: HTTPServer) -> None:
    rows = [
        {**METRIC, "trialJobId": name, "sequence": number} for number, name in enumerate("abab")
    ]
    httpserver.expect_request(f"{API}/metric-data").respond_with_json(rows)

    grouped = client.get_job_metrics()

    assert {name: [m.sequence for m in metrics] for name, metrics in grouped.items()} == {
        "a": [0, 2],
        "b": [1, 3],
    }


def test_resume_and_view_have_an_empty_answer_to_the_start(
    client: ManagerClient, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(f"{API}/experiment", method="POST").respond_with_data("")

    assert client.start_experiment({}) == ""


# Invalid answers with 200


def test_a_web_page_instead_of_an_answer_is_an_error(
    client: ManagerClient, httpserver: HTTPServer
) -> None:
    """Managers answer a GET of an unknown path with their web UI."""
    httpserver.expect_request(f"{API}/trial-jobs").respond_with_data(
        "<!doctype html><html>", content_type="application/json"
    )

    with pytest.raises(ResponseError, match="this is a web page: not a manager") as caught:
        client.list_trial_jobs()

    assert caught.value.body_start == "<!doctype html><html>"
    assert caught.value.url.endswith("/trial-jobs")


@pytest.mark.parametrize(
    ("path", "call", "text"),
    [
        ("/trial-jobs", "list_trial_jobs", '[{"trialJobId": "a", "sta'),
        ("/trial-jobs", "list_trial_jobs", '{"a": 1}'),
        ("/trial-jobs", "list_trial_jobs", "[1]"),
        ("/trial-jobs", "list_trial_jobs", ""),
        ("/check-status", "get_experiment_status", "INITIALIZING"),
        ("/check-status", "get_experiment_status", "[]"),
        ("/version", "get_version", "<html>"),
        ("/version", "get_version", ""),
        ("/experiment", "get_experiment_profile", "[]"),
    ],
)
def test_an_invalid_answer_is_a_decoding_error(
    client: ManagerClient, httpserver: HTTPServer, path: str, call: str, text: str
) -> None:
    httpserver.expect_request(API + path).respond_with_data(text)

    with pytest.raises(ResponseError, match=r"GET http.*expected"):
        getattr(client, call)()


def test_a_manager_without_an_experiment_is_an_error(
    client: ManagerClient, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(f"{API}/experiment").respond_with_data("")

    with pytest.raises(ResponseError, match="this manager has no experiment yet"):
        client.get_experiment_profile()


def test_an_unknown_trial_is_not_found(client: ManagerClient, httpserver: HTTPServer) -> None:
    httpserver.expect_request(f"{API}/trial-jobs/nosuch").respond_with_data("")

    with pytest.raises(TrialJobNotFoundError, match="has no trial 'nosuch'") as caught:
        client.get_trial_job("nosuch")

    assert caught.value.trial_job_id == "nosuch"


# Error statuses


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, '{"error": "Bad training service platform: x"}', "Bad training service platform: x"),
        (400, '{"statusCode": 400, "error": "Bad Request", "message": "tuner is required"}',
         "tuner is required"),
        (404, "Not Found", "Not Found"),
        (500, "[1]", "[1]"),
        (503, "", ""),
    ],
)  # fmt: skip
def test_the_manager_s_explanation_is_in_the_error(
    client: ManagerClient, httpserver: HTTPServer, status: int, body: str, said: str
) -> None:
    httpserver.expect_request(f"{API}/experiment", method="POST").respond_with_data(
        body, status=status
    )

    with pytest.raises(StatusError, match=f"POST .*HTTP {status}") as caught:
        client.start_experiment({})

    assert (caught.value.status_code, caught.value.server_message) == (status, said)
    assert said in str(caught.value)


def test_a_redirect_is_an_error_that_names_its_target(
    client: ManagerClient, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(f"{API}/version").respond_with_data(
        "", status=302, headers={"Location": "https://login.example/"}
    )

    with pytest.raises(StatusError, match=r"HTTP 302 to https://login\.example/"):
        client.get_version()


def test_killing_an_unknown_trial(client: ManagerClient, httpserver: HTTPServer) -> None:
    """3.0 answers 500 and the text of a TypeError."""
    httpserver.expect_request(f"{API}/trial-jobs/nosuch", method="DELETE").respond_with_json(
        {"error": "Cannot set properties of undefined"}, status=500
    )
    httpserver.expect_request(f"{API}/trial-jobs/nosuch", method="GET").respond_with_data("")

    with pytest.raises(TrialJobNotFoundError):
        client.kill_trial_job("nosuch")


# Logs of trials


@pytest.mark.parametrize(
    ("kind", "name"), [("stdout", "stdout"), ("stderr", "stderr"), ("trial", "trial.log")]
)
@pytest.mark.parametrize("text", ["line\n", ""])
def test_a_trial_s_log(
    client: ManagerClient, httpserver: HTTPServer, kind: str, name: str, text: str
) -> None:
    httpserver.expect_request(f"{API}/trial-jobs/a").respond_with_json(TRIAL)
    httpserver.expect_request(f"{API}/trial-file/a/{name}").respond_with_data(
        text or f"{name} is empty."
    )

    assert client.trial_log("a", kind) == text


def test_a_log_that_is_not_there_yet_is_empty(
    client: ManagerClient, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(f"{API}/trial-jobs/a").respond_with_json(TRIAL)
    httpserver.expect_request(f"{API}/trial-file/a/stderr").respond_with_json(
        {"error": "ENOENT: no such file or directory"}, status=500
    )

    assert client.trial_log("a", "stderr") == ""


def test_the_error_names_the_location_of_a_log_on_another_machine(
    client: ManagerClient, httpserver: HTTPServer
) -> None:
    """Up to 2.10, and in 3.0 with the training services from 2.x."""
    there = "file://10.0.0.7:/tmp/nni-experiments/id/trials/a"
    httpserver.expect_request(f"{API}/trial-jobs/a").respond_with_json({**TRIAL, "logPath": there})
    httpserver.expect_request(f"{API}/trial-file/a/stdout").respond_with_json(
        {"error": "Method not implemented."}, status=500
    )

    with pytest.raises(TrialLogNotAvailableError, match=f"it is at {there}") as caught:
        client.trial_log("a")

    assert (caught.value.trial_job_id, caught.value.location) == ("a", there)


def test_another_kind_of_log_is_refused(client: ManagerClient) -> None:
    with pytest.raises(InvalidValueError, match="allowed: stdout, stderr, trial"):
        client.trial_log("a", "../../etc/passwd")


# Updates


class Manager:
    """Answers GET and PUT of the profile; `obeys` has the fields that it updates."""

    def __init__(self, server: HTTPServer, *, obeys: bool = True, answers: bool = True) -> None:
        self.params: dict[str, Any] = dict(PROFILE["params"])  # type: ignore[call-overload]  # a dict
        self.puts: list[tuple[str, Any]] = []
        self._obeys, self._answers = obeys, answers
        server.expect_request(f"{API}/experiment", method="PUT").respond_with_handler(self._put)
        server.expect_request(f"{API}/experiment", method="GET").respond_with_handler(self._get)

    def _put(self, request: WerkzeugRequest) -> WerkzeugResponse:
        params = json.loads(request.data)["params"]
        self.puts.append((request.args["update_type"], params))
        if self._obeys:
            self.params.update(params)
        if self._answers:
            return WerkzeugResponse("")
        return WerkzeugResponse(iter(["cut"]), headers={"Content-Length": "1000"})

    def _get(self, _: WerkzeugRequest) -> WerkzeugResponse:
        return WerkzeugResponse(json.dumps({**PROFILE, "params": self.params}))


def test_updates_are_sent_in_the_manager_s_terms(
    client: ManagerClient, httpserver: HTTPServer
) -> None:
    manager = Manager(httpserver)
    space = {"y": {"_type": "choice", "_value": [1]}}

    profile = client.update_profile(
        trial_concurrency=3, max_experiment_duration=90, max_trial_number=7, search_space=space
    )

    assert manager.puts == [
        ("TRIAL_CONCURRENCY", {"trialConcurrency": 3}),
        ("MAX_EXEC_DURATION", {"maxExperimentDuration": "90s"}),
        ("MAX_TRIAL_NUM", {"maxTrialNumber": 7}),
        ("SEARCH_SPACE", {"searchSpace": space}),
    ]
    assert profile["params"]["maxTrialNumber"] == 7


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"trial_concurrency": 3}, "trial_concurrency: wanted 3, manager has 1"),
        ({"max_experiment_duration": 60}, "max_experiment_duration: wanted 60, manager has 3600"),
        ({"max_trial_number": 9}, "max_trial_number: wanted 9, manager has 5"),
        ({"search_space": {}}, "search_space: wanted {}, manager has "),
    ],
)
def test_a_200_that_changed_nothing_is_an_error(
    client: ManagerClient, httpserver: HTTPServer, fields: dict[str, Any], message: str
) -> None:
    """2.2 to 2.10.1 answered 200 to keys that they ignored (seen live)."""
    Manager(httpserver, obeys=False)

    with pytest.raises(UpdateNotAppliedError, match=message) as caught:
        client.update_profile(**fields)

    assert caught.value.field == next(iter(fields))


@pytest.mark.parametrize("stored", ["2h", "7200s", "120m", 7200])
def test_durations_compare_as_seconds(
    client: ManagerClient, httpserver: HTTPServer, stored: Any
) -> None:
    manager = Manager(httpserver, obeys=False)
    manager.params["maxExperimentDuration"] = stored

    client.update_profile(max_experiment_duration=7200)


def test_search_spaces_compare_by_value(client: ManagerClient, httpserver: HTTPServer) -> None:
    Manager(httpserver, obeys=False)

    client.update_profile(search_space={"x": {"_value": [0.0, 1.0], "_type": "uniform"}})


@pytest.mark.parametrize("obeys", [True, False])
def test_a_lost_answer_to_an_update_is_settled_by_reading_back(
    client: ManagerClient, httpserver: HTTPServer, obeys: bool
) -> None:
    manager = Manager(httpserver, obeys=obeys, answers=False)

    if obeys:
        client.update_profile(trial_concurrency=3)
    else:
        with pytest.raises(UpdateNotAppliedError, match=r"manager has 1 \(PUT .*connection broke"):
            client.update_profile(trial_concurrency=3)

    assert len(manager.puts) == 1


def test_without_a_change_nothing_is_sent(client: ManagerClient, httpserver: HTTPServer) -> None:
    manager = Manager(httpserver)

    assert client.update_profile()["id"] == "x"
    assert manager.puts == []


# Retries and readiness


class Broken:
    """A transport that fails, and counts its requests."""

    def __init__(self, error: type[RestError], times: int) -> None:
        self._error, self._times = error, times
        self.asked = 0

    def send(self, request: Request) -> Response:
        self.asked += 1
        if self.asked <= self._times:
            raise self._error("broken", method=request.method, url="http://h/x")
        return Response(200, b"[]", "http://h/x")

    def close(self) -> None:
        pass


@pytest.mark.parametrize("error", [ConnectError, ConnectionLostError, RequestTimeoutError])
@pytest.mark.parametrize(("failures", "asked"), [(2, 3), (3, 3)])
def test_a_read_is_tried_three_times(error: type[RestError], failures: int, asked: int) -> None:
    transport = Broken(error, failures)
    client = ManagerClient("http://h", transport=transport)

    if failures < 3:
        assert client.list_trial_jobs() == []
    else:
        with pytest.raises(error):
            client.list_trial_jobs()

    assert transport.asked == asked


@pytest.mark.parametrize("error", [ConnectError, ConnectionLostError, RequestTimeoutError])
def test_a_post_is_never_repeated(error: type[RestError]) -> None:
    transport = Broken(error, 1)

    with pytest.raises(error):
        ManagerClient("http://h", transport=transport).start_experiment({})

    assert transport.asked == 1


class Slow:
    """A transport whose server never answers, with its own clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.limits: list[float] = []
        monkeypatch.setattr("nnicli.waiting.time.monotonic", lambda: self.now)
        monkeypatch.setattr("nnicli.waiting.time.sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def send(self, request: Request) -> Response:
        self.limits.append(request.read_s)
        self.now += request.read_s
        raise RequestTimeoutError("no answer", method=request.method, url="http://h/x")

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("call", "limit_s"), [("get_version", 20), ("list_trial_jobs", 300), ("get_job_metrics", 300)]
)
def test_one_limit_applies_to_all_tries_of_a_call(
    monkeypatch: pytest.MonkeyPatch, call: str, limit_s: float
) -> None:
    """Three tries of 300 s took a quarter of an hour."""
    slow = Slow(monkeypatch)

    with pytest.raises(
        RequestTimeoutError, match=rf"no answer \(waited {limit_s}\.0 s\); something accepts"
    ):
        getattr(ManagerClient("http://h", transport=slow), call)()

    assert slow.now == limit_s


def test_an_unanswered_update_costs_two_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for the update, and one for reading back whether it took effect nevertheless."""
    slow = Slow(monkeypatch)
    client = ManagerClient("http://h", transport=slow, dialect=DIALECTS.row_for("3.0"))

    with pytest.raises(RequestTimeoutError):
        client.update_profile(trial_concurrency=1, max_trial_number=2, search_space={})

    assert slow.limits == [20, 20]


@pytest.mark.parametrize(("left_s", "expected"), [(3.0, 3.0), (0.0, 1.0), (900.0, 300.0)])
def test_a_wait_bounds_the_calls_in_it(
    monkeypatch: pytest.MonkeyPatch, left_s: float, expected: float
) -> None:
    """A second is left for the last request."""
    slow = Slow(monkeypatch)

    with within(Deadline(left_s)), pytest.raises(RequestTimeoutError):
        ManagerClient("http://h", transport=slow).list_trial_jobs()

    assert slow.limits == [expected]


def test_the_explanation_for_a_silent_manager_is_in_the_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = ManagerClient(
        "http://u:s3cr3t@h",
        transport=Slow(monkeypatch),
        explain_silence=lambda endpoint: f"{endpoint} sleeps",
    )

    with pytest.raises(RequestTimeoutError, match=r"no answer \(waited 20\.0 s\); http://h sleeps"):
        client.get_version()


def test_readiness_is_json_with_a_status(client: ManagerClient, httpserver: HTTPServer) -> None:
    answers = iter(
        ["INITIALIZING", "<html>", "[]", "{}", '{"status": "INITIALIZED", "errors": []}']
    )
    httpserver.expect_request(f"{API}/check-status").respond_with_handler(
        lambda _: WerkzeugResponse(next(answers))
    )

    seen = [client.poll_status(1) for _ in range(5)]

    assert seen == [None] * 4 + [{"status": "INITIALIZED", "errors": []}]


@pytest.mark.parametrize("error", [ConnectError, ConnectionLostError, RequestTimeoutError])
def test_the_readiness_check_tries_once_and_does_not_fail(error: type[RestError]) -> None:
    transport = Broken(error, 1)

    assert ManagerClient("http://h", transport=transport).poll_status(1) is None
    assert transport.asked == 1


# Dialect and secrets


def test_the_release_is_requested_once(httpserver: HTTPServer) -> None:
    httpserver.expect_request(f"{API}/version").respond_with_data("3.0.0")
    Manager(httpserver)
    with ManagerClient(httpserver.url_for("")) as client:
        client.update_profile(trial_concurrency=3)
        client.update_profile(trial_concurrency=4)

    assert [request.path for request, _ in httpserver.log].count(f"{API}/version") == 1


def test_a_newer_manager_is_used_with_a_warning(
    httpserver: HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    httpserver.expect_request(f"{API}/version").respond_with_data("4.2.0")

    with caplog.at_level(logging.WARNING), ManagerClient(httpserver.url_for("")) as client:
        assert client.dialect is DIALECTS.row_for("3.0")

    assert f"NNI 4.2.0 is newer than {NEWEST_KNOWN}" in caplog.text


def test_credentials_are_used_and_never_shown(
    httpserver: HTTPServer, caplog: pytest.LogCaptureFixture, free_port: Callable[[], int]
) -> None:
    httpserver.expect_request(
        f"{API}/version", headers={"Authorization": "Basic dTpzM2NyM3Q="}
    ).respond_with_data("3.0.0")
    host = httpserver.url_for("").removeprefix("http://")

    with caplog.at_level(logging.DEBUG), ManagerClient(f"http://u:s3cr3t@{host}") as client:
        assert client.get_version() == "3.0.0"
        shown = f"{client!r} {client.endpoint}"
    with (
        pytest.raises(ConnectError) as caught,
        ManagerClient(f"http://u:s3cr3t@127.0.0.1:{free_port()}") as broken,
    ):
        broken.get_version()

    assert "s3cr3t" not in shown + caplog.text + str(caught.value) + repr(caught.value)
