"""Search spaces: read, and checked for what a schema cannot express."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnicli.config.documents.document import Document, find_non_finite, sort_problems, summarise
from nnicli.config.documents.reader import read_mapping, read_path
from nnicli.config.releases import RELEASES, Release
from nnicli.config.schema.validate import conforms, validate
from nnicli.config.search_space.traits import NAME, find_name_traits, find_traits, is_parameter
from nnicli.config.search_space.tuners import TRAITS, Tuner, find_tuner
from nnicli.config.secrets import Loc, show
from nnicli.errors import SearchSpaceError, Severity

Shape = tuple[object, ...]


def load_search_space(
    source: str | os.PathLike[str] | Mapping[str, Any],
    *,
    base_path: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Return a search space from a JSON or YAML file, or from a mapping.

    Args:
        source: Path of the file, or parameter name -> `{"_type": ..., "_value": ...}`.
        base_path: Directory that a relative path is relative to; None: the working directory.

    Raises:
        SearchSpaceError: It is missing, unreadable or not valid; all problems are listed.
    """
    if isinstance(source, Mapping):
        document, title = read_mapping(source), "search space"
    else:
        path = Path(base_path or ".", os.path.expanduser(source))  # noqa: PTH111 - never raises
        document = read_path(path)
        title = "search space" if document.file is None else str(path)
    check_search_space(document)
    errors = [found for found in sort_problems(document.problems) if found.severity == "error"]
    if errors:
        message = summarise(title, errors, consequence="nothing was sent")
        raise SearchSpaceError(message, path=document.file, problems=errors)
    space: dict[str, Any] = document.data
    return space


def check_search_space(
    document: Document,
    *,
    loc: Loc = (),
    data: Any = None,
    tuner: str | None = None,
    release: Release | None = None,
) -> None:
    """Report every problem of a search space.

    Args:
        document: The document that holds it.
        loc: Its loc in the document.
        data: The search space; None: the whole document.
        tuner: Built-in tuner that will use it, None for any.
        release: The NNI that will run it; None: the newest.
    """
    space = document.data if data is None else data
    if space is None and document.problems:
        return
    release = release or RELEASES[-1]
    checker = _Checker(document, tuner, release)
    checker.check(loc, space)
    if isinstance(space, dict):
        checker.check_whole(loc, space)


@dataclass(frozen=True, slots=True)
class _Checker:
    """Checks parameters, nested ones included, for one tuner of one release."""

    document: Document
    tuner: str | None
    release: Release
    shapes: dict[Shape, bool] = field(default_factory=dict)

    @property
    def _row(self) -> Tuner:
        return find_tuner(self.tuner, self.release.since)

    def check_whole(self, loc: Loc, space: dict[str, Any]) -> None:
        """Report what is odd about the number of parameters."""
        if not space:
            self._report(loc, "empty-space", space)
        elif len(space) > 1:
            self._report(loc, "several-parameters", list(space))

    def check(self, loc: Loc, space: Any) -> None:
        """Report what is wrong with the parameters of a space, or of an option of a choice."""
        document = self.document
        good, odd = {}, space
        if isinstance(space, dict):
            good = {name: item for name, item in space.items() if self._has_good_shape(item)}
            odd = {name: item for name, item in space.items() if name not in good}
        validate(document, "search-space", data=odd, base=loc)
        if isinstance(space, dict):
            # Text such as `1e-5` in them has been replaced with the number that was meant.
            good |= {name: item for name, item in odd.items() if self._has_good_shape(item)}
        for bad in find_non_finite(space, loc):
            document.report(bad, "NaN and infinity are not allowed", rule="finite")
        for name, parameter in good.items():
            if next(find_non_finite(parameter), None) is None:
                self._check_parameter((*loc, name), parameter)

    def _has_good_shape(self, parameter: Any) -> bool:
        """Return whether the schema accepts parameters of this shape; each is tried only once."""
        shape = _shape_of(parameter)
        if shape not in self.shapes:
            self.shapes[shape] = conforms("search-space", {"parameter": parameter})
        return self.shapes[shape]

    def _check_parameter(self, loc: Loc, parameter: dict[str, Any]) -> None:
        kind, value = parameter["_type"], parameter["_value"]
        for trait in find_name_traits(str(loc[-1])):
            self._report(loc, trait, loc[-1])
        if not self._check_kind(loc, kind):
            return
        if kind == "input_choice":
            self._check_inputs((*loc, "_value"), value)
        elif self.tuner == "BatchTuner":
            self._check_sets((*loc, "_value"), value)
        else:
            self._check_value((*loc, "_value"), kind, value)

    def _check_kind(self, loc: Loc, kind: str) -> bool:
        """Report a kind that the tuner does not support; return whether it does."""
        row = self._row
        if kind in row.kinds:
            return True
        allowed = f"allowed: {', '.join(sorted(row.kinds))}"
        if kind in row.swallows:
            message = (
                f"the tuner {self.tuner} accepts {kind} but draws meaningless values; {allowed}"
            )
            self.document.report((*loc, "_type"), message, rule="tuner-type", severity="warning")
        else:
            message = f"the tuner {self.tuner} cannot use {kind}; {allowed}"
            self.document.report((*loc, "_type"), message, rule="tuner-type")
        return False

    def _check_sets(self, loc: Loc, options: list[Any]) -> None:
        """Check options for BatchTuner, which gives trials each option as a whole parameter set."""
        for index, option in enumerate(options):
            here = (*loc, index)
            if not isinstance(option, dict):
                self._report(here, "not-a-set", option)
                continue
            inside = {name: value for name, value in option.items() if is_parameter(value)}
            validate(self.document, "search-space", data=inside, base=here)
            for name, value in inside.items():
                self._report((*here, name), "inside-a-set", value)

    def _check_value(self, loc: Loc, kind: str, value: list[Any]) -> None:
        for inner, trait in find_traits(kind, value, is_javascript=self.release.format == "v2"):
            self._report((*loc, *inner), trait, _at(value, inner))
        for index, option in enumerate(value if kind == "choice" else ()):
            if isinstance(option, dict) and NAME in option:
                self._check_nested((*loc, index), option)

    def _check_nested(self, loc: Loc, option: dict[str, Any]) -> None:
        inside = {name: value for name, value in option.items() if is_parameter(value)}
        self.check(loc, inside)

    def _report(self, loc: Loc, name: str, value: Any) -> None:
        """Report a trait: an error if the tuner fails with it, otherwise a warning."""
        row, trait = self._row, TRAITS[name]
        who = f"the tuner {self.tuner}" if self.tuner else "a built-in tuner"
        severity: Severity = "warning"
        if name in row.fails:
            severity, reason = "error", f"{who} fails with it; allowed: {trait.allowed}"
        elif name in row.fails_later:
            when = row.fails_later[name]
            reason = f"{who} fails with it {when}; allowed: {trait.allowed}"
        elif name in row.garbles:
            reason = f"{who} runs, but trials get something else; allowed: {trait.allowed}"
        elif trait.note is not None:
            reason = trait.note
        else:
            return
        message = f"found {show(value, loc)}; {reason}"
        self.document.report(loc, message, rule=trait.rule, severity=severity)

    def _check_inputs(self, loc: Loc, value: Any) -> None:
        number = value.get("n_chosen") if isinstance(value, dict) else 1
        is_allowed = {
            "PPOTuner": number in (0, 1) or number == [0, 1],
            "RegularizedEvolutionTuner": isinstance(number, int),
        }.get(self.tuner or "", True)
        if not is_allowed:
            allowed = "0, 1 or [0, 1]" if self.tuner == "PPOTuner" else "an integer"
            message = f"found {show(number, loc)}; {self.tuner} takes {allowed}"
            self.document.report((*loc, "n_chosen"), message, rule="tuner-type")


def _shape_of(parameter: Any) -> Shape:
    """Return what the schema depends on in a parameter: kinds, not values."""
    if not isinstance(parameter, dict) or not isinstance(parameter.get("_value"), list):
        return (repr(parameter),)
    value = parameter["_value"]
    return (*parameter, str(parameter.get("_type")), len(value), frozenset(map(type, value)))


def _at(value: Any, loc: Loc) -> Any:
    for key in loc:
        value = value[key]
    return value
