"""The training service that runs trials on AdaptDL."""

from __future__ import annotations

from pathlib import Path

from nnicli.config.converter import Converter
from nnicli.config.releases import Release
from nnicli.config.secrets import Loc
from nnicli.config.services.base import FirstRequest, Section, Service
from nnicli.config.services.shared import IMAGE, image_to_v1


def _complete(service: Section, _base: Path, _release: Release) -> Section:
    return {"dockerImage": IMAGE, **service}


def _to_v1(converter: Converter, loc: Loc, _machine_command: str) -> None:
    image_to_v1(converter, loc)


ADL = Service(
    v1_name="adl",
    v2_name="adl",
    complete=_complete,
    sections={"adlConfig": "adl_config"},
    has_own_sections=False,
    is_code_remote=True,
    to_v1=_to_v1,
    # The manager creates the service by the first key, so there has to be one.
    requests=(FirstRequest("1.8"), FirstRequest("2.2", defaults={"adlConfig": {}})),
    next_port_since="2.0",
)
