"""Signals, forks and threads: an experiment is stopped once, by the process that started it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nnicli import (
    AlreadyConnectedError,
    ConnectError,
    Experiment,
    ExperimentFailedError,
    ManagerProcess,
    NotConnectedError,
    Timeouts,
)
from nnicli.store import Registry
from nnicli.testing import Behaviour, FakeInstallation
from nnicli.waiting import Deadline, poll_until
from tests.support import leftovers

_SCRIPT = """
import signal, sys, threading, time
from nnicli import Experiment
{before}
with Experiment(nni=sys.argv[1]{options}) as experiment:
    experiment.start_experiment(sys.argv[2])
    print(experiment.exp_id, flush=True)
    {inside}
print("went on", flush=True)
"""


@contextmanager
def _script(
    installation: FakeInstallation,
    config: Path,
    *,
    inside: str = "time.sleep(60)",
    before: str = "",
    options: str = "",
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a script that starts an experiment; yield it with the experiment's id."""
    code = _SCRIPT.format(before=before, inside=inside, options=options)
    command = [sys.executable, "-c", code, str(installation.prefix), str(config)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        exp_id = child.stdout.readline().strip()
        try:
            assert exp_id
            yield child, exp_id
        finally:
            child.kill()
            child.communicate()


def _wait_for_delete(installation: FakeInstallation) -> None:
    """Wait until a manager is asked to stop."""
    assert poll_until(
        lambda: any(line.startswith("DELETE") for line in installation.requests()) or None,
        deadline=Deadline(30),
        interval_s=0.02,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_with_stops_the_experiment_and_then_ends_the_process(
    installation: FakeInstallation, config: Path, number: int
) -> None:
    with _script(installation, config) as (child, exp_id):
        child.send_signal(number)
        output, _ = child.communicate(timeout=60)

    assert child.returncode == -number
    assert "went on" not in output
    assert leftovers(exp_id) == []
    assert Registry().read()[exp_id]["status"] == "STOPPED"


def test_a_second_signal_waits_for_the_stop(installation: FakeInstallation, config: Path) -> None:
    installation.set_behaviour(Behaviour(hangs_on_stop=True))
    options = ", timeouts=__import__('nnicli').Timeouts(stop_s=2)"
    with _script(installation, config, options=options) as (child, exp_id):
        child.send_signal(signal.SIGTERM)
        _wait_for_delete(installation)
        child.send_signal(signal.SIGHUP)
        child.communicate(timeout=60)

    assert child.returncode in (-signal.SIGTERM, -signal.SIGHUP)
    assert leftovers(exp_id) == []


def test_a_second_ctrl_c_ends_everything_at_once(
    installation: FakeInstallation, config: Path
) -> None:
    installation.set_behaviour(Behaviour(hangs_on_stop=True))
    with _script(installation, config) as (child, exp_id):
        child.send_signal(signal.SIGINT)
        _wait_for_delete(installation)
        child.send_signal(signal.SIGINT)
        # The manager would have 65 s otherwise.
        _, errors = child.communicate(timeout=30)

    assert "KeyboardInterrupt" in errors
    assert leftovers(exp_id) == []


def test_nested_blocks_are_all_stopped(installation: FakeInstallation, config: Path) -> None:
    inside = (
        "inner = Experiment(nni=sys.argv[1])\n"
        "    with inner:\n"
        "        inner.start_experiment(sys.argv[2])\n"
        "        print(inner.exp_id, flush=True)\n"
        "        time.sleep(60)"
    )
    with _script(installation, config, inside=inside) as (child, exp_id):
        assert child.stdout is not None
        inner_id = child.stdout.readline().strip()
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=60)

    assert child.returncode == -signal.SIGTERM
    assert leftovers(exp_id) + leftovers(inner_id) == []


@pytest.mark.parametrize("place", ["block", "thread"])
def test_a_signal_during_another_stop_unwinds_the_outer_block(
    installation: FakeInstallation, config: Path, place: str
) -> None:
    """In a loop of experiments in a long block the signal would take effect only at the end."""
    installation.set_behaviour(Behaviour(hangs_on_stop=True))
    stop = "" if place == "block" else "threading.Thread(target=stop).start()"
    inside = (
        "def stop():\n"
        "        with inner: pass\n"
        f"    inner.start_experiment(sys.argv[2]); print(inner.exp_id, flush=True); {stop}\n"
        f"    {'stop()' if place == 'block' else ''}\n"
        "    time.sleep(60)"
    )
    before = (
        "from nnicli import Timeouts; inner = Experiment(nni=sys.argv[1],"
        " timeouts=Timeouts(stop_s=3))"
    )
    options = ", timeouts=Timeouts(stop_s=3)"
    with _script(installation, config, inside=inside, before=before, options=options) as (
        child,
        exp_id,
    ):
        assert child.stdout is not None
        inner_id = child.stdout.readline().strip()
        _wait_for_delete(installation)
        child.send_signal(signal.SIGTERM)
        output, _ = child.communicate(timeout=30)

    assert child.returncode == -signal.SIGTERM
    assert "went on" not in output
    assert leftovers(exp_id) + leftovers(inner_id) == []


def test_a_handler_that_the_script_has_set_decides(
    installation: FakeInstallation, config: Path
) -> None:
    before = "ended = threading.Event(); signal.signal(signal.SIGTERM, lambda *_: ended.set())"
    with _script(installation, config, before=before, inside="ended.wait(60)") as (child, exp_id):
        child.send_signal(signal.SIGTERM)
        output, _ = child.communicate(timeout=60)

    assert (child.returncode, output) == (0, "went on\n")
    assert leftovers(exp_id) == []


def test_a_signal_unwinds_asyncio(installation: FakeInstallation, config: Path) -> None:
    inside = "import asyncio; asyncio.run(asyncio.sleep(60))"
    with _script(installation, config, inside=inside) as (child, exp_id):
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=60)

    assert child.returncode == -signal.SIGTERM
    assert leftovers(exp_id) == []


def test_signal_handling_can_be_turned_off(installation: FakeInstallation, config: Path) -> None:
    with _script(installation, config, options=", handle_signals=False") as (child, exp_id):
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=60)

    assert child.returncode == -signal.SIGTERM
    assert leftovers(exp_id) != []
    with Experiment() as guest:
        guest.connect_experiment(f"http://127.0.0.1:{Registry().read()[exp_id]['port']}")
        guest.stop_experiment()
    assert leftovers(exp_id) == []


def test_the_block_leaves_the_handlers_as_they_were(installation: FakeInstallation) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]

    with Experiment(nni=installation.prefix), Experiment():
        inside = signal.getsignal(signal.SIGTERM)

    assert inside != signal.SIG_DFL
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before


def test_in_another_thread_the_block_leaves_signals_alone(
    installation: FakeInstallation, config: Path
) -> None:
    statuses: list[str] = []

    def work() -> None:
        with Experiment(nni=installation.prefix) as experiment:
            experiment.start_experiment(config)
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
            statuses.append(experiment.get_experiment_status()["status"])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)

    assert statuses == ["RUNNING"]


# Forks


def _in_a_fork(work: Callable[[], None]) -> int:
    """Return the exit code of a forked process that does this work, 0 if it succeeded."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_forked_process_reads_and_its_with_stops_nothing(
    installation: FakeInstallation, config: Path
) -> None:
    experiment = Experiment(nni=installation.prefix)
    experiment.__enter__()
    experiment.start_experiment(config)

    def work() -> None:
        assert experiment.process is not None
        assert experiment.process.is_running()
        assert experiment.get_experiment_status()["status"] == "RUNNING"
        experiment.__exit__(None, None, None)
        assert experiment.exp_id is None

    assert _in_a_fork(work) == 0
    assert experiment.get_experiment_status()["status"] == "RUNNING"
    experiment.__exit__(None, None, None)
    assert leftovers(str(experiment.exp_id)) == []


def test_a_forked_process_may_stop_it(installation: FakeInstallation, config: Path) -> None:
    with Experiment(nni=installation.prefix) as experiment:
        experiment.start_experiment(config)

        def work() -> None:
            assert experiment.stop_experiment().how == "asked"

        assert _in_a_fork(work) == 0
        assert experiment.stop_experiment().how == "already gone"


def test_a_manager_that_a_forked_process_stopped_is_reported_as_stopped(
    installation: FakeInstallation, config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Experiment(nni=installation.prefix) as experiment:
        experiment.start_experiment(config)

        def work() -> None:
            experiment.stop_experiment()

        assert _in_a_fork(work) == 0
        with caplog.at_level(logging.INFO):
            assert experiment.list_trial_jobs() == experiment.list_trial_jobs()
            with pytest.raises(ConnectError, match=r"the manager of experiment \w+ was stopped"):
                experiment.update_concurrency(2)
            with pytest.raises(ExperimentFailedError, match="cannot go on: its manager was stop"):
                experiment.wait(timeout=20)
            experiment.stop_experiment()

        assert "was stopped; reading its files instead" in caplog.text
        assert f"experiment {experiment.exp_id} was already stopped" in caplog.text
        assert "died" not in caplog.text


def test_sigterm_ends_a_forked_process_as_usual(
    installation: FakeInstallation, config: Path
) -> None:
    with Experiment(nni=installation.prefix) as experiment:
        experiment.start_experiment(config)

        assert _in_a_fork(lambda: os.kill(os.getpid(), signal.SIGTERM)) == -signal.SIGTERM
        assert experiment.get_experiment_status()["status"] == "RUNNING"


# Threads


def test_of_two_starts_at_once_one_succeeds(installation: FakeInstallation, config: Path) -> None:
    installation.set_behaviour(Behaviour(ready_delay_s=0.5))
    experiment = Experiment(nni=installation.prefix)
    outcomes: list[str] = []
    barrier = threading.Barrier(2)

    def start() -> None:
        barrier.wait(10)
        try:
            experiment.start_experiment(config)
            outcomes.append("started")
        except AlreadyConnectedError:
            outcomes.append("refused")

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(outcomes) == ["refused", "started"]
    assert installation.starts() == 1
    exp_id = experiment.stop_experiment().exp_id
    assert leftovers(exp_id) == []


def test_of_two_stops_at_once_the_second_gets_an_error(
    installation: FakeInstallation, config: Path
) -> None:
    experiment = Experiment(nni=installation.prefix)
    experiment.start_experiment(config)
    outcomes: list[str] = []

    def stop() -> None:
        try:
            outcomes.append(experiment.stop_experiment().how)
        except NotConnectedError:
            outcomes.append("already stopped")

    threads = [threading.Thread(target=stop) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(outcomes) == ["already stopped", "asked"]


# Stops under odd conditions


def test_an_error_in_the_stop_request_does_not_prevent_the_stop(
    installation: FakeInstallation, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = Experiment(nni=installation.prefix, timeouts=Timeouts(stop_s=5))
    experiment.start_experiment(config)
    exp_id = str(experiment.exp_id)

    def fail(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("nnicli.rest.ManagerClient.stop_experiment", fail)

    with pytest.raises(BrokenPipeError):
        experiment.stop_experiment()

    assert leftovers(exp_id) == []


def test_a_stop_waits_for_the_manager_although_its_directory_was_deleted(
    installation: FakeInstallation, config: Path, home: Path
) -> None:
    with Experiment(nni=installation.prefix) as owner:
        owner.start_experiment(config)
        process = owner.process
        assert process is not None
        guest = Experiment(timeouts=Timeouts(stop_s=3))
        endpoint = str(owner.endpoint)
        directory = home / "nni-experiments" / str(owner.exp_id)
        directory.rename(home / "moved")
        guest.connect_experiment(endpoint)

        outcome = guest.stop_experiment()

        assert outcome.how in ("asked", "killed")
        assert ManagerProcess.find(process.identity) is None
        assert leftovers(outcome.exp_id) == []
