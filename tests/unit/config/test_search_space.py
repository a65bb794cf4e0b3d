"""Search spaces: what a tuner cannot use is reported before it is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nnicli.config import check_config, load_search_space
from nnicli.errors import ConfigError, SearchSpaceError
from tests.unit.config.conftest import HEAD, Check, WriteConfig

GOOD: dict[str, Any] = {
    "a": {"_type": "choice", "_value": [1, "x", True, 0.5]},
    "b": {"_type": "randint", "_value": [0, 2]},
    "c": {"_type": "uniform", "_value": [-1, 0.5]},
    "d": {"_type": "quniform", "_value": [0, 10, 0.5]},
    "e": {"_type": "loguniform", "_value": [1e-7, 1]},
    "f": {"_type": "qloguniform", "_value": [1, 10, 1]},
    "g": {"_type": "normal", "_value": [0, 1]},
    "h": {"_type": "qnormal", "_value": [0, 1, 0.1]},
    "i": {"_type": "lognormal", "_value": [-3, 1]},
    "j": {"_type": "qlognormal", "_value": [-3, 1, 0.1]},
    "k": {
        "_type": "choice",
        "_value": [
            {"_name": "none"},
            {"_name": "conv", "size": {"_type": "choice", "_value": [3, 5]}},
        ],
    },
}


@pytest.mark.parametrize("form", ["mapping", "path", "text"])
def test_a_valid_search_space_is_returned(tmp_path: Path, form: str) -> None:
    path = tmp_path / "space.json"
    path.write_text(json.dumps(GOOD))
    source: Any = {"mapping": GOOD, "path": path, "text": str(path)}[form]

    assert load_search_space(source) == GOOD


def test_a_path_is_relative_to_the_base_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "space.yml").write_text("x: {_type: randint, _value: [0, 9]}\n")
    expected = {"x": {"_type": "randint", "_value": [0, 9]}}

    assert load_search_space("space.yml", base_path=tmp_path) == expected
    monkeypatch.chdir(tmp_path)
    assert load_search_space("space.yml") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"x": 1}', "1:2: x: found 1; allowed: a mapping"),
        ('{"x": {"_value": [1]}}', "1:2: x._type: is required but missing"),
        ('{"x": {"_type": "choice"}}', "1:2: x._value: is required but missing"),
        (
            '{"x": {"_type": "choices", "_value": [1]}}',
            (
                '1:8: x._type: found "choices"; allowed: '
                "choice, randint, uniform, quniform, loguniform, qloguniform, normal, qnormal, "
                "lognormal, qlognormal, layer_choice, input_choice (did you mean 'choice'?)"
            ),
        ),
        (
            '{"x": {"_type": "choice", "_value": [1], "_q": 1}}',
            ("1:42: x._q: unknown key; allowed: _type, _value"),
        ),
        (
            '{"x": {"_type": "choice", "_value": []}}',
            (
                "1:27: x._value: found 0 items; allowed: at "
                "least 1: One of the options; an option may be an object with `_name` and further "
                "parameters."
            ),
        ),
        ('{"x": {"_type": "choice", "_value": 3}}', "1:27: x._value: found 3; allowed: a list"),
        (
            (
                '{"x": {"_type": "choice", "_value": [{"_name": "n", "y": {"_type": "uniform",\n'
                '"_value": [2, 1]}}]}}'
            ),
            (
                "2:1: x._value[0].y._value: found [2, 1]; a built-in tuner fails with it; "
                "allowed: a first number below the second"
            ),
        ),
        (
            '{"x": {"_type": "randint", "_value": [2, 2]}}',
            (
                "1:28: x._value: found [2, 2]; a built-in tuner fails with it; allowed: [low, "
                "high) with an integer in it, such as [0, 5]"
            ),
        ),
        (
            '{"x": {"_type": "uniform", "_value": [0]}}',
            ("1:28: x._value: found 1 items; allowed: 2: [low, high]"),
        ),
        (
            '{"x": {"_type": "uniform", "_value": [0, "1"]}}',
            ('1:42: x._value[1]: found "1"; allowed: a number (write it without quotes)'),
        ),
        (
            '{"x": {"_type": "uniform", "_value": [0, true]}}',
            ("1:42: x._value[1]: found true; allowed: a number"),
        ),
        (
            '{"x": {"_type": "uniform", "_value": [0, NaN]}}',
            ("1:42: x._value[1]: NaN and infinity are not allowed"),
        ),
        (
            '{"x": {"_type": "quniform", "_value": [0, 1, 0]}}',
            (
                "1:46: x._value[2]: found 0; a built-in tuner fails with it; "
                "allowed: a step q above zero"
            ),
        ),
        (
            '{"x": {"_type": "loguniform", "_value": [0, 1]}}',
            (
                "1:42: x._value[0]: found 0; a built-in tuner fails with it; allowed: a "
                "logarithmic range that begins above zero"
            ),
        ),
        (
            '{"x": {"_type": "qnormal", "_value": [0, -1, 1]}}',
            (
                "1:42: x._value[1]: found -1; a built-in tuner fails with it; "
                "allowed: sigma above zero"
            ),
        ),
        (
            '{"x": {"_type": "input_choice", "_value": {"candidates": []}}}',
            ("1:33: x._value.n_chosen: is required but missing"),
        ),
        ("[]", "1:1: found []; allowed: a mapping"),
        ("", "1:1: the file is empty"),
        ("null", "1:1: found null; allowed: a mapping"),
        (
            "x: {_type: uniform, _value: ['1e-7', 1]}",
            ('1:30: x._value[0]: found "1e-7"; allowed: a number (write it without quotes)'),
        ),
    ],
)
def test_an_invalid_search_space_is_reported_with_its_place(
    tmp_path: Path, text: str, expected: str
) -> None:
    path = tmp_path / "space.json"
    path.write_text(text)

    with pytest.raises(SearchSpaceError) as caught:
        load_search_space(path)

    assert str(caught.value) == f"{path} has 1 error; nothing was sent:\n{path}:{expected}"
    assert caught.value.path == path
    assert [str(problem) for problem in caught.value.problems] == [f"{path}:{expected}"]


@pytest.mark.parametrize(
    ("name", "reason"), [("none.json", "No such file or directory"), (".", "this is a directory")]
)
def test_a_search_space_that_cannot_be_read_is_the_same_error(
    tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(SearchSpaceError, match=f"cannot be read: {reason}"):
        load_search_space(tmp_path / name)


def test_an_invalid_mapping_is_reported_without_a_place() -> None:
    with pytest.raises(SearchSpaceError) as caught:
        load_search_space({"x": {"_type": "uniform", "_value": [1, 0]}, "y": 2})

    assert str(caught.value) == (
        "search space has 2 errors; nothing was sent:\n"
        "x._value: found [1, 0]; a built-in tuner fails with it; "
        "allowed: a first number below the second\n"
        "y: found 2; allowed: a mapping"
    )
    assert caught.value.path is None


@pytest.mark.parametrize(
    ("tuner", "space", "expected"),
    [
        (
            "SMAC",
            "{_type: normal, _value: [0, 1]}",
            (
                "5:19: searchSpace.x._type: the tuner SMAC "
                "cannot use normal; allowed: choice, loguniform, quniform, randint, uniform"
            ),
        ),
        (
            "Metis",
            "{_type: choice, _value: [1, a]}",
            (
                '5:46: searchSpace.x._value[1]: found "a"; the tuner MetisTuner fails with it; '
                "allowed: numbers"
            ),
        ),
        (
            "PPO",
            "{_type: choice, _value: [1]}",
            (
                "5:19: searchSpace.x._type: the tuner PPOTuner "
                "cannot use choice; allowed: input_choice, layer_choice"
            ),
        ),
        (
            "TPE",
            "{_type: layer_choice, _value: [a]}",
            (
                "5:19: searchSpace.x._type: the tuner TPE "
                "cannot use layer_choice; allowed: choice, lognormal, loguniform, normal, "
                "qlognormal, qloguniform, qnormal, quniform, randint, uniform"
            ),
        ),
        (
            "batch",
            "{_type: choice, _value: [{}]}, y: {_type: choice, _value: [{}]}",
            (
                '5:1: searchSpace: found ["x", "y"]; the tuner BatchTuner fails with it; '
                "allowed: one parameter, a choice of whole sets of parameters"
            ),
        ),
    ],
)
def test_a_search_space_has_to_suit_its_tuner(
    check: Check, tuner: str, space: str, expected: str
) -> None:
    head = HEAD.replace("{name: TPE}", f"{{name: {tuner}, classArgs: {{}}}}")
    if tuner == "PPO":
        head = head.replace("{}", "{optimize_mode: maximize}")

    assert check(f"{head}searchSpace: {{x: {space}}}\n") == [f"config.yml:{expected}"]


def test_grid_search_needs_something_to_search(check: Check) -> None:
    found = check(HEAD.replace("TPE", "GridSearch") + "searchSpace: {}\n")

    assert found == [
        (
            "config.yml:5:1: searchSpace: found {}; the tuner GridSearch fails with it; "
            "allowed: at least one parameter"
        )
    ]


def test_an_option_of_a_grid_may_be_without_parameters(check: Check) -> None:
    space = "searchSpace: {x: {_type: choice, _value: [{_name: none}]}}\n"

    assert check(HEAD.replace("TPE", "GridSearch") + space) == []


def test_a_batch_takes_whole_parameter_sets(check: Check) -> None:
    space = "searchSpace: {sets: {_type: choice, _value: [{lr: 1, n: 2}, {lr: 2, n: 3}]}}\n"

    assert check(HEAD.replace("TPE", "BatchTuner") + space) == []


def test_a_custom_class_may_take_any_kind(check: Check, tmp_path: Path) -> None:
    (tmp_path / "mine.py").touch()
    head = HEAD.replace("{name: TPE}", "{className: mine.T, codeDirectory: .}")

    assert check(head + "searchSpace: {x: {_type: layer_choice, _value: [a]}}\n") == []


def test_problems_of_a_search_space_file_have_its_name_and_lines(
    write_config: WriteConfig, tmp_path: Path
) -> None:
    space = tmp_path / "space.yml"
    space.write_text("x:\n  _type: uniform\n  _value: [2, 1]\n")
    config = write_config(
        HEAD.replace("TPE", "Random") + "searchSpaceFile: space.yml\nmaxTrialNumber: 0\n"
    )

    found = [str(problem) for problem in check_config(config)]

    assert found == [
        f"{config}:6:1: maxTrialNumber: found 0; allowed: at least 1",
        (
            f"{space}:3:3: searchSpace.x._value: found [2, 1]; the tuner Random fails with it; "
            "allowed: a first number below the second"
        ),
    ]


def test_an_invalid_kind_inside_a_nested_option_is_reported_once(check: Check) -> None:
    space = "searchSpace: {x: {_type: choice, _value: [{_name: n, y: {_type: [], _value: 1}}]}}\n"

    found = check(HEAD + space)

    assert len(found) == 1
    assert found[0].startswith("config.yml:5:58: searchSpace.x._value[0].y._type: found []; ")


def test_a_missing_search_space_is_caught_as_any_config_error() -> None:
    with pytest.raises(ConfigError):
        load_search_space("/nowhere/space.json")
