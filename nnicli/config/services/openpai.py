"""The training service that runs trials on OpenPAI, called pai in v1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nnicli.config.converter import NO_PLACE_IN_V2, Converter
from nnicli.config.documents.reader import read_file
from nnicli.config.field_names import invert
from nnicli.config.paths import absolute_path, is_there
from nnicli.config.releases import Release
from nnicli.config.rules.context import RuleContext
from nnicli.config.rules.shared import check_directory, check_mapping_file, check_one_of
from nnicli.config.secrets import Loc
from nnicli.config.services.base import Section, Service
from nnicli.config.services.shared import HERE, IMAGE, report_unused
from nnicli.units import parse_memory

_SECTION = "paiConfig"
_TRIAL = {
    "nniManagerNFSMountPath": "localStorageMountPoint",
    "containerNFSMountPath": "containerStorageMountPoint",
    "cpuNum": "trialCpuNumber",
    "memoryMB": "trialMemorySize",
    "image": "dockerImage",
    "virtualCluster": "virtualCluster",
    "paiStorageConfigName": "storageConfigName",
    "paiConfigPath": "openpaiConfigFile",
}
_CONFIG = {"userName": "username", "token": "token", "host": "host", "reuse": "reuseMode"}
# Fields of a trial that may also be in `paiConfig`.
_RESOURCES = {
    "gpuNum": "trialGpuNumber",
    "cpuNum": "trialCpuNumber",
    "memoryMB": "trialMemorySize",
}
_NEEDS = ("command", "image", "paiStorageConfigName")


def _check(context: RuleContext, loc: Loc, service: Section) -> None:
    place, number = context.effective("trialGpuNumber", loc, service)
    if number is None:
        message = "is required but missing: OpenPAI needs a number, 0 for none"
        context.document.report(place, message, rule="required")
    text = service.get("localStorageMountPoint")
    if isinstance(text, str) and not is_there(Path(absolute_path(text, context.base)).is_dir):
        message = f"directory not found: {absolute_path(text, context.base)}; mount the storage"
        context.document.report((*loc, "localStorageMountPoint"), message, rule="path")
    file = service.get("openpaiConfigFile")
    if file is not None and "openpaiConfig" in service:
        message = "openpaiConfig and openpaiConfigFile exclude each other"
        context.document.report((*loc, "openpaiConfigFile"), message, rule="exclusive")
    elif isinstance(file, str):
        check_mapping_file(context, (*loc, "openpaiConfigFile"), file)


def _complete(service: Section, base: Path, _release: Release) -> Section:
    host = service["host"]
    completed = {
        "dockerImage": IMAGE,
        "reuseMode": True,
        **service,
        "host": host if "://" in host else f"https://{host}",
        "localStorageMountPoint": absolute_path(service["localStorageMountPoint"], base),
    }
    file = completed.pop("openpaiConfigFile", None)
    if file is not None:
        # The manager only takes the job itself (2.10.1, `openPaiEnvironmentService.js`).
        completed["openpaiConfig"] = read_file(Path(absolute_path(file, base))).data
    return completed


def _check_v1(context: RuleContext) -> None:
    """Check that the config, or a job file of OpenPAI, has what a trial needs."""
    trial, config = context.section("trial"), context.section(_SECTION)
    report = context.document.report
    here = ("trial", "nniManagerNFSMountPath")
    check_directory(context, here, trial.get("nniManagerNFSMountPath"))
    if "paiConfigPath" in trial:
        _check_job_file(context, ("trial", "paiConfigPath"), trial["paiConfigPath"])
        return
    for name in _NEEDS:
        if name not in trial:
            message = "is required but missing without a paiConfigPath"
            report(("trial", name), message, rule="required")
    for name in _RESOURCES:
        if name not in trial and name not in config:
            message = (
                "is required but missing without a paiConfigPath; give it here, or in paiConfig"
            )
            report(("trial", name), message, rule="required")


def _check_job_file(context: RuleContext, loc: Loc, text: Any) -> None:
    before = len(context.document.reported)
    job = check_mapping_file(context, loc, text)
    if len(context.document.reported) == before and not job.get("taskRoles"):
        message = f"{text} does not have taskRoles; expected a job file of OpenPAI"
        context.document.report(loc, message, rule="required")


def _check_credentials(context: RuleContext) -> None:
    if isinstance(context.data.get(_SECTION), dict):
        check_one_of(context, (_SECTION,), context.data[_SECTION], ("token", "passWord"))


def _to_v2(converter: Converter) -> None:
    converter.move_all(("trial",), HERE, _TRIAL)
    converter.move_all((_SECTION,), HERE, _CONFIG)
    for old, new in _RESOURCES.items():
        converter.move((_SECTION, old), (*HERE, new))
    message = f"{NO_PLACE_IN_V2}; get a token from OpenPAI's profile page and give it as token"
    converter.report_loss((_SECTION, "passWord"), message)
    report_unused(converter, _SECTION, ("maxTrialNumPerGpu", "useActiveGpu"), "openpai")


def _to_v1(converter: Converter, loc: Loc, _machine_command: str) -> None:
    converter.move_all(loc, ("trial",), invert(_TRIAL), {"trialMemorySize": parse_memory})
    converter.assume(("trial", "image"), IMAGE, "is v2's default")
    converter.move_all(loc, (_SECTION,), invert(_CONFIG))


OPENPAI = Service(
    v1_name="pai",
    v2_name="openpai",
    checks=(_check,),
    complete=_complete,
    sections={_SECTION: "pai_config"},
    trial_paths=("nniManagerNFSMountPath", "paiConfigPath"),
    v1_checks=(_check_v1,),
    v1_section_checks=(_check_credentials,),
    needed_section=_SECTION,
    to_v2=_to_v2,
    to_v1=_to_v1,
    next_port_since="1.8",
)
