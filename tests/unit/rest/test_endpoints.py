from __future__ import annotations

import ast
import inspect
import re
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from nnicli import Experiment, ManagerClient, NniInstallation
from nnicli.config.formats.start_requests import StartRequests
from nnicli.errors import (
    ConnectError,
    ConnectionLostError,
    InvalidValueError,
    RequestTimeoutError,
    ResponseError,
    RestError,
    StatusError,
    UnsupportedVersionError,
)
from nnicli.launcher import StartPlan, start_manager
from nnicli.rest import DIALECTS, Connection, check_prefix, client, dialects, endpoints
from nnicli.rest.address import parse_endpoint
from nnicli.rest.endpoints import Endpoint, Retry
from nnicli.store import Run
from nnicli.versions import parse_version

ROWS = {name: row for name, row in vars(endpoints).items() if isinstance(row, Endpoint)}
UNSENT = (ConnectError,)
ANY = (ConnectError, ConnectionLostError, RequestTimeoutError)


def test_no_endpoint_is_listed_twice() -> None:
    assert len({(row.method, row.path) for row in ROWS.values()}) == len(ROWS) >= 28


@pytest.mark.parametrize(("name", "row"), ROWS.items(), ids=list(ROWS))
def test_which_requests_may_be_repeated(name: str, row: Endpoint) -> None:
    """A second POST starts a second loop; a second DELETE of a trial can undo its success."""
    rules: dict[str, tuple[type[RestError], ...]] = {
        "GET": ANY,
        "POST": (),
        "PUT": UNSENT,
        "DELETE": UNSENT,
    }
    expected = rules[row.method]
    if name in ("KILL_TRIAL", "SET_CLUSTER_METADATA", "STOP_EXPERIMENT"):
        expected = ()

    repeated = [cls for cls in ANY if row.retry.covers(cls("", method="", url=""))]

    assert tuple(repeated) == expected
    assert not row.retry.covers(StatusError("", method="", url="", status_code=500))


@pytest.mark.parametrize("name", ROWS)
def test_every_row_is_used_by_the_client(name: str) -> None:
    used = {
        node.attr
        for module in (client, dialects)
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Attribute)
    }

    assert name in used


NO_SEGMENTS = [
    "",
    ".",
    "..",
    "../../etc/passwd",
    "a/b",
    "/",
    "a\\b",
    "..\\a",
    "a?b",
    "a#b",
    "%2e",
    "%2e%2e",
    "%2E.",
    "..%2f",
    "%252e%252e",
    "a%00",
    "a\nb",
    "a\r\nX: y",
    "\x1b[31m",
    "\ud800",
    "\u202e",
    "\0",
    "a" * 256,
    "ä" * 128,
    "a" * 10_000_000,
    None,
    True,
    1.5,
    b"a",
    ["a"],
]


@pytest.mark.parametrize("argument", NO_SEGMENTS, ids=lambda value: repr(value)[:20])
def test_an_argument_that_is_not_one_part_of_a_path_is_refused(argument: object) -> None:
    with pytest.raises(InvalidValueError, match=r"trial_job_id: .* is not allowed") as caught:
        endpoints.GET_TRIAL.fill(trial_job_id=argument)

    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "argument", ["a b", "ä", "...", "..a", "a;b=c", "a:b", "a@b", "~", "a" * 255]
)
def test_an_argument_stays_one_part_of_the_path(argument: str) -> None:
    path = endpoints.GET_TRIAL.fill(trial_job_id=argument)

    assert path.startswith("/api/v1/nni/trial-jobs/")
    assert path.count("/") == 5
    assert not set("?# ") & set(path)


@pytest.mark.parametrize(
    "call",
    [
        lambda client, text: client.get_trial_job(text),
        lambda client, text: client.kill_trial_job(text),
        lambda client, text: client.trial_log(text),
        lambda client, text: client.get_trial_file(text, "experiment"),
        lambda client, text: client.get_trial_file("a", text),
        lambda client, text: client.get_job_metrics(text),
        lambda client, text: client.get_log_file(text),
        lambda client, text: client.list_metrics_in_range(text, 1),
        lambda client, text: client.get_tensorboard(text),
        lambda client, text: client.refresh_tensorboard(text),
        lambda client, text: client.stop_tensorboard(text),
    ],
)
@pytest.mark.parametrize("text", ["..", "../experiment", "a/b", "%2e%2e", "a?b", ""])
def test_nothing_is_sent_for_an_id_that_would_change_the_path(
    httpserver: HTTPServer, call: Callable[[ManagerClient, str], object], text: str
) -> None:
    """`kill_trial_job("..")` was DELETE /api/v1/nni, and `get_trial_file("..", x)` any GET."""
    with (
        ManagerClient(httpserver.url_for(""), dialect=DIALECTS.row_for("3.0")) as client,
        pytest.raises(InvalidValueError, match="is not allowed; allowed: up to 255 bytes of text"),
    ):
        call(client, text)

    assert httpserver.log == []


def test_paths_are_built_only_by_the_table() -> None:
    """A path that is built in another module would not be checked."""
    source = inspect.getsource(client)

    assert "/api/" not in source
    assert "quote(" not in source


def test_routes_that_scan_the_database_have_the_long_limit() -> None:
    scanning = {row.path.rsplit("/nni/")[-1] for row in ROWS.values() if row.scans}

    assert {"trial-jobs", "metric-data", "job-statistics", "export-data"} <= scanning
    assert not endpoints.GET_STATUS.scans


def test_only_the_stop_closes_its_connection() -> None:
    assert [name for name, row in ROWS.items() if row.closes] == ["STOP_EXPERIMENT"]


def test_retry_rules_differ() -> None:
    assert {row.retry for row in ROWS.values()} == set(Retry)


@pytest.mark.parametrize(
    ("endpoint", "url", "port"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", 8080),
        (" http://host:8080/ ", "http://host:8080", 8080),
        ("https://host/team/a/", "https://host/team/a", 443),
        ("http://host", "http://host", 80),
        ("http://[::1]:8080", "http://[::1]:8080", 8080),
        ("http://user:pass@host:1", "http://host:1", 1),
    ],
)
def test_endpoints_are_urls(endpoint: str, url: str, port: int) -> None:
    address = parse_endpoint(endpoint)

    assert (address.url, address.port) == (url, port)


def test_credentials_in_an_endpoint_are_kept_but_not_shown() -> None:
    address = parse_endpoint("http://us%40er:p%3Ass@host:1")

    assert address.credentials == ("us@er", "p:ss")
    assert "p:ss" not in repr(address)
    assert "p%3Ass" not in repr(address)


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "host:8080",
        "ftp://host",
        "http://",
        "http://:8080",
        "http://host:99999",
        "http://host:x",
    ],
)
def test_an_invalid_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(InvalidValueError, match="allowed: the manager's URL, such as"):
        parse_endpoint(endpoint)


@pytest.mark.parametrize(
    "endpoint", ["http://u:s3cr3t@host:x", "u:s3cr3t@host", "ftp://u:s3cr3t@h"]
)
def test_a_password_in_a_bad_endpoint_is_not_shown(endpoint: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        parse_endpoint(endpoint)

    assert "s3cr3t" not in str(caught.value) + repr(caught.value.value)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://user:2024/s3cr3t@host",
        "http://user:20/s3cr3t@host:80/x",
        "http://user:2024?s3cr3t@host",
        "http://user:2024#s3cr3t@host",
        "http://u:a//s3cr3t@host:x",
        "http://u:s3cr3t/@",
        "http://u:s3cr3t\n@host",
        "http://u:s3cr3t @host",
        "http://u:s3cr3t%0A@host",
        "http://u%3A:s3cr3t@host",
        "u://s3cr3t@host",
        b"http://u:s3cr3t@host",
        ["http://u:s3cr3t@host"],
    ],
)
def test_a_password_that_is_not_quoted_is_refused_and_not_shown(endpoint: Any) -> None:
    """The part up to the first slash would be a port, the rest a path that every error shows."""
    with pytest.raises(InvalidValueError) as caught:
        ManagerClient(endpoint)

    shown = "".join(traceback.format_exception(caught.value))
    assert "s3cr3t" not in shown.partition("InvalidValueError")[2] + repr(caught.value.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://h/..",
        "http://h/a/../b",
        "http://h/%2e%2e/a",
        "http://h/a//b",
        "http://h/%2fa",
        "http://h/a%00",
        "http://h/%252e",
        "http://h\\a",
        "http://h/a\\b",
        "http://ho st",
        "http://h/a b",
        "http://h\n/",
        "http://h/\x1b[1m",
        "http://h\u202e/",
        "http://\ud800/",
        None,
        5,
    ],
)
def test_an_address_that_leads_outside_is_refused(endpoint: Any) -> None:
    with pytest.raises(InvalidValueError, match="allowed: the manager's URL, such as") as caught:
        parse_endpoint(endpoint)

    assert str(caught.value).isprintable()


def test_a_proxy_s_path_is_accepted() -> None:
    assert (
        parse_endpoint("https://hub/user/a%40b/proxy/8080/").url
        == "https://hub/user/a%40b/proxy/8080"
    )


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        (None, ""),
        ("", ""),
        ("/", ""),
        ("a", "a"),
        ("/team/a/", "team/a"),
        ("A-1._~/...", "A-1._~/..."),
    ],
)
def test_url_prefixes(prefix: str | None, expected: str) -> None:
    assert check_prefix(prefix) == expected


@pytest.mark.parametrize(
    "prefix",
    [
        "a?b",
        "a#b",
        "..",
        "a/../b",
        ".",
        "a/./b",
        ":x(.*)",
        ":x",
        "a*",
        "(a)",
        "a+",
        "[a]",
        "%2e",
        "a%2e%2e",
        "a b",
        " a",
        "ä",
        "a//b",
        "a\\b",
        "a\nb",
        "a:b",
        "a@b",
        "a&b",
        "a\x1b",
        "a" * 300,
        5,
        b"a",
        ["a"],
    ],
)
def test_a_prefix_that_a_manager_reads_as_a_pattern_is_refused(prefix: Any) -> None:
    """express matches `:x(.*)` with every path; launcher and client share one rule."""
    with pytest.raises(InvalidValueError, match=r"url_prefix: .* allowed: a path of letters"):
        Experiment(url_prefix=prefix)
    plan = StartPlan("create", Run("", Path("/x"), url_prefix=prefix), StartRequests((), {}))
    with (
        pytest.raises(InvalidValueError, match=r"url_prefix: .* allowed: a path of letters"),
        start_manager(
            NniInstallation("3.0", Path(), Path(), Path()), plan, connection=Connection()
        ),
    ):
        pass


def test_dialects_are_in_order_and_have_the_same_fields() -> None:
    releases = [parse_version(row.since) for row in DIALECTS]

    assert releases == sorted(set(releases))
    assert len({frozenset(row.fields) for row in DIALECTS}) == 1


@pytest.mark.parametrize("version", ["2.2", "2.10.0", "3.0.0", "999.0.0-developing"])
def test_known_releases_speak_the_keys_of_2_2_and_later(version: str) -> None:
    """2.2 to 2.10.1 answer 200 to the older keys and ignore them (seen live)."""
    keys = {field: row.key for field, row in DIALECTS.row_for(version).fields.items()}

    assert keys == {
        "trial_concurrency": "trialConcurrency",
        "max_experiment_duration": "maxExperimentDuration",
        "max_trial_number": "maxTrialNumber",
        "search_space": "searchSpace",
    }


@pytest.mark.parametrize(
    ("version", "field", "value", "sent"),
    [
        ("v1.8", "max_experiment_duration", 7200, 7200),
        ("2.1.0", "max_experiment_duration", 7200, 7200),
        ("2.2.0", "max_experiment_duration", 7200, "7200s"),
        ("1.9", "search_space", {"x": 1}, '{"x": 1}'),
        ("2.5.0", "search_space", {"x": 1}, '{"x": 1}'),
        ("2.6.1", "search_space", {"x": 1}, {"x": 1}),
        ("1.9", "max_trial_number", 5, 5),
    ],
)
def test_values_are_sent_in_the_form_of_the_release_and_read_back(
    version: str, field: str, value: object, sent: object
) -> None:
    dialect = DIALECTS.row_for(version)

    encoded = dialect.fields[field].encode(value)

    assert encoded == sent
    assert dialect.read(field, {dialect.fields[field].key: encoded}) == value


@pytest.mark.parametrize(("version", "sent"), [("1.8", "0.5"), ("1.9", 0.5), ("3.0.0", 0.5)])
def test_imported_results_are_text_for_1_8(version: str, sent: object) -> None:
    """Its tuner decodes them once, and crashes over a number (seen live)."""
    assert DIALECTS.row_for(version).encode_result(0.5) == sent


def test_which_requests_each_release_has() -> None:
    can_be_stopped = {row.since for row in DIALECTS if row.has(endpoints.STOP_EXPERIMENT)}
    by_name = {row.since for row in DIALECTS if row.trial_file is endpoints.GET_TRIAL_FILE}

    assert can_be_stopped == {"2.1", "2.2", "2.3", "2.4", "2.6", "2.8"}
    assert by_name == {"2.4", "2.6", "2.8"}


def test_a_new_endpoint_begins_a_family() -> None:
    """A client looks up in its row which endpoints the manager's release has."""
    assert {row.since for row in ROWS.values()} <= {row.since for row in DIALECTS}


@pytest.mark.parametrize(
    ("older", "newer", "call"),
    [
        ("1.8", "1.9", lambda client: client.get_imported_data()),
        ("1.9", "2.0", lambda client: client.list_experiments()),
        ("2.0", "2.1", lambda client: client.stop_experiment()),
        ("2.1", "2.2", lambda client: client.list_tensorboards()),
        ("2.3", "2.4.1", lambda client: client.get_experiment_metadata()),
    ],
)
def test_a_call_that_the_release_does_not_have_is_refused_before_it_is_sent(
    httpserver: HTTPServer, older: str, newer: str, call: Callable[[ManagerClient], object]
) -> None:
    """A manager answers unknown paths with 200 and its web page."""
    httpserver.expect_request(re.compile(".*")).respond_with_data("[]")
    with (
        ManagerClient(httpserver.url_for(""), dialect=DIALECTS.row_for(older)) as client,
        pytest.raises(UnsupportedVersionError, match=rf"needs NNI {newer[:3]} or later, and the"),
    ):
        call(client)

    assert httpserver.log == []
    with (
        ManagerClient(httpserver.url_for(""), dialect=DIALECTS.row_for(newer)) as client,
        suppress(ResponseError),
    ):
        call(client)
    assert len(httpserver.log) == 1


def test_the_release_is_requested_only_where_it_matters(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/v1/nni/version").respond_with_data("2.1.0")
    httpserver.expect_request("/api/v1/nni/trial-jobs").respond_with_json([])
    with ManagerClient(httpserver.url_for("")) as client:
        client.list_trial_jobs()
        assert len(httpserver.log) == 1

        with pytest.raises(
            UnsupportedVersionError, match=r"GET .*/tensorboard-tasks needs NNI 2\.2"
        ):
            client.list_tensorboards()

    assert [request.path for request, _ in httpserver.log][1:] == ["/api/v1/nni/version"]


def test_an_older_release_is_refused() -> None:
    with pytest.raises(UnsupportedVersionError, match=r"NNI 1\.7 is not supported"):
        DIALECTS.row_for("1.7")
