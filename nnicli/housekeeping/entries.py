"""Registry entries for experiments without a manager on this machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnicli.store import Layout, Run, platform_of

# Fields that hold on every machine, and for a stopped experiment.
_KEPT = ("port", "startTime", "endTime", "platform", "experimentName", "tag")
_LONGEST_TEXT = 1_000
# The largest integer that a JavaScript number holds exactly.
_LARGEST_NUMBER = 2**53
_OF_NO_PROCESS: Mapping[str, Any] = {"pid": None, "webuiUrl": []}


def stopped_entry(
    layout: Layout,
    exp_id: str,
    *,
    experiments_directory: Path,
    params: Mapping[str, Any],
    launcher_name: str,
    recorded: Mapping[str, Any],
) -> dict[str, Any]:
    """Return an entry for NNI's registry.

    Args:
        layout: The release family with that registry.
        exp_id: The experiment.
        experiments_directory: Parent of its directory.
        params: Its config.
        launcher_name: Name of its launcher directory, for 1.x.
        recorded: Its entry in another registry; empty if there is none.
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
        key: recorded[key]
        for key in _KEPT
        if key in recorded and key in entry and _is_plausible(recorded[key], entry[key])
    }
    # The recorded pid may belong to another process by now.
    entry |= {key: value for key, value in _OF_NO_PROCESS.items() if key in entry}
    return entry | layout.encode_stop(entry, ended_ms=run.started_ms)


def _is_plausible(recorded: object, ours: object) -> bool:
    """Return whether a value may go into a registry; anybody may have written the archive."""
    if isinstance(ours, list):
        return isinstance(recorded, list) and all(_is_plausible(item, "") for item in recorded)
    if isinstance(recorded, str):
        return len(recorded) <= _LONGEST_TEXT
    return recorded is None or (type(recorded) is int and abs(recorded) <= _LARGEST_NUMBER)
