"""Managers below a prefix, behind a reverse proxy, or on what looks like another host."""

from __future__ import annotations

import base64
import http.client
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme
from pytest_httpserver import HTTPServer

from nnicli import (
    Experiment,
    ExperimentStatus,
    InvalidValueError,
    StatusError,
    StopNotSupportedError,
    TrialJobNotFoundError,
)
from nnicli.errors import ConnectError
from nnicli.testing import FakeInstallation
from tests.contract.contract import assert_nothing_left
from tests.contract.scenes import LONG_TRIAL, PLAIN_TRIAL, running_trials, wait_for, write_config

USER, PASSWORD, TEAM = "me", "hush", "blue"


class ReverseProxy(ThreadingHTTPServer):
    """Serves one manager below `/lab` over https to clients with a password and a header."""

    def __init__(self, manager_port: int, certificate: trustme.LeafCert) -> None:
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        self.manager_port = manager_port
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.endpoint = f"https://localhost:{self.server_port}/lab"


class _ProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ReverseProxy

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        is_known = self.headers["Authorization"] == wanted and self.headers["X-Team"] == TEAM
        if not (is_known and self.path.startswith("/lab/")):
            self._answer(401, b"who are you?")
            return
        manager = http.client.HTTPConnection("127.0.0.1", self.server.manager_port, timeout=30)
        try:
            headers = {"Content-Type": "application/json"}
            manager.request(self.command, self.path.removeprefix("/lab"), body, headers)
            response = manager.getresponse()
            self._answer(response.status, response.read())
        except OSError:
            self._answer(502, b"bad gateway")
        finally:
            manager.close()

    do_GET = do_POST = do_PUT = do_DELETE = _forward

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        """Do not log requests."""


@pytest.fixture
def installation(tmp_path: Path) -> FakeInstallation:
    return FakeInstallation.create(tmp_path / "nni")


@pytest.fixture
def experiment(installation: FakeInstallation) -> Iterator[Experiment]:
    with Experiment(nni=installation.prefix) as experiment:
        yield experiment


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def proxy(experiment: Experiment, authority: trustme.CA, tmp_path: Path) -> Iterator[ReverseProxy]:
    experiment.start_experiment(write_config(tmp_path / "project", LONG_TRIAL))
    assert experiment.port is not None
    server = ReverseProxy(experiment.port, authority.issue_cert("localhost"))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def test_logs_of_another_machine_come_from_its_manager(
    proxy: ReverseProxy, bundle: str, experiment: Experiment
) -> None:
    """Behind a proxy, files on this machine may belong to another experiment."""
    other = Experiment(headers={"X-Team": TEAM}, auth=(USER, PASSWORD), verify=bundle)
    other.connect_experiment(proxy.endpoint)
    wait_for(lambda: running_trials(experiment), "a trial runs")
    (trial, *_) = running_trials(experiment)

    assert other.process is None
    assert "Dispatcher started" in other.dispatcher_log()
    assert other.manager_log(head=1) == experiment.manager_log(head=1)
    assert other.trial_log(trial.trialJobId) == experiment.trial_log(trial.trialJobId)
    pieces = other.follow_trial_log(trial.trialJobId, "stderr", timeout=0)
    assert "".join(pieces) == experiment.trial_log(trial.trialJobId, "stderr")
    with pytest.raises(InvalidValueError, match="kind: 'nope' is not allowed"):
        other.manager_log("nope")
    with pytest.raises(InvalidValueError, match="kind: 'nope' is not allowed"):
        other.trial_log(trial.trialJobId, "nope")
    with pytest.raises(TrialJobNotFoundError):
        other.trial_log("nope")
    other.disconnect()


def test_everything_works_through_a_proxy_with_a_password(
    proxy: ReverseProxy, bundle: str, experiment: Experiment
) -> None:
    other = Experiment(headers={"X-Team": TEAM}, verify=bundle)

    other.connect_experiment(proxy.endpoint.replace("//", f"//{USER}:{PASSWORD}@"))

    assert other.exp_id == experiment.exp_id
    assert other.endpoint == proxy.endpoint
    other.update_trailnum(7)
    assert experiment.get_experiment_profile()["params"]["maxTrialNumber"] == 7
    # The port is not the manager's, so the manager may be anywhere.
    assert other.process is None
    assert PASSWORD not in repr(other) + repr(other.client)
    other.disconnect()


def test_stopping_behind_a_proxy_waits_until_the_manager_is_gone(
    proxy: ReverseProxy, bundle: str, experiment: Experiment
) -> None:
    """The proxy stays up and answers 502 Bad Gateway."""
    other = Experiment(headers={"X-Team": TEAM}, auth=(USER, PASSWORD), verify=bundle)
    other.connect_experiment(proxy.endpoint)

    outcome = other.stop_experiment()

    assert outcome.how == "asked"
    assert experiment.process is not None
    assert experiment.process.wait(5)


def test_a_wrong_password_is_reported_without_showing_it(proxy: ReverseProxy, bundle: str) -> None:
    other = Experiment(headers={"X-Team": TEAM}, auth=(USER, "wr0ng"), verify=bundle)

    with pytest.raises(StatusError, match=r"HTTP 401: who are you\?") as caught:
        other.connect_experiment(proxy.endpoint)

    assert "wr0ng" not in str(caught.value) + repr(caught.value)


def test_an_unknown_certificate_is_refused(proxy: ReverseProxy) -> None:
    with pytest.raises(ConnectError, match=r"(?i)certificate"):
        Experiment(auth=(USER, PASSWORD)).connect_experiment(proxy.endpoint)


def test_a_manager_below_a_prefix(
    installation: FakeInstallation,
    tmp_path: Path,
    home: Path,
    free_port: Callable[[], int],
) -> None:
    experiment = Experiment(nni=installation.prefix, url_prefix="team/a")
    config, port = write_config(tmp_path / "project", PLAIN_TRIAL), free_port()

    experiment.start_experiment(config, port)

    other = Experiment()
    other.connect_experiment(f"http://127.0.0.1:{port}/team/a")
    assert other.wait(timeout=60) == ExperimentStatus.DONE
    assert other.process is not None
    other.stop_experiment()
    assert_nothing_left(str(other.exp_id), port, home=home, nni=installation.prefix)
    experiment.disconnect()


def test_a_prefix_that_the_release_does_not_support_is_refused_before_any_spawn(
    tmp_path: Path,
) -> None:
    installation = FakeInstallation.create(tmp_path / "old", version="2.2")
    experiment = Experiment(nni=installation.prefix, url_prefix="a")

    with pytest.raises(
        InvalidValueError, match=r"url_prefix: NNI 2\.2 cannot serve below a prefix"
    ):
        experiment.start_experiment(write_config(tmp_path / "project", PLAIN_TRIAL))

    assert installation.starts() == 0


@pytest.mark.parametrize("version", ["v1.8", "1.9", "2.0.0"])
def test_a_manager_without_a_stop_request_must_be_stopped_on_its_machine(
    httpserver: HTTPServer, version: str
) -> None:
    """It is not on this machine: the server that listens here is not a manager."""
    api = "/api/v1/nni"
    profile = {
        "id": "aBcD",
        "logDir": "/far/away/aBcD",
        "params": {},
        "execDuration": 5,
        "nextSequenceId": 1,
        "revision": 1,
    }
    httpserver.expect_request(f"{api}/version").respond_with_data(version)
    httpserver.expect_request(f"{api}/experiment", method="GET").respond_with_json(profile)
    httpserver.expect_request(f"{api}/check-status").respond_with_json(
        {"status": "RUNNING", "errors": []}
    )
    experiment = Experiment()
    experiment.connect_experiment(httpserver.url_for(""))

    with pytest.raises(
        StopNotSupportedError, match=r"NNI before 2\.1 does not have a request for that"
    ):
        experiment.stop_experiment()

    assert experiment.exp_id == "aBcD"
    assert not [request for request, _ in httpserver.log if request.method != "GET"]
    experiment.disconnect()


def test_a_damaged_registry_does_not_prevent_connecting_to_a_manager(
    experiment: Experiment, tmp_path: Path, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    experiment.start_experiment(write_config(tmp_path / "project", LONG_TRIAL))
    registry = home / "nni-experiments" / ".experiment"
    content = registry.read_text()
    registry.write_text("{")
    other = Experiment()

    other.connect_experiment(str(experiment.endpoint))

    assert other.exp_id == experiment.exp_id
    assert "is damaged" in caplog.text
    other.disconnect()
    registry.write_text(content)
