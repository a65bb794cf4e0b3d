"""How experiments end: every set was run, or the right error explains why nothing more comes.

The sets that the tuner generated are counted in the manager's log, so that no trial can get lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nnicli import (
    Experiment,
    ExperimentStatus,
    NoMetricError,
    NoTrialSucceededError,
    TunerCrashedError,
)
from tests.contract.scenes import LIMIT_S, write_config
from tools.managers import release_of

# A 1.9 manager may miss metrics that a trial reports right before it ends.
_TRIAL = """
import time, nni
x = nni.get_next_parameter()["x"]
for step in range(3):
    nni.report_intermediate_result(0.25)
    time.sleep({pause})
{report}
time.sleep(1)
"""
REPORTS = _TRIAL.format(pause=0.1, report="nni.report_final_result(x)")
SLOW = _TRIAL.format(pause=5, report="nni.report_final_result(x)")
IS_SILENT = _TRIAL.format(pause=0, report="")

_TUNER = """
import logging
import nni
from nni.tuner import Tuner

class Mine(Tuner):
    def __init__(self, fails, sets=None):
        self.fails, self.sets, self.made = fails, sets, 0

    def _fail(self, name):
        if name == self.fails:
            raise ValueError("raised in " + name)

    def update_search_space(self, search_space):
        self._fail("update_search_space")

    def generate_parameters(self, parameter_id, **kwargs):
        self.made += 1
        self._fail("generate_parameters {}".format(self.made))
        if self.fails == "nothing":
            try:
                raise ValueError("that it survives")
            except ValueError as error:
                logging.getLogger("nni.tuner.mine").exception(error)
        if self.sets is not None and self.made > self.sets:
            raise nni.NoMoreTrialError("no more")
        return {"x": self.made}

    def receive_trial_result(self, parameter_id, parameters, value, **kwargs):
        self._fail("receive_trial_result")

    def trial_end(self, parameter_id, success, **kwargs):
        self._fail("trial_end")

    def import_data(self, data):
        self._fail("import_data")
"""
_ASSESSOR = """
from nni.assessor import Assessor, AssessResult

class Mine(Assessor):
    def __init__(self, does):
        if does == "__init__":
            raise ValueError("raised in __init__")
        self.does = does

    def assess_trial(self, trial_job_id, trial_history):
        if self.does == "assess_trial":
            raise ValueError("raised in assess_trial")
        if self.does == "odd answer":
            return "odd answer"
        return AssessResult.Bad if self.does == "stops all" else AssessResult.Good

    def trial_end(self, trial_job_id, success):
        if self.does == "trial_end":
            raise ValueError("raised in trial_end")
"""


def _grid(points: int) -> dict[str, Any]:
    space = {"x": {"_type": "choice", "_value": list(range(points))}}
    return {"tuner": {"name": "GridSearch"}, "searchSpace": space}


def _batch(points: int) -> dict[str, Any]:
    space = {"all": {"_type": "choice", "_value": [{"x": x} for x in range(points)]}}
    return {"tuner": {"name": "BatchTuner"}, "searchSpace": space}


def generated_sets(experiment: Experiment) -> int:
    """Return how many sets the tuner sent, according to the manager's log."""
    return experiment.manager_log().count("received command from dispatcher: TR,")


class _Endings:
    release = release_of("3.0")

    @pytest.fixture(scope="class")
    @classmethod
    def nni(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        raise NotImplementedError

    @pytest.fixture
    def experiment(self, nni: Path) -> Iterator[Experiment]:
        """An instance whose experiment is stopped after the test, whatever happens."""
        with Experiment(nni=nni) as experiment:
            yield experiment


class ShortEndings(_Endings):
    """Checked on every manager in every test run, the fake one included."""

    def test_a_grid_smaller_than_the_concurrency_runs_completely(
        self, experiment: Experiment, tmp_path: Path
    ) -> None:
        start(experiment, tmp_path, REPORTS, trialConcurrency=5, **_grid(3))

        assert_every_set_is_run(experiment, 3)

    def test_trials_that_report_nothing_are_an_error_unless_allowed(
        self, experiment: Experiment, tmp_path: Path
    ) -> None:
        start(experiment, tmp_path, IS_SILENT, maxTrialNumber=2)

        with pytest.raises(NoMetricError, match=r"2 trials succeeded.*no final metric at all"):
            experiment.wait(timeout=LIMIT_S)

        assert experiment.wait(timeout=LIMIT_S, allow_no_metric=True) == ExperimentStatus.DONE


class ListEndings(_Endings):
    """Also checked on the fake manager: tuners with a list of points."""

    @pytest.mark.parametrize(
        ("points", "concurrency", "changes"),
        [(5, 2, _grid(5)), (3, 5, _batch(3)), (5, 2, _batch(5))],
        ids=["grid-5-at-2", "batch-3-at-5", "batch-5-at-2"],
    )
    def test_every_set_of_a_list_is_run(
        self,
        experiment: Experiment,
        tmp_path: Path,
        points: int,
        concurrency: int,
        changes: dict[str, Any],
    ) -> None:
        start(experiment, tmp_path, REPORTS, trialConcurrency=concurrency, **changes)

        assert_every_set_is_run(experiment, points)

    def test_a_custom_set_is_run_before_the_end(
        self, experiment: Experiment, tmp_path: Path
    ) -> None:
        """The tuner of 2.10.1 fails on the metric of such a trial."""
        start(experiment, tmp_path, REPORTS, trialConcurrency=1, **_grid(1))
        experiment.submit_trial({"x": 0})

        if not self.release.takes_own_sets:
            with pytest.raises(TunerCrashedError, match="is_created_in_previous_exp"):
                experiment.wait(timeout=LIMIT_S)
            return
        assert experiment.wait(timeout=LIMIT_S) == ExperimentStatus.TUNER_NO_MORE_TRIAL
        sources = [t.hyperParameters[0].parameter_source for t in experiment.list_trial_jobs()]
        assert sorted(map(str, sources)) == ["algorithm", "customized"]

    def test_a_resumed_grid_runs_to_its_end(self, experiment: Experiment, tmp_path: Path) -> None:
        """Before 2.10 an unfinished trial then becomes FAILED; every release loses the queue."""
        start(experiment, tmp_path, REPORTS, trialConcurrency=1, **_grid(2))
        experiment.wait(timeout=LIMIT_S, until="TUNER_NO_MORE_TRIAL")
        exp_id = experiment.stop_experiment().exp_id
        experiment.resume_experiment(exp_id)

        assert experiment.wait(timeout=2 * LIMIT_S) == ExperimentStatus.TUNER_NO_MORE_TRIAL
        assert all(trial.is_finished for trial in experiment.list_trial_jobs())

    @pytest.mark.parametrize(
        ("report", "found"),
        [
            ("float('nan')", "NaN"),
            ("{'accuracy': 1}", 'a dict without "default"'),
            ("'good'", "str"),
        ],
        ids=["nan", "dict", "text"],
    )
    def test_finals_that_are_not_numbers_are_reported(
        self, experiment: Experiment, tmp_path: Path, report: str, found: str
    ) -> None:
        """Up to 2.6 a final that is not a number and lacks a numeric default ends the tuner."""
        script = _TRIAL.format(pause=0, report=f"nni.report_final_result({report})")
        start(experiment, tmp_path, script, maxTrialNumber=2)
        kills_tuner = not self.release.takes_text and found != "NaN"
        # Both trials may be over before that is noticed.
        expected = (TunerCrashedError, NoMetricError) if kills_tuner else NoMetricError

        with pytest.raises(expected) as caught:
            experiment.wait(timeout=LIMIT_S)

        message = str(caught.value)
        assert f"(found: {found})" in message or (
            kills_tuner and "Incorrect final result" in message
        )


class AlgorithmEndings(_Endings):
    """Only for a real NNI: its own tuners, and tuners and assessors that fail."""

    @pytest.fixture(autouse=True)
    def find_own_algorithms(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        if not self.release.finds_own_algorithms:
            monkeypatch.setenv("PYTHONPATH", str(tmp_path / "project" / "code"))

    @pytest.mark.parametrize(("population", "concurrency"), [(2, 4), (3, 2)])
    def test_pbt_continues_after_a_moment_without_trials(
        self, experiment: Experiment, tmp_path: Path, population: int, concurrency: int
    ) -> None:
        arguments = {
            "optimize_mode": "maximize",
            "population_size": population,
            "all_checkpoint_dir": str(tmp_path / "checkpoints"),
        }
        tuner = {"name": "PBTTuner", "classArgs": arguments}
        total = 2 * population + 1
        limits: dict[str, Any] = {"maxTrialNumber": total, "trialConcurrency": concurrency}
        start(experiment, tmp_path, REPORTS, tuner=tuner, **limits)

        assert experiment.wait(timeout=2 * LIMIT_S) == ExperimentStatus.DONE
        assert_all_succeeded(experiment, total)

    def test_evolution_runs_to_its_end(self, experiment: Experiment, tmp_path: Path) -> None:
        arguments = {"optimize_mode": "maximize", "population_size": 4}
        tuner = {"name": "Evolution", "classArgs": arguments}
        start(experiment, tmp_path, REPORTS, tuner=tuner, maxTrialNumber=3)

        assert experiment.wait(timeout=LIMIT_S) == ExperimentStatus.DONE
        assert_all_succeeded(experiment, 3)

    def test_a_custom_tuner_that_ends_runs_completely(
        self, experiment: Experiment, tmp_path: Path
    ) -> None:
        start(experiment, tmp_path, REPORTS, trialConcurrency=2, **mine("nothing", sets=3))

        assert_every_set_is_run(experiment, 3)
        assert "that it survives" in experiment.dispatcher_log()

    @pytest.mark.parametrize(
        "method",
        [
            "update_search_space",
            "generate_parameters 1",
            "generate_parameters 3",
            "receive_trial_result",
            "trial_end",
            "import_data",
        ],
    )
    def test_a_failing_tuner_is_reported_with_its_traceback(
        self, experiment: Experiment, tmp_path: Path, method: str
    ) -> None:
        start(experiment, tmp_path, REPORTS, maxTrialNumber=5, **mine(method))
        if method == "import_data":
            experiment.import_data([{"parameter": {"x": 0.5}, "value": 1.0}])

        with pytest.raises(TunerCrashedError, match="ValueError: raised in ") as caught:
            experiment.wait(timeout=LIMIT_S)

        assert f"raised in {method}" in caught.value.log_tail

    @pytest.mark.parametrize(
        ("does", "text"),
        [
            ("__init__", "ValueError: raised in __init__"),
            ("assess_trial", "ValueError: raised in assess_trial"),
            ("odd answer", "RuntimeError: Result of Assessor.assess_trial must be"),
            ("trial_end", "ValueError: raised in trial_end"),
        ],
    )
    def test_a_failing_assessor_is_reported_with_its_traceback(
        self, experiment: Experiment, tmp_path: Path, does: str, text: str
    ) -> None:
        start(experiment, tmp_path, REPORTS, maxTrialNumber=5, assessor=_assessor(does))

        with pytest.raises(TunerCrashedError) as caught:
            experiment.wait(timeout=LIMIT_S)

        assert text in caught.value.log_tail

    def test_a_tuner_that_was_too_slow_gets_another_start(
        self, experiment: Experiment, tmp_path: Path
    ) -> None:
        """2.8 to 3.0 give up after 10 s; its imports take less time in the next start."""
        slow = "import pathlib, time\nmark = pathlib.Path(__file__ + '.done')\n"
        slow += "if not mark.exists():\n    mark.touch()\n    time.sleep(15)\n"
        start(experiment, tmp_path, REPORTS, maxTrialNumber=1, before=slow, **mine("nothing"))

        assert experiment.wait(timeout=2 * LIMIT_S) == ExperimentStatus.DONE
        assert_all_succeeded(experiment, 1)

    def test_trials_that_an_assessor_stops_count_as_ended(
        self, experiment: Experiment, tmp_path: Path
    ) -> None:
        assessor = _assessor("stops all")
        start(experiment, tmp_path, SLOW, trialConcurrency=3, assessor=assessor, **_grid(2))

        with pytest.raises(NoTrialSucceededError, match="no trial succeeded"):
            experiment.wait(timeout=LIMIT_S)

        assert len(experiment.list_trial_jobs()) == generated_sets(experiment) == 2


def start(
    experiment: Experiment, directory: Path, script: str, *, before: str = "", **changes: Any
) -> None:
    """Start an experiment whose number of trials is unlimited by default.

    Args:
        experiment: The instance.
        directory: Where to create its project.
        script: The trials' script.
        before: Code at the top of the custom tuner's module.
        changes: Changes to the config.
    """
    config = write_config(directory / "project", script, **{"maxTrialNumber": None, **changes})
    code = config.parent / "code"
    (code / "my_tuner.py").write_text(before + _TUNER, "utf-8")
    (code / "my_assessor.py").write_text(_ASSESSOR, "utf-8")
    experiment.start_experiment(config)


def mine(fails: str, *, sets: int | None = None) -> dict[str, Any]:
    """Return the config of a custom tuner."""
    arguments = {"fails": fails, "sets": sets}
    return {
        "tuner": {
            "className": "my_tuner.Mine",
            "codeDirectory": "code",
            "classArgs": arguments,
        }
    }


def _assessor(does: str) -> dict[str, Any]:
    return {
        "className": "my_assessor.Mine",
        "codeDirectory": "code",
        "classArgs": {"does": does},
    }


def assert_every_set_is_run(experiment: Experiment, points: int) -> None:
    """Wait, then check that one trial succeeded for each set that the tuner generated."""
    assert experiment.wait(timeout=2 * LIMIT_S) == ExperimentStatus.TUNER_NO_MORE_TRIAL
    assert generated_sets(experiment) == points
    assert_all_succeeded(experiment, points)


def assert_all_succeeded(experiment: Experiment, number: int) -> None:
    """Check the number of trials, and that each succeeded."""
    statuses = [trial.status for trial in experiment.list_trial_jobs()]
    assert statuses == ["SUCCEEDED"] * number
