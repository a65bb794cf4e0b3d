"""What nnicli must achieve with every manager, real or fake.

Each implementation is a subclass that says where its NNI is. A fake manager is trusted only while
it passes what the real one passes.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nnicli import (
    Experiment,
    ExperimentProfile,
    ExperimentStatus,
    InvalidValueError,
    LaunchError,
    ManagerClient,
    StateError,
    StatusError,
    TrialJobNotFoundError,
    TrialResult,
    TunerCrashedError,
    delete_experiments,
    list_experiments,
    load_experiment,
    open_experiment,
    reconcile_experiments,
    save_experiment,
)
from nnicli.launcher.ports import find_listener
from nnicli.reader import ExperimentReader
from tests.contract.scenes import (
    DEAF_TRIAL,
    HONEST_TRIAL,
    LIMIT_S,
    LONG_TRIAL,
    PLAIN_TRIAL,
    SPACE,
    TALKING_TRIAL,
    TALKS,
    Finished,
    at_home,
    deaf_pids,
    odd_trial,
    port_is_free,
    registry,
    running_trials,
    wait_for,
    what_trials_wrote,
    write_config,
)
from tests.support import is_alive, kill_manager, leftovers
from tools.managers import release_of

_SEED_TEXT = Path(__file__).parents[1] / "meta" / "seed-api.txt"
_START_AND_REPORT = """
import sys
from nnicli import Experiment
experiment = Experiment(nni=sys.argv[1])
experiment.start_experiment(sys.argv[2])
print(experiment.exp_id, experiment.port, flush=True)
sys.stdin.readline()
experiment.stop_experiment()
"""


class ManagerContract:
    """The contract; `nni` is the environment whose manager must fulfil it."""

    release = release_of("3.0")

    @pytest.fixture(scope="class")
    @classmethod
    def nni(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def finished(cls, nni: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
        """Run one experiment to its end, for all tests that only read."""
        home = tmp_path_factory.mktemp("home")
        at_once = 6 if cls.release.numbers_are_exact else 1
        changes = {"maxTrialNumber": 6, "trialConcurrency": at_once}
        takes_text = cls.release.takes_text
        script = odd_trial(takes_text=takes_text)
        config = write_config(home / "project", script, **changes)
        experiment = Experiment(nni=nni)
        with at_home(home):
            experiment.start_experiment(config)
            try:
                assert experiment.wait(timeout=LIMIT_S) == ExperimentStatus.DONE
                yield Finished(experiment, home, "text" if takes_text else 7)
            finally:
                experiment.stop_experiment()

    @pytest.fixture
    def experiment(self, nni: Path) -> Iterator[Experiment]:
        """An instance whose experiment is stopped after the test, whatever happens."""
        with Experiment(nni=nni) as experiment:
            yield experiment

    # Reading

    def test_status_at_the_end_is_done(self, finished: Finished, nni: Path) -> None:
        status = finished.experiment.get_experiment_status()

        assert status == {"status": "DONE", "errors": []}
        entry = registry(finished.home, nni)[str(finished.experiment.exp_id)]
        # In 1.x nnictl asks the manager, which does not write there.
        assert entry["status"] in ("DONE", "RUNNING")

    def test_profile_holds_the_config_that_was_sent(self, finished: Finished) -> None:
        profile = finished.experiment.get_experiment_profile()

        assert profile["id"] == finished.experiment.exp_id
        assert limits_of(finished.experiment)["search_space"] == SPACE
        assert limits_of(finished.experiment)["max_trial_number"] == 6

    def test_trials_are_listed_and_found_one_by_one(self, finished: Finished) -> None:
        trials = finished.experiment.list_trial_jobs()

        assert sorted(trial.status for trial in trials) == ["FAILED", *["SUCCEEDED"] * 5]
        # One final is NaN, which does not equal itself; its text does.
        one_by_one = [finished.experiment.get_trial_job(t.trialJobId) for t in trials]
        assert repr(one_by_one) == repr(trials)
        first = trials[0].hyperParameters[0]
        assert first.parameter_source == "algorithm"
        assert first.parameters.keys() == {"x"}

    def test_statistics_count_the_trials(self, finished: Finished) -> None:
        counts = {
            row["trialJobStatus"]: row["trialJobNumber"]
            for row in finished.experiment.get_job_statistics()
        }

        assert counts == {"SUCCEEDED": 5, "FAILED": 1}

    def test_every_kind_of_final_arrives_as_it_was_reported(self, finished: Finished) -> None:
        x = finished.trial(0).hyperParameters[0].parameters["x"]
        x_of_dict = finished.trial(1).hyperParameters[0].parameters["x"]

        finals = [finished.trial(number).finalMetricData[0].data for number in range(5)]

        assert finals[0] == x
        assert finals[1] == {"default": x_of_dict, "loss": 0.5}
        assert math.isnan(finals[2])
        assert finals[3] == -math.inf
        assert finals[4] == finished.fifth

    def test_metrics_come_in_the_order_reported(self, finished: Finished) -> None:
        trial_job_id = finished.trial(0).trialJobId

        metrics = finished.experiment.get_job_metrics(trial_job_id)

        assert metrics.keys() == {trial_job_id}
        rows = metrics[trial_job_id]
        assert [(row.type, row.sequence) for row in rows] == [
            ("PERIODICAL", 0),
            ("PERIODICAL", 1),
            ("FINAL", 0),
        ]
        assert [row.data for row in rows[:2]] == [0.25, {"default": 0.5, "loss": 2}]

    def test_failed_trial_has_metrics_but_no_result(self, finished: Finished) -> None:
        failed = finished.trial(5).trialJobId

        assert len(finished.experiment.get_job_metrics()[failed]) == 2
        exported = {result.trialJobId for result in finished.experiment.export_data()}
        assert exported == {finished.trial(number).trialJobId for number in range(5)}

    def test_export_repeats_parameters_and_finals(self, finished: Finished) -> None:
        trial = finished.trial(1)

        (result,) = [
            row for row in finished.experiment.export_data() if row.trialJobId == trial.trialJobId
        ]

        assert result.parameter == trial.hyperParameters[0].parameters
        assert result.value == trial.finalMetricData[0].data

    def test_best_trial_is_the_highest_finite_value(self, finished: Finished) -> None:
        values = {
            number: finished.trial(number).hyperParameters[0].parameters["x"] for number in (0, 1)
        }

        best = finished.experiment.best_trial(mode="maximize")

        expected = 4 if finished.fifth == 7 else max(values, key=lambda n: values[n])
        assert best.trialJobId == finished.trial(expected).trialJobId

    def test_unknown_trial_is_an_error(self, finished: Finished) -> None:
        """Managers answer 200 with an empty body."""
        with pytest.raises(TrialJobNotFoundError, match="nosuch"):
            finished.experiment.get_trial_job("nosuch")

    def test_the_end_of_a_failed_trial_can_be_read(self, finished: Finished) -> None:
        failed = finished.trial(5).trialJobId

        assert "no final" in finished.experiment.trial_log(failed, "stderr")
        assert "stderr" in finished.experiment.trial_log_kinds(failed)

    def test_second_instance_sees_the_same(self, finished: Finished) -> None:
        other = Experiment()

        other.connect_experiment(f"http://127.0.0.1:{finished.experiment.port}")

        assert other.exp_id == finished.experiment.exp_id
        assert repr(other.list_trial_jobs()) == repr(finished.experiment.list_trial_jobs())
        other.disconnect()
        assert finished.experiment.get_experiment_status()["status"] == "DONE"

    def test_the_experiment_is_listed_with_its_manager(self, finished: Finished) -> None:
        """Found by command line or open files: 1.x generates the id after it has started."""
        assert finished.experiment.process is not None
        with at_home(finished.home):
            (record,) = list_experiments(running_only=True)

        assert record.exp_id == finished.experiment.exp_id
        assert record.owner is not None
        assert record.owner.pid == finished.experiment.process.identity.pid
        assert record.port == finished.experiment.port
        assert record.version == self.release.version
        assert record.status == "DONE"
        assert record.started_at is not None
        profile = finished.experiment.get_experiment_profile()
        assert str(record.directory) == profile["logDir"]

    def test_the_files_answer_as_the_manager_does(self, finished: Finished) -> None:
        """Field by field, compared with the running manager."""
        profile = finished.experiment.get_experiment_profile()
        recorded = open_experiment(profile["logDir"])
        for read in (read_all, read_logs):
            # One final is NaN, which does not equal itself; its text does.
            assert repr(read(recorded)) == repr(read(finished.experiment))

        assert recorded.exp_id == finished.experiment.exp_id
        assert recorded.best_trial(mode="maximize") == finished.experiment.best_trial(
            mode="maximize"
        )
        with ManagerClient(str(finished.experiment.endpoint)) as manager:
            said = [as_exported(row) for row in manager.export_data()]
        assert said
        assert [as_exported(row) for row in recorded.export_data()] == said
        assert [as_exported(row) for row in finished.experiment.export_data()] == said
        for trial in finished.experiment.list_trial_jobs():
            assert recorded.get_trial_job(trial.trialJobId).raw == as_in_files(trial.raw)
            metrics = finished.experiment.get_job_metrics(trial.trialJobId)
            assert repr(recorded.get_job_metrics(trial.trialJobId)) == repr(metrics)
        # A manager stores its profile only every 10 s.
        changing = {"revision", "execDuration", "nextSequenceId", "endTime"}
        assert without(recorded.get_experiment_profile(), changing) == without(profile, changing)

    def test_the_logs_of_manager_and_tuner_are_there(self, finished: Finished) -> None:
        profile = finished.experiment.get_experiment_profile()
        recorded = open_experiment(profile["logDir"])

        # 1.x says "Start dispatcher", later ones "Dispatcher started".
        assert "dispatcher" in finished.experiment.dispatcher_log().lower()
        assert finished.experiment.dispatcher_log() == recorded.dispatcher_log()
        assert finished.experiment.manager_log(head=3) == recorded.manager_log(head=3)
        assert len(recorded.manager_log(head=3).splitlines()) == 3
        with at_home(finished.home):
            for kind in ("stdout", "stderr"):
                assert finished.experiment.manager_log(kind) == recorded.manager_log(kind)

    def test_a_trial_is_followed_to_its_end(self, experiment: Experiment, tmp_path: Path) -> None:
        config = write_config(tmp_path / "project", TALKING_TRIAL, maxTrialNumber=1)
        experiment.start_experiment(config)
        wait_for(experiment.list_trial_jobs, "there is a trial")
        (trial,) = experiment.list_trial_jobs()
        recorded = open_experiment(experiment.get_experiment_profile()["logDir"])

        live = list(experiment.follow_trial_log(trial.trialJobId, "stderr", timeout=LIMIT_S))
        at_rest = list(recorded.follow_trial_log(trial.trialJobId, "stderr", timeout=LIMIT_S))

        spoken = [f"word {number}" for number in range(TALKS)]
        assert [line for line in "".join(live).splitlines() if "word" in line] == spoken
        assert len(live) > 1
        assert "".join(at_rest) == "".join(live)

    # Steering

    def test_updates_right_after_the_start_are_applied(
        self, experiment: Experiment, tmp_path: Path
    ) -> None:
        """A search space sent before the tuner connects is lost; the library must wait."""
        experiment.start_experiment(write_config(tmp_path / "project", LONG_TRIAL))
        space = {"x": {"_type": "choice", "_value": [7]}}
        space_file = tmp_path / "space.json"
        space_file.write_text(json.dumps(space), "utf-8")

        experiment.update_concurrency(3)
        experiment.update_duration("2h")
        experiment.update_trailnum(9)
        experiment.update_searchspace(str(space_file))

        assert limits_of(experiment) == {
            "trial_concurrency": 3,
            "max_experiment_duration": 7200,
            "max_trial_number": 9,
            "search_space": space,
        }

    def test_trials_are_killed_and_submitted(self, experiment: Experiment, tmp_path: Path) -> None:
        config = write_config(
            tmp_path / "project", LONG_TRIAL, trialConcurrency=1, maxTrialNumber=5
        )
        experiment.start_experiment(config)
        with pytest.raises(
            InvalidValueError, match=r"rows\[0\].parameter: .* has x = 7; the search"
        ):
            experiment.import_data([{"parameter": {"x": 7}, "value": 1.0}])
        experiment.import_data([{"parameter": {"x": 0.5}, "value": 1.0}])
        wait_for(lambda: running_trials(experiment), "a trial runs")
        (victim,) = running_trials(experiment)

        for wrong, why in (({"nosuch": 1}, "lacks x"), ({"x": 55}, "has x = 55; the search space")):
            with pytest.raises(InvalidValueError, match=f"^parameters: .* {why}"):
                experiment.submit_trial(wrong)
        number = experiment.submit_trial({"x": 0.125})
        experiment.kill_trial_job(victim.trialJobId)

        wait_for(
            lambda: experiment.get_trial_job(victim.trialJobId).status == "USER_CANCELED",
            "the killed trial is cancelled",
        )
        # Trials that the tuner has already generated come first.
        experiment.update_concurrency(4)
        wait_for(
            lambda: any(trial.sequenceId == number for trial in running_trials(experiment)),
            "the submitted trial runs",
        )
        (mine,) = [t for t in experiment.list_trial_jobs() if t.sequenceId == number]
        assert mine.hyperParameters[0].parameters == {"x": 0.125}
        assert mine.hyperParameters[0].parameter_source == "customized"
        assert mine.hyperParameters[0].parameter_id is None
        profile = experiment.get_experiment_profile()
        recorded = open_experiment(profile["logDir"])
        wait_for(lambda: read_all(recorded) == read_all(experiment), "the files say the same")

    def test_trials_name_what_they_ran_with_over_two_resumes(
        self, experiment: Experiment, tmp_path: Path
    ) -> None:
        """3.0 assigns them from a queue, whose ids start again after each resume."""
        config = write_config(
            tmp_path / "project", HONEST_TRIAL, trialConcurrency=4, maxTrialNumber=4
        )
        experiment.start_experiment(config)
        exp_id = str(experiment.exp_id)
        wait_for(lambda: are_at_work(experiment, config, ended=3), "all but one have ended")
        ran_live = what_ran(experiment, config)
        experiment.stop_experiment()
        ran_stopped = what_ran(experiment, config)
        experiment.resume_experiment(exp_id)
        experiment.update_trailnum(8)
        wait_for(lambda: are_at_work(experiment, config, ended=6), "more have ended")
        ran_again = what_ran(experiment, config)
        experiment.stop_experiment()
        (config.parent / "code" / "stopped").touch()
        experiment.resume_experiment(exp_id)
        experiment.update_trailnum(12)

        assert experiment.wait(timeout=LIMIT_S) == ExperimentStatus.DONE

        ran_last = what_ran(experiment, config)
        for reported, wrote in (ran_live, ran_stopped, ran_again, ran_last):
            assert reported == {name: ({"x": x}, "KNOWN") for name, x in wrote.items()}
        assert what_ran(open_experiment(exp_id), config) == ran_last
        best = experiment.best_trial(mode="maximize")
        assert best.parameters == {"x": best.final_value}
        assert all(row.parameter == {"x": row.value} for row in experiment.export_data())
        # A trial that never asked failed before it wrote anything.
        never_asked = [
            trial.parameters_status
            for trial in experiment.list_trial_jobs()
            if trial.trialJobId not in ran_last[1]
        ]
        assert set(never_asked) == {"NOT_READ" if self.release.hands_from_queue else "KNOWN"}

    # Stopping

    def test_stopped_experiment_is_read_viewed_and_resumed(
        self, nni: Path, experiment: Experiment, tmp_path: Path, home: Path
    ) -> None:
        """An updated search space is kept, which 2.2 to 2.5 do not manage by themselves."""
        experiment.start_experiment(
            write_config(tmp_path / "project", PLAIN_TRIAL, maxTrialNumber=1)
        )
        experiment.update(search_space={"x": {"_type": "uniform", "_value": [7, 8]}})
        experiment.wait(timeout=LIMIT_S)
        exp_id = str(experiment.exp_id)
        before = read_all(experiment)

        experiment.stop_experiment()

        assert read_all(experiment) == before
        directory = home / "nni-experiments" / exp_id
        files = checksums(directory)
        assert read_all(open_experiment(exp_id)) == before
        assert checksums(directory) == files
        assert experiment.get_experiment_status() == {"status": "STOPPED", "errors": []}

        experiment.view_experiment(exp_id)

        assert experiment.wait(timeout=LIMIT_S) == ExperimentStatus.VIEWED
        with pytest.raises(StateError, match="only viewed"):
            experiment.update_concurrency(1)
        assert read_all(experiment) == before
        # Up to 2.1 its manager reports INITIALIZED, as does one that waits for its experiment.
        assert reconcile_experiments(repair=True) == []
        assert read_all(experiment) == before
        experiment.stop_experiment()
        # A manager in view mode leaves the end time at N/A; the library must write it.
        assert registry(home, nni)[exp_id]["endTime"] != "N/A"

        experiment.resume_experiment(exp_id)
        experiment.update_trailnum(2)

        assert experiment.wait(timeout=LIMIT_S) == ExperimentStatus.DONE
        trials = experiment.list_trial_jobs()
        assert [trial.status for trial in trials] == ["SUCCEEDED", "SUCCEEDED"]
        with pytest.raises(StateError, match=r"has used up its trials; call update_trailnum\("):
            experiment.submit_trial({"x": 7.5})
        assert 7 <= trials[1].hyperParameters[0].parameters["x"] <= 8
        assert read_all(open_experiment(exp_id)) == read_all(experiment)
        experiment.stop_experiment()
        assert registry(home, nni)[exp_id]["status"] == "STOPPED"

    def test_saved_experiment_is_loaded_viewed_and_resumed_at_another_home(
        self,
        experiment: Experiment,
        tmp_path: Path,
        home: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Nothing is left of the old home, and the experiments directory is another one."""
        experiment.start_experiment(
            write_config(home / "project", PLAIN_TRIAL, maxTrialNumber=1, trialConcurrency=1)
        )
        experiment.wait(timeout=LIMIT_S)
        exp_id = str(experiment.exp_id)
        experiment.stop_experiment()
        before = read_results(experiment)
        saved = save_experiment(
            exp_id, tmp_path / "saved.zip", include_code=True, include_trials=True
        )
        home.rename(tmp_path / "gone")
        new_home = tmp_path / "new-home"
        new_home.mkdir()
        monkeypatch.setenv("HOME", str(new_home))

        loaded = load_experiment(saved.path, experiments_directory=new_home / "experiments")

        experiment.disconnect()
        (record,) = list_experiments()
        assert (record.exp_id, record.directory) == (exp_id, loaded.directory)
        assert (record.status, record.is_registered) == ("STOPPED", True)
        assert_continues(experiment, loaded.directory, before=before, old_home=home)

    def test_stop_ends_trials_and_children_that_ignore_signals(
        self,
        nni: Path,
        experiment: Experiment,
        tmp_path: Path,
        home: Path,
        free_port: Callable[[], int],
    ) -> None:
        """NNI 3.0 signals only a trial's shell, so its children would keep running."""
        config, port = write_config(tmp_path / "project", DEAF_TRIAL), free_port()
        experiment.start_experiment(config, port)
        wait_for(lambda: len(deaf_pids(config)) == 2, "both trials have a deaf child")
        wait_for(lambda: tuner_pid(experiment), "the tuner runs")
        exp_id = str(experiment.exp_id)

        outcome = experiment.stop_experiment()

        assert outcome.how == "asked"
        assert deaf_pids(config) <= {survivor.pid for survivor in outcome.survivors}
        assert_nothing_left(exp_id, port, home=home, nni=nni, pids=deaf_pids(config))

    def test_stop_after_kill_9_ends_the_orphans_and_nothing_else(
        self,
        nni: Path,
        experiment: Experiment,
        tmp_path: Path,
        home: Path,
        free_port: Callable[[], int],
    ) -> None:
        config, port = write_config(tmp_path / "project", DEAF_TRIAL), free_port()
        with Experiment(nni=nni) as neighbour:
            neighbour.start_experiment(write_config(tmp_path / "neighbour", LONG_TRIAL))
            experiment.start_experiment(config, port)
            wait_for(lambda: len(deaf_pids(config)) == 2, "both trials have a deaf child")
            wait_for(lambda: tuner_pid(experiment), "the tuner runs")
            wait_for(lambda: len(running_trials(neighbour)) == 2, "the neighbour's trials run")
            exp_id = str(experiment.exp_id)
            neighbours = leftovers(str(neighbour.exp_id))
            kill_manager(experiment)

            outcome = experiment.stop_experiment()

            assert outcome.how == "already gone"
            # The tuner may have exited by itself, as its manager is gone.
            assert deaf_pids(config) <= {one.pid for one in outcome.survivors}
            assert_nothing_left(exp_id, port, home=home, nni=nni, pids=deaf_pids(config))
            assert leftovers(str(neighbour.exp_id)) == neighbours
            assert len(running_trials(neighbour)) == 2

    # Cleaning up

    def test_orphans_of_a_killed_manager_are_reported_and_ended(
        self, experiment: Experiment, tmp_path: Path, home: Path, nni: Path
    ) -> None:
        config = write_config(tmp_path / "project", DEAF_TRIAL)
        experiment.start_experiment(config)
        wait_for(lambda: len(deaf_pids(config)) == 2, "both trials have a deaf child")
        exp_id = str(experiment.exp_id)
        assert reconcile_experiments() == []
        kill_manager(experiment)

        orphans, stale = reconcile_experiments()

        assert (orphans.kind, stale.kind) == ("orphans", "stale")
        assert deaf_pids(config) <= {process.pid for process in orphans.processes}
        with pytest.raises(StateError, match="still has processes"):
            delete_experiments(exp_id)
        assert all(finding.repaired for finding in reconcile_experiments(repair=True))
        assert_nothing_left(exp_id, None, home=home, nni=nni, pids=deaf_pids(config))
        assert reconcile_experiments() == []

    def test_a_running_experiment_is_stopped_and_deleted_on_request(
        self, experiment: Experiment, tmp_path: Path, home: Path, nni: Path
    ) -> None:
        config = write_config(tmp_path / "project", DEAF_TRIAL)
        experiment.start_experiment(config)
        wait_for(lambda: len(deaf_pids(config)) == 2, "both trials have a deaf child")
        exp_id = str(experiment.exp_id)
        with pytest.raises(StateError, match=f"{exp_id} still has processes"):
            delete_experiments(exp_id)
        assert all(map(is_alive, deaf_pids(config)))

        delete_experiments(exp_id, stop_running=True)

        assert leftovers(exp_id) == []
        assert [pid for pid in deaf_pids(config) if is_alive(pid)] == []
        assert registry(home, nni) == {}
        left = [path for path in home.rglob("*") if path.is_file() and "lock" not in path.name]
        assert [path.name for path in left] == [".experiment"]

    # Failing

    def test_a_killed_tuner_is_reported(self, experiment: Experiment, tmp_path: Path) -> None:
        """Some managers then report ERROR, some RUNNING forever, and those of 2.10 die."""
        experiment.start_experiment(write_config(tmp_path / "project", LONG_TRIAL))
        wait_for(lambda: tuner_pid(experiment), "the tuner runs")
        wait_for(lambda: running_trials(experiment), "a trial runs")
        os.kill(int(tuner_pid(experiment) or 0), signal.SIGKILL)

        with pytest.raises(TunerCrashedError, match=str(experiment.exp_id)):
            experiment.wait(timeout=LIMIT_S)

        outcome = experiment.stop_experiment()
        assert leftovers(outcome.exp_id) == []

    def test_a_start_that_fails_at_the_last_step_leaves_nothing(
        self,
        nni: Path,
        experiment: Experiment,
        tmp_path: Path,
        home: Path,
        free_port: Callable[[], int],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Without an experiment, a manager of 2.2 or 2.3 ignores everything but SIGKILL."""
        pids: list[int] = []

        def refuse(client: ManagerClient, _document: object) -> str:
            listener = find_listener(client.port)
            pids.append(listener.pid if listener else 0)
            raise StatusError("no", method="POST", url=client.endpoint, status_code=500)

        monkeypatch.setattr(ManagerClient, "start_experiment", refuse)
        port = free_port()

        with pytest.raises(LaunchError, match="did not accept the experiment: no"):
            experiment.start_experiment(write_config(tmp_path / "project", LONG_TRIAL), port)

        assert not is_alive(pids[0])
        assert port_is_free(port)
        assert registry(home, nni) == {}
        left = [path for path in home.rglob("*") if path.is_file() and "lock" not in path.name]
        assert [path.name for path in left] == [".experiment"]

    @pytest.mark.parametrize("elsewhere", [False, True], ids=["home", "elsewhere"])
    def test_a_launcher_that_is_killed_before_the_post_leaves_nothing_after_reconcile(
        self,
        nni: Path,
        tmp_path: Path,
        home: Path,
        free_port: Callable[[], int],
        *,
        elsewhere: bool,
    ) -> None:
        """Its manager waits for an experiment, and would take one from anybody."""
        code = (
            "import os, sys; from nnicli import Experiment, ManagerClient\n"
            "ManagerClient.start_experiment = lambda *_: os.kill(os.getpid(), 9)\n"
            "experiment = Experiment(nni=sys.argv[1], experiments_directory=sys.argv[4])\n"
            "experiment.start_experiment(sys.argv[2], int(sys.argv[3]))"
        )
        parent = tmp_path / "other" if elsewhere else home / "nni-experiments"
        config, port = write_config(tmp_path / "project", LONG_TRIAL), free_port()
        killed = subprocess.run(
            [sys.executable, "-c", code, str(nni), str(config), str(port), str(parent)], check=False
        )
        manager = find_listener(port)

        (idle,) = reconcile_experiments()
        repaired = reconcile_experiments(repair=True)

        assert killed.returncode == -signal.SIGKILL
        assert (idle.kind, idle.processes) == ("idle", (manager,))
        assert {finding.kind for finding in repaired} == {"idle", "unstarted"}
        assert all(finding.repaired for finding in repaired)
        assert port_is_free(port)
        assert registry(home, nni) == {}
        left = [path for path in home.rglob("*") if path.is_file() and "lock" not in path.name]
        assert [path.name for path in left if path.name != ".experiment"] == []
        assert list(parent.glob("[!.]*")) == []
        assert reconcile_experiments(experiments_directories=[parent]) == []

    # Around

    def test_seed_example_runs_line_for_line_with_spaces_in_all_paths(
        self,
        nni: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        free_port: Callable[[], int],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        home, port = tmp_path / "a home", free_port()
        home.mkdir()
        project = "a project" if self.release.takes_spaces else "project"
        config = write_config(tmp_path / project, PLAIN_TRIAL)
        # A link has its own path, and so its own space.
        (tmp_path / "an nni").symlink_to(nni)
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("NNICLI_NNI", str(tmp_path / "an nni"))
        example = seed_example(config, port)

        names: dict[str, Experiment] = {}
        exec(example, names)

        exp_id = str(names["exp"].exp_id)
        names["exp"].resume_experiment(exp_id, port=port)
        assert names["exp"].wait(timeout=LIMIT_S) == ExperimentStatus.DONE
        assert len(names["exp"].export_data()) == 2
        names["exp"].stop_experiment()
        assert "'errors': []" in capsys.readouterr().out
        assert_nothing_left(exp_id, port, home=home, nni=nni)

    @pytest.mark.slow
    def test_ten_starts_at_once_get_ten_ports(self, nni: Path, tmp_path: Path, home: Path) -> None:
        configs = [
            write_config(tmp_path / f"project{number}", LONG_TRIAL, maxTrialNumber=1)
            for number in range(10)
        ]
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", _START_AND_REPORT, str(nni), str(config)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for config in configs
        ]
        try:
            lines = [process.stdout.readline().split() for process in processes if process.stdout]
            entries = registry(home, nni)
        finally:
            for process in processes:
                process.communicate("stop\n")

        assert [process.returncode for process in processes] == [0] * 10
        ports = {exp_id: int(port) for exp_id, port in lines}
        assert len(set(ports.values())) == 10
        assert {exp_id: int(entry["port"]) for exp_id, entry in entries.items()} == ports
        for exp_id in ports:
            # Another test may have its port by now.
            assert_nothing_left(exp_id, None, home=home, nni=nni)


def without(profile: ExperimentProfile, keys: set[str]) -> dict[str, object]:
    return {key: value for key, value in profile.items() if key not in keys}


def read_logs(experiment: ExperimentReader) -> list[str]:
    """Return the logs of every trial."""
    return [
        experiment.trial_log(trial.trialJobId, kind)
        for trial in experiment.list_trial_jobs()
        for kind in ("stderr", "trial")
    ]


def checksums(directory: Path) -> dict[Path, tuple[str, int]]:
    """Return the content and modification time of every file below a directory."""
    return {
        path: (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.lstat().st_mtime_ns,
        )
        for path in directory.rglob("*")
    }


def read_all(experiment: ExperimentReader) -> list[object]:
    """Return everything readable, in a form that does not depend on a manager."""
    return [
        experiment.list_trial_jobs(),
        experiment.get_job_metrics(),
        experiment.get_job_statistics(),
        experiment.export_data(),
        experiment.get_experiment_profile()["params"],
    ]


def are_at_work(experiment: Experiment, config: Path, *, ended: int) -> bool:
    """Return whether `ended` trials have ended, and the others have their hyper-parameters."""
    wrote = what_trials_wrote(config)
    trials = experiment.list_trial_jobs()
    finished = [trial for trial in trials if trial.is_finished]
    return len(finished) >= ended and all(
        trial.is_finished or (trial.status == "RUNNING" and trial.trialJobId in wrote)
        for trial in trials
    )


def what_ran(
    experiment: ExperimentReader, config: Path
) -> tuple[dict[str, tuple[dict[str, Any], str]], dict[str, float]]:
    """Return what nnicli reports about trials that asked, and what they wrote themselves."""
    wrote = what_trials_wrote(config)
    reported = {
        trial.trialJobId: (trial.parameters, trial.parameters_status)
        for trial in experiment.list_trial_jobs()
        if trial.trialJobId in wrote
    }
    return reported, wrote


def as_exported(result: TrialResult) -> list[str]:
    """Return a result as the manager sends it."""
    parameters, value = result.raw["parameter"], result.raw["value"]
    return [result.trialJobId, json.dumps(parameters, sort_keys=True), value]


def as_in_files(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a trial sent by a manager in the form of its files."""
    # 1.x calls it `id`.
    named = {("trialJobId" if key == "id" else key): value for key, value in raw.items()}
    return {**named, "hyperParameters": [json.loads(text) for text in raw["hyperParameters"]]}


def read_results(experiment: Experiment) -> list[object]:
    """Return the trials' results, which do not depend on where their files are."""
    return [
        [(trial.trialJobId, trial.hyperParameters) for trial in experiment.list_trial_jobs()],
        experiment.get_job_metrics(),
        experiment.get_job_statistics(),
        experiment.export_data(),
    ]


def assert_continues(
    experiment: Experiment, directory: Path, *, before: list[object], old_home: Path
) -> None:
    """Check that a moved experiment with one trial can be viewed and resumed."""
    experiment.view_experiment(directory.name)
    assert read_results(experiment) == before
    experiment.stop_experiment()
    experiment.resume_experiment(directory.name)
    experiment.update_trailnum(2)
    assert experiment.wait(timeout=LIMIT_S) == ExperimentStatus.DONE
    trials = experiment.list_trial_jobs()
    assert [trial.status for trial in trials] == ["SUCCEEDED", "SUCCEEDED"]
    assert all(str(directory) in str(trial.logPath) for trial in trials)
    experiment.stop_experiment()
    with closing(sqlite3.connect(directory / "db" / "nni.sqlite")) as connection:
        assert str(old_home) not in "\n".join(connection.iterdump())


def limits_of(experiment: Experiment) -> dict[str, object]:
    """Return the updatable limits, with nnicli's names and units."""
    dialect = experiment.client.dialect
    params: dict[str, Any] = dict(experiment.get_experiment_profile()["params"])
    return {name: dialect.read(name, params) for name in dialect.fields}


def tuner_pid(experiment: Experiment) -> int | None:
    assert experiment.process is not None
    tuner = experiment.process.tuner()
    return None if tuner is None else tuner.pid


def assert_nothing_left(
    exp_id: str, port: int | None, *, home: Path, nni: Path, pids: set[int] | None = None
) -> None:
    """Check that an experiment is gone: by environment, by pid, by port and in the registry.

    The port is one that no other test is given.
    """
    assert leftovers(exp_id) == []
    assert [pid for pid in pids or () if is_alive(pid)] == []
    assert port is None or port_is_free(port)
    entry = registry(home, nni)[exp_id]
    assert entry["status"] == "STOPPED"
    assert entry["endTime"] != "N/A"


def seed_example(config: Path, port: int) -> str:
    """Return NNI's published example, with another config and port."""
    text = _SEED_TEXT.read_text("utf-8")
    lines = text[text.index("from nnicli import") : text.index("References")]
    published = "'nni/examples/trials/mnist-pytorch/config.yml', port=9090"
    assert published in lines
    return lines.replace(published, f"{str(config)!r}, port={port}")
