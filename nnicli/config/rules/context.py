"""A config that is checked, and the checks that both formats share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnicli.config.documents.document import Document, find_non_finite
from nnicli.config.documents.reader import read_file
from nnicli.config.gpus import to_gpu_list
from nnicli.config.paths import absolute_path, is_there
from nnicli.config.releases import NEWER_FIELDS, Release
from nnicli.config.secrets import Loc, show, show_path
from nnicli.config.target import Target
from nnicli.errors import InvalidValueError
from nnicli.units import parse_duration

ANNOTATION = "annotation"
"""Rule of a problem that is an error to a start, whatever its severity."""

# What Evolution takes without a population_size, in all releases.
_POPULATION_SIZE = 32


@dataclass(frozen=True, slots=True)
class RuleContext:
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

    def services(self) -> list[tuple[Loc, dict[str, Any]]]:
        """Return every training service of a config in the v2 format, with the way to it."""
        given = self.data.get("trainingService")
        here: Loc = ("trainingService",)
        if isinstance(given, dict):
            return [(here, given)]
        return [
            ((*here, index), service)
            for index, service in enumerate(given if isinstance(given, list) else [])
            if isinstance(service, dict)
        ]

    def sections(self, loc: Loc) -> list[tuple[Loc, dict[str, Any]]]:
        """Return the mappings at a loc, of training services all, each with its loc."""
        if loc == ("trainingService",):
            return self.services()
        return [(loc, self.section(str(loc[0])) if loc else self.data)]

    def effective(self, name: str, loc: Loc, service: Mapping[str, Any]) -> tuple[Loc, Any]:
        """Return a field that a training service may override, with its loc."""
        if name in service:
            return (*loc, name), service[name]
        return (name,), self.data.get(name)


def check_annotation(context: RuleContext) -> None:
    """Tell of `useAnnotation: true`, which only nnictl can expand.

    It is valid where the release has it, so that a check warns only; a start refuses it.
    """
    if context.data.get("useAnnotation") is not True:
        return
    is_known = context.release.has_annotation
    reason = (
        "only nnictl expands annotations, so nnicli cannot start this"
        if is_known
        else "this release has no annotations any more"
    )
    message = f"found true; {reason}. Write a search space, and read parameters with "
    context.document.report(
        ("useAnnotation",),
        message + "nni.get_next_parameter()",
        rule=ANNOTATION,
        severity="warning" if is_known else "error",
    )


def check_duration(context: RuleContext, loc: Loc, value: Any) -> None:
    """Check a time limit: text with a unit, in v2 also a number of seconds."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return
    written = context.document.surprises.get(loc)
    if written is not None and not isinstance(value, str):
        message = f"found {written}, which YAML 1.1 reads as {value}; allowed: a number with a "
        context.document.report(loc, message + "unit, such as 90s or 2h", rule="duration")
        return
    try:
        parse_duration(value, field=str(loc[-1]))
    except InvalidValueError as error:
        allowed = str(error).rpartition("; ")[2]
        message = f"found {show(value, ())}; {allowed}"
        is_number = len(str(value)) < 10 and str(value).strip(" 0").isdecimal()
        hint = f"write '{value}s' for seconds" if is_number else None
        context.document.report(loc, message, rule="duration", suggestion=hint)


def check_newer_fields(context: RuleContext) -> None:
    """Refuse fields that came later than the release."""
    is_v1 = bool(context.data.get("trainingServicePlatform"))
    for (format_, field), since in NEWER_FIELDS.items():
        if (format_ == "v1") == is_v1 and not context.release.has(since):
            for loc, section in context.sections(field[:-1]):
                if field[-1] in section:
                    message = f"is no field of this release; it came with {since}"
                    context.document.report((*loc, field[-1]), message, rule="unknown-key")


def check_code_folder(context: RuleContext, loc: Loc, directory: Any) -> None:
    """Check that the folder of the trials' code is there, and can be used."""
    if not isinstance(directory, str) or not directory:
        return
    folder = absolute_path(directory, context.base)
    if not is_there(Path(folder).is_dir):
        # A 3.0 manager would say RUNNING for ever, with no trial and no error.
        context.document.report(loc, f"there is no folder {folder}", rule="path")
    elif " " in folder and not context.release.takes_blank_in_code_path:
        message = f"the path {folder} has a blank in it, so every trial would fail before NNI 3.0; "
        context.document.report(loc, message + "move the code, or use 3.0", rule="path")


def machines_of(config: Mapping[str, Any], loc: Loc) -> list[tuple[Loc, dict[str, Any]]]:
    """Return the machines of a remote service, or of a config in v1, each with its loc."""
    machines = config.get("machineList")
    return [
        ((*loc, "machineList", index), machine)
        for index, machine in enumerate(machines if isinstance(machines, list) else [])
        if isinstance(machine, dict)
    ]


def check_gpu_text(context: RuleContext, loc: Loc, value: Any) -> None:
    """Refuse text that names a GPU twice."""
    if not isinstance(value, str):
        return
    try:
        indices = to_gpu_list(value)
    except ValueError:
        return
    if len(set(indices)) != len(indices):
        message = f"found {show(value, loc)}; allowed: each GPU once"
        context.document.report(loc, message, rule="unique")


# Operator -> the role that it needs, and the one that it has not.
_OPERATOR_ROLES = {"tf-operator": ("worker", "master"), "pytorch-operator": ("master", "ps")}


def check_operator_roles(
    context: RuleContext, loc: Loc, roles: Mapping[str, Any], operator: Any
) -> None:
    """Check that a Kubeflow operator has the roles that it runs, and no other."""
    if not isinstance(operator, str) or operator not in _OPERATOR_ROLES:
        return
    needed, foreign = _OPERATOR_ROLES[operator]
    if needed not in roles:
        message = f"is required and missing: operator {operator} runs it"
        context.document.report((*loc, needed), message, rule="operator-role")
    if foreign in roles:
        message = f"is no role of operator {operator}; leave it out"
        context.document.report((*loc, foreign), message, rule="operator-role")


def check_unique_names(context: RuleContext, loc: Loc, roles: Any) -> None:
    """Check that each role of a list has a name of its own."""
    seen: set[str] = set()
    for index, role in enumerate(roles if isinstance(roles, list) else []):
        name = role.get("name") if isinstance(role, dict) else None
        if not isinstance(name, str):
            continue
        if name in seen:
            message = f"found {show(name, ())}, the name of an earlier role; give each its own"
            context.document.report((*loc, index, "name"), message, rule="unique")
        seen.add(name)


def check_tuner_exists(context: RuleContext, loc: Loc, name: Any, known: Iterable[str]) -> None:
    """Check that a built-in tuner that nnicli knows was there in the release, too."""
    if context.target is not None and name in context.target.names("tuner"):
        return
    if isinstance(name, str) and name in known and name not in context.release.tuners:
        allowed = ", ".join(context.release.tuners)
        message = f"found {name}, which this release has not; allowed: {allowed}"
        context.document.report(loc, message, rule="enum")


def check_budgets(context: RuleContext) -> None:
    """Check that BOHB's budgets are a range, in `tuner` or `advisor`."""
    for name in ("tuner", "advisor"):
        algorithm = context.section(name)
        arguments = algorithm.get("classArgs")
        is_bohb = "BOHB" in (algorithm.get("name"), algorithm.get("builtinAdvisorName"))
        if not is_bohb or not isinstance(arguments, dict):
            continue
        least, most = arguments.get("min_budget", 1), arguments.get("max_budget", 3)
        if isinstance(least, int | float) and isinstance(most, int | float) and least > most > 0:
            message = f"found {show(most, ())}; allowed: at least min_budget, which is {least}"
            loc = (name, "classArgs", "max_budget")
            context.document.report(loc, message, rule="range")


def check_population(context: RuleContext) -> None:
    """Check that an Evolution tuner has as many individuals as trials run at once.

    With fewer it fails over its first request, "The population is empty" (1.9, 2.5, 2.10.1 and 3.0,
    seen live).
    """
    tuner = context.section("tuner")
    if "Evolution" not in (tuner.get("name"), tuner.get("builtinTunerName")):
        return
    arguments = tuner.get("classArgs")
    told = arguments.get("population_size") if isinstance(arguments, dict) else None
    size = _POPULATION_SIZE if told is None else told
    at_once = context.data.get("trialConcurrency")
    if isinstance(size, int) and isinstance(at_once, int) and 0 < size < at_once:
        found = f"found {size}" if told is not None else f"is not given, which means {size}"
        message = f"{found}; allowed: at least trialConcurrency, which is {at_once}"
        context.document.report(("tuner", "classArgs", "population_size"), message, rule="range")


def check_file(context: RuleContext, loc: Loc, text: Any) -> None:
    """Check that a file that is named is there."""
    if isinstance(text, str) and text:
        path = Path(absolute_path(text, context.base))
        if not is_there(path.is_file):
            message = f"there is no file {show_path(text, str(path))}"
            context.document.report(loc, message, rule="path")


def check_folder(context: RuleContext, loc: Loc, text: Any) -> None:
    """Check that a folder that is named is there."""
    if isinstance(text, str) and text:
        path = Path(absolute_path(text, context.base))
        if not is_there(path.is_dir):
            context.document.report(loc, f"there is no folder {path}", rule="path")


def check_mapping_file(context: RuleContext, loc: Loc, text: Any) -> dict[str, Any]:
    """Check that a YAML or JSON file that is named holds a mapping, and return that."""
    if not isinstance(text, str) or not text:
        return {}
    path = Path(absolute_path(text, context.base))
    document = read_file(path)
    for problem in document.problems:
        context.document.report(loc, f"{path} {problem.message}", rule=problem.rule)
    if isinstance(document.data, dict):
        return document.data
    if not document.problems:
        context.document.report(loc, f"{path} holds no mapping", rule="type")
    return {}


def check_folder_can_be(context: RuleContext, loc: tuple[str]) -> None:
    """Check that a folder at the top level exists, or could be made."""
    text = context.data.get(loc[0])
    if not isinstance(text, str) or not text:
        return
    path = Path(absolute_path(text, context.base))
    try:
        is_in_the_way = path.exists() and not path.is_dir()
        os.fsencode(path)
    except (OSError, ValueError):
        is_in_the_way = True
    if is_in_the_way or "\0" in text:
        message = f"found {show(text, ())}; allowed: a folder, or a path where one can be made"
        context.document.report(loc, message, rule="path")


def check_only_json(context: RuleContext) -> None:
    """Refuse numbers that JSON does not have."""
    for loc in find_non_finite(context.data):
        # A search space is checked on its own.
        if loc[0] != "searchSpace":
            context.document.report(loc, "NaN and infinity are not allowed", rule="finite")
