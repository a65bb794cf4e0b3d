"""Conversion of a v1 config to the v2 format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnicli.config import field_names
from nnicli.config.converter import NO_PLACE_IN_V2, NOTHING_DEPENDS, Converter, Note
from nnicli.config.services import V1_SERVICES
from nnicli.config.services.shared import HERE

_OLD_TPE = frozenset(("parallel_optimize", "constant_liar_type"))
_FOR_PEOPLE = ("authorName", "description", "multiThread", "versionCheck", "logCollection")


def to_v2(config: Mapping[str, Any], *, has_old_tpe: bool = False) -> Converter:
    """Return a v1 config in the v2 format, with notes on what could not be carried over.

    Paths stay as they are: in both formats they are relative to the config's directory.

    Args:
        config: The config.
        has_old_tpe: Whether TPE is the TPE of before 2.6 in the release.
    """
    converter = Converter(config)
    converter.move_all((), (), field_names.TOP)
    for name in _FOR_PEOPLE:
        converter.drop((name,), NOTHING_DEPENDS)
    if config.get("multiPhase"):
        converter.report_loss(
            ("multiPhase",), "multi-phase trials were removed in 2.0; leave it out"
        )
    converter.skip(("multiPhase",))
    converter.move_all(("trial",), (), field_names.TRIAL)
    for name, key in field_names.ALGORITHMS.items():
        if isinstance(config.get(name), dict):
            _carry_algorithm(converter, name, key)
    if not has_old_tpe:
        _keep_old_tpe(converter)
    if config.get("searchSpacePath") is None and not config.get("useAnnotation"):
        message = "is required in v2; custom classes and NetworkMorphism do not need one"
        converter.assume(("searchSpace",), {}, message)
    _carry_service(converter)
    converter.move_all(("sharedStorage",), ("sharedStorage",), field_names.SHARED_STORAGE)
    converter.report_rest_as_lost(f"{NO_PLACE_IN_V2}; leave it out, or use a manager that takes v1")
    return converter


def _carry_algorithm(converter: Converter, name: str, key: str) -> None:
    algorithm = converter.source[name]
    if key in algorithm:
        converter.move((name, key), (name, "name"))
    else:
        class_name = algorithm.get("className", "")
        module = str(algorithm.get("classFileName", "")).removesuffix(".py").replace("/", ".")
        converter.move((name, "className"), (name, "className"), lambda _: f"{module}.{class_name}")
        converter.move((name, "codeDir"), (name, "codeDirectory"))
        converter.skip((name, "classFileName"))
    converter.move((name, "classArgs"), (name, "classArgs"))
    if name == "assessor":
        converter.drop((name, "gpuIndices"), NOTHING_DEPENDS)
    converter.move((name, "gpuIndices"), ("tunerGpuIndices",))
    if algorithm.get("includeIntermediateResults") is not True:
        converter.skip((name, "includeIntermediateResults"))
    message = f"{NO_PLACE_IN_V2}; trials without a final metric are ignored there"
    converter.report_loss((name, "includeIntermediateResults"), message, "warning")


def _keep_old_tpe(converter: Converter) -> None:
    """Rename the TPE of before 2.6 to TPE_legacy if it has arguments of its own."""
    arguments = converter.get(("tuner", "classArgs"))
    is_old = isinstance(arguments, dict) and not _OLD_TPE.isdisjoint(arguments)
    if is_old and converter.get(("tuner", "builtinTunerName")) == "TPE":
        converter.target["tuner"]["name"] = "TPE_legacy"
        message = "is TPE_legacy, as the TPE of 2.6 and later takes other arguments"
        converter.notes.append(Note(("tuner", "name"), message, "assumed"))


def _carry_service(converter: Converter) -> None:
    platform = str(converter.source.get("trainingServicePlatform"))
    service = V1_SERVICES.get(platform)
    if service is None or service.to_v2 is None:
        message = (
            f"{platform} has no place in the v2 format; use a manager that takes v1, or write a "
            "new config"
        )
        converter.report_loss(("trainingServicePlatform",), message)
        return
    name = service.v2_name
    converter.move(("trainingServicePlatform",), (*HERE, "platform"), lambda _: name)
    service.to_v2(converter)
    # v1 allows it everywhere, but uses it only for local trials.
    converter.skip(("localConfig",))
