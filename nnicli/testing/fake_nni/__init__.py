"""The API of the fake `nni` that trial scripts call.

Copied into a fake installation as the package `nni`, so its modules do not import nnicli. The trial
reads its parameters from one file and appends its metrics to another.

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
    """Return the parameters of this trial, or an empty dict outside an experiment."""
    directory = _directory()
    if directory is None:
        return {}
    _append(directory, {"type": "REQUEST_PARAMETER"})
    return json.loads((directory / "parameters").read_text("utf-8"))["parameters"]


def report_intermediate_result(metric: Any) -> None:
    """Report an intermediate metric."""
    global _sequence  # noqa: PLW0603 - one trial a process, and the API is functions
    _report("PERIODICAL", _sequence, metric)
    _sequence += 1


def report_final_result(metric: Any) -> None:
    """Report the final metric."""
    _report("FINAL", 0, metric)


def get_experiment_id() -> str:
    """Return the id of the experiment."""
    return os.environ.get("NNI_EXP_ID", _STANDALONE)


def get_trial_id() -> str:
    """Return the id of this trial."""
    return os.environ.get("NNI_TRIAL_JOB_ID", _STANDALONE)


def get_sequence_id() -> int:
    """Return the sequence id of this trial, from 0."""
    return int(os.environ.get("NNI_TRIAL_SEQ_ID", "0"))


def _directory() -> Path | None:
    output = os.environ.get("NNI_OUTPUT_DIR")
    return Path(output) / ".nni" if output else None


def _report(kind: str, sequence: int, metric: Any) -> None:
    directory = _directory()
    if directory is None:
        return
    # NaN and Infinity stay bare words, as NNI's serialiser writes them.
    _append(directory, {"type": kind, "sequence": sequence, "value": json.dumps(metric)})


def _append(directory: Path, message: dict[str, Any]) -> None:
    with (directory / "metrics").open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(message)}\n")
