"""The supply of trials, requested from a tuner that is watched meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from nnicli.testing.behaviour import Behaviour
from nnicli.testing.fake_node.journal import Journal
from nnicli.testing.fake_node.pool import TrialPool
from nnicli.testing.fake_node.tuner import Tuner

_TOO_SLOW = (
    "tuner_command_channel: Tuner did not connect in 10 seconds. Please check tuner (dispatcher) "
    "log."
)
_RECEIVED = "NNIManager received command from dispatcher"


class TrialSupply:
    """Requests trials from one tuner.

    Attributes:
        is_exhausted: Whether the tuner has reported that it has no more trials.
    """

    def __init__(
        self,
        tuner: Tuner,
        journal: Journal,
        pool: TrialPool,
        behaviour: Behaviour,
        *,
        log: Callable[[str], None],
    ) -> None:
        self.is_exhausted = False
        self._tuner = tuner
        self._journal = journal
        self._pool = pool
        self._behaviour = behaviour
        self._log = log
        self._requested = 0
        self._said_goodbye = False
        self._seen = time.monotonic()

    @property
    def source(self) -> Tuner | None:
        """What becomes readable when the tuner sends a message, None when it is gone."""
        return None if self._tuner.is_gone else self._tuner

    @property
    def is_connected(self) -> bool:
        """Whether the tuner has connected."""
        return self._tuner.is_connected

    def receive(self, params: Mapping[str, Any]) -> None:
        """Handle the tuner's messages."""
        for message in self._tuner.receive():
            kind = message.pop("type")
            if kind == "connected":
                self._tuner.is_connected = True
                self._send_space(params.get("searchSpace"), is_first=True)
            elif kind == "trial":
                self._requested -= 1
                origin = {"parameter_source": "algorithm", "parameter_index": 0}
                self._log(f"{_RECEIVED}: TR, {json.dumps({**message, **origin})}")
                self._pool.enqueue({**message, **origin})
                self.is_exhausted = False
            elif kind == "no_more":
                self._requested -= 1
                self._log(f"{_RECEIVED}: NO, {{}}")
                self.is_exhausted = True
            elif kind == "goodbye":
                self._said_goodbye = True

    def ask_again(self, number: int) -> None:
        """Ask an exhausted tuner for as many trials as have ended since."""
        if self.is_exhausted:
            for _ in range(number):
                self._requested += 1
                self._tuner.send({"type": "request"})

    def request(self, *, concurrency: int, trial_limit: float) -> None:
        """Request the trials that may run next."""
        if not self._tuner.is_connected or self.is_exhausted:
            return
        room = concurrency - self._pool.running - self._pool.queued
        left = trial_limit - len(self._journal.trials) - self._pool.fresh
        while self._requested < min(room, left):
            self._requested += 1
            self._tuner.send({"type": "request"})

    def replace_space(self, space: Any) -> None:
        """Send the tuner another search space."""
        self._send_space(space, is_first=False)

    def find_failure(self) -> str | None:
        """Return why no more trials will come, None if nothing seems wrong."""
        unseen_s = time.monotonic() - self._seen
        if not self._tuner.is_connected:
            is_late = unseen_s > self._behaviour.tuner_connect_limit_s
            return _TOO_SLOW if is_late else None
        if not self._tuner.is_gone:
            self._seen = time.monotonic()
            return None
        if self._said_goodbye or unseen_s <= self._behaviour.tuner_lost_limit_s:
            return None
        return "the connection to the tuner is lost; see dispatcher.log"

    def stop(self) -> None:
        """Stop the tuner."""
        self._tuner.stop()

    def _send_space(self, space: Any, *, is_first: bool) -> None:
        origins = (t.hyper_parameters["parameter_source"] for t in self._journal.trials.values())
        generated = sum(origin != "customized" for origin in origins)
        message = {"type": "space", "space": space, "is_first": is_first, "generated": generated}
        self._tuner.send(message)
