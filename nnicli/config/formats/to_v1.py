"""Conversion of a v2 config to the v1 format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnicli.config import field_names
from nnicli.config.converter import NO_PLACE_IN_V1, Converter
from nnicli.config.field_names import ADVISORS, DURATION
from nnicli.config.gpus import to_gpu_text
from nnicli.config.secrets import Loc
from nnicli.config.services import V2_SERVICES
from nnicli.config.services.hybrid import hybrid_to_v1
from nnicli.config.services.shared import HERE, trial_to_v1
from nnicli.units import parse_duration


def to_v1(
    config: Mapping[str, Any], *, machine_command: str = "pythonPath", takes_space: bool = False
) -> Converter:
    """Return a v2 config in the v1 format, with notes on what could not be carried over.

    Args:
        config: The config, its fields in NNI's own spelling.
        machine_command: The release's field for a remote machine's own set-up.
        takes_space: Whether the caller handles an inline search space; v1 only has files.
    """
    converter = Converter(config)
    converter.assume(("authorName",), "nnicli", "is required in v1; it has no effect")
    _carry_top(converter)
    if takes_space:
        converter.skip(("searchSpace",))
    message = (
        "cannot be inline in v1; write it to a JSON file, and name the file as searchSpacePath"
    )
    converter.report_loss(("searchSpace",), message)
    converter.assume(("experimentName",), "nnicli", "is required in v1")
    converter.assume(("maxExecDuration",), "999d", "is required in v1")
    converter.assume(("maxTrialNum",), 99_999, "is required in v1")
    services = config.get("trainingService")
    if isinstance(services, list):
        hybrid_to_v1(converter, services, machine_command)
    else:
        _carry_service(converter, HERE, machine_command)
    converter.assume(("useAnnotation",), False, "is required in v1")
    for name in field_names.ALGORITHMS:
        if isinstance(config.get(name), dict):
            _carry_algorithm(converter, name)
    if config.get("tunerGpuIndices") is not None:
        place = "advisor" if "advisor" in converter.target else "tuner"
        converter.move(("tunerGpuIndices",), (place, "gpuIndices"), to_gpu_text)
    converter.move_all(("sharedStorage",), ("sharedStorage",), field_names.SHARED_STORAGE)
    converter.report_rest_as_lost(f"{NO_PLACE_IN_V1}; leave it out, or use NNI 2.2 or later")
    return converter


def _carry_top(converter: Converter) -> None:
    names = {new: old for old, new in field_names.TOP.items()}
    for name in (name for name in converter.source if name in names):
        if name in ("maxExperimentDuration", "maxTrialDuration"):
            converter.move((name,), (names[name],), _to_duration)
        else:
            converter.move((name,), (names[name],))
    if converter.source.get("experimentType", "hpo") == "hpo":
        converter.skip(("experimentType",))


def _to_duration(value: str | float) -> str:
    if isinstance(value, str) and DURATION.fullmatch(value):
        return value
    return f"{parse_duration(value)}s"


def _carry_algorithm(converter: Converter, name: str) -> None:
    algorithm = converter.source[name]
    # They are tuners since 2.8, and advisors in v1.
    is_advisor = name == "tuner" and algorithm.get("name") in ADVISORS
    place = "advisor" if is_advisor else name
    if "className" in algorithm:
        *modules, class_name = str(algorithm["className"]).split(".")
        if len(modules) > 1:
            message = f"names a package, which {NO_PLACE_IN_V1}; use a class of a top-level module"
            converter.report_loss((name, "className"), message)
        else:
            converter.move((name, "codeDirectory"), (place, "codeDir"))
            converter.put((place, "classFileName"), f"{''.join(modules)}.py")
            converter.move((name, "className"), (place, "className"), lambda _: class_name)
    else:
        converter.move((name, "name"), (place, field_names.ALGORITHMS[place]))
    if algorithm.get("classArgs"):
        converter.move((name, "classArgs"), (place, "classArgs"))
    converter.skip((name, "classArgs"))


def _carry_service(converter: Converter, loc: Loc, machine_command: str) -> None:
    platform = str(converter.get((*loc, "platform")))
    service = V2_SERVICES.get(platform)
    trial_to_v1(converter, loc, has_roles=service is not None and service.has_roles)
    if service is None or service.to_v1 is None:
        converter.report_loss(loc, f"{platform} {NO_PLACE_IN_V1}; use NNI 2.5 or later")
        return
    name = service.v1_name
    converter.move((*loc, "platform"), ("trainingServicePlatform",), lambda _: name)
    service.to_v1(converter, loc, machine_command)
