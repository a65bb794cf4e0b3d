from __future__ import annotations

import ast
import inspect

import pytest

from nnicli.errors import (
    ConnectError,
    ConnectionLostError,
    InvalidValueError,
    RequestTimeoutError,
    RestError,
    StatusError,
    UnsupportedVersionError,
)
from nnicli.rest import DIALECTS, client, dialect_for, dialects, endpoints
from nnicli.rest.address import parse_endpoint
from nnicli.rest.endpoints import Endpoint, Retry
from nnicli.versions import parse_version

ROWS = {name: row for name, row in vars(endpoints).items() if isinstance(row, Endpoint)}
UNSENT = (ConnectError,)
ANY = (ConnectError, ConnectionLostError, RequestTimeoutError)


def test_each_row_is_another_endpoint() -> None:
    assert len({(row.method, row.path) for row in ROWS.values()}) == len(ROWS) >= 28


@pytest.mark.parametrize(("name", "row"), ROWS.items(), ids=list(ROWS))
def test_what_may_be_repeated(name: str, row: Endpoint) -> None:
    """A second POST starts a second loop; a second DELETE of a trial can undo its success."""
    rules: dict[str, tuple[type[RestError], ...]] = {
        "GET": ANY,
        "POST": (),
        "PUT": UNSENT,
        "DELETE": UNSENT,
    }
    expected = rules[row.method]
    if name in ("KILL_TRIAL", "SET_CLUSTER_METADATA"):
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


@pytest.mark.parametrize("argument", ["../../etc/passwd", "a/b", "a?b", "a#b", "a b", "ä", "%2e"])
def test_no_argument_leaves_its_place(argument: str) -> None:
    path = endpoints.GET_TRIAL.fill(trial_job_id=argument)

    assert path.startswith("/api/v1/nni/trial-jobs/")
    assert path.count("/") == 5
    assert not set("?# ") & set(path)


def test_routes_that_scan_the_database_have_the_long_limit() -> None:
    scanning = {row.path.rsplit("/nni/")[-1] for row in ROWS.values() if row.scans}

    assert {"trial-jobs", "metric-data", "job-statistics", "export-data"} <= scanning
    assert not endpoints.GET_STATUS.scans


def test_only_the_stop_closes_its_connection() -> None:
    assert [name for name, row in ROWS.items() if row.closes] == ["STOP_EXPERIMENT"]


def test_retry_rules_are_told_apart() -> None:
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

    assert address.auth == ("us@er", "p:ss")
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
def test_what_is_no_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(InvalidValueError, match="allowed: the manager's URL, such as"):
        parse_endpoint(endpoint)


@pytest.mark.parametrize(
    "endpoint", ["http://u:s3cr3t@host:x", "u:s3cr3t@host", "ftp://u:s3cr3t@h"]
)
def test_a_password_in_a_bad_endpoint_is_not_shown(endpoint: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        parse_endpoint(endpoint)

    assert "s3cr3t" not in str(caught.value) + repr(caught.value.value)


def test_dialects_rise_strictly_and_cover_the_same_fields() -> None:
    releases = [parse_version(row.since) for row in DIALECTS]

    assert releases == sorted(set(releases))
    assert len({frozenset(row.fields) for row in DIALECTS}) == 1


@pytest.mark.parametrize("version", ["2.2", "2.10.0", "3.0.0", "999.0.0-developing"])
def test_known_releases_speak_the_keys_of_2_2_and_later(version: str) -> None:
    """2.2 to 2.10.1 answer 200 to the older keys and ignore them (seen live)."""
    keys = {field: row.key for field, row in dialect_for(version).fields.items()}

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
def test_values_are_sent_as_the_release_wants_them_and_read_back(
    version: str, field: str, value: object, sent: object
) -> None:
    dialect = dialect_for(version)

    encoded = dialect.fields[field].encode(value)

    assert encoded == sent
    assert dialect.decode(field, encoded) == value


@pytest.mark.parametrize(("version", "sent"), [("1.8", "0.5"), ("1.9", 0.5), ("3.0.0", 0.5)])
def test_imported_results_are_text_for_1_8(version: str, sent: object) -> None:
    """Its tuner decodes them once, and ends over a number (seen live)."""
    assert dialect_for(version).encode_result(0.5) == sent


def test_what_each_release_can_be_asked_for() -> None:
    can_be_stopped = {row.since for row in DIALECTS if row.can_be_stopped}
    by_name = {row.since for row in DIALECTS if row.trial_file is endpoints.GET_TRIAL_FILE}

    assert can_be_stopped == {"2.1", "2.2", "2.3", "2.4", "2.6", "2.8"}
    assert by_name == {"2.4", "2.6", "2.8"}


def test_an_older_release_is_refused() -> None:
    with pytest.raises(UnsupportedVersionError, match=r"NNI 1\.7 is not supported"):
        dialect_for("1.7")
