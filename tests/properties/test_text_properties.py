"""No text reveals a secret, of any form, in a config quoted in any way."""

from __future__ import annotations

import base64
import io
import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings, strategies as st

from nnicli.cli.consoles import SafeConsole
from nnicli.cli.problems import print_problem
from nnicli.config import check_config, load_config
from nnicli.errors import ConfigError, LaunchError, ProcessIdentity, StatusError
from nnicli.printable import presentable, printable, printable_line
from nnicli.redaction import redact
from nnicli.safe_logging import get_logger

KEYS = (
    "passwd",
    "password",
    "sshPassphrase",
    "token",
    "storageAccountKey",
    "apiKey",
    "client_secret",
)
# Each has a mark in it, so that any revealed part of it is found.
MARK = "hUnTeR2"
secrets = st.builds(
    lambda before, after: f"{before}{MARK}{after}",
    st.text(st.characters(min_codepoint=32, max_codepoint=0x17F), max_size=12),
    st.text(st.characters(min_codepoint=32, max_codepoint=0x17F), max_size=12),
)
FORMS: dict[str, Callable[[Any], str]] = {
    "json": json.dumps,
    "json of node": lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False),
    "json in lines": lambda value: json.dumps(value, indent=2),
    "json in json": lambda value: json.dumps({"value": json.dumps(value)}),
    "json in json in json": lambda value: json.dumps([json.dumps([json.dumps(value)])]),
    "repr": repr,
    "repr of json": lambda value: repr(json.dumps(value)),
    "yaml": lambda value: yaml.safe_dump(value, allow_unicode=True),
    "yaml in short lines": lambda value: yaml.safe_dump(value, width=10),
    "yaml in one line": lambda value: yaml.safe_dump(value, default_flow_style=True, width=9_999),
    "argv": lambda value: (
        f"python3 -m nni --exp_params {base64.b64encode(json.dumps(value).encode()).decode()}"
    ),
}


def config_with(key: str, secret: str) -> dict[str, Any]:
    return {
        "trainingServicePlatform": "remote",
        "machineList": [{"ip": "10.0.0.7", key: secret, "port": 22}],
        "trial": {"command": "python3 trial.py"},
    }


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=150, deadline=None)
@given(key=st.sampled_from(KEYS), secret=secrets, cut=st.integers(0, 400))
@example(key="passwd", secret=f'it\'s {MARK}, "x": {MARK}\\', cut=0)
@example(key="token", secret=f"': {MARK}", cut=0)
@example(key="passwd", secret=f"0,{MARK}", cut=0)
def test_a_quoted_config_does_not_reveal_a_secret(
    form: str, key: str, secret: str, cut: int
) -> None:
    text = f"[2026-11-23 15:51:23] INFO\n{FORMS[form](config_with(key, secret))}\nnext line"
    shown = redact(text)

    assert MARK not in shown
    assert redact(shown) == shown
    # Only the start of an answer is quoted.
    assert MARK not in redact(text[:cut])


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(key=st.sampled_from(KEYS), secret=secrets)
def test_errors_and_records_do_not_reveal_a_secret(
    key: str, secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    log = json.dumps(config_with(key, secret))
    identity = ProcessIdentity(1, 2.0, ("python3", FORMS["argv"](config_with(key, secret))))
    errors = (
        LaunchError(f"failed; the end of its log:\n{log}", argv=identity.argv, log_tail=log),
        StatusError(f"HTTP 500: {log}", method="GET", url="/", status_code=500, server_message=log),
    )
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "nnicli"):
        get_logger("nnicli.test").warning("%s of %s: %s", log, identity, errors[0])

    shown = [caplog.text, repr(caplog.records[0].args), repr(identity.argv)]
    shown += [f"{error} {error!r} {vars(error)}" for error in errors]
    assert [text for text in shown if MARK in text] == []


@given(text=st.text())
def test_printable_text_is_not_changed_again(text: str) -> None:
    for show in (printable, printable_line, presentable):
        assert show(show(text)) == show(text)
    assert "\n" not in printable_line(text)


CONFIGS: dict[str, dict[str, Any]] = {
    "v2": {
        "trialCommand": "python3 trial.py",
        "trialConcurrency": 2,
        "searchSpace": {"x": {"_type": "uniform", "_value": [0, 1]}},
        "tuner": {"name": "TPE", "classArgs": {"optimize_mode": "maximize"}},
        "sharedStorage": {
            "storageType": "AzureBlob",
            "localMountPoint": "/mnt",
            "remoteMountPoint": "/mnt",
            "storageAccountName": "me",
            "storageAccountKey": MARK,
            "containerName": "c",
        },
        "trainingService": [
            {
                "platform": "remote",
                "machineList": [
                    {"host": "h", "user": "u", "password": MARK},
                    {"host": "g", "user": "u", "sshKeyFile": "/none", "sshPassphrase": MARK},
                ],
            },
            {"platform": "openpai", "host": f"http://u:{MARK}@h", "username": "u", "token": MARK},
        ],
    },
    "v1": {
        "authorName": "me",
        "experimentName": "x",
        "trialConcurrency": 2,
        "trainingServicePlatform": "remote",
        "searchSpacePath": "space.json",
        "tuner": {"builtinTunerName": "TPE"},
        "trial": {"command": "python3 trial.py", "codeDir": "."},
        "machineList": [
            {"ip": "h", "username": "u", "passwd": MARK},
            {"ip": "h", "username": "u", "sshKeyPath": "/none", "passphrase": MARK},
        ],
        "paiConfig": {"userName": "u", "host": "h", "token": MARK, "passWord": MARK},
    },
}


@st.composite
def broken_texts(draw: st.DrawFn) -> str:
    """Return a config with secrets, in which one place is broken."""
    config = CONFIGS[draw(st.sampled_from(list(CONFIGS)))]
    write = draw(st.sampled_from([FORMS["yaml"], FORMS["json"], FORMS["json in lines"]]))
    text = write(config)
    # Secrets stay whole, so that they are found; so does the URL, so that it is one.
    kept = [match.span() for match in re.finditer(rf"(http://u:)?{MARK}(@h)?", text)]
    places = [at for at in range(len(text)) if not any(a - 3 <= at <= b for a, b in kept)]
    at = draw(st.sampled_from(places))
    inserted = draw(
        st.sampled_from(["", "\n", ":", "x", "#", "- ", "'", '"', "{", "]", "\t", "&a "])
    )
    end = at + draw(st.integers(0, 1))
    return f"{text[:at]}{inserted}{text[end:]}"


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=broken_texts())
def test_problems_of_a_config_do_not_reveal_a_secret(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("config") / "config.yml"
    path.write_text(text, encoding="utf-8")
    shown = io.StringIO()
    console = SafeConsole(file=shown, width=200)

    problems = check_config(path)
    for problem in problems:
        print_problem(console, problem)
    try:
        load_config(path)
    except ConfigError as error:
        shown.write(f"{error}{error!r}")

    revealing = [
        line for line in (*map(str, problems), *shown.getvalue().splitlines()) if MARK in line
    ]
    assert revealing == []
