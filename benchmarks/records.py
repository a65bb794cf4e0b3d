"""A large experiment as a 3.0 manager would write it, for measuring reads."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

TRIALS = 100_000
METRICS = 11
_START_MS = 1_760_000_000_000

# Run in a separate process: prints the memory that a read allocates for its result and at its peak.
_MEASURE_MEMORY = """
import sys, tracemalloc
from nnicli import {name}
import nnicli.recorded, nnicli.experiment
source = {source}
tracemalloc.start()
result = source.{read}()
stays, peak = tracemalloc.get_traced_memory()
print(len(result), stays, peak)
"""


def fill(database: Path, experiment: Path, *, trials: int = TRIALS) -> None:
    """Append succeeded trials, each with ten intermediate metrics and a final one.

    Args:
        database: `nni.sqlite` of a stopped experiment of NNI 3.0.
        experiment: Its directory.
        trials: Number of trials.
    """
    chance = random.Random(0)  # the same numbers in each run
    with closing(sqlite3.connect(database)) as connection, connection:
        rows = list(_rows(experiment, trials, chance))
        connection.executemany(
            "insert into TrialJobEvent values (?, ?, ?, ?, ?, ?, ?, ?)",
            (event for events, _ in rows for event in events),
        )
        connection.executemany(
            "insert into MetricData values (?, ?, ?, ?, ?, ?)",
            (metric for _, metrics in rows for metric in metrics),
        )


def _rows(
    experiment: Path, trials: int, chance: random.Random
) -> Iterator[tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]]:
    for number in range(trials):
        trial, moment = f"T{number:05x}", _START_MS + number * 1_000
        parameters = {
            "parameter_id": number,
            "parameter_source": "algorithm",
            "parameters": {
                "lr": chance.uniform(1e-5, 1e-1),
                "batch_size": chance.choice([16, 32, 64]),
                "dropout": chance.random(),
                "optimizer": chance.choice(["adam", "sgd"]),
            },
            "parameter_index": 0,
        }
        log = str(experiment / "environments" / "local-env" / "trials" / trial)
        # Like 3.0: no WAITING event, and the hyper-parameters only once.
        events = [
            (moment, trial, "RUNNING", json.dumps(parameters), log, number, None, "local-env"),
            (moment + METRICS, trial, "SUCCEEDED", None, log, number, None, "local-env"),
        ]
        metrics = [
            (
                moment + step,
                trial,
                str(number),
                "FINAL" if step == METRICS - 1 else "PERIODICAL",
                0 if step == METRICS - 1 else step,
                json.dumps(json.dumps(chance.random())),
            )
            for step in range(METRICS)
        ]
        yield events, metrics


def measure_memory(source: str, read: str) -> tuple[int, int, int]:
    """Return the number of items of a read, the bytes kept for them, and the peak in bytes.

    Args:
        source: Expression that gives an open experiment, with its class or function first.
        read: Name of its method.
    """
    name = source.split("(", 1)[0]
    code = _MEASURE_MEMORY.format(name=name, source=source, read=read)
    output = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    items, stays, peak = map(int, output.split())
    return items, stays, peak
