"""`nnicli run`, run as a process on a fake NNI."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from nnicli.store import Registry
from nnicli.testing import Behaviour, Exit, FakeInstallation, TunerExit
from nnicli.waiting import Deadline, poll_until
from tests.support import leftovers

# Each starts a command, a manager and trials.
pytestmark = pytest.mark.slow

TRIAL = """
import nni
parameters = nni.get_next_parameter()
nni.report_intermediate_result(1.0)
nni.report_final_result(parameters["x"])
"""
CONFIG = """\
experimentName: cli
trialCommand: python3 trial.py
trialCodeDirectory: .
trialConcurrency: 2
maxTrialNumber: 3
searchSpace:
  x: {_type: uniform, _value: [0, 1]}
tuner:
  name: TPE
  classArgs: {optimize_mode: minimize}
trainingService: {platform: local}
"""


@pytest.fixture
def installation(tmp_path: Path) -> FakeInstallation:
    return FakeInstallation.create(tmp_path / "nni")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "trial.py").write_text(TRIAL)
    path = tmp_path / "config.yml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(autouse=True)
def nothing_is_left(home: Path) -> Iterator[None]:
    yield
    for exp_id, entry in Registry().read().items():
        assert leftovers(exp_id) == []
        assert entry["status"] == "STOPPED"
    assert not list((home / "nni-experiments").glob(".experiment.lock.*"))


def _command(installation: FakeInstallation, config: Path, *options: str) -> list[str]:
    return [
        sys.executable,
        *("-m", "nnicli", "run", str(config)),
        *("--nni", str(installation.prefix)),
        *options,
    ]


def _run(
    installation: FakeInstallation, config: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    argv = _command(installation, config, *options)
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=90)


def _replace(config: Path, old: str, new: str) -> None:
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


def test_results_go_to_stdout_and_progress_to_stderr(
    installation: FakeInstallation, config: Path
) -> None:
    result = _run(installation, config)

    assert result.returncode == 0
    assert result.stdout.count("SUCCEEDED") == 3
    assert "Best trial (minimize): " in result.stdout
    lines = result.stderr.splitlines()
    assert lines[0].startswith("started cli ")
    assert "http://127.0.0.1:" in lines[0]
    assert any("DONE: 3 of 3 trials done" in line for line in lines)
    assert "\x1b" not in result.stdout + result.stderr
    assert len(set(lines)) == len(lines), "a line for each change only"


def test_the_last_line_shows_where_the_results_are_and_what_to_do_next(
    installation: FakeInstallation, config: Path, home: Path
) -> None:
    result = _run(installation, config)

    (exp_id,) = Registry().read()
    assert result.stderr.splitlines()[-1] == (
        f"results are in {home / 'nni-experiments' / exp_id}; next: "
        f"`python -m nnicli trial ls {exp_id}` or "
        f"`python -m nnicli experiment export {exp_id} -f results.csv`"
    )


def test_json_is_one_strict_document(installation: FakeInstallation, config: Path) -> None:
    result = _run(installation, config, "--json")

    document: dict[str, Any] = json.loads(result.stdout, parse_constant=pytest.fail)
    assert result.returncode == document["exit_code"] == 0
    assert (document["name"], document["status"]) == ("cli", "DONE")
    assert [trial["status"] for trial in document["trials"]] == ["SUCCEEDED"] * 3
    assert document["best"]["metric"] == min(trial["metric"] for trial in document["trials"])
    assert document["best"]["parameters"].keys() == {"x"}
    assert document["error"] is None


def test_json_has_text_for_numbers_that_json_lacks(
    installation: FakeInstallation, config: Path
) -> None:
    _replace(
        config.with_name("trial.py"), 'parameters["x"]', '{"default": 1, "loss": float("nan")}'
    )

    result = _run(installation, config, "--json")

    document = json.loads(result.stdout, parse_constant=pytest.fail)
    assert document["trials"][0]["metric"] == {"default": 1, "loss": "nan"}


def test_without_a_direction_no_best_trial_is_shown(
    installation: FakeInstallation, config: Path
) -> None:
    _replace(config, "  classArgs: {optimize_mode: minimize}\n", "")

    result = _run(installation, config)

    assert result.returncode == 0
    assert "No best trial: the tuner's classArgs do not set optimize_mode." in result.stdout


def test_a_missing_direction_is_not_mentioned_if_no_trial_has_a_number(
    installation: FakeInstallation, config: Path
) -> None:
    """The error explains why there is not a best trial: none has a metric to compare."""
    _replace(config, "  classArgs: {optimize_mode: minimize}\n", "")
    _replace(config.with_name("trial.py"), 'parameters["x"]', '"no number"')

    result = _run(installation, config)

    assert result.returncode == 1
    assert "none reported a number" in result.stderr
    assert "No best trial" not in result.stdout


def test_an_error_in_the_config_is_2_and_shows_its_position(
    installation: FakeInstallation, config: Path
) -> None:
    _replace(config, "maxTrialNumber: 3", "maxTrialNumbr: 3")
    _replace(config, "trialConcurrency: 2", "trialConcurrency: 0")

    result = _run(installation, config)

    assert result.returncode == 2
    assert f"{config} has 2 errors; nothing was started:" in result.stderr
    assert f"{config}:4:1: error: trialConcurrency: found 0; allowed: at least 1" in result.stderr
    assert f"{config}:5:1: error: maxTrialNumbr: " in result.stderr
    assert "^ did you mean 'maxTrialNumber'?" in result.stderr
    assert result.stdout == ""
    assert installation.starts() == 0


def test_a_wrong_check_can_be_turned_off_as_the_error_says(
    installation: FakeInstallation, config: Path
) -> None:
    """A fork of NNI may have more keys."""
    config.write_text(CONFIG + "newerThanThis: 1\n")

    refused = _run(installation, config)
    run = _run(installation, config, "--ignore", "unknown-key")

    assert refused.returncode == 2
    assert "if a check is wrong here, turn it off: --ignore unknown-key\n" in refused.stderr
    assert run.returncode == 0, run.stderr


def test_the_json_contains_the_problems_of_a_config(
    installation: FakeInstallation, config: Path
) -> None:
    _replace(config, "TPE", "TEP")

    document = json.loads(_run(installation, config, "--json").stdout)

    (problem,) = document["error"]["problems"]
    assert document["exit_code"] == 2
    assert (problem["location"], problem["line"]) == ("tuner.name", 9)
    assert problem["suggestion"] == "did you mean 'TPE'?"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--port", "80"], "an integer from 1025 to 65535"),
        (["--port", "many"], "'many' is not a valid integer"),
        (["--timeout", "soon"], "--timeout: 'soon' is not a duration"),
        (["--ignore", "rnage"], "ignore: 'rnage' is not a check; did you mean 'range'?"),
        (["--ignore", "syntax"], "ignore: 'syntax' cannot be turned off"),
        (["--no-such"], "No such option"),
    ],
)
def test_bad_usage_is_2(
    installation: FakeInstallation, config: Path, options: list[str], message: str
) -> None:
    result = _run(installation, config, *options)

    assert result.returncode == 2
    assert message in result.stderr
    assert installation.starts() == 0


def test_a_missing_config_is_2(installation: FakeInstallation, tmp_path: Path) -> None:
    result = _run(installation, tmp_path / "none.yml")

    assert result.returncode == 2
    assert "none.yml: error: cannot be read: No such file or directory" in result.stderr


def test_no_nni_is_4(config: Path, tmp_path: Path) -> None:
    result = _run(FakeInstallation(tmp_path / "none", "3.0"), config)

    assert result.returncode == 4
    assert "no NNI found at" in result.stderr
    assert "pip install nni==3.0" in result.stderr


def test_a_manager_that_does_not_start_is_4(installation: FakeInstallation, config: Path) -> None:
    installation.set_behaviour(Behaviour(exits_before_ready=Exit(1, "FATAL: out of memory")))

    result = _run(installation, config)

    assert result.returncode == 4
    assert "FATAL: out of memory" in result.stderr


def test_a_dead_tuner_is_1_with_its_traceback(installation: FakeInstallation, config: Path) -> None:
    installation.set_behaviour(Behaviour(tuner_exits=TunerExit(trials=1)))

    result = _run(installation, config)

    assert result.returncode == 1
    assert "ValueError: raised by the fake tuner" in result.stderr


def test_no_success_is_1(installation: FakeInstallation, config: Path) -> None:
    config.with_name("trial.py").write_text("raise SystemExit('no data')")

    result = _run(installation, config)

    assert result.returncode == 1
    assert "no trial succeeded (3 FAILED)" in result.stderr
    assert "no data" in result.stderr
    assert result.stdout.count("FAILED") == 3


def test_the_time_limit_is_1_and_stops(installation: FakeInstallation, config: Path) -> None:
    config.with_name("trial.py").write_text("import time; time.sleep(600)")

    result = _run(installation, config, "--timeout", "1s")

    assert result.returncode == 1
    assert "reached the time limit of 1 s; the experiment was stopped" in result.stderr


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["Ctrl-C", "SIGTERM", "SIGHUP"],
)
@pytest.mark.parametrize("moment", ["starting", "running", "stopping", "twice"])
def test_a_signal_stops_cleanly_at_any_moment(
    installation: FakeInstallation, config: Path, number: int, code: int, moment: str
) -> None:
    config.with_name("trial.py").write_text(
        "import time; time.sleep(600)" if moment != "stopping" else TRIAL
    )
    if moment == "starting":
        installation.set_behaviour(Behaviour(never_ready=True))
    with _running(_command(installation, config)) as child:
        assert child.stderr is not None
        if moment == "starting":
            _wait_for_start(installation)
        else:
            for line in child.stderr:
                if "running" in line and "0 running" not in line and moment != "stopping":
                    break
                if moment == "stopping" and "stopping ..." in line:
                    break

        child.send_signal(number)
        if moment == "twice":
            child.stderr.readline()
            child.send_signal(number)
        _, errors = child.communicate(timeout=60)

    assert child.returncode == code
    assert (
        f"stopped by {'Ctrl-C' if number == signal.SIGINT else signal.Signals(number).name}"
        in errors
    )
    assert installation.starts() == 1


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command, and terminate it after the test if it is still running."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            if child.poll() is None:
                child.terminate()
                child.communicate(timeout=60)


def _wait_for_start(installation: FakeInstallation) -> None:
    started = poll_until(
        lambda: True if installation.requests() else None, deadline=Deadline(30), interval_s=0.02
    )
    assert started


@contextmanager
def _full_disk() -> Iterator[int]:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


@contextmanager
def _pipe_without_reader() -> Iterator[int]:
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@contextmanager
def _pipe_that_nobody_reads() -> Iterator[int]:
    """`nnicli run ... 2>&1 | less`, paused: the pipe is full, and a write to it never returns."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(1))
    os.set_blocking(writer, True)
    yield writer
    os.close(reader)
    os.close(writer)


@contextmanager
def _closed_terminal() -> Iterator[int]:
    terminal, descriptor = pty.openpty()
    os.close(terminal)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--port", "80"], "65535; without --port it is the first free port from 8080"),
        (["--port", "80"], "--port: 80 is not allowed; allowed: an integer from 1025 to 65535"),
        (["--url-prefix", "a b?"], "--url-prefix: 'a b?' is not allowed"),
        (
            ["--nni", "/nowhere"],
            "name an environment that has one, with --nni PATH or the variable",
        ),
        (["--experiments-directory", "/dev/null/x"], "or pass --experiments-directory"),
        (["--manager-timeout", "1s"], "on a slow machine pass a longer --manager-timeout"),
        (["--manager-timeout", "soon"], "--manager-timeout: 'soon'"),
    ],
)  # fmt: skip
def test_errors_speak_the_language_of_the_shell(
    tmp_path: Path, config: Path, options: list[str], message: str
) -> None:
    """Python's names mean nothing to a user who typed options."""
    slow = FakeInstallation.create(tmp_path / "slow", behaviour=Behaviour(never_ready=True))

    result = _run(slow, config, *options)

    assert result.returncode in (2, 4)
    assert message in result.stderr
    for word in ("Experiment(", "Timeouts(", "None", "_directory", "url_prefix", "()"):
        assert word not in result.stderr


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_results_that_cannot_be_printed_are_an_error(
    installation: FakeInstallation, config: Path, form: list[str]
) -> None:
    """With output redirected to a full disk, the results were silently lost."""
    with _full_disk() as output:
        result = subprocess.run(
            _command(installation, config, *form),
            check=False,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=90,
        )

    (exp_id,) = Registry().read()
    assert result.returncode == 1
    assert result.stderr.endswith(
        "nnicli: could not print the results: cannot write to standard output: No space left on "
        f"device; `nnicli experiment export {exp_id}` prints them\n"
    )


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["schema", "v1"]])
def test_a_full_output_is_reported(arguments: list[str]) -> None:
    with _full_disk() as output:
        result = subprocess.run(
            [sys.executable, "-m", "nnicli", *arguments],
            check=False,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=90,
        )

    assert result.returncode == 1
    assert result.stderr == ("nnicli: cannot write to standard output: No space left on device\n")


def test_the_results_fit_any_encoding(installation: FakeInstallation, config: Path) -> None:
    config.write_text(CONFIG.replace("experimentName: cli", "experimentName: Größe 模型"))

    result = subprocess.run(
        _command(installation, config),
        check=False,
        capture_output=True,
        timeout=90,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )

    assert result.returncode == 0, result.stderr
    assert b"Best trial (minimize): " in result.stdout
    assert rb"Gr\xf6\xdfe \u6a21\u578b" in result.stderr


@pytest.mark.parametrize(
    "broken", [_full_disk, _pipe_without_reader, _pipe_that_nobody_reads, _closed_terminal]
)
@pytest.mark.parametrize("how", ["limit", "twice"])
def test_messages_that_cannot_be_written_do_not_prevent_a_stop(
    installation: FakeInstallation,
    config: Path,
    broken: Callable[[], AbstractContextManager[int]],
    how: str,
) -> None:
    config.with_name("trial.py").write_text("import time; time.sleep(600)")
    limit = ["--timeout", "1s"] if how == "limit" else []
    with broken() as messages:
        child = subprocess.Popen(
            _command(installation, config, "--json", *limit),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=messages,
        )
        _wait_for_start(installation)
        if how == "twice":
            child.send_signal(signal.SIGHUP)
            child.send_signal(signal.SIGTERM)
        output, _ = child.communicate(timeout=60)

    assert json.loads(output)["exit_code"] == child.returncode
    assert child.returncode in {"limit": (1,), "twice": (129, 143)}[how]


def test_it_runs_without_standard_error(installation: FakeInstallation, config: Path) -> None:
    command = shlex.join(_command(installation, config))

    result = subprocess.run(
        ["sh", "-c", f"{command} 2>&-"], check=False, capture_output=True, text=True, timeout=60
    )

    assert (result.returncode, result.stdout.count("SUCCEEDED")) == (0, 3)


def test_nohup_is_respected(installation: FakeInstallation, config: Path) -> None:
    with _running(["nohup", *_command(installation, config)]) as child:
        assert child.stderr is not None
        child.stderr.readline()

        child.send_signal(signal.SIGHUP)
        child.communicate(timeout=60)

    assert child.returncode == 0


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["run", "--help"]])
def test_help_does_not_load_what_only_a_run_needs(arguments: list[str]) -> None:
    code = (
        "import sys; from nnicli.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "print([m for m in ('requests', 'jsonschema', 'psutil', 'yaml') if m in sys.modules])"
    )

    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert output.splitlines()[-1] == "[]"


def test_the_exit_codes_are_in_the_help() -> None:
    output = subprocess.run(
        [sys.executable, "-m", "nnicli", "run", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "100"},
    ).stdout

    for code in ("  0  ", "  1  ", "  2  ", "  4  ", "129, 130, 143"):
        assert code in output


def test_without_a_number_as_metric_the_exit_code_is_1_unless_allowed(
    installation: FakeInstallation, config: Path
) -> None:
    config.with_name("trial.py").write_text("import nni\nnni.get_next_parameter()\n")

    refused = _run(installation, config)
    allowed = _run(installation, config, "--allow-no-metric")

    assert refused.returncode == 1
    assert "3 trials succeeded, and none reported a number" in refused.stderr
    assert allowed.returncode == 0
    assert "nnicli:" not in allowed.stderr
    assert allowed.stdout.count("SUCCEEDED") == refused.stdout.count("SUCCEEDED") == 3


def test_trials_that_do_not_start_end_the_run_after_the_given_time(
    installation: FakeInstallation, config: Path
) -> None:
    installation.set_behaviour(Behaviour(submit_delay_s=600))

    result = _run(installation, config, "--start-timeout", "3s")

    assert result.returncode == 1
    assert "no trial has run for" in result.stderr
