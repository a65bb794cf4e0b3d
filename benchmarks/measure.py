"""Interleaved measurements: each round runs every variant, so that noise affects all equally."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

Measurement = Callable[[], float]
"""Runs the operation once and returns the seconds to count."""


@dataclass(frozen=True)
class Claim:
    """A claim about medians, with the figure that decides it."""

    text: str
    holds: bool
    figure: str


def interleave(variants: Mapping[str, Measurement], *, rounds: int) -> dict[str, list[float]]:
    """Return variant -> seconds per round, after one warm-up round."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, measure in variants.items():
            taken = measure()
            if number:
                seconds[name].append(taken)
    return seconds


def medians(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the median of each variant."""
    return {name: statistics.median(values) for name, values in seconds.items()}


def time_call(call: Callable[[], object]) -> float:
    """Return the duration of a call in seconds."""
    started = time.perf_counter()
    # Freeing a result of a million objects does not count.
    result = call()
    taken = time.perf_counter() - started
    del result
    return taken


def time_command(argv: Sequence[str], **options: object) -> float:
    """Return the duration of a command in seconds; it must succeed."""
    return time_call(
        lambda: subprocess.run(argv, check=True, capture_output=True, **options)  # type: ignore[call-overload]
    )


def show(
    console: Console, title: str, seconds: Mapping[str, Sequence[float]], claims: Sequence[Claim]
) -> None:
    """Print one group of measurements and its claims."""
    table = Table(title=title, title_justify="left")
    for column in ("variant", "median", "fastest", "slowest", "rounds"):
        table.add_column(column, justify="left" if column == "variant" else "right")
    for name, values in seconds.items():
        figures = (statistics.median(values), min(values), max(values))
        table.add_row(name, *(f"{figure * 1000:.1f} ms" for figure in figures), str(len(values)))
    console.print(table if seconds else title)
    for claim in claims:
        verdict = "[green]holds[/]" if claim.holds else "[red]MISSED[/]"
        console.print(f"  {verdict}  {claim.text}: {claim.figure}")
    console.print()
