"""`reconcile` finds what a killed launcher leaves, and touches nothing else."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from nnicli import Experiment, ManagerProcess, StateError, list_experiments, reconcile_experiments
from nnicli.launcher import find_managers
from nnicli.launcher.managers import RunningManager
from nnicli.launcher.process import identify
from nnicli.store import LAYOUTS, Registry, claimed
from nnicli.testing import Behaviour, FakeInstallation
from nnicli.waiting import Deadline, poll_until
from tests.support import is_alive, leftovers

_CALL = """
import sys
from nnicli import Experiment
experiment = Experiment(nni=sys.argv[1], experiments_directory=sys.argv[3] or None)
experiment.{call}(sys.argv[2])
print(experiment.exp_id)
"""


@contextmanager
def _calling(
    installation: FakeInstallation, call: str, argument: object, parent: Path | str = ""
) -> Iterator[subprocess.Popen[str]]:
    """Run a process that calls a method of an Experiment."""
    command = [sys.executable, "-c", _CALL.format(call=call)]
    with subprocess.Popen(
        [*command, str(installation.prefix), str(argument), str(parent)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            child.kill()
            child.communicate()


def _wait_for(condition: Callable[[], object], what: str) -> None:
    found = poll_until(lambda: condition() or None, deadline=Deadline(30), interval_s=0.02)
    assert found, what


@pytest.fixture
def slow(installation: FakeInstallation) -> FakeInstallation:
    """Return an installation whose managers answer but take long to become ready."""
    installation.set_behaviour(Behaviour(ready_delay_s=3.0))
    return installation


def _kill_in_mid_start(
    slow: FakeInstallation, call: str, argument: object, parent: Path | str = ""
) -> int:
    """Kill a launcher between spawn and POST; return its manager's pid."""
    with _calling(slow, call, argument, parent) as child:
        _wait_for(slow.requests, "the manager is asked whether it is ready")
        child.send_signal(signal.SIGKILL)
    (manager,) = [one for one in find_managers() if one.is_ours]
    return manager.identity.pid


@pytest.mark.parametrize("is_elsewhere", [False, True], ids=["home", "elsewhere"])
def test_a_killed_start_leaves_nothing_after_reconcile(
    slow: FakeInstallation, config: Path, tmp_path: Path, home: Path, *, is_elsewhere: bool
) -> None:
    parent = tmp_path / "other" if is_elsewhere else home / "nni-experiments"
    pid = _kill_in_mid_start(slow, "start_experiment", config, parent)

    found = reconcile_experiments()
    assert [(finding.kind, finding.processes[0].pid) for finding in found] == [("idle", pid)]
    assert is_alive(pid)

    repaired = reconcile_experiments(repair=True)

    assert [finding.kind for finding in repaired] == ["idle", "unstarted"]
    assert all(finding.repaired for finding in repaired)
    assert not is_alive(pid)
    assert Registry().read() == {}
    assert [path.name for path in parent.iterdir() if path.is_dir()] == []
    assert reconcile_experiments(experiments_directories=[parent]) == []


def test_an_idle_manager_with_a_living_launcher_is_reported_and_left_alone(
    slow: FakeInstallation, config: Path
) -> None:
    """It may be one that nnictl, which claims nothing, is starting."""
    pid = _kill_in_mid_start(slow, "start_experiment", config)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunningManager, "find_launcher", lambda _: identify(os.getpid()))
        (finding,) = reconcile_experiments(repair=True)

    assert (finding.kind, finding.repairable, finding.repaired) == ("idle", False, False)
    assert f"(pid {os.getpid()}) is still running, so it is left alone" in finding.message
    assert f"`kill -9 {pid}`" in finding.message
    assert is_alive(pid)
    assert all(finding.repaired for finding in reconcile_experiments(repair=True))
    assert not is_alive(pid)


@pytest.mark.parametrize("call", ["resume_experiment", "view_experiment"])
def test_a_killed_resume_leaves_the_experiment_as_it_was(
    installation: FakeInstallation, config: Path, call: str
) -> None:
    with Experiment(nni=installation.prefix) as experiment:
        experiment.start_experiment(config)
    exp_id = str(experiment.exp_id)
    installation.set_behaviour(Behaviour(ready_delay_s=3.0))
    pid = _kill_in_mid_start(installation, call, exp_id)

    repaired = reconcile_experiments(repair=True)

    assert [(finding.kind, finding.repaired) for finding in repaired] == [
        ("idle", True),
        ("stale", True),
    ]
    assert not is_alive(pid)
    assert Registry().read()[exp_id]["status"] == "STOPPED"
    with Experiment(nni=installation.prefix) as again:
        again.resume_experiment(exp_id)
        assert again.exp_id == exp_id


def test_a_start_in_progress_is_left_alone(slow: FakeInstallation, config: Path) -> None:
    with _calling(slow, "start_experiment", config) as child:
        _wait_for(slow.requests, "the manager is asked whether it is ready")

        assert reconcile_experiments(repair=True) == []

        output, errors = child.communicate(timeout=60)
        assert (child.returncode, errors) == (0, "")
    _stop(output.strip())


def test_a_suspended_launcher_keeps_its_claim(slow: FakeInstallation, config: Path) -> None:
    with _calling(slow, "start_experiment", config) as child:
        _wait_for(slow.requests, "the manager is asked whether it is ready")
        child.send_signal(signal.SIGSTOP)
        _wait_for(lambda: psutil.Process(child.pid).status() == psutil.STATUS_STOPPED, "stopped")

        assert reconcile_experiments(repair=True) == []

        child.send_signal(signal.SIGCONT)
        output, _ = child.communicate(timeout=60)
        assert child.returncode == 0
    _stop(output.strip())


def _stop(exp_id: str) -> None:
    guest = Experiment()
    guest.connect_experiment(f"http://127.0.0.1:{Registry().read()[exp_id]['port']}")
    guest.stop_experiment()
    assert leftovers(exp_id) == []


def test_of_two_resumes_at_once_one_is_refused(
    installation: FakeInstallation, config: Path
) -> None:
    """Two managers would damage the database."""
    with Experiment(nni=installation.prefix) as experiment:
        experiment.start_experiment(config)
    exp_id = str(experiment.exp_id)
    installation.set_behaviour(Behaviour(ready_delay_s=1.0))

    with (
        _calling(installation, "resume_experiment", exp_id) as one,
        _calling(installation, "view_experiment", exp_id) as other,
    ):
        outcomes = [child.communicate(timeout=60) for child in (one, other)]

    assert sorted(child.returncode for child in (one, other)) == [0, 1]
    (refusal,) = [errors for _, errors in outcomes if errors]
    assert "StateError" in refusal
    assert installation.starts() == 1
    _stop(exp_id)


def test_of_two_resumes_in_threads_one_is_refused(
    installation: FakeInstallation, config: Path
) -> None:
    with Experiment(nni=installation.prefix) as experiment:
        experiment.start_experiment(config)
    exp_id = str(experiment.exp_id)
    installation.set_behaviour(Behaviour(ready_delay_s=0.5))
    outcomes: list[str] = []
    barrier = threading.Barrier(2)

    def resume() -> None:
        with Experiment(nni=installation.prefix) as again:
            barrier.wait(10)
            try:
                again.resume_experiment(exp_id)
                outcomes.append("resumed")
            except StateError:
                outcomes.append("refused")
            barrier.wait(60)

    threads = [threading.Thread(target=resume) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(outcomes) == ["refused", "resumed"]
    assert leftovers(exp_id) == []


def test_a_claim_also_holds_through_a_link_and_ends_with_its_process(tmp_path: Path) -> None:
    directory = tmp_path / "one"
    directory.mkdir()
    (tmp_path / "link").symlink_to(directory)

    with claimed(directory), pytest.raises(StateError, match="by another process or thread"):
        claimed(tmp_path / "link").__enter__()
    code = (
        "import os, sys; from pathlib import Path; from nnicli.store import claimed\n"
        "claimed(Path(sys.argv[1])).__enter__(); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(directory)], check=False)

    assert killed.returncode == -signal.SIGKILL
    with claimed(tmp_path / "link"):
        assert list(directory.iterdir()) == []


def test_if_a_directory_cannot_be_locked_a_file_in_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS locks only files that are open for writing."""
    import fcntl

    def refuse_directories(
        handle: int, operation: int, flock: Callable[..., None] = fcntl.flock
    ) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(9, "Bad file descriptor")
        flock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", refuse_directories)

    with claimed(tmp_path), pytest.raises(StateError, match="by another process or thread"):
        claimed(tmp_path).__enter__()
    (tmp_path / ".nnicli-claim").unlink()
    (tmp_path / ".nnicli-claim").symlink_to(tmp_path / "victim")
    with pytest.raises(StateError, match="cannot be locked"):
        claimed(tmp_path).__enter__()
    assert not (tmp_path / "victim").exists()


# Processes that only look like managers


def test_processes_that_only_look_like_managers_are_left_alone(
    installation: FakeInstallation, home: Path
) -> None:
    """An editor, a search, and a process with the whole command line of a manager."""
    entry = installation.nni_node / "main.js"
    lines = (
        ["vim", str(entry)],
        ["grep", "--port", "x", "main.js"],
        ["node", str(entry), "--port", "8080", "--experiment-id", "abcdefg1",
         "--experiments-directory", str(home / "nni-experiments"), "--action", "create"],
    )  # fmt: skip
    strangers = [
        subprocess.Popen(
            ["sh", "-c", "read line", *line[1:]], executable="/bin/sh", stdin=subprocess.PIPE
        )
        for line in lines
    ]
    try:
        assert [one for one in find_managers() if one.is_ours] == []
        assert reconcile_experiments(repair=True) == []
        assert [stranger.poll() for stranger in strangers] == [None] * 3
    finally:
        for stranger in strangers:
            stranger.communicate(b"\n")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_s_manager_is_never_ended(installation: FakeInstallation) -> None:
    """Root sees the processes of all users, and their HOME."""
    entry = installation.nni_node / "main.js"
    code = "import os, sys, time; os.setuid(65534); print('ready', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", code, str(entry), "--port", "18080"]
    with subprocess.Popen(command, cwd=entry.parent, stdout=subprocess.PIPE, text=True) as theirs:
        try:
            assert theirs.stdout is not None
            theirs.stdout.readline()
            (found,) = [one for one in find_managers() if one.identity.pid == theirs.pid]

            assert not found.is_ours
            assert reconcile_experiments(repair=True) == []
            assert theirs.poll() is None
        finally:
            theirs.kill()


def test_a_manager_with_another_home_is_left_alone(
    slow: FakeInstallation, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = _kill_in_mid_start(slow, "start_experiment", config)
    with monkeypatch.context() as patch:
        (tmp_path / "second").mkdir()
        patch.setenv("HOME", str(tmp_path / "second"))
        assert reconcile_experiments(repair=True) == []
        assert is_alive(pid)

    reconcile_experiments(repair=True)
    assert not is_alive(pid)


def test_a_lost_manager_is_ended(installation: FakeInstallation, config: Path, home: Path) -> None:
    """Its directory was deleted by hand, and its entry is gone too."""
    with Experiment(nni=installation.prefix) as experiment:
        experiment.start_experiment(config)
        exp_id = str(experiment.exp_id)
        (home / "nni-experiments" / exp_id).rename(home / "moved")
        Registry().remove(exp_id)

        (finding,) = reconcile_experiments(repair=True)

        assert (finding.kind, finding.record.exp_id, finding.repaired) == ("lost", exp_id, True)
        assert leftovers(exp_id) == []


def test_a_zombie_is_not_a_manager(installation: FakeInstallation, config: Path) -> None:
    """Its parent is alive and has not waited for it."""
    experiment = Experiment(nni=installation.prefix)
    experiment.start_experiment(config)
    exp_id = str(experiment.exp_id)
    assert experiment.process is not None
    pid = experiment.process.identity.pid
    with Registry().undisturbed(10):
        os.kill(pid, signal.SIGKILL)
    _wait_for(lambda: psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, "it is a zombie")

    assert [one for one in find_managers() if one.is_ours] == []
    repaired = reconcile_experiments(repair=True)

    assert {finding.kind for finding in repaired} <= {"orphans", "stale"}
    assert leftovers(exp_id) == []
    assert experiment.stop_experiment().how == "already gone"


@pytest.mark.skipif(
    not os.access("/proc/sys/kernel/ns_last_pid", os.W_OK), reason="pids cannot be chosen here"
)
def test_a_process_with_the_pid_of_a_dead_manager_is_left_alone() -> None:
    """Even if it starts within the same second."""
    for _ in range(50):
        first = subprocess.Popen(["sleep", "60"])
        identity = identify(first.pid)
        assert identity is not None
        # The next one is created in another hundredth of a second, the kernel's unit.
        time.sleep(0.02)
        first.kill()
        first.wait()
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(first.pid - 1))
        second = subprocess.Popen(["sleep", "61"])
        try:
            if second.pid == first.pid:
                ManagerProcess(identity).kill()
                with pytest.raises(subprocess.TimeoutExpired):
                    second.wait(0.5)
                return
        finally:
            second.kill()
            second.wait()
    pytest.skip("another process was quicker each time")


def test_children_of_trials_in_their_own_sessions_are_ended(
    installation: FakeInstallation, config: Path
) -> None:
    text = config.read_text()
    config.write_text(text.replace("sleep 600", "setsid sleep 613 & setsid nohup sleep 614"))
    with Experiment(nni=installation.prefix) as experiment:
        experiment.start_experiment(config)
        exp_id = str(experiment.exp_id)
        sleepers = ("613", "614")
        _wait_for(
            lambda: {one.argv[-1] for one in leftovers(exp_id)} >= set(sleepers), "both sleep"
        )

    assert leftovers(exp_id) == []


# Files of killed starts


def test_directories_of_killed_starts_are_found_and_others_kept(home: Path) -> None:
    parent = home / "nni-experiments"
    for name in ("a1b2c3d4/log", "e5f6g7h8", "computer", "i9j0k1l2/log", "m3n4o5p6/log"):
        (parent / name).mkdir(parents=True)
    (parent / "a1b2c3d4" / "log" / "nnictl_stdout.log").touch()
    (parent / "i9j0k1l2" / "notes.txt").touch()
    (parent / "m3n4o5p6" / "log" / "dispatcher.log").touch()

    found = reconcile_experiments()
    assert [finding.record.exp_id for finding in found] == ["a1b2c3d4", "e5f6g7h8"]
    assert all(finding.paths[0].is_dir() for finding in found)

    reconcile_experiments(repair=True)

    assert sorted(path.name for path in parent.iterdir() if path.is_dir()) == [
        "computer",
        "i9j0k1l2",
        "m3n4o5p6",
    ]


def test_launcher_directories_of_1_x_are_found(home: Path) -> None:
    parent = home / ".local" / "nnictl"
    for name in ("aBcDeFg1", "hIjKlMn2", "notes"):
        (parent / name).mkdir(parents=True)
        (parent / name / "stdout").touch()
    (parent / "hIjKlMn2" / ".config").touch()

    (finding,) = reconcile_experiments(repair=True)

    assert (finding.kind, finding.repaired) == ("unstarted", True)
    assert sorted(path.name for path in parent.iterdir() if path.is_dir()) == ["hIjKlMn2", "notes"]
    assert LAYOUTS[0].registry().read() == {}


def test_locks_and_temporary_files_of_a_killed_nnicli_are_found() -> None:
    path = Registry().path
    path.parent.mkdir()
    Registry().ensure("x", {"status": "STOPPED"})
    Registry().remove("x")
    lock = path.with_name(f"{path.name}.lock.4711")
    lock.write_text("nnicli\n")
    os.utime(lock, (time.time() - 60, time.time() - 60))
    (path.parent / ".nnicli.tmp").touch()
    foreign = path.with_name(f"{path.name}.lock.4712")
    foreign.touch()
    os.utime(foreign, (time.time() - 60, time.time() - 60))

    found = reconcile_experiments(repair=True)

    assert [(finding.kind, finding.repaired) for finding in found] == [("leftover", True)] * 2
    assert sorted(path.name for path in path.parent.iterdir()) == [
        ".experiment",
        ".experiment.lock.4712",
        ".nnicli.lock",
    ]


def test_one_failing_repair_does_not_prevent_the_others(
    installation: FakeInstallation,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(2):
        with Experiment(nni=installation.prefix) as experiment:
            experiment.start_experiment(config)
        Registry().update(str(experiment.exp_id), status="RUNNING")
    odd = str(experiment.exp_id)
    update = Registry.update

    def refuse(registry: Registry, exp_id: str, **fields: object) -> None:
        if exp_id == odd:
            raise PermissionError(13, "Permission denied")
        update(registry, exp_id, **fields)

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "update", refuse)
        found = reconcile_experiments(repair=True)

    outcome = {finding.record.exp_id: finding for finding in found}
    assert len(outcome) == 2
    assert (outcome[odd].repaired, outcome[odd].error) == (False, "[Errno 13] Permission denied")
    assert [one.repaired for exp_id, one in outcome.items() if exp_id != odd] == [True]


def test_a_renamed_directory_is_not_registered_and_its_id_is_kept(
    installation: FakeInstallation, config: Path, home: Path
) -> None:
    with Experiment(nni=installation.prefix) as experiment:
        experiment.start_experiment(config)
    exp_id = str(experiment.exp_id)
    directory = home / "nni-experiments" / exp_id
    directory.rename(directory.with_name("renamed"))

    found = reconcile_experiments(repair=True)

    assert {finding.kind: finding.repaired for finding in found} == {
        "ghost": False,
        "stray": False,
    }
    for finding in found:
        assert f"mv {directory.with_name('renamed')} {directory}" in finding.message
    assert list(Registry().read()) == [exp_id]
    directory.with_name("renamed").rename(directory)
    assert reconcile_experiments() == []
    assert [record.exp_id for record in list_experiments()] == [exp_id]
