"""How often managers of each release poll their trials: one row per family, newest last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nnicli.versions import ReleaseTable

# The training services that 3.0 took from 2.x; it polls them as seldom as 2.x does.
_SLOW_IN_3 = ("kubeflow", "frameworkcontroller")


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the managers of a family poll their trials and submit queued ones.

    Attributes:
        since: First release of the family.
        interval_s: The profile's `params` -> seconds between two polls.
    """

    since: str
    interval_s: Callable[[Mapping[str, Any]], float]


def _every_5_s(_params: Mapping[str, Any]) -> float:
    return 5.0


def _by_service(params: Mapping[str, Any]) -> float:
    service = params.get("trainingService")
    if not isinstance(service, Mapping) or service.get("reuseMode"):
        return 5.0
    return 5.0 if service.get("platform") in _SLOW_IN_3 else 0.5


_1_8 = Pace(since="1.8", interval_s=_every_5_s)
_3_0 = replace(_1_8, since="3.0", interval_s=_by_service)

PACES = ReleaseTable(_1_8, _3_0, through="3.0")
