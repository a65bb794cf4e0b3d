"""An Experiment is new, connected or stopped, and reports it correctly in any order of calls."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from nnicli import AlreadyConnectedError, Experiment, NotConnectedError, StateError
from nnicli.store import Registry
from nnicli.testing import FakeInstallation
from tests.support import leftovers

CONFIG = {
    "trialCommand": "sleep 600",
    "trialConcurrency": 1,
    "searchSpace": {"x": {"_type": "uniform", "_value": [0, 1]}},
    "tuner": {"name": "Random"},
    "trainingService": {"platform": "local"},
}


class ExperimentStates(RuleBasedStateMachine):
    """Drives one instance through its states; a call in the wrong state has to be an error."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self._patch = pytest.MonkeyPatch()
        self._patch.setenv("HOME", self._directory.name)
        nni = FakeInstallation.create(Path(self._directory.name) / "nni")
        self.experiment = Experiment(nni=nni.prefix)
        self.state = "new"
        self.is_view = False
        self.known: str | None = None

    def teardown(self) -> None:
        if self.state == "connected":
            self.experiment.stop_experiment()
        for exp_id in Registry().read():
            assert leftovers(exp_id) == []
        self._patch.undo()
        self._directory.cleanup()

    def _open(self, call: str, *arguments: object, is_view: bool = False) -> None:
        if self.state == "connected":
            with pytest.raises(AlreadyConnectedError):
                getattr(self.experiment, call)(*arguments)
            return
        getattr(self.experiment, call)(*arguments)
        self.state, self.is_view, self.known = "connected", is_view, self.experiment.exp_id

    @rule()
    def start(self) -> None:
        self._open("start_experiment", {**CONFIG, "trialCodeDirectory": self._directory.name})

    @precondition(lambda self: self.known is not None)
    @rule()
    def resume(self) -> None:
        self._open("resume_experiment", self.known)

    @precondition(lambda self: self.known is not None)
    @rule()
    def view(self) -> None:
        self._open("view_experiment", self.known, is_view=True)

    @precondition(lambda self: self.state == "connected")
    @rule()
    def reconnect(self) -> None:
        endpoint = str(self.experiment.endpoint)
        self.experiment.disconnect()
        assert self.experiment.exp_id is None
        self.experiment.connect_experiment(endpoint)

    @rule()
    def update(self) -> None:
        if self.state != "connected":
            error: type[StateError] = NotConnectedError
        elif self.is_view:
            error = StateError
        else:
            self.experiment.update_concurrency(2)
            return
        with pytest.raises(error):
            self.experiment.update_concurrency(2)

    @rule()
    def stop(self) -> None:
        if self.state != "connected":
            with pytest.raises(NotConnectedError):
                self.experiment.stop_experiment()
            return
        assert self.experiment.stop_experiment().exp_id == self.known
        self.state = "stopped"

    @invariant()
    def the_state_shows(self) -> None:
        connected = self.state == "connected"
        assert (self.experiment.endpoint is not None) == connected
        assert (self.experiment.port is not None) == connected
        assert (self.experiment.exp_id is None) == (self.state == "new")

    @invariant()
    def reads_work_unless_new(self) -> None:
        if self.state == "new":
            with pytest.raises(NotConnectedError):
                self.experiment.list_trial_jobs()
        else:
            assert self.experiment.get_experiment_profile()["id"] == self.known


def test_any_order_of_calls() -> None:
    run_state_machine_as_test(
        ExperimentStates,
        settings=settings(
            max_examples=6,
            stateful_step_count=8,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
