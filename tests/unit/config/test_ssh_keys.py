"""Private keys that a manager cannot read, or that others can."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from nnicli.config import Target, check_config


def _openssh(cipher: bytes, kind: bytes) -> str:
    """Return the unencrypted part of a key in OpenSSH's form; the rest is never read."""

    def text(value: bytes) -> bytes:
        return len(value).to_bytes(4, "big") + value

    kdf = b"none" if cipher == b"none" else b"bcrypt"
    body = b"openssh-key-v1\0" + text(cipher) + text(kdf) + text(b"") + b"\0\0\0\1"
    body += text(text(kind) + text(b"x" * 32))
    encoded = base64.encodebytes(body).decode()
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{encoded}-----END OPENSSH PRIVATE KEY-----\n"


PEM = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"
ENCRYPTED_PEM = PEM.replace("\nAAAA", "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES,0\n\nAAAA")
OPENSSH = _openssh(b"none", b"ssh-rsa")
ED25519 = _openssh(b"none", b"ssh-ed25519")
ENCRYPTED_OPENSSH = _openssh(b"aes256-ctr", b"ssh-rsa")
PKCS8 = PEM.replace("RSA ", "")
SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}}


def _check(
    directory: Path, content: str, version: str, *, mode: int = 0o600, passphrase: str = ""
) -> list[str]:
    (directory / "trial.py").touch()
    key = directory / "key"
    key.write_text(content)
    key.chmod(mode)
    machine = {"host": "10.0.0.1", "user": "me", "sshKeyFile": str(key)}
    service = {"platform": "remote", "reuseMode": False, "machineList": [machine]}
    if passphrase:
        machine["sshPassphrase"] = passphrase
    config = {
        "trialConcurrency": 1,
        "trialCommand": "python3 trial.py",
        "trialCodeDirectory": str(directory),
        "tuner": {"name": "Random"},
        "searchSpace": SPACE,
        "nniManagerIp": "10.0.0.9",
        "trainingService": service,
    }
    target = Target(directory / "python3")
    found = check_config(config, base_path=directory, nni_version=version, target=target)
    return [
        f"{one.severity}: {one.message}".replace(f"{directory}/", "")
        for one in found
        if one.rule != "default"
    ]


@pytest.mark.parametrize(
    ("content", "version"),
    [(PEM, "3.0"), (OPENSSH, "2.2"), (OPENSSH, "3.0"), (ED25519, "2.4"), (ED25519, "3.0")],
)
def test_a_key_that_the_release_can_read_is_accepted(
    tmp_path: Path, content: str, version: str
) -> None:
    """Tried with the ssh2 of each release on its own node.js (1.8 to 3.0)."""
    assert _check(tmp_path, content, version) == []


@pytest.mark.parametrize(
    ("content", "version", "expected"),
    [
        (
            "no key\n",
            "3.0",
            "error: key holds no private key; expected a private key for SSH as PEM",
        ),
        ("", "3.0", "error: key holds no private key; expected a private key for SSH as PEM"),
        ("ssh-rsa AAAA me\n", "3.0", "error: key holds a public key; expected a private key"),
        (PKCS8, "3.0", "error: key holds a key in the PKCS#8 form; expected a private key"),
        (ED25519, "2.3", "error: key holds an ed25519 key, which needs NNI 2.4; use an RSA key as"),
        (ENCRYPTED_PEM, "3.0", "error: key is encrypted; give its passphrase as sshPassphrase"),
        (ENCRYPTED_OPENSSH, "3.0", "error: key is encrypted; give its passphrase as sshPassphrase"),
    ],
)
def test_a_key_that_the_release_cannot_read_is_an_error(
    tmp_path: Path, content: str, version: str, expected: str
) -> None:
    (found,) = _check(tmp_path, content, version)

    assert found.startswith(expected)


def test_a_passphrase_opens_an_encrypted_key(tmp_path: Path) -> None:
    assert _check(tmp_path, ENCRYPTED_PEM, "3.0", passphrase="hush") == []


def test_a_key_that_others_can_read_is_reported(tmp_path: Path) -> None:
    assert _check(tmp_path, PEM, "3.0", mode=0o644) == [
        "warning: key is readable by other users of this machine; run `chmod 600 key`"
    ]


def test_the_suggested_command_works_for_any_path(tmp_path: Path) -> None:
    directory = tmp_path / "a; b"
    directory.mkdir()

    (found,) = _check(directory, PEM, "3.0", mode=0o644)

    # The helper removes the directory, but not its quotes.
    assert found.endswith("run `chmod 600 'key'`")


@pytest.mark.parametrize("content", [OPENSSH, ED25519])
def test_1_9_reads_only_pem(tmp_path: Path, content: str) -> None:
    """`Unsupported key format` of ssh2 0.6.2 otherwise."""
    (tmp_path / "trial.py").touch()
    (tmp_path / "space.json").write_text('{"x": {"_type": "choice", "_value": [1]}}')
    (tmp_path / "key").write_text(content)
    (tmp_path / "key").chmod(0o600)
    config = {
        "authorName": "me",
        "experimentName": "x",
        "trialConcurrency": 1,
        "trainingServicePlatform": "remote",
        "searchSpacePath": "space.json",
        "useAnnotation": False,
        "tuner": {"builtinTunerName": "Random"},
        "trial": {"command": "python3 trial.py", "codeDir": ".", "gpuNum": 0},
        "machineList": [{"ip": "10.0.0.1", "username": "me", "sshKeyPath": "key"}],
    }

    found = check_config(config, base_path=tmp_path, nni_version="1.9")

    assert [(one.severity, one.location) for one in found if one.rule == "key"] == [
        ("warning", "machineList[0].sshKeyPath")
    ]
