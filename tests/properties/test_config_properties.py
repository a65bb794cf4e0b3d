"""Any value given as a config is answered by a list of problems."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st

from nnicli.config import check_config, load_search_space
from nnicli.config.documents.reader import read_file
from nnicli.errors import Problem, SearchSpaceError

VALID: dict[str, Any] = {
    "experimentName": "x",
    "trialConcurrency": 2,
    "trialCommand": "python3 trial.py",
    "trialCodeDirectory": ".",
    "trialGpuNumber": 1,
    "maxTrialNumber": 10,
    "maxExperimentDuration": "1h",
    "maxTrialDuration": 60,
    "logLevel": "info",
    "debug": False,
    "tunerGpuIndices": [0],
    "experimentWorkingDirectory": "logs",
    "searchSpace": {
        "lr": {"_type": "loguniform", "_value": [0.001, 0.1]},
        "n": {"_type": "choice", "_value": [{"_name": "a", "k": {"_type": "randint",
                                                                "_value": [0, 2]}}]},
    },
    "tuner": {"name": "TPE", "classArgs": {"optimize_mode": "maximize", "seed": 1}},
    "assessor": {"name": "Medianstop", "classArgs": {"start_step": 3}},
    "trainingService": {"platform": "local", "useActiveGpu": True, "gpuIndices": "0,1"},
}  # fmt: skip
PATHS: list[tuple[str, ...]] = [
    *((name,) for name in VALID),
    ("tuner", "name"),
    ("tuner", "classArgs"),
    ("tuner", "classArgs", "optimize_mode"),
    ("tuner", "classArgs", "seed"),
    ("assessor", "name"),
    ("assessor", "classArgs", "start_step"),
    ("trainingService", "platform"),
    ("trainingService", "useActiveGpu"),
    ("trainingService", "gpuIndices"),
    ("searchSpace", "lr"),
    ("searchSpace", "lr", "_type"),
    ("searchSpace", "lr", "_value"),
]
OTHER_FIELDS: list[tuple[str, ...]] = [
    ("searchSpaceFile",), ("nniManagerIp",), ("useAnnotation",), ("advisor",), ("sharedStorage",),
    ("experimentType",), ("tuner", "className"), ("tuner", "codeDirectory"),
    ("trainingService", "trialCommand"), ("trainingService", "trialCodeDirectory"),
    ("trainingService", "reuseMode"), ("trainingServicePlatform",),
]  # fmt: skip

VALID_V1: dict[str, Any] = {
    "authorName": "me",
    "experimentName": "x",
    "trialConcurrency": 2,
    "maxExecDuration": "1h",
    "maxTrialNum": 10,
    "trainingServicePlatform": "remote",
    "searchSpacePath": "space.json",
    "tuner": {"builtinTunerName": "TPE", "classArgs": {"optimize_mode": "maximize"},
              "gpuIndices": "0"},
    "assessor": {"builtinAssessorName": "Medianstop", "classArgs": {"start_step": 3}},
    "trial": {"command": "python3 trial.py", "codeDir": ".", "gpuNum": 1},
    "localConfig": {"maxTrialNumPerGpu": 2, "gpuIndices": "0,1"},
    "remoteConfig": {"reuse": True},
    "machineList": [{"ip": "h", "username": "u", "passwd": "p", "gpuIndices": "0"}],
}  # fmt: skip
PATHS_V1: list[tuple[str | int, ...]] = [
    *((name,) for name in VALID_V1),
    *(("tuner", name) for name in ("builtinTunerName", "classArgs", "gpuIndices", "codeDir")),
    *(("trial", name) for name in ("command", "codeDir", "gpuNum", "nasMode")),
    *(("machineList", 0, name) for name in ("ip", "port", "passwd", "sshKeyPath", "gpuIndices")),
    ("localConfig", "maxTrialNumPerGpu"), ("advisor",), ("useAnnotation",), ("sharedStorage",),
    ("kubeflowConfig",), ("multiPhase",), ("maxTrialDuration",), ("machineList", 0),
]  # fmt: skip

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=8,
)
quick = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _changed(
    path: tuple[str | int, ...], value: Any, *, base: dict[str, Any] = VALID
) -> dict[str, Any]:
    config = copy.deepcopy(base)
    part: Any = config
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return config


def _check(config: Any, base: Path, nni_version: str | None = None) -> list[Problem]:
    problems = check_config(config, base_path=base, nni_version=nni_version)
    for problem in problems:
        assert problem.message
        assert "\n" not in str(problem)
    return problems


def test_the_config_that_is_changed_here_is_valid(tmp_path: Path) -> None:
    assert check_config(VALID, base_path=tmp_path) == []


@quick
@given(
    path=st.sampled_from(PATHS_V1),
    value=json_values,
    nni_version=st.sampled_from(["1.8", "2.1", "2.2", "3.0"]),
)
def test_any_value_in_any_field_of_v1_is_accepted_or_reported(
    tmp_path: Path, path: tuple[str | int, ...], value: Any, nni_version: str
) -> None:
    (tmp_path / "space.json").write_text('{"x": {"_type": "uniform", "_value": [0, 1]}}')

    _check(_changed(path, value, base=VALID_V1), tmp_path, nni_version)


@quick
@given(text=st.text(st.characters() | st.sampled_from("{}[]:-,&*!|>'\"#%@\n \t"), max_size=60))
def test_any_text_is_read_or_reported(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yml"
    path.write_text(text, errors="surrogatepass", newline="")

    assert _check(path, tmp_path)


@quick
@given(content=st.binary(max_size=60))
def test_any_bytes_are_read_or_reported(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.yml"
    path.write_bytes(content)

    assert _check(path, tmp_path)


@quick
@given(path=st.sampled_from(PATHS + OTHER_FIELDS), value=json_values)
def test_any_value_in_any_field_is_accepted_or_reported(
    tmp_path: Path, path: tuple[str, ...], value: Any
) -> None:
    _check(_changed(path, value), tmp_path)


@quick
@given(space=st.dictionaries(st.text(max_size=6), json_values, max_size=4) | json_values)
def test_any_search_space_is_accepted_or_reported(tmp_path: Path, space: Any) -> None:
    path = tmp_path / "space.json"
    path.write_text(json.dumps(space))

    try:
        loaded = load_search_space(path)
    except SearchSpaceError as error:
        loaded, count = space, len(error.problems)
    else:
        count = 1

    # NaN does not equal itself, but its text does.
    assert repr(loaded) == repr(space)
    assert count > 0


@quick
@given(value=json_values)
def test_json_is_read_as_written(tmp_path: Path, value: Any) -> None:
    text = json.dumps(value, indent=1)
    path = tmp_path / "value.json"
    path.write_text(text)

    document = read_file(path)

    assert not document.problems
    assert json.dumps(document.data, indent=1) == text
    lines = text.split("\n")
    for keys, (line, column) in document.places.items():
        rest = lines[line - 1][column - 1 :]
        if keys and isinstance(keys[-1], str):
            assert rest.startswith(json.dumps(keys[-1]))


@quick
@given(path=st.sampled_from(PATHS), value=st.from_regex(r"\A[A-Z]{12}\Z"))
def test_a_value_of_the_wrong_type_is_reported_at_its_field(
    tmp_path: Path, path: tuple[str, ...], value: str
) -> None:
    """Only a few fields accept any text."""
    assume(path not in {("experimentName",), ("trialCommand",), ("experimentWorkingDirectory",)})

    problems = _check(_changed(path, value), tmp_path)

    assert ".".join(path) in {problem.location for problem in problems}


@quick
@given(
    path=st.sampled_from([path for path in PATHS if "lr" not in path]),
    at=st.integers(0, 3),
    sign=st.sampled_from("qxz"),
)
def test_a_misspelt_key_is_reported_by_name(
    tmp_path: Path, path: tuple[str, ...], at: int, sign: str
) -> None:
    misspelt = (*path[:-1], path[-1][:at] + sign + path[-1][at:])

    problems = _check(_changed(misspelt, 1), tmp_path)

    (problem,) = problems
    assert problem.location == ".".join(misspelt)
    assert problem.rule == "unknown-key"
    assert problem.suggestion == f"did you mean '{path[-1]}'?"


@pytest.mark.parametrize(
    "path",
    [("trialConcurrency",), ("tuner",), ("tuner", "name"), ("trainingService", "platform"),
     ("trialCommand",), ("searchSpace",), ("trainingService",), ("searchSpace", "lr", "_value")],
    ids=".".join,
)  # fmt: skip
def test_a_missing_required_field_is_reported(tmp_path: Path, path: tuple[str, ...]) -> None:
    config = copy.deepcopy(VALID)
    part = config
    for key in path[:-1]:
        part = part[key]
    del part[path[-1]]

    problems = _check(config, tmp_path)

    assert [problem.location for problem in problems] == [".".join(path)]
    assert re.match("is required but missing", problems[0].message)
