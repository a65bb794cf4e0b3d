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

ANNOTATION = "annotation"
"""Rule of a problem that is an error to a start, whatever its severity."""


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
    if not is_there(folder.is_dir):
        report((name, "codeDirectory"), f"there is no folder {folder}", rule="path")
        return
    if "." not in class_name:
        # The schema says so.
        return
    module = folder.joinpath(*class_name.split(".")[:-1])
    files = (module.with_suffix(".py"), module / "__init__.py")
    if not any(is_there(file.is_file) for file in files):
        message = f"there is no module {module.with_suffix('.py')}; expected `module.Class`"
        report((name, "className"), message, rule="path")


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


def _durations(subject: Subject) -> None:
    for name in ("maxExperimentDuration", "maxTrialDuration"):
        check_duration(subject, (name,), subject.data.get(name))


# Field -> the column that tells whether a release has it, and the first one that has.
_NEWER_FIELDS = {
    "maxTrialDuration": ("has_trial_duration", "2.4"),
    "sharedStorage": ("has_shared_storage", "2.1"),
}


def check_newer_fields(subject: Subject) -> None:
    """Refuse fields that came later than the release."""
    for name, (column, since) in _NEWER_FIELDS.items():
        if name in subject.data and not getattr(subject.release, column):
            message = f"is no field of this release; it came with {since}"
            subject.document.report((name,), message, rule="unknown-key")


def _trial_command(subject: Subject) -> None:
    keys, command = subject.effective("trialCommand")
    if command is None:
        subject.document.report(keys, "is required and missing", rule="required")


def _trial_code(subject: Subject) -> None:
    keys, directory = subject.effective("trialCodeDirectory")
    check_code_folder(subject, keys, "." if directory is None else directory)


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


def _gpus(subject: Subject) -> None:
    service = subject.section("trainingService")
    here: Keys = ("trainingService",)
    check_gpu_text(subject, ("tunerGpuIndices",), subject.data.get("tunerGpuIndices"))
    _, number = subject.effective("trialGpuNumber")
    takes_gpu = isinstance(number, int) and number > 0
    if service.get("platform") == "local":
        if takes_gpu and "useActiveGpu" not in service:
            message = "is required with trialGpuNumber: whether GPUs in use may be taken"
            subject.document.report((*here, "useActiveGpu"), message, rule="gpu")
        _check_shared_gpu(subject, here, service, takes_gpu=takes_gpu)
    for keys, machine in machines_of(service):
        _check_shared_gpu(subject, keys, machine, takes_gpu=takes_gpu)


def _check_shared_gpu(
    subject: Subject, here: Keys, section: dict[str, Any], *, takes_gpu: bool
) -> None:
    if not takes_gpu and section.get("maxTrialNumberPerGpu", 1) != 1:
        value = show(section["maxTrialNumberPerGpu"], ())
        message = f"found {value}; without trialGpuNumber it has to be 1"
        subject.document.report((*here, "maxTrialNumberPerGpu"), message, rule="gpu")
    check_gpu_text(subject, (*here, "gpuIndices"), section.get("gpuIndices"))


def machines_of(service: dict[str, Any]) -> list[tuple[Keys, dict[str, Any]]]:
    """Return the machines of a remote service, each with the way to it."""
    machines = service.get("machineList")
    return [
        (("trainingService", "machineList", index), machine)
        for index, machine in enumerate(machines if isinstance(machines, list) else [])
        if isinstance(machine, dict)
    ]


def _machines(subject: Subject) -> None:
    """A machine is entered with a password, or with a key file that is there."""
    for keys, machine in machines_of(subject.section("trainingService")):
        key = machine.get("sshKeyFile")
        if "password" in machine:
            if key is not None:
                message = "password and sshKeyFile exclude each other; NNI would take the password"
                subject.document.report((*keys, "sshKeyFile"), message, rule="exclusive")
            continue
        path = Path(absolute_path(key if isinstance(key, str) else "~/.ssh/id_rsa", subject.base))
        if not is_there(path.is_file):
            message = f"there is no file {path}; give a key file, or a password"
            subject.document.report((*keys, "sshKeyFile"), message, rule="path")


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


def _platform(subject: Subject) -> None:
    service = subject.data.get("trainingService")
    if isinstance(service, list):
        message = "found a list (hybrid), which is not supported by nnicli yet; allowed: a mapping "
        message += f"with platform: {' or '.join(SUPPORTED)}"
        subject.document.report(("trainingService",), message, rule="training-service")
        return
    platform = subject.section("trainingService").get("platform")
    if isinstance(platform, str) and platform in _LATER:
        message = f"found {platform}, which is not supported by nnicli yet; allowed: "
        message += ", ".join(SUPPORTED)
        subject.document.report(("trainingService", "platform"), message, rule="training-service")


SUPPORTED = ("local", "remote")
_LATER = ("openpai", "aml", "dlc", "kubeflow", "frameworkcontroller")


def _reuse_mode(subject: Subject) -> None:
    service = subject.section("trainingService")
    if service.get("platform") == "local" and service.get("reuseMode") is True:
        # Seen on 3.0, whose own check takes it.
        message = "found true, with which local experiments of 3.0 ended in ERROR; leave it out"
        subject.document.report(
            ("trainingService", "reuseMode"), message, rule="reuse-mode", severity="warning"
        )


def _working_directory(subject: Subject) -> None:
    check_folder_can_be(subject, ("experimentWorkingDirectory",))


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


RULES: tuple[Callable[[Subject], None], ...] = (
    _one_search_space,
    check_annotation,
    _one_tuner,
    _algorithm_form,
    _durations,
    check_newer_fields,
    _trial_command,
    _trial_code,
    _gpus,
    _machines,
    _platform,
    _reuse_mode,
    _working_directory,
    check_only_json,
)
