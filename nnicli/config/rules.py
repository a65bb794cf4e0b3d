"""What a schema cannot say of a config: one small function a rule."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnicli.config.canonical import ALGORITHMS, absolute_path, to_gpu_list
from nnicli.config.document import Document, Keys, find_non_finite
from nnicli.config.releases import Release
from nnicli.config.secrets import show
from nnicli.errors import InvalidValueError
from nnicli.units import parse_duration


@dataclass(frozen=True, slots=True)
class Subject:
    """A config whose fields have their own spelling, and what it is checked for.

    Attributes:
        document: The config; problems are reported there.
        base: Folder from which its relative paths count.
        release: The NNI that is to run it.
    """

    document: Document
    base: Path
    release: Release

    @property
    def data(self) -> dict[str, Any]:
        """The config's top level."""
        data: dict[str, Any] = self.document.data
        return data

    def section(self, name: str) -> dict[str, Any]:
        """Return a mapping at the top level, empty when it is missing or something else."""
        value = self.data.get(name)
        return value if isinstance(value, dict) else {}

    def effective(self, name: str) -> tuple[Keys, Any]:
        """Return a field that the training service may override, with the way to it."""
        service = self.section("trainingService")
        if name in service:
            return ("trainingService", name), service[name]
        return (name,), self.data.get(name)


def _one_search_space(subject: Subject) -> None:
    given = [name for name in ("searchSpace", "searchSpaceFile") if name in subject.data]
    if not given and subject.data.get("useAnnotation") is not True:
        message = "is required and missing; give it inline, or a file as searchSpaceFile"
        subject.document.report(("searchSpace",), message, rule="required")
    if len(given) > 1:
        message = "searchSpace and searchSpaceFile exclude each other; NNI would take the file"
        subject.document.report(("searchSpaceFile",), message, rule="exclusive")


def _no_annotation(subject: Subject) -> None:
    if subject.data.get("useAnnotation") is not True:
        return
    reason = (
        "only nnictl expands annotations"
        if subject.release.has_annotation
        else "this release has no annotations any more"
    )
    message = f"found true; {reason}. Write a search space, and read parameters with "
    subject.document.report(
        ("useAnnotation",), message + "nni.get_next_parameter()", rule="annotation"
    )


def _one_tuner(subject: Subject) -> None:
    if "advisor" not in subject.data:
        if "tuner" not in subject.data:
            subject.document.report(("tuner",), "is required and missing", rule="required")
        return
    if "tuner" in subject.data:
        message = "tuner and advisor exclude each other"
        subject.document.report(("advisor",), message, rule="exclusive")
    else:
        message = "is deprecated since 2.8; write it as tuner"
        subject.document.report(("advisor",), message, rule="deprecated", severity="warning")


def _algorithm_form(subject: Subject) -> None:
    """An algorithm is a built-in name, or a class with the folder that it is in."""
    for name in ALGORITHMS:
        algorithm = subject.section(name)
        if name not in subject.data or not isinstance(subject.data[name], dict):
            continue
        if "className" in algorithm:
            _check_custom_class(subject, name, algorithm)
        elif "name" not in algorithm:
            message = (
                "is required and missing; give a built-in name, or className and codeDirectory"
            )
            subject.document.report((name, "name"), message, rule="required")
        elif "codeDirectory" in algorithm:
            message = "goes with className only; a built-in algorithm has none"
            subject.document.report((name, "codeDirectory"), message, rule="exclusive")


def _check_custom_class(subject: Subject, name: str, algorithm: dict[str, Any]) -> None:
    report = subject.document.report
    if "name" in algorithm:
        report((name, "name"), "name and className exclude each other", rule="exclusive")
    directory = algorithm.get("codeDirectory")
    if directory is None:
        message = "is required and missing: the folder in which className is found"
        report((name, "codeDirectory"), message, rule="required")
        return
    class_name = algorithm["className"]
    if not isinstance(directory, str) or not isinstance(class_name, str):
        return
    folder = Path(absolute_path(directory, subject.base))
    if not _is_there(folder.is_dir):
        report((name, "codeDirectory"), f"there is no folder {folder}", rule="path")
        return
    if "." not in class_name:
        # The schema says so.
        return
    module = folder.joinpath(*class_name.split(".")[:-1])
    files = (module.with_suffix(".py"), module / "__init__.py")
    if not any(_is_there(file.is_file) for file in files):
        message = f"there is no module {module.with_suffix('.py')}; expected `module.Class`"
        report((name, "className"), message, rule="path")


def _durations(subject: Subject) -> None:
    for name in ("maxExperimentDuration", "maxTrialDuration"):
        value = subject.data.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            continue
        written = subject.document.surprises.get((name,))
        if written is not None and not isinstance(value, str):
            message = f"found {written}, which YAML 1.1 reads as {value}; allowed: a number with a "
            subject.document.report((name,), message + "unit, such as 90s or 2h", rule="duration")
            continue
        try:
            parse_duration(value, field=name)
        except InvalidValueError as error:
            allowed = str(error).rpartition("; ")[2]
            message = f"found {show(value, ())}; {allowed}"
            is_number = len(str(value)) < 10 and str(value).strip(" 0").isdecimal()
            hint = f"write '{value}s' for seconds" if is_number else None
            subject.document.report((name,), message, rule="duration", suggestion=hint)


def _trial_command(subject: Subject) -> None:
    keys, command = subject.effective("trialCommand")
    if command is None:
        subject.document.report(keys, "is required and missing", rule="required")


def _trial_code(subject: Subject) -> None:
    keys, directory = subject.effective("trialCodeDirectory")
    if directory is None:
        directory = "."
    if not isinstance(directory, str) or not directory:
        return
    folder = absolute_path(directory, subject.base)
    if not _is_there(Path(folder).is_dir):
        # A 3.0 manager would say RUNNING for ever, with no trial and no error.
        subject.document.report(keys, f"there is no folder {folder}", rule="path")
    elif " " in folder and not subject.release.takes_blank_in_code_path:
        message = f"the path {folder} has a blank in it, so every trial would fail before NNI 3.0; "
        subject.document.report(keys, message + "move the code, or use 3.0", rule="path")


def _gpus(subject: Subject) -> None:
    service = subject.section("trainingService")
    if service.get("platform") != "local":
        return
    _, number = subject.effective("trialGpuNumber")
    here: Keys = ("trainingService",)
    if isinstance(number, int) and number > 0:
        if "useActiveGpu" not in service:
            message = "is required with trialGpuNumber: whether GPUs in use may be taken"
            subject.document.report((*here, "useActiveGpu"), message, rule="gpu")
    elif service.get("maxTrialNumberPerGpu", 1) != 1:
        value = show(service["maxTrialNumberPerGpu"], ())
        message = f"found {value}; without trialGpuNumber it has to be 1"
        subject.document.report((*here, "maxTrialNumberPerGpu"), message, rule="gpu")
    _check_gpu_text(subject, ("tunerGpuIndices",), subject.data.get("tunerGpuIndices"))
    _check_gpu_text(subject, (*here, "gpuIndices"), service.get("gpuIndices"))


def _check_gpu_text(subject: Subject, keys: Keys, value: Any) -> None:
    if not isinstance(value, str):
        return
    try:
        indices = to_gpu_list(value)
    except ValueError:
        return
    if len(set(indices)) != len(indices):
        message = f"found {show(value, keys)}; allowed: each GPU once"
        subject.document.report(keys, message, rule="unique")


def _platform(subject: Subject) -> None:
    service = subject.data.get("trainingService")
    if isinstance(service, list):
        message = "found a list (hybrid), which is not supported by nnicli yet; allowed: a mapping "
        message += "with platform: local"
        subject.document.report(("trainingService",), message, rule="training-service")
        return
    platform = subject.section("trainingService").get("platform")
    if isinstance(platform, str) and platform in _LATER:
        message = f"found {platform}, which is not supported by nnicli yet; allowed: local"
        subject.document.report(("trainingService", "platform"), message, rule="training-service")


_LATER = ("remote", "openpai", "aml", "dlc", "kubeflow", "frameworkcontroller")


def _reuse_mode(subject: Subject) -> None:
    service = subject.section("trainingService")
    if service.get("platform") == "local" and service.get("reuseMode") is True:
        # Seen on 3.0, whose own check takes it.
        message = "found true, with which local experiments of 3.0 ended in ERROR; leave it out"
        subject.document.report(
            ("trainingService", "reuseMode"), message, rule="reuse-mode", severity="warning"
        )


def _working_directory(subject: Subject) -> None:
    text = subject.data.get("experimentWorkingDirectory")
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
        subject.document.report(("experimentWorkingDirectory",), message, rule="path")


def _is_there(look: Callable[[], bool]) -> bool:
    """Return what a path's `is_dir` or `is_file` says; it may raise for a name that is too long."""
    try:
        return look()
    except (OSError, ValueError):
        return False


def _only_json(subject: Subject) -> None:
    for keys in find_non_finite(subject.data):
        # A search space is checked on its own.
        if keys[0] != "searchSpace":
            subject.document.report(keys, "NaN and infinity are not allowed", rule="finite")


RULES: tuple[Callable[[Subject], None], ...] = (
    _one_search_space,
    _no_annotation,
    _one_tuner,
    _algorithm_form,
    _durations,
    _trial_command,
    _trial_code,
    _gpus,
    _platform,
    _reuse_mode,
    _working_directory,
    _only_json,
)
