"""A config that is checked, and the checks that both formats share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnicli.config.documents.document import Document, Keys, find_non_finite
from nnicli.config.documents.reader import read_file
from nnicli.config.formats.v2 import absolute_path, to_gpu_list
from nnicli.config.releases import NEWER_FIELDS, Release
from nnicli.config.secrets import show, show_path
from nnicli.config.target import Target
from nnicli.errors import InvalidValueError
from nnicli.units import parse_duration

ANNOTATION = "annotation"
"""Rule of a problem that is an error to a start, whatever its severity."""

# What Evolution takes without a population_size, in all releases.
_POPULATION_SIZE = 32


@dataclass(frozen=True, slots=True)
class Subject:
    """A config whose fields have their own spelling, and what it is checked for.

    Attributes:
        document: The config; problems are reported there.
        base: Folder from which its relative paths count.
        release: The NNI that is to run it.
        target: What that NNI has in its environment, None where that is not known.
    """

    document: Document
    base: Path
    release: Release
    target: Target | None = None

    @property
    def data(self) -> dict[str, Any]:
        """The config's top level."""
        data: dict[str, Any] = self.document.data
        return data

    def section(self, name: str) -> dict[str, Any]:
        """Return a mapping at the top level, empty when it is missing or something else."""
        value = self.data.get(name)
        return value if isinstance(value, dict) else {}

    def services(self) -> list[tuple[Keys, dict[str, Any]]]:
        """Return every training service of a config in the v2 format, with the way to it."""
        given = self.data.get("trainingService")
        here: Keys = ("trainingService",)
        if isinstance(given, dict):
            return [(here, given)]
        return [
            ((*here, index), service)
            for index, service in enumerate(given if isinstance(given, list) else [])
            if isinstance(service, dict)
        ]

    def sections(self, way: Keys) -> list[tuple[Keys, dict[str, Any]]]:
        """Return the mappings at a way, of training services all, each with the way to it."""
        if way == ("trainingService",):
            return self.services()
        return [(way, self.section(str(way[0])) if way else self.data)]

    def effective(self, name: str, keys: Keys, service: Mapping[str, Any]) -> tuple[Keys, Any]:
        """Return a field that a training service may override, with the way to it."""
        if name in service:
            return (*keys, name), service[name]
        return (name,), self.data.get(name)


def check_annotation(subject: Subject) -> None:
    """Tell of `useAnnotation: true`, which only nnictl can expand.

    It is valid where the release has it, so that a check warns only; a start refuses it.
    """
    if subject.data.get("useAnnotation") is not True:
        return
    is_known = subject.release.has_annotation
    reason = (
        "only nnictl expands annotations, so nnicli cannot start this"
        if is_known
        else "this release has no annotations any more"
    )
    message = f"found true; {reason}. Write a search space, and read parameters with "
    subject.document.report(
        ("useAnnotation",),
        message + "nni.get_next_parameter()",
        rule=ANNOTATION,
        severity="warning" if is_known else "error",
    )


def check_duration(subject: Subject, keys: Keys, value: Any) -> None:
    """Check a time limit: text with a unit, in v2 also a number of seconds."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return
    written = subject.document.surprises.get(keys)
    if written is not None and not isinstance(value, str):
        message = f"found {written}, which YAML 1.1 reads as {value}; allowed: a number with a "
        subject.document.report(keys, message + "unit, such as 90s or 2h", rule="duration")
        return
    try:
        parse_duration(value, field=str(keys[-1]))
    except InvalidValueError as error:
        allowed = str(error).rpartition("; ")[2]
        message = f"found {show(value, ())}; {allowed}"
        is_number = len(str(value)) < 10 and str(value).strip(" 0").isdecimal()
        hint = f"write '{value}s' for seconds" if is_number else None
        subject.document.report(keys, message, rule="duration", suggestion=hint)


def check_newer_fields(subject: Subject) -> None:
    """Refuse fields that came later than the release."""
    is_v1 = bool(subject.data.get("trainingServicePlatform"))
    for (format_, way), since in NEWER_FIELDS.items():
        if (format_ == "v1") == is_v1 and not subject.release.has(since):
            for keys, section in subject.sections(way[:-1]):
                if way[-1] in section:
                    message = f"is no field of this release; it came with {since}"
                    subject.document.report((*keys, way[-1]), message, rule="unknown-key")


def check_code_folder(subject: Subject, keys: Keys, directory: Any) -> None:
    """Check that the folder of the trials' code is there, and can be used."""
    if not isinstance(directory, str) or not directory:
        return
    folder = absolute_path(directory, subject.base)
    if not is_there(Path(folder).is_dir):
        # A 3.0 manager would say RUNNING for ever, with no trial and no error.
        subject.document.report(keys, f"there is no folder {folder}", rule="path")
    elif " " in folder and not subject.release.takes_blank_in_code_path:
        message = f"the path {folder} has a blank in it, so every trial would fail before NNI 3.0; "
        subject.document.report(keys, message + "move the code, or use 3.0", rule="path")


def machines_of(config: Mapping[str, Any], keys: Keys) -> list[tuple[Keys, dict[str, Any]]]:
    """Return the machines of a remote service, or of a config in v1, each with the way to it."""
    machines = config.get("machineList")
    return [
        ((*keys, "machineList", index), machine)
        for index, machine in enumerate(machines if isinstance(machines, list) else [])
        if isinstance(machine, dict)
    ]


def check_gpu_text(subject: Subject, keys: Keys, value: Any) -> None:
    """Refuse text that names a GPU twice."""
    if not isinstance(value, str):
        return
    try:
        indices = to_gpu_list(value)
    except ValueError:
        return
    if len(set(indices)) != len(indices):
        message = f"found {show(value, keys)}; allowed: each GPU once"
        subject.document.report(keys, message, rule="unique")


# Operator -> the role that it needs, and the one that it has not.
_OPERATOR_ROLES = {"tf-operator": ("worker", "master"), "pytorch-operator": ("master", "ps")}


def check_operator_roles(
    subject: Subject, keys: Keys, roles: Mapping[str, Any], operator: Any
) -> None:
    """Check that a Kubeflow operator has the roles that it runs, and no other."""
    if not isinstance(operator, str) or operator not in _OPERATOR_ROLES:
        return
    needed, foreign = _OPERATOR_ROLES[operator]
    if needed not in roles:
        message = f"is required and missing: operator {operator} runs it"
        subject.document.report((*keys, needed), message, rule="operator-role")
    if foreign in roles:
        message = f"is no role of operator {operator}; leave it out"
        subject.document.report((*keys, foreign), message, rule="operator-role")


def check_unique_names(subject: Subject, keys: Keys, roles: Any) -> None:
    """Check that each role of a list has a name of its own."""
    seen: set[str] = set()
    for index, role in enumerate(roles if isinstance(roles, list) else []):
        name = role.get("name") if isinstance(role, dict) else None
        if not isinstance(name, str):
            continue
        if name in seen:
            message = f"found {show(name, ())}, the name of an earlier role; give each its own"
            subject.document.report((*keys, index, "name"), message, rule="unique")
        seen.add(name)


def check_tuner_exists(subject: Subject, keys: Keys, name: Any, known: Iterable[str]) -> None:
    """Check that a built-in tuner that nnicli knows was there in the release, too."""
    if subject.target is not None and name in subject.target.names("tuner"):
        return
    if isinstance(name, str) and name in known and name not in subject.release.tuners:
        allowed = ", ".join(subject.release.tuners)
        message = f"found {name}, which this release has not; allowed: {allowed}"
        subject.document.report(keys, message, rule="enum")


def check_budgets(subject: Subject) -> None:
    """Check that BOHB's budgets are a range, in `tuner` or `advisor`."""
    for name in ("tuner", "advisor"):
        algorithm = subject.section(name)
        arguments = algorithm.get("classArgs")
        is_bohb = "BOHB" in (algorithm.get("name"), algorithm.get("builtinAdvisorName"))
        if not is_bohb or not isinstance(arguments, dict):
            continue
        least, most = arguments.get("min_budget", 1), arguments.get("max_budget", 3)
        if isinstance(least, int | float) and isinstance(most, int | float) and least > most > 0:
            message = f"found {show(most, ())}; allowed: at least min_budget, which is {least}"
            keys = (name, "classArgs", "max_budget")
            subject.document.report(keys, message, rule="range")


def check_population(subject: Subject) -> None:
    """Check that an Evolution tuner has as many individuals as trials run at once.

    With fewer it fails over its first request, "The population is empty" (1.9, 2.5, 2.10.1 and 3.0,
    seen live).
    """
    tuner = subject.section("tuner")
    if "Evolution" not in (tuner.get("name"), tuner.get("builtinTunerName")):
        return
    arguments = tuner.get("classArgs")
    told = arguments.get("population_size") if isinstance(arguments, dict) else None
    size = _POPULATION_SIZE if told is None else told
    at_once = subject.data.get("trialConcurrency")
    if isinstance(size, int) and isinstance(at_once, int) and 0 < size < at_once:
        found = f"found {size}" if told is not None else f"is not given, which means {size}"
        message = f"{found}; allowed: at least trialConcurrency, which is {at_once}"
        subject.document.report(("tuner", "classArgs", "population_size"), message, rule="range")


def check_file(subject: Subject, keys: Keys, text: Any) -> None:
    """Check that a file that is named is there."""
    if isinstance(text, str) and text:
        path = Path(absolute_path(text, subject.base))
        if not is_there(path.is_file):
            message = f"there is no file {show_path(text, str(path))}"
            subject.document.report(keys, message, rule="path")


def check_folder(subject: Subject, keys: Keys, text: Any) -> None:
    """Check that a folder that is named is there."""
    if isinstance(text, str) and text:
        path = Path(absolute_path(text, subject.base))
        if not is_there(path.is_dir):
            subject.document.report(keys, f"there is no folder {path}", rule="path")


def check_mapping_file(subject: Subject, keys: Keys, text: Any) -> dict[str, Any]:
    """Check that a YAML or JSON file that is named holds a mapping, and return that."""
    if not isinstance(text, str) or not text:
        return {}
    path = Path(absolute_path(text, subject.base))
    document = read_file(path)
    for problem in document.problems:
        subject.document.report(keys, f"{path} {problem.message}", rule=problem.rule)
    if isinstance(document.data, dict):
        return document.data
    if not document.problems:
        subject.document.report(keys, f"{path} holds no mapping", rule="type")
    return {}


def check_folder_can_be(subject: Subject, keys: tuple[str]) -> None:
    """Check that a folder at the top level exists, or could be made."""
    text = subject.data.get(keys[0])
    if not isinstance(text, str) or not text:
        return
    path = Path(absolute_path(text, subject.base))
    try:
        is_in_the_way = path.exists() and not path.is_dir()
        os.fsencode(path)
    except (OSError, ValueError):
        is_in_the_way = True
    if is_in_the_way or "\0" in text:
        message = f"found {show(text, ())}; allowed: a folder, or a path where one can be made"
        subject.document.report(keys, message, rule="path")


def is_there(look: Callable[[], bool]) -> bool:
    """Return what a path's `is_dir` or `is_file` says; it may raise for a name that is too long."""
    try:
        return look()
    except (OSError, ValueError):
        return False


def check_only_json(subject: Subject) -> None:
    """Refuse numbers that JSON does not have."""
    for keys in find_non_finite(subject.data):
        # A search space is checked on its own.
        if keys[0] != "searchSpace":
            subject.document.report(keys, "NaN and infinity are not allowed", rule="finite")
