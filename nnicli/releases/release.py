"""One NNI release with its row of each table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from nnicli.config import RELEASES, Release
from nnicli.releases.algorithms import ALGORITHM_REGISTRIES, AlgorithmRegistry
from nnicli.releases.generations import GENERATIONS, Generation
from nnicli.releases.pace import PACES, Pace
from nnicli.rest import DIALECTS, Dialect
from nnicli.store import LAYOUTS, Layout

# More releases than a machine has; a manager on another machine may claim to be any.
_MOST_RELEASES = 64


@dataclass(frozen=True, slots=True)
class NniRelease:
    """What nnicli knows about a release.

    Attributes:
        version: As its package or its manager spells it, such as `2.10.1`.
        config: What its configs may contain.
        launch: How its managers are started.
        dialect: How its managers spell things over HTTP.
        layout: Where its managers keep an experiment's files.
        algorithms: Where it keeps the algorithms that users registered.
        pace: How often its managers poll their trials.
    """

    version: str
    config: Release
    launch: Generation
    dialect: Dialect
    layout: Layout
    algorithms: AlgorithmRegistry
    pace: Pace


@lru_cache(_MOST_RELEASES)
def find_release(version: str) -> NniRelease:
    """Return what nnicli knows about a release.

    A release newer than all known ones gets the newest rows, and a warning once per process.

    Raises:
        UnsupportedVersionError: The release is older than 1.8, or not a release number.
    """
    return NniRelease(
        version,
        config=RELEASES.row_for(version),
        launch=GENERATIONS.row_for(version),
        dialect=DIALECTS.row_for(version),
        layout=LAYOUTS.row_for(version),
        algorithms=ALGORITHM_REGISTRIES.row_for(version),
        pace=PACES.row_for(version),
    )
