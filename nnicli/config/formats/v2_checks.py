"""What a schema cannot express of a config in the v2 format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nnicli.config.field_names import ADVISORS, ALGORITHMS
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
    check_duration,
    check_gpu_text,
    check_only_json,
)
from nnicli.config.schema.schemas import load_schema
from nnicli.config.secrets import Loc
from nnicli.config.services import V2_SERVICES
from nnicli.config.services.base import Section, Service


def _one_search_space(context: RuleContext) -> None:
    given = [name for name in ("searchSpace", "searchSpaceFile") if name in context.data]
    if not given and context.data.get("useAnnotation") is not True:
        message = "is required but missing; give it inline, or in a file as searchSpaceFile"
        context.document.report(("searchSpace",), message, rule="required")
    if len(given) > 1:
        message = "searchSpace and searchSpaceFile exclude each other; NNI would use the file"
        context.document.report(("searchSpaceFile",), message, rule="exclusive")


def _one_tuner(context: RuleContext) -> None:
    if "advisor" not in context.data:
        if "tuner" not in context.data:
            context.document.report(("tuner",), "is required but missing", rule="required")
        return
    if "tuner" in context.data:
        message = "tuner and advisor exclude each other"
        context.document.report(("advisor",), message, rule="exclusive")
    else:
        message = "is deprecated since 2.8; write it as tuner"
        context.document.report(("advisor",), message, rule="deprecated", severity="warning")


def _algorithm_form(context: RuleContext) -> None:
    """Check that an algorithm is a built-in name, or a class with its directory."""
    for name in ALGORITHMS:
        algorithm = context.section(name)
        if name not in context.data or not isinstance(context.data[name], dict):
            continue
        if "className" in algorithm:
            _check_custom_class(context, name, algorithm)
        elif "name" not in algorithm:
            message = (
                "is required but missing; give a built-in name, or className and codeDirectory"
            )
            context.document.report((name, "name"), message, rule="required")
        elif "codeDirectory" in algorithm:
            message = "is only for className; a built-in algorithm does not have one"
            context.document.report((name, "codeDirectory"), message, rule="exclusive")


def _tuner_exists(context: RuleContext) -> None:
    known = load_schema("experiment-v2")["$defs"]["tuner"]["properties"]["name"]["enum"]
    name = context.section("tuner").get("name")
    if name not in ADVISORS:
        check_tuner_exists(context, ("tuner", "name"), name, known)


def _check_custom_class(context: RuleContext, name: str, algorithm: dict[str, Any]) -> None:
    report = context.document.report
    if "name" in algorithm:
        report((name, "name"), "name and className exclude each other", rule="exclusive")
    directory = algorithm.get("codeDirectory")
    if directory is None:
        message = "is required but missing: the directory in which className is found"
        report((name, "codeDirectory"), message, rule="required")
        return
    class_name = algorithm["className"]
    if not isinstance(directory, str) or not isinstance(class_name, str):
        return
    path = Path(absolute_path(directory, context.base))
    if not is_there(path.is_dir):
        report((name, "codeDirectory"), f"directory not found: {path}", rule="path")
        return
    if "." not in class_name:
        # The schema reports it.
        return
    module = path.joinpath(*class_name.split(".")[:-1])
    files = (module.with_suffix(".py"), module / "__init__.py")
    file = next((file for file in files if is_there(file.is_file)), None)
    if file is not None:
        check_class(context, (name, "className"), file, class_name.rpartition(".")[2])
    elif not _is_installed(context, class_name.partition(".")[0]):
        message = f"module not found: {module.with_suffix('.py')}; expected `module.Class`"
        report((name, "className"), message, rule="path")


def _is_installed(context: RuleContext, module: str) -> bool:
    """Return whether the NNI that will run the config is known to have a module."""
    return context.target is not None and not context.target.find_missing((module,))


def _durations(context: RuleContext) -> None:
    for name in ("maxExperimentDuration", "maxTrialDuration"):
        check_duration(context, (name,), context.data.get(name))


def _tuner_gpus(context: RuleContext) -> None:
    check_gpu_text(context, ("tunerGpuIndices",), context.data.get("tunerGpuIndices"))


def _working_directory(context: RuleContext) -> None:
    check_directory_can_exist(context, ("experimentWorkingDirectory",))


def _services(context: RuleContext) -> None:
    """Check every training service, those of a hybrid list one by one."""
    is_list = isinstance(context.data.get("trainingService"), list)
    allowed = _allowed(context, is_list=is_list)
    if is_list and not allowed:
        message = "found a list (hybrid), not available in this release; allowed: a mapping"
        context.document.report(("trainingService",), message, rule="training-service")
    if not context.services():
        _check_trial(context, (), {}, None)
    for loc, section in context.services():
        platform = section.get("platform")
        service = V2_SERVICES.get(platform) if isinstance(platform, str) else None
        if service is None:
            continue
        if service.v2_name not in allowed:
            _refuse_platform(context, loc, service.v2_name, is_list=is_list)
        _check_trial(context, loc, section, service)
        for check in service.checks:
            check(context, loc, section)
        _check_traps(context, loc, section, service)


def _allowed(context: RuleContext, *, is_list: bool) -> tuple[str, ...]:
    return context.release.hybrid_platforms if is_list else context.release.v2_platforms


def _refuse_platform(context: RuleContext, loc: Loc, platform: str, *, is_list: bool) -> None:
    allowed = ", ".join(_allowed(context, is_list=is_list))
    place = "in a list, " if is_list else ""
    is_for_list = not is_list and platform in context.release.hybrid_platforms
    context.document.report(
        (*loc, "platform"),
        f"found {platform}, not available in this release; {place}allowed: {allowed}",
        rule="training-service",
        suggestion="write it as the only item of a list" if is_for_list else None,
    )


def _check_trial(context: RuleContext, loc: Loc, section: Section, service: Service | None) -> None:
    """Check the command and the code directory of trials, which a service may override."""
    place, command = context.effective("trialCommand", loc, section)
    if command is None and (service is None or not service.has_roles):
        context.document.report(place, "is required but missing", rule="required")
    place_of_code, directory = context.effective("trialCodeDirectory", loc, section)
    directory = "." if directory is None else directory
    check_code_directory(context, place_of_code, directory)
    if service is not None and service.runs_in_code:
        check_command(context, place, command, directory, is_local=service.runs_here)


def _check_traps(context: RuleContext, loc: Loc, section: Section, service: Service) -> None:
    for trap in service.traps:
        if context.release.has(trap.since) and trap.applies(context, loc, section):
            place, _ = context.effective(trap.field, loc, section)
            context.document.report(place, trap.message, rule="trap", severity=trap.severity)


RULES: tuple[Callable[[RuleContext], None], ...] = (
    _one_search_space,
    check_annotation,
    _one_tuner,
    _algorithm_form,
    _tuner_exists,
    _durations,
    check_newer_fields,
    _tuner_gpus,
    _services,
    _working_directory,
    check_only_json,
    check_budgets,
    check_population,
    check_packages,
    check_placeholders,
    check_defects,
    check_direction,
)
