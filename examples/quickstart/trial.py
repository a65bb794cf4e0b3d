"""A trial: minimise Branin's function, and report how the search from (x, y) comes down."""

from __future__ import annotations

import math

import nni

STEPS = 5
STEP_SIZE = 0.01


def branin(x: float, y: float) -> float:
    """Return Branin's function; its three minima are 0.397887."""
    bend = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return bend**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def gradient(x: float, y: float) -> tuple[float, float]:
    """Return the slope in both directions, by central differences."""
    h = 1e-5
    return (
        (branin(x + h, y) - branin(x - h, y)) / (2 * h),
        (branin(x, y + h) - branin(x, y - h)) / (2 * h),
    )


def main() -> None:
    """Go a few steps downhill from where the tuner says."""
    parameters = nni.get_next_parameter()
    x, y = parameters["x"], parameters["y"]
    for _ in range(STEPS):
        nni.report_intermediate_result(branin(x, y))
        slope_x, slope_y = gradient(x, y)
        x, y = x - STEP_SIZE * slope_x, y - STEP_SIZE * slope_y
    nni.report_final_result(branin(x, y))


if __name__ == "__main__":
    main()
