"""The tuner of the fake `nni`: `python3 -m nni --exp_params ...`, started by the fake manager."""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

# Relative, since this folder is called `nni` where it runs.
from .sampling import sample_space


class Dispatcher:
    """Answers the manager's requests for trials with random points."""

    def __init__(self, params: dict[str, Any], settings: dict[str, Any]) -> None:
        self._settings = settings
        reading, writing = os.environ["FAKE_NNI_CHANNEL"].split(",")
        self._input = os.fdopen(int(reading), encoding="utf-8")
        self._output = int(writing)
        self._log = Path(os.environ["NNI_LOG_DIRECTORY"]) / "dispatcher.log"
        tuner = params.get("tuner") or params.get("advisor") or {}
        self._is_batch = tuner.get("name") == "BatchTuner"
        self._random = Random((tuner.get("classArgs") or {}).get("seed"))  # noqa: S311 - draws no secrets
        self._space: dict[str, Any] | None = None
        self._generated = 0

    def run(self) -> int:
        """Serve until the manager says terminate, or is gone for a while."""
        time.sleep(self._settings["delay_s"])
        if self._settings["never_connects"]:
            time.sleep(self._settings["orphan_s"])
            return 1
        try:
            self._send({"type": "connected"})
        except BrokenPipeError:
            return 1
        for message in self._messages():
            if message["type"] == "terminate":
                self._write("Dispatcher exiting...")
                self._write("Dispatcher terminiated")
                return 0
            self._handle(message)
            if self._must_exit():
                return self._crash()
        # The manager is gone without a word. The real tuner notices some 20 s later.
        time.sleep(self._settings["orphan_s"])
        return 1

    def _messages(self) -> Iterator[dict[str, Any]]:
        for line in self._input:
            yield json.loads(line)

    def _handle(self, message: dict[str, Any]) -> None:
        if message["type"] == "space":
            self._space = message["space"]
            if message["is_first"]:
                self._generated = message["generated"]
                self._write("Dispatcher started")
        elif message["type"] == "request" and self._space is not None:
            # Without a search space 3.0 runs for ever and never makes a trial.
            self._generate(self._space)

    def _generate(self, space: dict[str, Any]) -> None:
        parameters = self._next_point(space)
        if parameters is None:
            self._send({"type": "no_more"})
            return
        self._send({"type": "trial", "parameter_id": self._generated, "parameters": parameters})
        self._generated += 1

    def _next_point(self, space: dict[str, Any]) -> dict[str, Any] | None:
        if not self._is_batch:
            return sample_space(space, self._random)
        (points,) = space.values()
        rows: list[dict[str, Any]] = points["_value"]
        return rows[self._generated] if self._generated < len(rows) else None

    def _must_exit(self) -> bool:
        exits = self._settings["exits"]
        return exits is not None and self._generated >= exits["trials"]

    def _crash(self) -> int:
        exits = self._settings["exits"]
        with self._log.open("a", encoding="utf-8") as file:
            file.write(exits["traceback"])
        if exits["says_goodbye"]:
            self._send({"type": "goodbye"})
        return int(exits["returncode"])

    def _send(self, message: dict[str, Any]) -> None:
        os.write(self._output, json.dumps(message).encode() + b"\n")

    def _write(self, text: str) -> None:
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        with self._log.open("a", encoding="utf-8") as file:
            file.write(f"[{now}] INFO (nni.runtime.msg_dispatcher_base/MainThread) {text}\n")


if __name__ == "__main__":
    told = json.loads(base64.b64decode(sys.argv[sys.argv.index("--exp_params") + 1]))
    sys.exit(Dispatcher(told, json.loads(os.environ["FAKE_NNI_TUNER"])).run())
