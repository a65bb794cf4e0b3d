"""A converted config as YAML: comments, order, and values that every reader reads the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from nnicli.config import convert_config

SOURCE = """\
# Learning rates.
# Owner: the vision team.

authorName: me  # goes
experimentName: "mnist # 1"  # a name with a sign
trialConcurrency: 2
# At most this long.
maxExecDuration: 1h
trainingServicePlatform: remote
searchSpacePath: space.json
useAnnotation: false
# Chooses.
tuner:
  # Built in.
  builtinTunerName: TPE
  classArgs:
    # More is better.
    optimize_mode: maximize
# What runs.
trial:
  command: python3 trial.py --lr 1e-7  # the command
  codeDir: .
  gpuNum: 0
machineList:
# The fast one.
- ip: 10.0.0.1
  username: me
  passwd: hush  # secret
# Ask before you use it.
- {ip: 10.0.0.2, username: me, sshKeyPath: ~/.ssh/k, passphrase: '1e5'}
# The end.
"""
RESULT = """\
# Learning rates.
# Owner: the vision team.

experimentName: 'mnist # 1'  # a name with a sign
trialConcurrency: 2
# At most this long.
maxExperimentDuration: 1h
trainingService:
  platform: remote
  machineList:
  # The fast one.
  - host: 10.0.0.1
    user: me
    password: hush  # secret
  # Ask before you use it.
  - host: 10.0.0.2
    user: me
    sshKeyFile: ~/.ssh/k
    sshPassphrase: '1e5'
  reuseMode: false
searchSpaceFile: space.json
useAnnotation: false
# Chooses.
tuner:
  # Built in.
  name: TPE
  classArgs:
    # More is better.
    optimize_mode: maximize
# What runs.
trialCommand: python3 trial.py --lr 1e-7  # the command
trialCodeDirectory: .
trialGpuNumber: 0
# The end.
"""


def _written(source: str, tmp_path: Path) -> str:
    file = tmp_path / "config.yml"
    file.write_text(source)
    return convert_config(file).to_yaml()


def test_comments_and_order_are_kept(tmp_path: Path) -> None:
    assert _written(SOURCE, tmp_path) == RESULT


def test_a_comment_of_a_dropped_field_is_dropped_too(tmp_path: Path) -> None:
    text = _written(SOURCE.replace("authorName", "# of the author\nauthorName"), tmp_path)

    assert "of the author" not in text


@pytest.mark.parametrize(
    "command",
    ['"a # b"', "'a # b'", "a#b", "|\n    a # b", ">-\n    a # b\n    c", '"a\n    # b"'],
)
def test_a_hash_sign_in_a_text_is_not_a_comment(tmp_path: Path, command: str) -> None:
    source = SOURCE.replace("python3 trial.py --lr 1e-7  # the command", command)

    text = _written(source, tmp_path)

    expected = yaml.safe_load(source)["trial"]["command"]
    assert yaml.safe_load(text)["trialCommand"] == expected
    assert text.count("# b") == 1 if command != "a#b" else "# b" not in text


@pytest.mark.parametrize(
    "value",
    [
        "1e-7",
        "on",
        "010",
        "1:30",
        "~",
        "null",
        "0x1f",
        "a: b",
        "- a",
        "#",
        "",
        "a\nb",
        "é",
        "x" * 300,
    ],
)
def test_text_stays_text_for_every_reader(value: str) -> None:
    config: dict[str, Any] = {"trainingServicePlatform": "local", "experimentName": value}

    text = convert_config(config).to_yaml()

    assert yaml.safe_load(text)["experimentName"] == value
    if value == "1e-7":
        assert "'1e-7'" in text


def test_a_json_file_becomes_yaml(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{\n\t"trainingServicePlatform": "local",\n\t"searchSpacePath": "s"\n}\n')

    assert convert_config(file).to_yaml() == (
        "trainingService:\n  platform: local\nsearchSpaceFile: s\n"
    )


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("# Licence.\nauthorName: me\n", "# Licence.\n\n"),
        ("tuner:  # chooses\n  builtinTunerName: TPE\n", "tuner:  # chooses\n  name: TPE\n"),
        (
            "tuner:\n  gpuIndices: 0,1\n  builtinTunerName: TPE\n  classArgs:\n    seed: 1  # s\n",
            "tuner:\n  name: TPE\n  classArgs:\n    seed: 1  # s\n",
        ),
        ("trial: {command: c, codeDir: .}  # both\n", "trialCommand: c  # both\ntrialCode"),
    ],
)
def test_every_comment_is_kept_once(tmp_path: Path, source: str, result: str) -> None:
    text = _written(f"{source}searchSpacePath: s\ntrainingServicePlatform: local\n", tmp_path)

    assert result in text
    assert text.count("#") == source.count("#")


def test_comments_in_lists_are_kept(tmp_path: Path) -> None:
    arguments = "      sizes:\n      - 1  # small\n      # The large one.\n      - 2\n"
    source = (
        "searchSpacePath: s\ntrainingServicePlatform: local\ntuner:\n    classArgs:\n" + arguments
    )

    text = _written(source, tmp_path)

    assert "    sizes:\n    - 1  # small\n    # The large one.\n    - 2\n" in text


def test_a_config_already_in_the_format_is_kept_byte_for_byte(tmp_path: Path) -> None:
    source = "trainingService: {platform: local}   # here\n\n\n# end\n"

    assert _written(source, tmp_path) == source
