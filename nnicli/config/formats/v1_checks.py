"""What a schema cannot express of a config in the v1 format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nnicli.config.field_names import ALGORITHMS, DURATION
from nnicli.config.formats.newer_fields import check_newer_fields
from nnicli.config.paths import absolute_path, is_there
from nnicli.config.rules.algorithms import check_budgets, check_population, check_tuner_exists
from nnicli.config.rules.classes import check_class
from nnicli.config.rules.commands import check_command
from nnicli.config.rules.context import RuleContext
from nnicli.config.rules.hints import check_defects, check_direction, check_placeholders
from nnicli.config.rules.packages import check_packages
from nnicli.config.rules.shared import (
    check_annotation,
    check_code_directory,
    check_directory_can_exist,
    check_gpu_text,
    check_only_json,
)
from nnicli.config.schema.schemas import load_schema
from nnicli.config.secrets import show
from nnicli.config.services import SERVICES, V1_SERVICES
from nnicli.config.services.base import Service

_TUNER_KEYS = ("builtinTunerName", "builtinAdvisorName")
_CLASS_KEYS = ("codeDir", "classFileName", "className")


def _find_service(context: RuleContext) -> Service | None:
    platform = context.data.get("trainingServicePlatform")
    return V1_SERVICES.get(platform) if isinstance(platform, str) else None


def _own_sections(service: Service) -> tuple[str, ...]:
    return tuple(service.sections) if service.has_own_sections else ()


def _platform(context: RuleContext) -> None:
    service = _find_service(context)
    if service is None:
        return
    if service.v1_name not in context.release.v1_platforms:
        allowed = ", ".join(context.release.v1_platforms)
        message = f"found {service.v1_name}, not available in this release; allowed: {allowed}"
        context.document.report(("trainingServicePlatform",), message, rule="training-service")
    taken = {name for part in (service, *service.parts) for name in _own_sections(part)}
    for name in (name for other in SERVICES for name in _own_sections(other)):
        if name in context.data and name not in taken:
            message = (
                f"is not a section of trainingServicePlatform: {service.v1_name}; leave it out"
            )
            context.document.report((name,), message, rule="unknown-key")


def _service(context: RuleContext) -> None:
    """Check the sections of every training service, and what the config's service needs."""
    service = _find_service(context)
    for check in (check for other in SERVICES for check in other.v1_section_checks):
        check(context)
    for check in service.v1_checks if service is not None else ():
        check(context)


def _trial(context: RuleContext) -> None:
    service, trial = _find_service(context), context.section("trial")
    code = trial.get("codeDir")
    if service is None or not service.is_code_remote:
        check_code_directory(context, ("trial", "codeDir"), code)
    if service is not None and service.runs_in_code:
        loc = ("trial", "command")
        check_command(context, loc, trial.get("command"), code, is_local=service.runs_here)


def _gpus(context: RuleContext) -> None:
    for name in ("tuner", "advisor"):
        check_gpu_text(context, (name, "gpuIndices"), context.section(name).get("gpuIndices"))


def _algorithms(context: RuleContext) -> None:
    data, report = context.data, context.document.report
    if "advisor" in data:
        for name in ("tuner", "assessor"):
            if name in data:
                report((name,), f"{name} and advisor exclude each other", rule="exclusive")
    elif "tuner" not in data:
        report(("tuner",), "is required but missing", rule="required")
    for name, key in ALGORITHMS.items():
        algorithm = context.section(name)
        if not isinstance(data.get(name), dict):
            continue
        given = [part for part in _CLASS_KEYS if part in algorithm]
        if key in algorithm:
            for part in given:
                report((name, part), f"{part} and {key} exclude each other", rule="exclusive")
        else:
            _check_custom_class(context, name, key, algorithm)
    known = load_schema("experiment-v1")["$defs"]["tuner"]["properties"]["builtinTunerName"]["enum"]
    built_in = context.section("tuner").get("builtinTunerName")
    check_tuner_exists(context, ("tuner", "builtinTunerName"), built_in, known)


def _check_custom_class(
    context: RuleContext, name: str, key: str, algorithm: dict[str, Any]
) -> None:
    report = context.document.report
    if not any(part in algorithm for part in _CLASS_KEYS):
        message = f"is required but missing; give a built-in name, or {', '.join(_CLASS_KEYS)}"
        report((name, key), message, rule="required")
        return
    for part in _CLASS_KEYS:
        if part not in algorithm:
            report((name, part), "is required but missing", rule="required")
    class_name = algorithm.get("className")
    if isinstance(class_name, str) and "." in class_name:
        message = f"found {show(class_name, ())}; allowed: the name of the class alone"
        report((name, "className"), message, rule="text")
    directory, file = algorithm.get("codeDir"), algorithm.get("classFileName")
    if isinstance(directory, str) and isinstance(file, str):
        path = Path(absolute_path(directory, context.base)) / file
        if not is_there(path.is_file):
            report((name, "classFileName"), f"file not found: {path}", rule="path")
        elif isinstance(class_name, str):
            check_class(context, (name, "className"), path, class_name)


def _durations(context: RuleContext) -> None:
    for name in ("maxExecDuration", "maxTrialDuration"):
        value = context.data.get(name)
        if isinstance(value, str) and not DURATION.fullmatch(value):
            allowed = "a whole number with a unit, s, m, h or d, such as 90s or 2h"
            message = f"found {show(value, ())}; allowed: {allowed}"
            context.document.report((name,), message, rule="duration")


def _search_space(context: RuleContext) -> None:
    report, given = context.document.report, "searchSpacePath" in context.data
    algorithms = [context.section(name) for name in ("tuner", "advisor")]
    names = [
        section[key] for section, key in zip(algorithms, _TUNER_KEYS, strict=True) if key in section
    ]
    is_annotated = context.data.get("useAnnotation") is True
    if given and is_annotated:
        message = "excludes useAnnotation: true, which generates the search space from the code"
        report(("searchSpacePath",), message, rule="exclusive")
    # Network morphism searches its own architectures.
    elif not given and not is_annotated and names and names != ["NetworkMorphism"]:
        message = "is required but missing: the JSON file with the search space"
        report(("searchSpacePath",), message, rule="required")


def _annotation_is_given(context: RuleContext) -> None:
    if "useAnnotation" not in context.data and context.release.format == "v1":
        message = "is required but missing in a v1 config before 2.2; write false"
        context.document.report(("useAnnotation",), message, rule="required")


def _gone(context: RuleContext) -> None:
    if context.data.get("multiPhase") is True and context.release.format != "v1":
        message = "found true; in this release a trial has only one parameter set"
        context.document.report(("multiPhase",), message, rule="gone")


def _log_directory(context: RuleContext) -> None:
    check_directory_can_exist(context, ("logDir",))
    text = context.data.get("logDir")
    if not isinstance(text, str) or context.release.format == "v2":
        return
    path = Path(absolute_path(text, context.base))
    if not is_there(path.exists):
        context.document.report(("logDir",), f"directory not found: {path}", rule="path")


RULES: tuple[Callable[[RuleContext], None], ...] = (
    _platform,
    check_annotation,
    _algorithms,
    _durations,
    _trial,
    _gpus,
    _search_space,
    _annotation_is_given,
    _service,
    _gone,
    check_newer_fields,
    _log_directory,
    check_only_json,
    check_budgets,
    check_population,
    check_packages,
    check_placeholders,
    check_defects,
    check_direction,
)
