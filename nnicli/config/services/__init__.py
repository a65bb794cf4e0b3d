"""Training services: everything known about each.

Internal: `nnicli.config` has what the other packages take.
"""

from __future__ import annotations

from collections.abc import Mapping

from nnicli.config.releases import Release
from nnicli.config.services.adl import ADL
from nnicli.config.services.aml import AML
from nnicli.config.services.base import Service
from nnicli.config.services.dlc import DLC
from nnicli.config.services.frameworkcontroller import FRAMEWORKCONTROLLER
from nnicli.config.services.hybrid import HYBRID
from nnicli.config.services.kubeflow import KUBEFLOW
from nnicli.config.services.local import LOCAL
from nnicli.config.services.openpai import OPENPAI
from nnicli.config.services.remote import REMOTE
from nnicli.config.services.v1_only import DLTS, PAI_YARN

SERVICES = (
    HYBRID,
    AML,
    REMOTE,
    LOCAL,
    OPENPAI,
    PAI_YARN,
    KUBEFLOW,
    FRAMEWORKCONTROLLER,
    DLTS,
    ADL,
    DLC,
)
"""Every training service of any release, in the order of their sections in a resume's request."""

V1_SERVICES: Mapping[str, Service] = {one.v1_name: one for one in SERVICES if one.v1_name}
"""`trainingServicePlatform` of the v1 format -> service."""

V2_SERVICES: Mapping[str, Service] = {one.v2_name: one for one in SERVICES if one.v2_name}
"""`platform` of the v2 format -> service."""


def needs_next_port(platform: str, release: Release) -> bool:
    """Return whether a training service also needs the port after the manager's.

    Args:
        platform: Its name in either format.
        release: The manager's release.
    """
    service = V2_SERVICES.get(platform) or V1_SERVICES.get(platform)
    if service is None or not service.next_port_since or not release.has(service.next_port_since):
        return False
    return not service.next_port_until or not release.has(service.next_port_until)
