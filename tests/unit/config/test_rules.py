"""Every rule of the v2 format, with its message and its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnicli.config import check_config
from tests.unit.config.conftest import HEAD, SPACE, Check

SERVICE = "trainingService: {platform: local}"
CUSTOM = "tuner: {className: mine.sub.MyTuner, codeDirectory: algo}"


def _with(old: str, new: str) -> str:
    assert old in HEAD
    return HEAD.replace(old, new) + SPACE


@pytest.fixture(autouse=True)
def algo(tmp_path: Path) -> Path:
    directory = tmp_path / "algo" / "mine"
    directory.mkdir(parents=True)
    (tmp_path / "space.json").write_text("{}")
    (directory / "sub.py").write_text("class MyTuner: ...\n")
    return directory


@pytest.mark.parametrize(
    "text",
    [
        HEAD + SPACE,
        HEAD + "searchSpace: {}\n",
        _with("tuner: {name: TPE}", CUSTOM),
        _with("tuner: {name: TPE}", "tuner: {name: tpe}"),
        _with("tuner: {name: TPE}", "tuner: {name: GP, classArgs: {alpha: 1.0e-7}}"),
        _with(
            "tuner: {name: TPE}",
            "tuner: {name: bohb}\nassessor: {name: curvefitting, classArgs: {epoch_num: 20}}",
        ),
        _with("trialCommand", "trial_command").replace("trialConcurrency", "TRIAL_CONCURRENCY"),
        _with(
            SERVICE, "training_service: {platform: local, use_active_gpu: yes}\ntrialGpuNumber: 1"
        ),
        _with("trialCommand: python3 trial.py\n", "").replace(
            SERVICE, "trainingService: {platform: local, trialCommand: 'true'}"
        ),
        HEAD + SPACE + "maxExperimentDuration: 1.5h\nmaxTrialDuration: 60\nassessor: null\n",
        HEAD + SPACE + "experimentName: 1e5\ntunerGpuIndices: '0, 1'\n",
    ],
)
def test_a_valid_config_has_no_problems(check: Check, text: str) -> None:
    assert check(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # one search space
        (
            HEAD,
            (
                "1:1: searchSpace: is required but missing; give it inline, or in a file as "
                "searchSpaceFile"
            ),
        ),
        (
            HEAD + SPACE + "searchSpaceFile: space.json\n",
            (
                "6:1: searchSpaceFile: searchSpace and searchSpaceFile exclude each other; NNI "
                "would use the file"
            ),
        ),
        (
            HEAD + "searchSpaceFile: none.json\n",
            (
                "5:1: searchSpaceFile: none.json cannot be read: No such file or directory; "
                "expected a YAML or JSON file"
            ),
        ),
        (
            HEAD + "searchSpaceFile: algo\n",
            (
                "5:1: searchSpaceFile: algo cannot be read: this is a directory; expected a YAML "
                "or JSON file"
            ),
        ),
        (
            HEAD + "searchSpace: space.json\n",
            (
                '5:1: searchSpace: found "space.json"; allowed: a mapping (a file is named by '
                "searchSpaceFile)"
            ),
        ),
        # annotations
        (
            HEAD + "useAnnotation: true\n",
            (
                "5:1: useAnnotation: found true; this release no longer has annotations. Write a "
                "search space, and read parameters with nni.get_next_parameter()"
            ),
        ),
        # one tuner, in one form
        (_with("tuner: {name: TPE}\n", ""), "1:1: tuner: is required but missing"),
        (
            _with("tuner: {name: TPE}", "tuner: {name: TPE}\nadvisor: {name: BOHB}"),
            "4:1: advisor: tuner and advisor exclude each other",
        ),
        (
            _with("tuner: {name: TPE}", "advisor: {name: BOHB}"),
            "3:1: advisor: is deprecated since 2.8; write it as tuner",
        ),
        (
            _with("tuner: {name: TPE}", "tuner: {}"),
            (
                "3:1: tuner.name: is required but missing; give a built-in name, or className and "
                "codeDirectory"
            ),
        ),
        (
            _with("{name: TPE}", "{name: TPE, codeDirectory: algo}"),
            (
                "3:20: tuner.codeDirectory: is only for className; a built-in algorithm does not "
                "have one"
            ),
        ),
        (
            _with("tuner: {name: TPE}", CUSTOM.replace("{", "{name: TPE, ")),
            "3:9: tuner.name: name and className exclude each other",
        ),
        (
            _with("{name: TPE}", "{className: mine.sub.T}"),
            (
                "3:1: tuner.codeDirectory: is required but missing: the directory in which "
                "className is found"
            ),
        ),
        (
            _with("{name: TPE}", "{className: mine.sub.T, codeDirectory: alog}"),
            "3:32: tuner.codeDirectory: directory not found: alog",
        ),
        (
            _with("{name: TPE}", "{className: mine.bus.T, codeDirectory: algo}"),
            "3:9: tuner.className: module not found: algo/mine/bus.py; expected `module.Class`",
        ),
        (
            _with("{name: TPE}", "{className: T, codeDirectory: algo}"),
            (
                '3:9: tuner.className: found "T"; allowed: Custom class, `module.Class`, '
                "in codeDirectory."
            ),
        ),
        # durations
        (
            HEAD + SPACE + "maxExperimentDuration: soon\n",
            (
                '6:1: maxExperimentDuration: found "soon"; allowed: a number with a unit, '
                "such as '90s', '30m', '2h' or '1d', above zero"
            ),
        ),
        (
            HEAD + SPACE + "maxTrialDuration: '10'\n",
            (
                '6:1: maxTrialDuration: found "10"; allowed: a number with a unit, such '
                "as '90s', '30m', '2h' or '1d', above zero (write '10s' for seconds)"
            ),
        ),
        (
            HEAD + SPACE + "maxTrialDuration: 0\n",
            (
                "6:1: maxTrialDuration: found 0; allowed: a number with a unit, such as "
                "'90s', '30m', '2h' or '1d', above zero"
            ),
        ),
        (
            HEAD + SPACE + "maxTrialDuration: 1:30\n",
            (
                "6:1: maxTrialDuration: found 1:30, which YAML 1.1 reads as 90; allowed: a number "
                "with a unit, such as 90s or 2h"
            ),
        ),
        # trials
        (
            _with("trialCommand: python3 trial.py\n", ""),
            "1:1: trialCommand: is required but missing",
        ),
        (
            _with("python3 trial.py", "' '"),
            "2:1: trialCommand: is empty; allowed: text that is not empty",
        ),
        (
            HEAD + SPACE + "trialCodeDirectory: cdoe\n",
            "6:1: trialCodeDirectory: directory not found: cdoe",
        ),
        (
            HEAD + SPACE + "trialCodeDirectory: config.yml\n",
            "6:1: trialCodeDirectory: directory not found: config.yml",
        ),
        (
            _with("local}", "local, trialCodeDirectory: cdoe}"),
            "4:36: trainingService.trialCodeDirectory: directory not found: cdoe",
        ),
        (
            HEAD + SPACE + "experimentWorkingDirectory: config.yml\n",
            (
                '6:1: experimentWorkingDirectory: found "config.yml"; allowed: a directory, or a '
                "path where one can be created"
            ),
        ),
        (
            HEAD + SPACE + 'experimentWorkingDirectory: "a\\0b"\n',
            (
                '6:1: experimentWorkingDirectory: found "a\\u0000b"; allowed: a directory, or a '
                "path where one can be created"
            ),
        ),
        # GPUs
        (
            HEAD + SPACE + "trialGpuNumber: 1\n",
            (
                "4:1: trainingService.useActiveGpu: is required with trialGpuNumber: whether to "
                "use GPUs that are in use"
            ),
        ),
        (
            _with("local}", "local, maxTrialNumberPerGpu: 2}"),
            (
                "4:36: trainingService.maxTrialNumberPerGpu: found 2; without trialGpuNumber it "
                "must be 1"
            ),
        ),
        (
            _with("local}", "local, gpuIndices: '1,0,1'}"),
            '4:36: trainingService.gpuIndices: found "1,0,1"; allowed: each GPU once',
        ),
        (
            _with("local}", "local, gpuIndices: [1, 1]}"),
            "4:36: trainingService.gpuIndices: found [1, 1]; allowed: each item once",
        ),
        (
            _with("local}", "local, gpuIndices: [1, -1]}"),
            "4:52: trainingService.gpuIndices[1]: found -1; allowed: at least 0",
        ),
        (
            HEAD + SPACE + "tunerGpuIndices: -1\n",
            "6:1: tunerGpuIndices: found -1; allowed: at least 0",
        ),
        (
            HEAD + SPACE + "tunerGpuIndices: 0,,1\n",
            (
                '6:1: tunerGpuIndices: found "0,,1"; allowed: GPUs that may be used: a list, one '
                "number, "
                "or text such as `0,1`."
            ),
        ),
        # training services
        (
            _with("local}", "local, reuseMode: true}"),
            (
                "4:36: trainingService.reuseMode: found true, which ended local experiments of 3.0 "
                "in ERROR; leave it out"
            ),
        ),
        # numbers that JSON does not have
        (
            _with("{name: TPE}", "{name: GP, classArgs: {xi: .nan}}"),
            "3:31: tuner.classArgs.xi: NaN and infinity are not allowed",
        ),
        (
            HEAD + "searchSpace: {x: {_type: uniform, _value: [0, .inf]}}\n",
            "5:47: searchSpace.x._value[1]: NaN and infinity are not allowed",
        ),
    ],
)
def test_a_broken_rule_is_reported_with_its_place(check: Check, text: str, expected: str) -> None:
    assert check(text) == [f"config.yml:{expected}"]


@pytest.mark.parametrize(
    ("nni_version", "refused"), [("2.7", True), ("2.10.1", True), ("3.0", False)]
)
def test_a_space_in_the_path_of_the_code_is_refused_before_3_0(
    check: Check, tmp_path: Path, nni_version: str, refused: bool
) -> None:
    """Those managers write an unquoted cd into the trial's script, so every trial fails."""
    (tmp_path / "my code").mkdir()

    found = check(HEAD + SPACE + "trialCodeDirectory: my code\n", nni_version=nni_version)

    expected = (
        "config.yml:6:1: trialCodeDirectory: the path my code has a space in it, so every trial "
        "would fail before NNI 3.0; move the code, or use 3.0"
    )
    assert found == ([expected] if refused else [])


def test_annotations_are_a_warning_in_releases_that_have_them(check: Check) -> None:
    found = check(HEAD + "useAnnotation: true\n", nni_version="2.8")

    assert found == [
        (
            "config.yml:5:1: useAnnotation: found true; only nnictl expands annotations, so nnicli "
            "cannot start this. Write a search space, and read parameters with "
            "nni.get_next_parameter()"
        )
    ]


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "~no-such-user-here/x", "x" * 5000])
def test_an_impossible_path_is_a_problem(path: str) -> None:
    config = {
        "trialConcurrency": 1,
        "trialCommand": "x",
        "trialCodeDirectory": path,
        "searchSpaceFile": path,
        "tuner": {"className": "a.B", "codeDirectory": path},
        "trainingService": {"platform": "local"},
    }

    locations = [problem.location for problem in check_config(config)]

    assert locations == ["searchSpaceFile", "trialCodeDirectory", "tuner.codeDirectory"]
