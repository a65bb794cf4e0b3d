"""Stopping and reaping, on real processes that misbehave on request."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import psutil
import pytest

from nnicli import ManagerProcess, StopOutcome
from nnicli.errors import (
    ConnectError,
    ConnectionLostError,
    ProcessIdentity,
    RequestTimeoutError,
    RestError,
)
from nnicli.launcher import ProcessMarks, reap, stop_manager
from nnicli.launcher.process import identify, is_alive
from nnicli.waiting import Deadline, poll_until

EXP_ID = "aBcD1234"
_DEAF = (
    "import signal\nfor s in (signal.SIGINT, signal.SIGTERM): signal.signal(s, signal.SIG_IGN)\n"
)


class Programs:
    """Python programs that sleep, each ready before the test continues."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._awaited: list[Path] = []

    def sleeper(self, *, deaf: bool = False, starts: str = "") -> str:
        """Return the code of a program that sleeps; a deaf one ignores SIGINT and SIGTERM."""
        ready = self._directory / f"ready{len(self._awaited)}"
        self._awaited.append(ready)
        setup = _DEAF if deaf else ""
        return f"{setup}{starts}\nopen({str(ready)!r}, 'w').close()\nimport time; time.sleep(600)"

    def hidden_child(self, *, deaf: bool = False, session: bool = True) -> str:
        """Return code that starts one with an empty environment, by default in a new session."""
        options = f"env={{}}, start_new_session={session}"
        code = self.sleeper(deaf=deaf)
        return (
            f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {code!r}], {options})"
        )

    def run(self, code: str, **environ: str) -> subprocess.Popen[bytes]:
        """Start a program in a new session; it ends with the test at the latest."""
        child = subprocess.Popen(
            [sys.executable, "-c", code], env={**os.environ, **environ}, start_new_session=True
        )
        self._stack.callback(_end_group, child)
        poll_until(
            lambda: True if all(ready.exists() for ready in self._awaited) else None,
            deadline=Deadline(20),
            interval_s=0.01,
        )
        return child


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    with ExitStack() as stack:
        yield Programs(tmp_path, stack)


def _end_group(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _identity(child: subprocess.Popen[bytes]) -> ProcessIdentity:
    identity = identify(child.pid)
    assert identity is not None
    return identity


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "experiments" / EXP_ID
    (directory / "log").mkdir(parents=True)
    return directory


def _manager(
    child: subprocess.Popen[bytes], directory: Path
) -> tuple[ManagerProcess, ProcessMarks]:
    identity = _identity(child)
    return ManagerProcess(identity, child=child), ProcessMarks(EXP_ID, directory, identity)


def _trial_environment(directory: Path, exp_id: str = EXP_ID) -> dict[str, str]:
    return {"NNI_EXP_ID": exp_id, "NNI_SYS_DIR": str(directory / "trials" / "t1")}


def test_a_manager_that_ends_when_asked(programs: Programs, directory: Path) -> None:
    child = programs.run(programs.sleeper())
    process, marks = _manager(child, directory)

    outcome = stop_manager(process, marks, ask=process.terminate, timeout_s=20)

    assert (outcome.exp_id, outcome.how, outcome.survivors) == (EXP_ID, "asked", ())
    assert outcome.returncode == -signal.SIGTERM


@pytest.mark.parametrize("error", [ConnectError, RequestTimeoutError])
def test_a_manager_that_cannot_be_asked_gets_sigterm(
    programs: Programs, directory: Path, error: type[RestError]
) -> None:
    process, marks = _manager(programs.run(programs.sleeper()), directory)

    def ask() -> None:
        raise error("broken", method="DELETE", url="http://127.0.0.1:1")

    outcome = stop_manager(process, marks, ask=ask, timeout_s=20)

    assert (outcome.how, outcome.returncode) == ("asked", -signal.SIGTERM)


@pytest.mark.parametrize("error", [ConnectError, ConnectionLostError])
def test_a_manager_that_dies_before_it_is_asked_is_already_gone(
    programs: Programs, directory: Path, error: type[RestError]
) -> None:
    """Right after a kill -9 a process still looks alive for a moment."""
    process, marks = _manager(programs.run(programs.sleeper()), directory)

    def ask() -> None:
        process.kill()
        raise error("broken", method="DELETE", url="http://127.0.0.1:1")

    outcome = stop_manager(process, marks, ask=ask, timeout_s=20)

    assert (outcome.how, outcome.returncode) == ("already gone", -signal.SIGKILL)


def test_a_deaf_manager_is_killed_when_the_time_is_up(programs: Programs, directory: Path) -> None:
    process, marks = _manager(programs.run(programs.sleeper(deaf=True)), directory)

    outcome = stop_manager(process, marks, ask=process.terminate, timeout_s=0.3)

    assert (outcome.how, outcome.returncode) == ("killed", -signal.SIGKILL)


def test_without_asking_it_is_killed_at_once(programs: Programs, directory: Path) -> None:
    process, marks = _manager(programs.run(programs.sleeper()), directory)

    outcome = stop_manager(process, marks, ask=None, timeout_s=20)

    assert (outcome.how, outcome.returncode) == ("killed", -signal.SIGKILL)


def test_the_orphans_of_a_dead_manager_are_ended(programs: Programs, directory: Path) -> None:
    child = programs.run(programs.sleeper())
    process, marks = _manager(child, directory)
    child.kill()
    child.wait()
    orphan = programs.run(programs.sleeper(deaf=True), **_trial_environment(directory))

    outcome = stop_manager(process, marks, ask=None, timeout_s=20)

    assert outcome.how == "already gone"
    assert [survivor.pid for survivor in outcome.survivors] == [orphan.pid]
    assert orphan.wait(5) == -signal.SIGKILL


def test_every_process_with_a_mark_is_ended(programs: Programs, directory: Path) -> None:
    """A trial, the tuner, and a child with its own session and environment."""
    trial = programs.run(programs.sleeper(), **_trial_environment(directory))
    tuner = programs.run(programs.sleeper(), NNI_LOG_DIRECTORY=str(directory / "log"))
    with_child = programs.sleeper(starts=programs.hidden_child())
    trial_with_child = programs.run(with_child, **_trial_environment(directory))
    (child,) = psutil.Process(trial_with_child.pid).children()
    marks = ProcessMarks(EXP_ID, directory, ProcessIdentity(2**22 - 1, 0.0))

    ended = reap(marks)

    assert {identity.pid for identity in ended} == {
        trial.pid,
        tuner.pid,
        trial_with_child.pid,
        child.pid,
    }
    assert not is_alive(child)


def test_a_process_that_left_the_tree_is_ended_if_it_was_seen_there(
    programs: Programs, directory: Path
) -> None:
    """The child drops its environment and session, and its parent, a shell, ends on SIGTERM."""
    with_child = programs.sleeper(starts=programs.hidden_child(deaf=True))
    process, marks = _manager(programs.run(with_child), directory)
    (child,) = process.descendants()

    outcome = stop_manager(process, marks, ask=process.terminate, timeout_s=20)

    assert [survivor.pid for survivor in outcome.survivors] == [child.pid]
    assert not is_alive(child)


def test_the_process_group_is_ended_after_its_leader(programs: Programs, directory: Path) -> None:
    in_group = programs.hidden_child(deaf=True, session=False)
    leader = programs.run(programs.sleeper(starts=in_group))
    process, marks = _manager(leader, directory)
    (member,) = psutil.Process(leader.pid).children()
    leader.kill()
    leader.wait()

    outcome = stop_manager(process, marks, ask=None, timeout_s=20)

    assert [survivor.pid for survivor in outcome.survivors] == [member.pid]


@pytest.mark.parametrize("neighbour", ["another id", "another directory"])
def test_a_neighbour_is_left_alone(
    programs: Programs, directory: Path, tmp_path: Path, neighbour: str
) -> None:
    """Ids are unique within one experiments directory only."""
    environment = {
        "another id": _trial_environment(directory.parent / "zZzZ9999", "zZzZ9999"),
        "another directory": _trial_environment(tmp_path / "other home" / EXP_ID),
    }[neighbour]
    child = programs.run(programs.sleeper(), **environment)

    ended = reap(ProcessMarks(EXP_ID, directory, ProcessIdentity(2**22 - 1, 0.0)))

    assert ended == ()
    assert child.poll() is None


def test_a_reused_pid_gets_no_signal(programs: Programs, directory: Path) -> None:
    stranger = programs.run(programs.sleeper())
    past = ProcessIdentity(
        stranger.pid, _identity(stranger).create_time - 3600, ("node", "main.js")
    )

    outcome = stop_manager(
        ManagerProcess(past), ProcessMarks(EXP_ID, directory, past), ask=None, timeout_s=1
    )

    assert (outcome.how, outcome.survivors) == ("already gone", ())
    assert stranger.poll() is None


def test_the_caller_itself_is_never_ended(directory: Path) -> None:
    """A trial may stop its own experiment; the call has to return."""
    code = (
        "from pathlib import Path\n"
        "from nnicli.errors import ProcessIdentity\n"
        "from nnicli.launcher import ProcessMarks, reap\n"
        "gone = ProcessIdentity(4194303, 0.0)\n"
        f"marks = ProcessMarks({EXP_ID!r}, Path({str(directory)!r}), gone)\n"
        "print(reap(marks))"
    )

    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **_trial_environment(directory)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert result.stdout == "()\n"


def test_an_abandoned_process_object_does_not_warn(programs: Programs, tmp_path: Path) -> None:
    """An experiment may outlive the object that started it; ResourceWarning would fail here."""
    argv = [sys.executable, "-c", programs.sleeper()]
    with (tmp_path / "out").open("wb") as out:
        process = ManagerProcess.spawn(argv, cwd=tmp_path, env={}, stdout=out, stderr=out)
    identity = process.identity

    del process

    found = ManagerProcess.find(identity)
    assert found is not None
    found.kill()
    assert found.wait(5)


@pytest.mark.parametrize(
    ("how", "returncode", "shown"),
    [
        ("asked", 1, "<StopOutcome aBcD: asked in 1.5 s, 0 survivors ended>"),
        ("asked", 0, "<StopOutcome aBcD: asked in 1.5 s, 0 survivors ended>"),
        ("already gone", 1, "<StopOutcome aBcD: already gone in 1.5 s, exit code 1, 0 surviv"),
        ("already gone", None, "<StopOutcome aBcD: already gone in 1.5 s, 0 survivors ended>"),
    ],
)
def test_the_exit_code_of_a_regular_stop_is_not_shown(
    how: Literal["asked", "already gone"], returncode: int | None, shown: str
) -> None:
    """2.7 exits with 1 after a regular stop, which would look like a failure."""
    assert repr(StopOutcome("aBcD", how, returncode, 1.5)).startswith(shown)


def test_an_outcome_shows_no_command_line() -> None:
    """The tuner's command line has the whole config in base64, SSH passwords included."""
    tuner = ProcessIdentity(1, 2.0, ("python3", "-m", "nni", "--exp_params", "aHVudGVyMg=="))

    outcome = StopOutcome("aBcD1234", "killed", -9, 1.25, survivors=(tuner,) * 40)

    assert repr(outcome) == (
        "<StopOutcome aBcD1234: killed in 1.2 s, exit code -9, 40 survivors ended>"
    )
    assert "aHVudGVyMg" not in str(outcome.survivors)
