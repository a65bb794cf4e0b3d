"""What cannot be read is reported with its place, and nothing is read at any cost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from nnicli import ConfigError
from nnicli.config import check_config, load_config, load_search_space
from nnicli.config.documents.document import MOST_DEPTH, MOST_VALUES
from nnicli.config.documents.reader import read_file, read_mapping

TOO_LARGE = (
    f"has more than {MOST_VALUES} values, with aliases expanded, or is nested more than "
    f"{MOST_DEPTH} deep"
)
BOMB = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 10)
)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "1:1: the file is empty"),
        (b"# only a comment\n", "1:1: the file is empty"),
        (b"\x00\x01", " cannot be read: this is a binary file; expected a YAML or JSON file"),
        (b"a: 1\nb: \xff\n", "2:1: not valid UTF-8; save the file as UTF-8"),
        (b"a: 1\nb: \x01\n", "2:1: this is not valid YAML: the character U+0001 is not allowed"),
        (b"a: 1\n  b: 2\n", "2:4: this is not valid YAML: mapping values are not allowed"),
        (b"a: *x\n", "1:4: this is not valid YAML: this alias has no anchor;"),
        (b"a: 1\n---\nb: 2\n", "2:1: a second document begins here; put one config into a file"),
        (b"a: 1\na: 2\n", "2:1: a: duplicate key, first on line 1;"),
        (b'{"a": 1,\n "a": 2}', "2:2: a: duplicate key, first on line 1;"),
        (b"a: !!python/name:os.system\n", "1:4: a: the tag !!python/name:os.system is not allowed"),
        (b"a: !!set {x}\n", "1:4: a: the tag !!set is not allowed: a config is plain data"),
        (b"a: !!int x\n", "1:4: a: this text is not a valid int"),
        (b"a: " + b"1" * 1001, "1:4: a: this text is not a valid int"),
        (b"a: 1" + b":1" * 200_000, "1:4: a: this text is not a valid int"),
        (
            b"1: 2\n",
            "1:1: the key 1 is not text: YAML 1.1 reads it as int (write it in quotes: '1'",
        ),
        (b"on: 2\n", "1:1: the key on is not text: YAML 1.1 reads it as bool"),
        (b"[a]: 2\n", "1:1: the key a collection is not text"),
        (b"<<: 2\n", "1:5: `<<` needs a mapping"),
        (b"a: " + b"[" * 61 + b"]" * 61, "1:63: nested more than 60 deep"),
        (b"[" * 900, "1:61: nested more than 60 deep"),
        (b'{"a":' * 200_000, "1:301: nested more than 60 deep"),
        (b"[" * 90 + b"]" * 90, f"1:1: {TOO_LARGE}"),
        (b"a: &a [*a]\n", f"1:1: {TOO_LARGE}"),
        (BOMB.encode(), f"1:1: {TOO_LARGE}"),
        (b"- 1\n" * (MOST_VALUES + 1), f"1:1: {TOO_LARGE}"),
    ],
    ids=lambda value: value[:20].decode("latin-1") if isinstance(value, bytes) else "",
)
def test_a_file_that_is_not_a_config_is_refused(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    path = tmp_path / "config.yml"
    path.write_bytes(content)

    problems = [str(problem) for problem in read_file(path).problems]

    assert problems
    assert problems[0].startswith(f"{path}:{expected}")


def test_a_file_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    large = tmp_path / "large.yml"
    with large.open("wb") as file:
        file.truncate((16 << 20) + 1)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    found = {
        str(path): check_config(path)[0].message
        for path in (tmp_path, tmp_path / "none.yml", large, "/dev/null", pipe, "a\0b")
    }

    after = "; expected a YAML or JSON file"
    assert found == {
        str(tmp_path): f"cannot be read: this is a directory{after}",
        str(tmp_path / "none.yml"): f"cannot be read: No such file or directory{after}",
        str(large): f"cannot be read: larger than the 16,777,216 bytes that nnicli reads{after}",
        "/dev/null": f"cannot be read: expected a regular file, found a device{after}",
        str(pipe): f"cannot be read: expected a regular file, found a named pipe{after}",
        "a\0b": f"cannot be read: its path has a character that no path can have{after}",
    }


def test_keys_of_the_mapping_override_merged_ones(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_text("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 3}\nc: {<<: [*a, *b], x: 4}\n")

    document = read_file(path)

    assert document.problems == []
    assert document.data["c"] == {"x": 4, "y": 2, "z": 3}


def test_dates_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_text("experimentName: 2024-01-31\n")

    assert read_file(path).data == {"experimentName": "2024-01-31"}


def test_a_byte_order_mark_is_not_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_text("a: 1\n", encoding="utf-8-sig")

    assert read_file(path).data == {"a": 1}


def test_json_is_read_as_json(tmp_path: Path) -> None:
    """YAML 1.1 would read 1e-7 as text and refuse tabs; NNI tries search spaces as JSON first."""
    path = tmp_path / "space.json"
    path.write_text('{\n\t"lr": [1e-7, "\\ud83d\\ude00", {"q": [], "n": null}],\n\t"z": {}\n}')

    document = read_file(path)

    assert document.data == {"lr": [1e-7, "\U0001f600", {"q": [], "n": None}], "z": {}}
    assert document.problems == []
    assert document.places == {
        (): (1, 1),
        ("lr",): (2, 2),
        ("lr", 0): (2, 9),
        ("lr", 1): (2, 15),
        ("lr", 2): (2, 31),
        ("lr", 2, "q"): (2, 32),
        ("lr", 2, "n"): (2, 41),
        ("z",): (3, 2),
    }


def test_json_and_yaml_agree_on_values_and_places(tmp_path: Path) -> None:
    text = json.dumps({"a": {"b": [1, 2.5, True, None, "x:, [y"]}, "c d": [[], {}]}, indent=1)
    as_json, as_yaml = tmp_path / "a.json", tmp_path / "a.yml"
    as_json.write_text(text)
    as_yaml.write_text(f"{text} # no JSON any more")

    first, second = read_file(as_json), read_file(as_yaml)

    assert first.data == second.data
    assert first.places == second.places


def test_a_mapping_is_copied_into_plain_values() -> None:
    given: dict[str, Any] = {"a": (1, 2), "b": PurePosixPath("/x"), "c": {"d": None, "e": 0.5}}

    document = read_mapping(given)

    assert document.problems == []
    assert document.data == {"a": [1, 2], "b": "/x", "c": {"d": None, "e": 0.5}}
    assert document.data["c"] is not given["c"]


def test_values_and_keys_that_json_does_not_have_are_refused() -> None:
    document = read_mapping({"a": {"b": {1, 2}}, 3: 4, "c": [1 << 5000]})

    assert [str(problem) for problem in document.problems] == [
        "a.b: a set cannot be sent; use plain Python values",
        "the key 3 is not text",
        "c[0]: the number is too large",
    ]


def test_a_mapping_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless += [endless, endless]

    assert [str(problem) for problem in check_config({"a": endless})] == [TOO_LARGE]


def test_shared_lists_that_unfold_to_too_many_values_are_refused() -> None:
    bomb: list[Any] = [1] * 10
    for _ in range(10):
        bomb = [bomb] * 10

    assert [str(problem) for problem in check_config({"a": bomb})] == [TOO_LARGE]


@pytest.mark.parametrize(
    "text",
    ["trialCommand: y", "a: b\npassword: hunter2", '{"trialCommand": "y"}', "[1, 2]", "a\nb"],
)
@pytest.mark.parametrize("load", [load_config, load_search_space])
def test_the_content_of_a_file_is_not_accepted_as_its_path(
    text: str, load: Callable[[str], Any]
) -> None:
    """It used to report an error in a file of this name, and showed the whole text."""
    with pytest.raises(ConfigError) as caught:
        load(text)

    assert "found the content of a file; expected its path, or the fields as a map" in str(
        caught.value
    )
    assert text not in str(caught.value)


def test_many_directives_are_refused_before_they_are_compared(tmp_path: Path) -> None:
    """libyaml compares each with all before it: 600,000 took 40 s."""
    path = tmp_path / "config.yml"
    path.write_text("".join(f"%TAG !t{number}! tag:x:\n" for number in range(200_000)) + "--- a\n")

    (problem,) = read_file(path).problems

    assert problem.message == "has more than 100 lines that begin with %TAG"


def test_the_values_of_an_alias_bomb_are_counted_before_it_expands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[object] = []
    monkeypatch.setattr(
        "nnicli.config.documents.yaml_source._Builder.build", lambda *_: built.append(1)
    )
    path = tmp_path / "config.yml"
    path.write_text(BOMB)

    (problem,) = read_file(path).problems

    assert problem.message == TOO_LARGE
    assert built == []


def test_a_line_break_in_a_path_does_not_break_the_line_of_its_problem() -> None:
    config = {"searchSpaceFile": "\n", "trainingService": {"platform": "local"}}

    (problem,) = [one for one in check_config(config) if one.location == "searchSpaceFile"]

    assert "\n" not in str(problem)
    assert r"/\n cannot be read" in problem.message
