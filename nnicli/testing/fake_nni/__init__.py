"""The trial side of the fake `nni`: what a trial script calls.

Copied into a fake installation as the package `nni`, so its modules import nothing of nnicli. The
trial finds its parameters in a file and appends its metrics to another.

Internal: it may change in any release.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

_STANDALONE = "STANDALONE"
_sequence = 0


def get_next_parameter() -> Any:
    """Return the parameters of this trial, an empty dict outside an experiment."""
    folder = _folder()
    if folder is None:
        return {}
    _append(folder, {"type": "REQUEST_PARAMETER"})
    return json.loads((folder / "parameters").read_text("utf-8"))["parameters"]


def report_intermediate_result(metric: Any) -> None:
    """Report a metric on the way."""
    global _sequence  # noqa: PLW0603 - one trial a process, and the API is functions
    _report("PERIODICAL", _sequence, metric)
    _sequence += 1


def report_final_result(metric: Any) -> None:
    """Report the metric that counts."""
    _report("FINAL", 0, metric)


def get_experiment_id() -> str:
    """Return the id of the experiment."""
    return os.environ.get("NNI_EXP_ID", _STANDALONE)


def get_trial_id() -> str:
    """Return the id of this trial."""
    return os.environ.get("NNI_TRIAL_JOB_ID", _STANDALONE)


def get_sequence_id() -> int:
    """Return the number of this trial, from 0."""
    return int(os.environ.get("NNI_TRIAL_SEQ_ID", "0"))


def _folder() -> Path | None:
    output = os.environ.get("NNI_OUTPUT_DIR")
    return Path(output) / ".nni" if output else None


def _report(kind: str, sequence: int, metric: Any) -> None:
    folder = _folder()
    if folder is None:
        return
    # NaN and Infinity stay bare words, as NNI's own serialiser leaves them.
    _append(folder, {"type": kind, "sequence": sequence, "value": json.dumps(metric)})


def _append(folder: Path, message: dict[str, Any]) -> None:
    with (folder / "metrics").open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(message)}\n")
