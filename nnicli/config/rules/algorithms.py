"""Checks of built-in algorithms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nnicli.config.rules.context import RuleContext
from nnicli.config.secrets import Loc, show

# Evolution's default population_size, in all releases.
_POPULATION_SIZE = 32


def check_tuner_exists(context: RuleContext, loc: Loc, name: Any, known: Iterable[str]) -> None:
    """Check that a built-in tuner that nnicli knows is available in the release."""
    if context.target is not None and name in context.target.names("tuner"):
        return
    if isinstance(name, str) and name in known and name not in context.release.tuners:
        allowed = ", ".join(context.release.tuners)
        message = f"found {name}, not available in this release; allowed: {allowed}"
        context.document.report(loc, message, rule="enum")


def check_budgets(context: RuleContext) -> None:
    """Check that BOHB's budgets, in `tuner` or `advisor`, form a range."""
    for name in ("tuner", "advisor"):
        algorithm = context.section(name)
        arguments = algorithm.get("classArgs")
        is_bohb = "BOHB" in (algorithm.get("name"), algorithm.get("builtinAdvisorName"))
        if not is_bohb or not isinstance(arguments, dict):
            continue
        least, most = arguments.get("min_budget", 1), arguments.get("max_budget", 3)
        if isinstance(least, int | float) and isinstance(most, int | float) and least > most > 0:
            message = f"found {show(most, ())}; allowed: at least min_budget, which is {least}"
            loc = (name, "classArgs", "max_budget")
            context.document.report(loc, message, rule="range")


def check_population(context: RuleContext) -> None:
    """Check that an Evolution tuner has at least as many individuals as trials run at once.

    With fewer it fails on its first request, "The population is empty" (1.9, 2.5, 2.10.1 and 3.0,
    seen live).
    """
    tuner = context.section("tuner")
    if "Evolution" not in (tuner.get("name"), tuner.get("builtinTunerName")):
        return
    arguments = tuner.get("classArgs")
    given = arguments.get("population_size") if isinstance(arguments, dict) else None
    size = _POPULATION_SIZE if given is None else given
    at_once = context.data.get("trialConcurrency")
    if isinstance(size, int) and isinstance(at_once, int) and 0 < size < at_once:
        found = f"found {size}" if given is not None else f"is not given, which means {size}"
        message = f"{found}; allowed: at least trialConcurrency, which is {at_once}"
        context.document.report(("tuner", "classArgs", "population_size"), message, rule="range")
