"""Whether a release's manager can read a private key for SSH."""

from __future__ import annotations

import base64
import binascii
import re
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nnicli.config.paths import absolute_path
from nnicli.config.rules.context import RuleContext
from nnicli.config.secrets import Loc
from nnicli.regular_files import read_regular

KeyKind = Literal["pem", "openssh", "ed25519"]
"""Forms of private keys; releases differ in which they read."""

_MOST_BYTES = 1 << 16
_PEM = re.compile(r"-----BEGIN (RSA|DSA|EC) PRIVATE KEY-----")
_OPENSSH = "-----BEGIN OPENSSH PRIVATE KEY-----"
_OTHERS = (
    ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "an encrypted key in the PKCS#8 form"),
    ("-----BEGIN PRIVATE KEY-----", "a key in the PKCS#8 form"),
    ("ssh-", "a public key"),
    ("ecdsa-", "a public key"),
)
_IN_PEM = "as PEM; `ssh-keygen -p -m PEM -f FILE` converts a copy of an RSA key"
_MAGIC = b"openssh-key-v1\0"


@dataclass(frozen=True, slots=True)
class _Key:
    """What is known of a private key without its passphrase.

    Attributes:
        kind: Its form.
        is_encrypted: Whether it needs a passphrase.
    """

    kind: KeyKind
    is_encrypted: bool


def check_key(context: RuleContext, loc: Loc, text: str, *, passphrase: Any) -> None:
    """Check that a file holds a private key that the release's manager reads.

    The forms were tried with each release's own node.js and ssh2 (1.8 to 3.0). Without a target the
    start may be on another machine, so problems are only warnings.

    Args:
        context: The config.
        loc: Loc of the file's field.
        text: The path of an existing file.
        passphrase: The passphrase of the key, None if not given.
    """
    path = Path(absolute_path(text, context.base))
    try:
        content = read_regular(path, limit=_MOST_BYTES).decode("ascii", "replace")
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        _report(context, loc, f"{path} cannot be read: {getattr(error, 'strerror', error)}")
        return
    if content.startswith("PuTTY-User-Key-File"):
        return
    key = _read_key(content)
    if key is None:
        found = next(
            (name for start, name in _OTHERS if content.startswith(start)), "no private key"
        )
        _report(context, loc, f"{path} holds {found}; expected a private key for SSH {_IN_PEM}")
    elif key.kind not in context.release.key_kinds:
        _report(context, loc, _refuse_kind(path, key.kind))
    elif key.is_encrypted and passphrase is None:
        field = "passphrase" if loc[-1] == "sshKeyPath" else "sshPassphrase"
        message = f"{path} is encrypted; give its passphrase as {field}"
        _report(context, loc, message)
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        command = shlex.join(("chmod", "600", str(path)))
        message = f"{path} is readable by other users of this machine; run `{command}`"
        context.document.report(loc, message, rule="key", severity="warning")


def _report(context: RuleContext, loc: Loc, message: str) -> None:
    severity: Literal["error", "warning"] = "warning" if context.target is None else "error"
    context.document.report(loc, message, rule="key", severity=severity)


def _refuse_kind(path: Path, kind: KeyKind) -> str:
    if kind == "ed25519":
        return f"{path} holds an ed25519 key, which needs NNI 2.4; use an RSA key {_IN_PEM}"
    return f"{path} has OpenSSH's own form, which needs NNI 2.1; use the key {_IN_PEM}"


def _read_key(content: str) -> _Key | None:
    lines = content.strip().splitlines()
    if not lines:
        return None
    if _PEM.fullmatch(lines[0].strip()):
        is_encrypted = any(line.startswith("Proc-Type: 4,ENCRYPTED") for line in lines[1:3])
        return _Key("pem", is_encrypted)
    if lines[0].strip() != _OPENSSH:
        return None
    try:
        body = base64.b64decode("".join(lines[1:-1]), validate=True)
    except binascii.Error:
        return None
    if not body.startswith(_MAGIC):
        return None
    # The name of the cipher, that of the key derivation, then keys with their types.
    head = body[len(_MAGIC) : 512]
    is_encrypted = not head.startswith(b"\0\0\0\x04none")
    return _Key("ed25519" if b"ssh-ed25519" in head else "openssh", is_encrypted)
