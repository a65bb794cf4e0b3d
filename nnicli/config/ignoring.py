"""Config checks by name: what each finds, and whether it can be turned off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nnicli.config.words import closest
from nnicli.errors import InvalidValueError, Problem

CHECKS: Mapping[str, str] = {
    "choice": "options of a choice, and names of parameters, that tuners may not take",
    "class": "a tuner's or assessor's class that its file does not define",
    "command": "a trial's command whose program or script is not found",
    "concurrency": "more trials at once than the machines can run",
    "default": "a missing field whose default changed between releases",
    "deprecated": "fields that have a successor",
    "exclusive": "fields that exclude each other",
    "gpu": "numbers of GPUs that do not fit together",
    "host": "a machine's address that is not valid",
    "key": "an SSH key that the release cannot use, or that others can read",
    "lookalike": "characters that look like others",
    "operator-role": "roles that a Kubernetes operator needs or does not have",
    "package": "a tuner or assessor that needs a package which is not installed",
    "path": "files and directories that are not found, or are of the wrong kind",
    "placeholder": "values that look like those of a template",
    "range": "numbers that are out of range, and ranges of search spaces",
    "size": "lists with too few or too many items",
    "training-service": "training services that the release does not have",
    "trap": "what NNI accepts, and then always fails with",
    "tuner-type": "search spaces that the tuner cannot use",
    "unique": "duplicate items, names or GPUs",
    "unknown-key": "keys that the release does not know",
    "yaml-1.1": "values that YAML 1.1 reads as something else",
}
"""Name of a check that can be turned off -> what it finds."""

PLACES: Mapping[str, str] = {
    "classArgs": "everything about the arguments of a tuner, an assessor or an advisor",
    "searchSpace": "everything about the search space, once it can be read",
}
"""Name of a place -> what is no longer checked there; nnicli passes it on unchanged."""

FIXED: Mapping[str, str] = {
    "annotation": "annotations, which only nnictl expands",
    "duplicate-key": "a duplicate key",
    "duration": "a time limit that is not valid",
    "encoding": "text that is not UTF-8",
    "enum": "a word that is not one of those allowed",
    "file": "a file that cannot be read",
    "finite": "NaN and infinity, which JSON does not have",
    "format": "what is lost when a config is converted for the release",
    "gone": "what the release no longer has",
    "indentation": "a section that has lost its indentation",
    "json": "a .json file that is not valid JSON",
    "key-type": "a key that is not text",
    "required": "a field that is missing",
    "syntax": "text that is neither YAML nor JSON",
    "tag": "YAML tags that create objects",
    "text": "text that is empty or has the wrong form",
    "type": "a value of the wrong type",
    "value-type": "a value that JSON does not have, such as a date",
}
"""Name of a check that cannot be turned off, as nnicli depends on it -> what it finds."""

# After these nothing is left that could be passed on.
_UNREADABLE = frozenset(
    (
        "duplicate-key",
        "encoding",
        "file",
        "finite",
        "format",
        "indentation",
        "json",
        "key-type",
        "syntax",
        "tag",
        "value-type",
    )
)


def check_ignored(ignore: Iterable[str]) -> frozenset[str]:
    """Return the names of the checks that a caller turns off.

    Raises:
        InvalidValueError: A name is not a check, or the check cannot be turned off.
    """
    names = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    for name in names:
        if name in CHECKS or name in PLACES:
            continue
        if name in FIXED:
            reason = f"{name!r} cannot be turned off: nnicli cannot continue with {FIXED[name]}"
        else:
            hint = closest(name, (*CHECKS, *PLACES, *FIXED))
            hint = hint or f"checks: {', '.join((*CHECKS, *PLACES))}"
            reason = f"{name!r} is not a check; {hint}"
        raise InvalidValueError(f"ignore: {reason}", field="ignore", value=name)
    return frozenset(names)


def is_ignored(loc: tuple[str | int, ...], rule: str, ignored: frozenset[str]) -> bool:
    """Return whether the check that reports a problem is turned off, there or everywhere."""
    if rule in ignored:
        return True
    return rule not in _UNREADABLE and any(
        place in ignored and place in loc[:-1] for place in PLACES
    )


def how_to_ignore(problems: Iterable[Problem]) -> tuple[str, str] | None:
    """Return how to turn off the checks that found these errors, in Python and in the shell.

    None if none of them can be turned off.
    """
    names = {_name_of(problem) for problem in problems if problem.severity == "error"} - {None}
    if not names:
        return None
    given = sorted(str(name) for name in names)
    python = f"if a check is wrong here, turn it off: ignore={given}"
    shell = f"if a check is wrong here, turn it off: {' '.join(f'--ignore {one}' for one in given)}"
    return python, shell


def _name_of(problem: Problem) -> str | None:
    """Return the name that turns an error off, None if it cannot be turned off."""
    if problem.rule in CHECKS:
        return problem.rule
    if problem.rule in _UNREADABLE:
        return None
    parts = problem.location.replace("[", ".").split(".")[:-1]
    return next((place for place in PLACES if place in parts), None)
