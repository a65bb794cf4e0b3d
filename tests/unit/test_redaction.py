"""Secrets are removed from text, in any quotation."""

from __future__ import annotations

import base64
import json
import pickle

import pytest
import yaml

from nnicli.errors import (
    DecodingError,
    LaunchError,
    ManagerExitedError,
    ManagerStillAliveError,
    ProcessIdentity,
    StatusError,
    TunerCrashedError,
)
from nnicli.redaction import redact, redact_argv

SECRET = "hunter2"
MACHINE = {"ip": "10.0.0.7", "username": "me", "passwd": f"{SECRET} x", "port": 22}
CONFIG = {"trainingServicePlatform": "remote", "machineList": [MACHINE]}
ENCODED = base64.b64encode(json.dumps(CONFIG).encode()).decode()

# Input -> what may be shown.
TEXTS = {
    '{"passwd":"hunter2","port":22}': '{"passwd":"***","port":22}',
    r'{"v":"{\"passwd\":\"a\\\"hunter2\",\"u\":1}"}': r'{"v":"{\"passwd\":\"***\",\"u\":1}"}',
    "{'password': 'hunter2', 'port': 22}": "{'password': '***', 'port': 22}",
    '{"password":1234,"port":22}': '{"password":***,"port":22}',
    '{"passphrase": null, "port": 22}': '{"passphrase": ***, "port": 22}',
    '{"credentials":{"a":["hunter2"]},"port":22}': '{"credentials":***,"port":22}',
    "user: me\npasswd: hunter2 and\n  hunter2\nport: 22": "user: me\npasswd: ***\nport: 22",
    "- token: |\n    hunter2\n    hunter2\n  port: 22": "- token: ***\n  port: 22",
    "passwd: 'it''s hunter2'\nport: 22": "passwd: '***'\nport: 22",
    "{passwd: hunter2 hunter2, port: 22}": "{passwd: ***, port: 22}",
    "cannot log in (password=hunter2), trying again": "cannot log in (password=***), trying again",
    "python train.py --api-key hunter2 --lr 1": "python train.py --api-key *** --lr 1",
    "argv: ['--token', 'hunter2', '--lr']": "argv: ['--token', '***', '--lr']",
    "python3 -m nni --exp_params aHVudGVyMg== 2>&1": "python3 -m nni --exp_params *** 2>&1",
    '["-m","nni","--exp_params","aHVudGVyMg=="]': '["-m","nni","--exp_params","***"]',
    f"spawn {ENCODED} failed": "spawn *** failed",
    "GET http://me:hunter2@10.0.0.7/api": "GET http://***@10.0.0.7/api",
    "GET http://me:20/hunter2@10.0.0.7/api": "GET http://***@10.0.0.7/api",
    "Authorization: Basic hunter2 hunter2\nHost: x": "Authorization: ***\nHost: x",
    "curl said Bearer hunter2.x-y was refused": "curl said Bearer *** was refused",
    "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----\nok": "***\nok",
    "hunter2\n-----END OPENSSH PRIVATE KEY-----\nok": "***\nok",
    '{"key":"-----BEGIN PRIVATE KEY-----\\nhunter2': '{"key":"***',
    '{"storageAccountKey":"hunter2': '{"storageAccountKey":"***',
}
# Text that only looks like a secret, and explains a failure.
HARMLESS = (
    "KeyError: 'token'",
    "SyntaxError: Unexpected token < in JSON at position 0",
    "max_tokens: 512, tokenizer: bert, monkey: 3",
    "[INFO] setClusterMetadata, key: trial_config, value: {...}",
    "sshKeyFile: /home/me/.ssh/id_ed25519",
    "GET http://10.0.0.7:8080/api/v1/nni/check-status",
    "    at Tokenizer.token (main.js:10:5)",
)


@pytest.mark.parametrize("text", TEXTS)
def test_secrets_are_hidden_and_nothing_else(text: str) -> None:
    assert redact(text) == TEXTS[text]


@pytest.mark.parametrize("text", TEXTS)
def test_redacted_text_is_not_changed_again(text: str) -> None:
    """Messages quote messages."""
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_is_not_changed(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "write",
    [
        json.dumps,
        lambda value: json.dumps(value, indent=2),
        lambda value: json.dumps(json.dumps(value)),
        lambda value: json.dumps({"value": json.dumps({"value": json.dumps(value)})}),
        repr,
        lambda value: repr(json.dumps(value)),
        yaml.safe_dump,
        lambda value: yaml.safe_dump(value, default_flow_style=True),
        lambda value: f"--exp_params {base64.b64encode(json.dumps(value).encode()).decode()}",
    ],
)
def test_secrets_of_a_config_are_hidden_in_every_notation(write: object) -> None:
    text = write(CONFIG)  # type: ignore[operator]  # a function

    shown = redact(f"[2026-11-23 15:51:23] INFO (main) {text}\nnext line")

    assert SECRET not in shown
    assert "next line" in shown


def test_a_command_line_is_hidden_argument_by_argument() -> None:
    argv = ("python3", "-m", "nni", "--exp_params", ENCODED, "--password=hunter2", "--token", "x")

    assert redact_argv(argv) == (
        *("python3", "-m", "nni", "--exp_params", "***", "--password=***", "--token", "***"),
    )


@pytest.mark.parametrize(
    "text", ['"passwd":"', "//a:", "token ", "\\", "eyJ", "passwd: '", "--pwd "]
)
@pytest.mark.timeout(20)
def test_hostile_text_takes_linear_time(text: str) -> None:
    """The end of a log has at most 64 KB."""
    assert redact(text * (65_536 // len(text)))


@pytest.mark.slow
@pytest.mark.parametrize("text", ["//a:", f"{'//a:' * 600}@", "a:b@", "//me:hunter2@host/ "])
@pytest.mark.timeout(60)
def test_incomplete_urls_take_linear_time(text: str) -> None:
    """A log on a terminal may have any size; this one took a minute and a half."""
    shown = redact(text * (4_000_000 // len(text)))

    assert ("@" in text) == ("***@" in shown)
    assert "hunter2" not in shown


class TestErrors:
    """Every error hides secrets in what it quotes, wherever it is raised."""

    @pytest.mark.parametrize(
        "error",
        [
            LaunchError(
                f"failed: {CONFIG!r}", argv=["--exp_params", ENCODED], log_tail=str(CONFIG)
            ),
            ManagerExitedError(f"passwd: {SECRET}", returncode=1, log_tail=json.dumps(CONFIG)),
            TunerCrashedError("gone", errors=[json.dumps(CONFIG)], log_tail=f"token={SECRET}"),
            StatusError(
                f"HTTP 500: {json.dumps(CONFIG)}",
                method="PUT",
                url="http://127.0.0.1",
                status_code=500,
                server_message=json.dumps(CONFIG),
            ),
            DecodingError(f"found {json.dumps(CONFIG)!r}", body_start=json.dumps(CONFIG)),
            ManagerStillAliveError(
                "alive", identity=ProcessIdentity(1, 2.0, ("nni", "--exp_params", ENCODED))
            ),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_an_error_does_not_contain_a_secret(self, error: Exception) -> None:
        shown = f"{error}{error!r}{error.__dict__}{pickle.dumps(error)!r}"

        assert SECRET not in shown
        assert ENCODED not in shown


def test_a_process_does_not_reveal_its_command_line() -> None:
    """That of a tuner contains the whole config, including SSH passwords."""
    tuner = ProcessIdentity(4711, 2.0, ("/usr/bin/python3", "-m", "nni", "--exp_params", ENCODED))

    assert repr(tuner) == "ProcessIdentity(pid=4711, create_time=2.0)"
    assert str(tuner) == "pid 4711 (python3)"
    assert tuner.argv == ("/usr/bin/python3", "-m", "nni", "--exp_params", "***")
