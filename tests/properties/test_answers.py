"""For any answer of a server, every call returns or raises an NnicliError that can be shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from nnicli import DecodingError, Experiment, ManagerClient, NnicliError, RestError
from nnicli.rest import DIALECTS, Request, Response
from nnicli.session import Session

METRIC = {
    "timestamp": 1,
    "trialJobId": "a",
    "parameterId": "0",
    "type": "FINAL",
    "sequence": 0,
    "data": '"1.5"',
}
HYPER = {
    "parameter_id": 1,
    "parameter_source": "algorithm",
    "parameters": {"x": 1},
    "parameter_index": 0,
}
TRIAL = {
    "trialJobId": "a",
    "status": "SUCCEEDED",
    "hyperParameters": [json.dumps(HYPER)],
    "logPath": "/x/trials/a",
    "startTime": 1,
    "endTime": 2,
    "finalMetricData": [METRIC],
    "sequenceId": 0,
    "message": "",
}
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
        "tuner": {"name": "TPE", "classArgs": {"optimize_mode": "maximize"}},
    },
}
# Path below the API -> the answer of a working manager.
ANSWERS: dict[str, Any] = {
    "/version": "3.0.0",
    "/check-status": {"status": "RUNNING", "errors": []},
    "/experiment": PROFILE,
    "/job-statistics": [{"trialJobStatus": "RUNNING", "trialJobNumber": 1}],
    "/trial-jobs": [TRIAL, {**TRIAL, "trialJobId": "b", "hyperParameters": []}],
    "/trial-jobs/a": TRIAL,
    "/metric-data": [METRIC, {**METRIC, "type": "PERIODICAL"}],
    "/metric-data/a": [METRIC],
    "/metric-data-range/0/1": [METRIC],
    "/metric-data-latest": [METRIC],
    "/export-data": [{"parameter": {"x": 1}, "value": "1", "trialJobId": "a"}],
    "/experiment/imported-data": ['[{"parameter": {}, "value": 1}]'],
    "/experiments-info": [{"id": "x"}],
    "/experiment-metadata": {"id": "x"},
    "/tensorboard-tasks": [{"id": "t"}],
    "/tensorboard/t": {"id": "t"},
}
CLIENT_CALLS: dict[str, Callable[[ManagerClient], object]] = {
    "dialect": lambda client: client.dialect,
    "status": lambda client: client.get_experiment_status(),
    "poll": lambda client: client.poll_status(1),
    "profile": lambda client: client.get_experiment_profile(),
    "update": lambda client: client.update_profile(
        trial_concurrency=2, max_experiment_duration=9, max_trial_number=9, search_space={}
    ),
    "imported": lambda client: client.get_imported_data(),
    "registry": lambda client: client.list_experiments(),
    "metadata": lambda client: client.get_experiment_metadata(),
    "statistics": lambda client: client.get_job_statistics(),
    "trials": lambda client: client.list_trial_jobs(),
    "trial": lambda client: client.get_trial_job("a"),
    "submit": lambda client: client.submit_trial({}),
    "kill": lambda client: client.kill_trial_job("a"),
    "log": lambda client: client.trial_log("a"),
    "file": lambda client: client.get_trial_file("a", "stdout"),
    "log file": lambda client: client.get_log_file("nnimanager.log"),
    "metrics": lambda client: client.get_job_metrics(),
    "metrics of one": lambda client: client.get_job_metrics("a"),
    "metrics in range": lambda client: client.list_metrics_in_range(0, 1),
    "latest metrics": lambda client: client.list_latest_metrics(),
    "results": lambda client: client.export_data(),
    "tensorboards": lambda client: client.list_tensorboards(),
    "tensorboard": lambda client: client.get_tensorboard("t"),
    "start": lambda client: client.start_experiment({}),
}
EXPERIMENT_CALLS: dict[str, Callable[[Experiment], object]] = {
    "status": lambda experiment: experiment.get_experiment_status(),
    "profile": lambda experiment: experiment.get_experiment_profile(),
    "statistics": lambda experiment: experiment.get_job_statistics(),
    "trials": lambda experiment: [
        (trial.final_value, trial.duration, trial.started_at, trial.ended_at, trial.is_finished)
        for trial in experiment.list_trial_jobs()
    ],
    "trial": lambda experiment: experiment.get_trial_job("a"),
    "metrics": lambda experiment: [
        metric.reported_at for group in experiment.get_job_metrics().values() for metric in group
    ],
    "results": lambda experiment: experiment.export_data(),
    "csv": lambda experiment: experiment.export_text("csv", intermediate=True),
    "json": lambda experiment: experiment.export_text("json", intermediate=True),
    "best": lambda experiment: experiment.best_trial(),
    "wait": lambda experiment: experiment.wait(timeout=0),
    "trial log": lambda experiment: experiment.trial_log("a"),
    "manager log": lambda experiment: experiment.manager_log(),
    "dispatcher log": lambda experiment: experiment.dispatcher_log(),
    "kill": lambda experiment: experiment.kill_trial_job("a"),
}

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        [
            10**400,
            "9" * 5000,
            "a" * 100_000,
            "[" * 300,
            *("\ud800", "\0", "\x1b[31m", "../..", "<html>", "NaN", "{}", "", "a"),
            *("SUCCEEDED", "FAILED", "DONE", "ERROR", "TUNER_NO_MORE_TRIAL"),
        ]
    ),
)
documents = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _places(value[key], (*path, key))


def _replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = value.copy()
    changed[path[0]] = _replaced(value[path[0]], path[1:], new)
    return changed


def _removed(value: Any, path: tuple[Any, ...]) -> Any:
    changed = value.copy()
    if len(path) == 1:
        del changed[path[0]]
    else:
        changed[path[0]] = _removed(value[path[0]], path[1:])
    return changed


@st.composite
def _answers(draw: st.DrawFn) -> dict[str, bytes]:
    """Return a manager's answers, some of them damaged."""
    answers = {}
    for path, sound in ANSWERS.items():
        answer = sound
        for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2]))):
            place = draw(st.sampled_from(list(_places(answer))))
            if place and draw(st.booleans()):
                answer = _removed(answer, place)
            else:
                answer = _replaced(answer, place, draw(documents))
        text = answer if path == "/version" and isinstance(answer, str) else json.dumps(answer)
        answers[path] = text.encode("utf-8", "surrogatepass")
    return answers


class Answering:
    """A transport that answers GETs from a table, and other requests with one of its rows."""

    def __init__(self, answers: dict[str, bytes], status_code: int = 200) -> None:
        self._answers, self._status_code = answers, status_code

    def send(self, request: Request) -> Response:
        path = request.path.removeprefix("/api/v1/nni")
        body = self._answers.get(path, self._answers["/trial-jobs/a"])
        return Response(self._status_code, body, f"http://h{request.path}")

    def close(self) -> None:
        pass


def _check(call: Callable[[], object]) -> None:
    try:
        call()
    except NnicliError as error:
        # An error about an answer says where it came from.
        names_origin = isinstance(error, RestError) or not isinstance(error, DecodingError)
        shown = str(error)
        assert names_origin
        assert len(shown) < 5000
        assert "\x1b" not in shown
        assert "\ud800" not in shown


@pytest.mark.parametrize("call", CLIENT_CALLS.values(), ids=list(CLIENT_CALLS))
@given(answers=_answers(), row=st.sampled_from(DIALECTS), status=st.sampled_from([200, 200, 500]))
@settings(deadline=None, max_examples=30)
def test_a_client_takes_any_answer(
    call: Callable[[ManagerClient], object], answers: dict[str, bytes], row: Any, status: int
) -> None:
    transport = Answering(answers, status)
    dialect = (
        DIALECTS.row_for(row.since) if status == 200 and len(answers["/version"]) % 2 else None
    )
    with ManagerClient("http://h", transport=transport, dialect=dialect) as client:
        _check(lambda: call(client))


@pytest.mark.parametrize("call", EXPERIMENT_CALLS.values(), ids=list(EXPERIMENT_CALLS))
@given(answers=_answers())
@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_connected_experiment_takes_any_answer(
    call: Callable[[Experiment], object], answers: dict[str, bytes]
) -> None:
    def connect_and_call() -> None:
        client = ManagerClient("http://h", transport=Answering(answers))
        experiment = Experiment()
        experiment._enter(Session.of_connected(client))  # noqa: SLF001 - connecting needs a server
        call(experiment)

    _check(connect_and_call)


BODIES = [
    *(b"", b"null", b"{}", b"[]", b"5", b'"x"', b"[[]]", b"[null]", b"[5]", b"NaN", b"-Infinity"),
    *(b"\xff\xfe\x00", b"\xef\xbb\xbf[]", b"\0" * 1000, b'{"id": "\\ud800"}'),
    *(b"<!doctype html><html>", b"  <html>"),
    *(b"[" * 100_000, b"[" * 400 + b"]" * 400, b"[" * 980 + b"]" * 980),
    b'{"a":' * 450 + b"1" + b"}" * 450,
    *(b"9" * 5000, b"[" + b"9" * 5000 + b"]"),
    json.dumps({**PROFILE, "id": "a" * 100_000}).encode(),
    json.dumps({**PROFILE, "logDir": "/" + "a" * 100_000}).encode(),
    json.dumps({**PROFILE, "id": ".."}).encode(),
    json.dumps([TRIAL, TRIAL]).encode(),
    json.dumps([{**TRIAL, "hyperParameters": ["[" * 400 + "]" * 400]}]).encode(),
]


@pytest.mark.parametrize("call", CLIENT_CALLS.values(), ids=list(CLIENT_CALLS))
@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:12]))
@pytest.mark.parametrize("status", [200, 500])
def test_a_client_takes_any_body(
    call: Callable[[ManagerClient], object], body: bytes, status: int
) -> None:
    """Deep nesting used to raise RecursionError, `{}` KeyError, a very long id OSError."""
    answers = dict.fromkeys((*ANSWERS, "/trial-jobs/a"), body)
    transport = Answering(answers, status)
    with ManagerClient("http://h", transport=transport, dialect=DIALECTS.row_for("3.0")) as client:
        _check(lambda: call(client))
