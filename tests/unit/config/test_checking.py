"""From a file to a document, or to one error that lists all problems."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import nnicli
from nnicli.config import check_config, load_config
from nnicli.errors import (
    ConfigError,
    ConfigSchemaError,
    ConfigSyntaxError,
    SearchSpaceError,
    UnsupportedVersionError,
)
from tests.unit.config.conftest import HEAD, SPACE, WriteConfig

ROOT = Path(nnicli.__file__).parents[1]


def test_an_error_lists_every_problem_one_a_line(write_config: WriteConfig) -> None:
    config = write_config(
        HEAD.replace("trialConcurrency: 1", "trialConcurrency: 0\nmaxTrialNumber: x").replace(
            "name: TPE", "name: TP"
        )
        + "searchSpaceFile: none.json\n"
    )

    with pytest.raises(ConfigSchemaError) as caught:
        load_config(config)

    lines = str(caught.value).split("\n")
    assert lines[0] == f"{config} has 4 errors; nothing was started:"
    assert lines[1] == f"{config}:1:1: trialConcurrency: found 0; allowed: at least 1"
    assert lines[2] == f'{config}:2:1: maxTrialNumber: found "x"; allowed: an integer'
    assert lines[3].startswith(f'{config}:4:9: tuner.name: found "TP"; allowed: TPE, ')
    assert lines[3].endswith("(did you mean 'TPE'?)")
    assert lines[4].startswith(f"{config}:6:1: searchSpaceFile: ")
    assert lines[1:-1] == [str(problem) for problem in caught.value.problems]
    assert lines[-1] == "if a check is wrong here, turn it off: ignore=['range']"
    assert caught.value.path == config
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a: [\n", ConfigSyntaxError),
        ("- a\n", ConfigSyntaxError),
        ("", ConfigSyntaxError),
        (HEAD, SearchSpaceError),
        (HEAD + "searchSpaceFile: none.json\n", SearchSpaceError),
        (HEAD + "searchSpace: {x: 1}\n", SearchSpaceError),
        (HEAD + "searchSpace: {x: 1}\nmaxTrialNumber: 0\n", ConfigSchemaError),
        (HEAD + SPACE + "maxTrialNumber: 0\n", ConfigSchemaError),
        ("trainingServicePlatform: local\n", ConfigSchemaError),
    ],
)
def test_the_error_class_shows_where_the_errors_are(
    write_config: WriteConfig, text: str, kind: type[ConfigError]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write_config(text))

    assert type(caught.value) is kind


def test_a_missing_file_is_a_syntax_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigSyntaxError, match=r"none\.yml: cannot be read: No such file"):
        load_config(tmp_path / "none.yml")


def test_an_error_of_a_mapping_does_not_name_a_file() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config({"trialConcurrency": 0})

    assert str(caught.value).startswith("config has 5 errors; nothing was started:\n")
    assert caught.value.path is None


def test_warnings_stop_nothing_and_are_kept(write_config: WriteConfig) -> None:
    config = write_config(HEAD.replace("tuner: {name: TPE}", "advisor: {name: BOHB}") + SPACE)

    loaded = load_config(config)

    assert [warning.rule for warning in loaded.warnings] == ["deprecated", "trap"]
    assert {warning.severity for warning in loaded.warnings} == {"warning"}
    assert loaded.path == config


def test_problems_are_sorted_by_their_place_in_the_file(write_config: WriteConfig) -> None:
    """Those of the config come first, in any order of the checks."""
    space = write_config('{"x": 1}', name="a-space.json")
    head = HEAD.replace("TPE", "Random")
    config = write_config(
        f"unknown: 1\n{head}searchSpaceFile: a-space.json\nmaxTrialDuration: x\nz: 1\n"
    )

    places = [(problem.file, problem.line) for problem in check_config(config)]

    assert places == [(config, 1), (config, 7), (config, 8), (space, 1)]


def test_an_unknown_release_is_refused() -> None:
    with pytest.raises(UnsupportedVersionError, match=r"NNI 1\.7 is not supported"):
        check_config({}, nni_version="1.7")


def test_the_repr_of_a_loaded_config_does_not_show_its_content(write_config: WriteConfig) -> None:
    """It may hold passwords, and a repr ends up in logs."""
    config = write_config(HEAD + SPACE + "experimentName: hush\n")

    assert repr(load_config(config)) == f"LoadedConfig(v2, path={config}, 12 fields)"


def test_a_config_is_checked_from_inside_a_zip(tmp_path: Path, write_config: WriteConfig) -> None:
    """The schemas are looked up as resources of the package, not as files next to it."""
    archive = tmp_path / "nnicli.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for file in (ROOT / "nnicli").rglob("*.py"):
            target.write(file, file.relative_to(ROOT))
        for file in (ROOT / "schemas").iterdir():
            target.write(file, f"nnicli/schemas/{file.name}")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import nnicli.config as c;"
        "assert c.__file__.startswith(sys.argv[1]), c.__file__;"
        "print(len(c.check_config(sys.argv[2])), len(c.check_config({})))"
    )
    config = write_config(HEAD.replace("TPE", "Random") + SPACE)

    output = subprocess.check_output(
        [sys.executable, "-c", code, str(archive), str(config)], cwd=tmp_path, text=True
    )

    assert output.split() == ["0", "5"]


def test_importing_the_package_does_not_import_jsonschema() -> None:
    """It takes longer to import than everything else."""
    code = "import sys, nnicli.config; print('jsonschema' in sys.modules)"

    output = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)

    assert output.strip() == "False"


def test_the_document_is_json(write_config: WriteConfig) -> None:
    document = load_config(write_config()).document

    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_a_directory_may_have_spaces_in_its_name(tmp_path: Path) -> None:
    directory = tmp_path / "my experiments"
    directory.mkdir()
    path = directory / "my config.yml"
    path.write_text(HEAD + SPACE)

    document: dict[str, Any] = load_config(path).document

    assert document["trialCodeDirectory"] == str(directory)
    shutil.rmtree(directory)
    assert check_config(path)[0].rule == "file"


@pytest.mark.parametrize("config", [[], None, b"config.yml", 3])
def test_what_is_not_a_config_is_a_problem(config: Any) -> None:
    (problem,) = check_config(config)

    assert problem.rule == "type"
    assert "allowed: a path, or a mapping of fields" in problem.message


def test_a_release_may_be_a_number() -> None:
    assert check_config({}, nni_version=3.0) == check_config({}, nni_version="3.0")  # type: ignore[arg-type]  # a slip
