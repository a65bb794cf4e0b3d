"""The fake manager refuses what the real one refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnicli.testing.fake_node.command_line import CommandLineError, parse_arguments
from nnicli.testing.fake_node.releases import RELEASES, release_for

FLAGS_2_7 = {
    "port": "8080",
    "experiment-id": "abc",
    "action": "create",
    "experiments-directory": "/tmp/x",
    "log-level": "info",
}
FLAGS = {**FLAGS_2_7, "python-interpreter": "python3"}


def argv(flags: dict[str, str]) -> list[str]:
    pairs = [part for name, value in flags.items() for part in (f"--{name}", value)]
    return ["--max-old-space-size=4096", "/some where/main.js", *pairs]


def test_complete_command_line_is_accepted() -> None:
    arguments = parse_arguments(argv({**FLAGS, "url-prefix": "a/b"}), release_for("3.0"))

    assert (arguments.port, arguments.action, arguments.url_prefix) == (8080, "create", "a/b")
    assert arguments.python_interpreter == "python3"


@pytest.mark.parametrize("name", FLAGS)
def test_every_flag_is_required(name: str) -> None:
    flags = {key: value for key, value in FLAGS.items() if key != name}

    with pytest.raises(CommandLineError, match=f"Missing required arguments: {name}"):
        parse_arguments(argv(flags), release_for("2.8"))


@pytest.mark.parametrize(
    ("version", "changes", "message"),
    [
        ("2.7", {"python-interpreter": "python3"}, "Unknown arguments: python-interpreter"),
        ("3.0", {"experiment_id": "abc"}, "Unknown arguments: experiment_id"),
        ("3.0", {"action": "new"}, "Argument: action"),
        ("2.8", {"log-level": "trace"}, "Argument: log-level"),
        ("3.0", {"log-level": "fatal"}, "Argument: log-level"),
        ("2.8", {"experiments-directory": "relative"}, "experiments-directory"),
        ("3.0", {"url-prefix": "/a"}, "url-prefix"),
        ("3.0", {"port": "many"}, "port is not a number"),
    ],
)
def test_wrong_flag_is_refused(version: str, changes: dict[str, str], message: str) -> None:
    flags = {**(FLAGS_2_7 if version == "2.7" else FLAGS), **changes}

    with pytest.raises(CommandLineError, match=message):
        parse_arguments(argv(flags), release_for(version))


def test_only_2_7_accepts_a_relative_directory() -> None:
    flags = {**FLAGS_2_7, "experiments-directory": "relative"}

    arguments = parse_arguments(argv(flags), release_for("2.7"))

    assert arguments.experiments_directory == str(Path("relative").absolute())


def test_releases_are_in_order_and_start_at_2_7() -> None:
    since = [row.since for row in RELEASES]

    assert since == sorted(set(since))
    with pytest.raises(ValueError, match="the oldest is"):
        release_for("2.6.1")
