"""The manager's end of the tuner: its process and the channel to it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nnicli.testing.behaviour import Behaviour

CHANNEL_VARIABLE = "FAKE_NNI_CHANNEL"
SETTINGS_VARIABLE = "FAKE_NNI_TUNER"
_EXIT_LIMIT_S = 30.0


class Tuner:
    """The tuner's process, which exchanges lines of JSON over two pipes.

    Real managers use such pipes up to 2.7 and a WebSocket since 2.8; lifetime and process tree of
    the tuner are the same.
    """

    def __init__(
        self, params: Mapping[str, Any], *, interpreter: str, environment: Mapping[str, str]
    ) -> None:
        exp_params = {name: value for name, value in params.items() if name != "searchSpace"}
        encoded = base64.b64encode(json.dumps(exp_params).encode()).decode()
        its_input, self._output = os.pipe()
        self._input, its_output = os.pipe()
        try:
            self._process = subprocess.Popen(
                # Unquoted, as in the real manager: an interpreter with a space in its path fails.
                ["/bin/sh", "-c", f"{interpreter} -m nni --exp_params {encoded}"],
                env={
                    **os.environ,
                    **environment,
                    "SDK_PROCESS": "dispatcher",
                    "CUDA_VISIBLE_DEVICES": "",
                    CHANNEL_VARIABLE: f"{its_input},{its_output}",
                },
                stdin=subprocess.DEVNULL,
                pass_fds=(its_input, its_output),
            )
        finally:
            os.close(its_input)
            os.close(its_output)
        self._unread = b""
        self.is_connected = False
        self.is_gone = False

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when the tuner sends a message or exits."""
        return self._input

    def receive(self) -> list[dict[str, Any]]:
        """Return the new messages; set `is_gone` if the tuner has closed its end."""
        data = os.read(self._input, 65_536)
        self.is_gone = not data
        *lines, self._unread = (self._unread + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; it is lost if the tuner is gone."""
        try:
            os.write(self._output, json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            self.is_gone = True

    def stop(self) -> None:
        """Ask it to exit, and kill its shell if it has not after 30 s, as NNI does.

        A tuner that is not connected yet is left behind, as in 3.0.
        """
        if not self.is_connected:
            return
        self.send({"type": "terminate"})
        try:
            self._process.wait(_EXIT_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def tuner_environment(root: Path, action: str, behaviour: Behaviour) -> dict[str, str]:
    """Return the environment variables of an experiment's tuner."""
    settings = {
        "delay_s": behaviour.tuner_delay_s,
        "never_connects": behaviour.tuner_never_connects,
        "orphan_s": behaviour.orphan_tuner_s,
        "exits": asdict(behaviour.tuner_exits) if behaviour.tuner_exits else None,
    }
    return {
        "NNI_MODE": "start" if action == "create" else "resume",
        "NNI_CHECKPOINT_DIRECTORY": str(root / "checkpoint"),
        "NNI_LOG_DIRECTORY": str(root / "log"),
        "NNI_LOG_LEVEL": "info",
        "NNI_INCLUDE_INTERMEDIATE_RESULTS": "false",
        SETTINGS_VARIABLE: json.dumps(settings),
    }
