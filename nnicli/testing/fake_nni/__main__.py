"""The tuner of the fake `nni`: `python3 -m nni --exp_params ...`, started by the fake manager."""

from __future__ import annotations

import base64
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

# Relative, because this package is called `nni` where it runs.
from .sampling import sample_space

_FOREVER_S = 3600.0


class Dispatcher:
    """Answers the manager's requests for trials with random points."""

    def __init__(self, params: dict[str, Any], settings: dict[str, Any]) -> None:
        self._settings = settings
        reading, writing = os.environ["FAKE_NNI_CHANNEL"].split(",")
        self._input = os.fdopen(int(reading), encoding="utf-8")
        self._output = int(writing)
        self._log = Path(os.environ["NNI_LOG_DIRECTORY"]) / "dispatcher.log"
        tuner = params.get("tuner") or params.get("advisor") or {}
        self._list_points = _LISTS.get(str(tuner.get("name")))
        self._random = Random((tuner.get("classArgs") or {}).get("seed"))  # noqa: S311 - draws no secrets
        self._space: dict[str, Any] | None = None
        self._generated = 0

    def run(self) -> int:
        """Serve until the manager sends terminate, or has been gone for a while."""
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
        # The manager is gone without sending terminate. The real tuner notices about 20 s later.
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
            # Without a search space 3.0 runs forever and never creates a trial.
            self._generate(self._space)

    def _generate(self, space: dict[str, Any]) -> None:
        parameters = self._next_point(space)
        if parameters is None:
            self._send({"type": "no_more"})
            return
        self._send({"type": "trial", "parameter_id": self._generated, "parameters": parameters})
        self._generated += 1

    def _next_point(self, space: dict[str, Any]) -> dict[str, Any] | None:
        if self._list_points is None:
            return sample_space(space, self._random)
        rows = self._list_points(space)
        return rows[self._generated] if self._generated < len(rows) else None

    def _must_exit(self) -> bool:
        exits = self._settings["exits"]
        return exits is not None and self._generated >= exits["trials"]

    def _crash(self) -> int:
        exits = self._settings["exits"]
        text = exits["traceback"]
        # The real tuner also logs the traceback before its worker thread ends.
        self._write(f"the fake tuner fails\n{text.rstrip()}", level="ERROR")
        if exits["lives_on"]:
            time.sleep(_FOREVER_S)
        if exits["says_goodbye"]:
            self._send({"type": "goodbye"})
        return int(exits["returncode"])

    def _send(self, message: dict[str, Any]) -> None:
        os.write(self._output, json.dumps(message).encode() + b"\n")

    def _write(self, text: str, *, level: str = "INFO") -> None:
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        with self._log.open("a", encoding="utf-8") as file:
            file.write(f"[{now}] {level} (nni.runtime.msg_dispatcher_base/MainThread) {text}\n")


def _batch(space: dict[str, Any]) -> list[dict[str, Any]]:
    (points,) = space.values()
    rows: list[dict[str, Any]] = points["_value"]
    return rows


def _grid(space: dict[str, Any]) -> list[dict[str, Any]]:
    values = [part["_value"] for part in space.values()]
    return [dict(zip(space, row, strict=True)) for row in itertools.product(*values)]


# Tuners with a finite number of trials; the grid supports only choices.
_LISTS = {"BatchTuner": _batch, "GridSearch": _grid}


if __name__ == "__main__":
    exp_params = json.loads(base64.b64decode(sys.argv[sys.argv.index("--exp_params") + 1]))
    sys.exit(Dispatcher(exp_params, json.loads(os.environ["FAKE_NNI_TUNER"])).run())
