"""Trials in the order of their final metric."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from nnicli.choices import check_choice
from nnicli.errors import InvalidValueError, NoTrialSucceededError
from nnicli.models import ExperimentProfile, TrialJob
from nnicli.results.pairing import PairedTrials

Mode = Literal["maximize", "minimize"]
_MODES: tuple[Mode, ...] = ("maximize", "minimize")


def optimize_mode(profile: ExperimentProfile) -> Mode | None:
    """Return the direction that the config gives its tuner, None if it does not give one.

    It is never guessed: defaults of the same tuner differ between releases.
    """
    params = profile["params"]
    for algorithm in ("tuner", "advisor"):
        section = params.get(algorithm)
        arguments = section.get("classArgs") if isinstance(section, dict) else None
        given = arguments.get("optimize_mode") if isinstance(arguments, dict) else None
        for mode in _MODES:
            if given == mode:
                return mode
    return None


def rank_trials(
    trials: Iterable[TrialJob], *, mode: Mode, metric: str = "default"
) -> list[tuple[TrialJob, float]]:
    """Return the trials whose final metric is a number, with that number, best first.

    Args:
        trials: Any trials; those without a final metric, or with NaN, are left out.
        mode: Whether a larger or a smaller number is better.
        metric: Key in the metric, for trials that report a dict; `default` also means a metric
            that is a plain number.
    """
    ranked = [
        (trial, value)
        for trial in trials
        if (value := trial.final_metric(metric)) is not None and not math.isnan(value)
    ]
    return sorted(ranked, key=lambda pair: pair[1], reverse=mode == "maximize")


def best_trial(
    source: PairedTrials, *, metric: str = "default", mode: Mode | None = None
) -> TrialJob:
    """Return the best trial of an experiment.

    Args:
        source: The live manager or the experiment's files.
        metric: Key in the final metric, for trials that report a dict.
        mode: `maximize` or `minimize`; None: the tuner's own `optimize_mode`.

    Raises:
        InvalidValueError: The mode is not valid, or is neither given nor in the config.
        NoTrialSucceededError: The metric is not a number for any trial.
    """
    mode = mode or optimize_mode(source.get_experiment_profile())
    if mode is None:
        raise InvalidValueError(
            "the tuner's classArgs in the config have no optimize_mode, so it is not known which "
            "trial is best",
            field="mode",
            value=mode,
        ).with_advice("pass mode='maximize' or mode='minimize'", shell="pass --mode")
    check_choice(mode, _MODES, field="mode")
    trials = source.list_trial_jobs()
    ranked = rank_trials(trials, mode=mode, metric=metric)
    if not ranked:
        raise NoTrialSucceededError(
            f"none of the {len(trials)} trials has a number as its final metric {metric!r}"
        )
    return ranked[0][0]
