"""The checks of configs by name: what each finds, and which can be turned off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nnicli.config.words import closest
from nnicli.errors import InvalidValueError, Problem

CHECKS: Mapping[str, str] = {
    "choice": "options of a choice, and names of parameters, that tuners may not take",
    "class": "a tuner's or assessor's class that its file does not define",
    "command": "a trial's command whose program or script is not there",
    "concurrency": "more trials at once than the machines can run",
    "default": "something left out whose default changed between releases",
    "deprecated": "fields that have a successor",
    "exclusive": "fields of which only one may be given",
    "gpu": "numbers of GPUs that do not fit together",
    "host": "the address of a machine that is not one",
    "key": "an SSH key that the release cannot use, or that others can read",
    "lookalike": "characters that look like others",
    "operator-role": "roles that a Kubernetes operator needs or does not have",
    "package": "a tuner or assessor that needs a package which is not installed",
    "path": "files and directories that are not there, or are of the wrong kind",
    "placeholder": "values that look like those of a template",
    "range": "numbers that are out of range, and ranges of search spaces",
    "size": "lists with too few or too many items",
    "training-service": "training services that the release does not have",
    "trap": "what NNI takes, and then fails with every time",
    "tuner-type": "search spaces that the tuner cannot use",
    "unique": "items, names or GPUs that are there twice",
    "unknown-key": "keys that the release does not know",
    "yaml-1.1": "values that YAML 1.1 reads as something else",
}
"""Name of a check that can be turned off -> what it finds."""

PLACES: Mapping[str, str] = {
    "classArgs": "everything about the arguments of a tuner, an assessor or an advisor",
    "searchSpace": "everything about the search space, once it can be read",
}
"""Name of a place -> what is no longer checked there; nnicli hands it over as it is."""

FIXED: Mapping[str, str] = {
    "annotation": "annotations, which only nnictl expands",
    "duplicate-key": "a key that is there twice",
    "duration": "a time limit that is not one",
    "encoding": "text that is not UTF-8",
    "enum": "a word that is not among those allowed",
    "file": "a file that cannot be read",
    "finite": "NaN and infinity, which JSON does not have",
    "format": "what gets lost when a config is converted for the release",
    "gone": "what the release no longer has",
    "indentation": "a section that has lost its indentation",
    "json": "a file of JSON that is not JSON",
    "key-type": "a key that is not text",
    "required": "a field that is missing",
    "syntax": "text that is neither YAML nor JSON",
    "tag": "YAML tags that make objects",
    "text": "empty text, and text of another form",
    "type": "a value of the wrong type",
    "value-type": "a value that JSON does not have, such as a date",
}
"""Name of a check that nnicli itself depends on, so that it stays on -> what it finds."""

# Of these there is nothing that could be handed over.
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
        InvalidValueError: There is no such check, or it cannot be turned off.
    """
    names = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    for name in names:
        if name in CHECKS or name in PLACES:
            continue
        if name in FIXED:
            reason = f"{name!r} cannot be turned off: nnicli cannot go on with {FIXED[name]}"
        else:
            hint = closest(name, (*CHECKS, *PLACES, *FIXED))
            hint = hint or f"checks: {', '.join((*CHECKS, *PLACES))}"
            reason = f"{name!r} is not a check; {hint}"
        raise InvalidValueError(f"ignore: {reason}", field="ignore", value=name)
    return frozenset(names)


def is_ignored(loc: tuple[str | int, ...], rule: str, ignored: frozenset[str]) -> bool:
    """Return whether a problem at a place is of a check that was turned off."""
    if rule in ignored:
        return True
    return rule not in _UNREADABLE and any(
        place in ignored and place in loc[:-1] for place in PLACES
    )


def how_to_ignore(problems: Iterable[Problem]) -> tuple[str, str] | None:
    """Return how the checks that found these errors are turned off, in Python and in the shell.

    None where none of them can be.
    """
    names = {_name_of(problem) for problem in problems if problem.severity == "error"} - {None}
    if not names:
        return None
    given = sorted(str(name) for name in names)
    python = f"if a check is wrong here, turn it off: ignore={given}"
    shell = f"if a check is wrong here, turn it off: {' '.join(f'--ignore {one}' for one in given)}"
    return python, shell


def _name_of(problem: Problem) -> str | None:
    """Return the name by which an error is turned off, None where it cannot be."""
    if problem.rule in CHECKS:
        return problem.rule
    if problem.rule in _UNREADABLE:
        return None
    parts = problem.location.replace("[", ".").split(".")[:-1]
    return next((place for place in PLACES if place in parts), None)
