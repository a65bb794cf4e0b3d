"""When an experiment is over, by what its manager answers."""

from __future__ import annotations

import pytest
from pytest_httpserver import HTTPServer

from nnicli import ExperimentStatus, ManagerClient
from nnicli.session import Session, Supervisor, progress

API = "/api/v1/nni"
PROFILE = {
    "id": "aBcD",
    "logDir": "/far/away/aBcD",
    "params": {"maxTrialNumber": 2, "trialConcurrency": 1},
    "execDuration": 5,
    "nextSequenceId": 2,
    "revision": 1,
}
TRIAL = {
    "trialJobId": "xyz",
    "status": "SUCCEEDED",
    "hyperParameters": [],
    "finalMetricData": [
        {
            "timestamp": 1,
            "trialJobId": "xyz",
            "parameterId": "0",
            "type": "FINAL",
            "sequence": 0,
            "data": '"1.5"',
        }
    ],
}


@pytest.fixture
def session(httpserver: HTTPServer) -> Session:
    httpserver.expect_request(f"{API}/version").respond_with_data("3.0.0")
    httpserver.expect_request(f"{API}/experiment").respond_with_json(PROFILE)
    httpserver.expect_request(f"{API}/trial-jobs").respond_with_json([TRIAL])
    _say(httpserver, "DONE")
    return Session.of_connected(ManagerClient(httpserver.url_for("")))


def _say(httpserver: HTTPServer, *statuses: str) -> None:
    for status in statuses:
        answer = {"status": status, "errors": []}
        httpserver.expect_oneshot_request(f"{API}/check-status").respond_with_json(answer)


def _count(httpserver: HTTPServer, **numbers: int) -> None:
    rows = [{"trialJobStatus": name, "trialJobNumber": count} for name, count in numbers.items()]
    httpserver.expect_request(f"{API}/job-statistics").respond_with_json(rows)


def test_done_is_the_end(httpserver: HTTPServer, session: Session) -> None:
    _count(httpserver, SUCCEEDED=2)
    _say(httpserver, "DONE", "DONE")
    progress.expect_reopening(session)

    assert Supervisor(session, patience_s=60).check() == ExperimentStatus.DONE


def test_a_trial_that_a_raised_limit_lets_start_is_waited_for(
    httpserver: HTTPServer, session: Session
) -> None:
    """It was submitted between DONE and the check, and makes the raised limit look reached."""
    _count(httpserver, SUCCEEDED=1, RUNNING=1)
    _say(httpserver, "DONE", "RUNNING")
    progress.expect_reopening(session)

    assert Supervisor(session, patience_s=60).check() is None
