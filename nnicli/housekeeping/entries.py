"""What NNI's registry gets of an experiment that has no manager here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnicli.store import Layout, Run, platform_of

# What is true of an experiment on every machine, and of one that does not run.
_KEPT = ("port", "startTime", "endTime", "platform", "experimentName", "tag")
_LONGEST_TEXT = 1_000
# A JavaScript number holds no larger integer exactly.
_LARGEST_NUMBER = 2**53
_OF_NO_PROCESS: Mapping[str, Any] = {"pid": None, "webuiUrl": []}


def stopped_entry(
    layout: Layout,
    exp_id: str,
    *,
    experiments_directory: Path,
    params: Mapping[str, Any],
    launcher_name: str,
    noted: Mapping[str, Any],
) -> dict[str, Any]:
    """Return an entry for NNI's registry.

    Args:
        layout: Whose registry it is.
        exp_id: The experiment.
        experiments_directory: Parent of its folder.
        params: Its config.
        launcher_name: Name of its launcher directory, for 1.x.
        noted: An entry that another registry had of it; empty where there is none.
    """
    run = Run(
        exp_id,
        experiments_directory,
        platform=platform_of(params),
        name=params.get("experimentName"),
        launcher_name=launcher_name,
        started_ms=int(time.time() * 1000),
    )
    entry = layout.encode_run(run)
    entry |= {
        key: noted[key]
        for key in _KEPT
        if key in noted and key in entry and _is_plausible(noted[key], entry[key])
    }
    # A process of the number that was noted is somebody else's by now.
    entry |= {key: value for key, value in _OF_NO_PROCESS.items() if key in entry}
    return entry | layout.encode_stop(entry, ended_ms=run.started_ms)


def _is_plausible(noted: object, ours: object) -> bool:
    """Return whether a value may be in a registry; what an archive says may be anybody's words."""
    if isinstance(ours, list):
        return isinstance(noted, list) and all(_is_plausible(item, "") for item in noted)
    if isinstance(noted, str):
        return len(noted) <= _LONGEST_TEXT
    return noted is None or (type(noted) is int and abs(noted) <= _LARGEST_NUMBER)
