from __future__ import annotations

from pathlib import Path

import pytest

from nnicli.config import check_config


@pytest.mark.parametrize(
    "text",
    [
        "a: &a\n  <<: *a\n  b: 1\n",
        "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n}\n  <<: *a{n - 1}\n" for n in range(1, 2000)),
        "a0: &a0 {x: 1}\n"
        + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 60)),
        "a: &a [*a]\n",
    ],
    ids=["merged into itself", "a chain of merges", "merges that double", "a list in itself"],
)
def test_aliases_and_merges_that_never_end_are_one_problem(tmp_path: Path, text: str) -> None:
    """Each of these would otherwise end in a RecursionError, or not at all."""
    config = tmp_path / "config.yml"
    config.write_text(text)

    problems = check_config(config)

    assert [(problem.rule, problem.line, problem.column) for problem in problems] == [
        ("size", 1, 1)
    ]
    assert "with aliases expanded, or is nested more than 60 deep" in problems[0].message


def test_a_merge_of_a_merge_is_read(tmp_path: Path) -> None:
    config = tmp_path / "config.yml"
    config.write_text(
        "trialCommand: python3 trial.py\n"
        "trialConcurrency: 1\n"
        "tuner: {name: Random}\n"
        "trainingService: {platform: local}\n"
        "searchSpace:\n"
        "  x: &x {_type: uniform, _value: [0, 1]}\n"
        "  y: &y {<<: *x}\n"
        "  z: {<<: *y, _value: [1, 0]}\n"
    )

    problems = check_config(config)

    assert [(problem.line, problem.location) for problem in problems] == [
        (8, "searchSpace.z._value")
    ]
