"""The configs with verdicts beside the project, and what nnicli says of them.

    python -m tests.config_cases [--list]

prints how far nnicli agrees with the verdicts, and with `--list` every difference.
"""

from __future__ import annotations

import csv
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nnicli.config import check_config
from nnicli.errors import Problem

CASES = Path(__file__).parents[2] / "shared" / "config-cases"
# Why a test is skipped: they are NNI's own text, and no part of this repository.
MISSING = "NNI's own configs, with verdicts, are not in ../shared/config-cases beside the checkout"

_SENSELESS = "GPTuner takes the kind and draws what happens to be in memory"
_SIGMA_OR_POINT = "TPE of 1.9 draws, and fails after 20 trials"
# Records that should be rejected by documentation, and what the real tuner of that release made of
# them: see `tests/data/tuner-verdicts.json`. What was seen is right, so nnicli warns.
SEEN_TO_RUN = {
    "m05879": "TPE of 3.0 hands the object out as it is",
    "m05881": _SIGMA_OR_POINT,
    "m05903": "TPE of 3.0 takes a negative step for a positive one",
    "m05932": _SIGMA_OR_POINT,
    "m05935": _SIGMA_OR_POINT,
    "m06063": "GridSearch of 1.9 runs, but trials get a list in place of the option",
    "m06127": _SENSELESS,
    "m06129": _SENSELESS,
    "m06132": _SENSELESS,
    "m06183": "not run: by its code SMAC draws the number of an option and hands that out as it is",
}


@dataclass(frozen=True)
class Verdict:
    """What nnicli says of one mutated config.

    Attributes:
        record: The line of `mutations.jsonl`.
        errors: The errors that were found.
    """

    record: Mapping[str, Any]
    errors: Sequence[Problem]

    @property
    def agrees(self) -> bool:
        """Whether it was rejected as it should be."""
        return bool(self.errors) == self.should_be_rejected

    @property
    def should_be_rejected(self) -> bool:
        """The record's verdict, corrected by what was seen."""
        rejects: bool = self.record["should_be_rejected"]
        return rejects and self.record["id"] not in SEEN_TO_RUN

    @property
    def names_the_field(self) -> bool:
        """Whether an error is at the mutated field, inside it, or at the field of the reason."""
        if not self.record["field"]:
            return bool(self.errors)
        reasons = (reason.partition(":")[0] for reason in self.record["reason"].split("; "))
        wanted = {_fold(name) for name in (self.record["field"], *reasons)}
        return any(
            f"{_fold(error.location)}.".startswith(f"{field}.")
            for error in self.errors
            for field in wanted
        )

    def __str__(self) -> str:
        record = self.record
        head = f"{record['id']} {record['nni_version']} {record['mutation']} {record['field']!r}"
        rejects = "reject" if self.should_be_rejected else "accept"
        found = "; ".join(f"{error.location}: {error.message}" for error in self.errors) or "-"
        return f"{head}: should {rejects} ({record['reason']}); found: {found}"


def _fold(location: str) -> str:
    return re.sub(r"\[(\w+)\]", r".\1", location).replace("_", "").lower()


def judge_mutations() -> Iterator[Verdict]:
    """Yield what nnicli says of every mutated config."""
    fixture = CASES / "fixture"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yml"
        for line in (CASES / "mutations.jsonl").read_text("utf-8").splitlines():
            record = json.loads(line)
            source: Any = record.get("config")
            if "raw_yaml" in record:
                file.write_text(record["raw_yaml"], "utf-8")
                source = file
            problems = check_config(source, base_path=fixture, nni_version=record["nni_version"])
            yield Verdict(record, [one for one in problems if one.severity == "error"])


def read_corpus() -> list[dict[str, str]]:
    """Return the rows of the corpus's index."""
    with (CASES / "corpus" / "index.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


_RELEASE = {"v2.5": "2.5", "v2.10": "2.10.1"}
_FILE_KEYS = re.compile(
    r"(sshKey(Path|File)|paiConfigPath|openpaiConfigFile|authFile|privateRegistryAuthPath"
    r"|configPath)$",
    re.IGNORECASE,
)
_SPACE_KEYS = re.compile("searchSpace(Path|File)$", re.IGNORECASE)
_FOLDER_KEYS = re.compile(
    r"(codeDir|(trialC|c)odeDirectory|nniManagerNFSMountPath|localStorageMountPoint"
    r"|localMountPoint|logDir|experimentWorkingDirectory)$",
    re.IGNORECASE,
)
_SPACE = {"x": {"_type": "choice", "_value": [1, 2]}}
_ARCHITECTURE = {"x": {"_type": "layer_choice", "_value": ["conv", "pool"]}}


def check_corpus_file(row: Mapping[str, str], folder: Path) -> list[Problem]:
    """Return the errors in a file of the corpus, with everything there that it refers to."""
    source = CASES / "corpus" / row["file"]
    project = folder / "project"
    project.mkdir(parents=True)
    text = source.read_text("utf-8")
    data = yaml.safe_load(text)
    replaced: dict[str, str] = {}
    _provide(data, project, row, replaced)
    for old, new in sorted(replaced.items(), key=lambda pair: -len(pair[0])):
        text = re.sub(
            rf"(:\s*['\"]?){re.escape(old)}(?=['\"]?\s*(#.*)?$)",
            rf"\g<1>{new}",
            text,
            flags=re.MULTILINE,
        )
    file = project / "config.yml"
    file.write_text(text, "utf-8")
    tag = row["tag"]
    problems = check_config(file, nni_version=_RELEASE.get(tag, tag.removeprefix("v")))
    return [one for one in problems if one.severity == "error"]


def _provide(
    value: Any, project: Path, row: Mapping[str, str], replaced: dict[str, str], key: str = ""
) -> None:
    """Make the files and folders that a config names; absolute ones get another place."""
    if isinstance(value, dict):
        for name, item in value.items():
            _provide(item, project, row, replaced, str(name))
        _provide_class(value, project)
    elif isinstance(value, list):
        for item in value:
            _provide(item, project, row, replaced, key)
    elif not isinstance(value, str) or not value:
        return
    elif _FOLDER_KEYS.search(key):
        _place(value, project, replaced).mkdir(parents=True, exist_ok=True)
    elif _SPACE_KEYS.search(key):
        _provide_space(_place(value, project, replaced), row)
    elif _FILE_KEYS.search(key):
        _make_file(_place(value, project, replaced), "taskRoles: {worker: {}}\n")


def _provide_class(algorithm: Mapping[str, Any], project: Path) -> None:
    folder = algorithm.get("codeDir", algorithm.get("codeDirectory"))
    if not isinstance(folder, str):
        return
    name = algorithm.get("classFileName")
    if name is None and "className" in algorithm:
        name = algorithm["className"].rpartition(".")[0].replace(".", "/") + ".py"
    if name is not None:
        _make_file(_place(folder, project, {}) / name, "")


def _provide_space(path: Path, row: Mapping[str, str]) -> None:
    shipped = CASES / "corpus" / row["search_space"]
    if row["search_space"] and shipped.is_file():
        _make_file(path, shipped.read_text("utf-8"))
    else:
        is_search = re.search("ppo|nas|regularized", row["file"])
        _make_file(path, json.dumps(_ARCHITECTURE if is_search else _SPACE))


def _place(text: str, project: Path, replaced: dict[str, str]) -> Path:
    if text.startswith(("/", "~")):
        text, old = "elsewhere/" + text.strip("~/"), text
        replaced[old] = text
    return project / text


def _make_file(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(content, "utf-8")


def describe(*, every: bool) -> Iterator[str]:
    """Yield how far nnicli agrees, and every difference when asked."""
    verdicts = list(judge_mutations())
    agreed = sum(verdict.agrees for verdict in verdicts)
    rejected = [v for v in verdicts if v.errors and v.should_be_rejected]
    named = sum(verdict.names_the_field for verdict in rejected)
    yield f"mutations: {agreed} of {len(verdicts)} agree, {agreed / len(verdicts):.2%}"
    yield f"rejections: {named} of {len(rejected)} name the field, {named / len(rejected):.2%}"
    if not every:
        return
    yield from (f"differs: {verdict}" for verdict in verdicts if not verdict.agrees)
    yield from (f"elsewhere: {verdict}" for verdict in rejected if not verdict.names_the_field)
    for row in read_corpus():
        with tempfile.TemporaryDirectory() as folder:
            errors = check_corpus_file(row, Path(folder))
        if bool(errors) != (row["validity"] != "valid"):
            told = "; ".join(f"{error.location}: {error.message}" for error in errors) or "-"
            yield f"{row['file']} ({row['validity']}, {row['message']}) {row['doubt']}: {told}"


if __name__ == "__main__":
    for line in describe(every="--list" in sys.argv):
        sys.stdout.write(f"{line}\n")
