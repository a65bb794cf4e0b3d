"""Search spaces: read, and checked for what a schema cannot say."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnicli.config.document import Document, Keys, find_non_finite, sort_problems, summarise
from nnicli.config.reading import read_file, read_mapping
from nnicli.config.releases import RELEASES, Release
from nnicli.config.schema import conforms, validate
from nnicli.config.secrets import show
from nnicli.errors import SearchSpaceError

_PLAIN = frozenset(("choice", "randint", "uniform"))
_ALL = _PLAIN | {
    "quniform",
    "loguniform",
    "qloguniform",
    "normal",
    "qnormal",
    "lognormal",
    "qlognormal",
}
_ARCHITECTURE = frozenset(("layer_choice", "input_choice"))
# Which kinds of parameters a tuner can use, from NNI's documentation and code (2.6 to 3.0). A tuner
# of the user's own may take any.
_KINDS: Mapping[str, frozenset[str]] = {
    "TPE": _ALL,
    "TPE_legacy": _ALL,
    "Random": _ALL,
    "Anneal": _ALL,
    "Evolution": _ALL,
    "GridSearch": _ALL,
    "SMAC": _PLAIN | {"quniform", "loguniform"},
    "BatchTuner": frozenset(("choice",)),
    "Hyperband": _ALL,
    "BOHB": _ALL,
    "PBTTuner": _ALL,
    "MetisTuner": _PLAIN | {"quniform"},
    "GPTuner": _PLAIN | {"quniform", "loguniform", "qloguniform"},
    "DNGOTuner": _PLAIN | {"quniform", "loguniform", "qloguniform"},
    "PPOTuner": _ARCHITECTURE,
    "RegularizedEvolutionTuner": _ARCHITECTURE,
}
# Up to 2.5.
_OLD_GRID = frozenset(("choice", "randint", "quniform"))
_NESTED = frozenset(("TPE", "TPE_legacy", "Random", "Anneal", "Evolution"))
_NUMERIC_CHOICE = frozenset(("MetisTuner", "GPTuner", "DNGOTuner"))

Numbers = list[float]
Shape = tuple[object, ...]


def load_search_space(
    source: str | os.PathLike[str] | Mapping[str, Any],
    *,
    base_path: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Return a search space from a JSON or YAML file, or from a mapping.

    Args:
        source: Path of the file, or parameter name -> `{"_type": ..., "_value": ...}`.
        base_path: Folder from which a relative path counts; None: the working directory.

    Raises:
        SearchSpaceError: It is missing, unreadable or no search space; all problems are listed.
    """
    if isinstance(source, Mapping):
        document, title = read_mapping(source), "search space"
    else:
        path = Path(base_path or ".", os.path.expanduser(source))  # noqa: PTH111 - never raises
        document, title = read_file(path), str(path)
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
    keys: Keys = (),
    data: Any = None,
    tuner: str | None = None,
    release: Release | None = None,
) -> None:
    """Report everything that is wrong with a search space.

    Args:
        document: Where it stands.
        keys: Way to it from the document's top.
        data: The search space; None: the whole document.
        tuner: Built-in tuner that has to use it, None for any.
        release: The NNI that is to run it; None: the newest.
    """
    space = document.data if data is None else data
    if space is None and document.problems:
        return
    release = release or RELEASES[-1]
    _Checker(document, tuner, release).check(keys, space)
    if not isinstance(space, dict):
        return
    if tuner == "BatchTuner" and len(space) != 1:
        message = f"found {len(space)} parameters; BatchTuner takes one, a choice of whole sets"
        document.report(keys, message, rule="tuner-type")
    if tuner == "GridSearch" and release.grids_anything and not space:
        # 2.6 and later; an error in the tuner's log would be all that is seen of it.
        document.report(keys, "is empty; GridSearch wants a parameter", rule="tuner-type")


@dataclass(frozen=True, slots=True)
class _Checker:
    """Checks parameters, nested ones included, for one tuner of one release."""

    document: Document
    tuner: str | None
    release: Release
    shapes: dict[Shape, bool] = field(default_factory=dict)

    def check(self, keys: Keys, space: Any) -> None:
        """Report what is wrong with the parameters of a space, or of an option of a choice."""
        document = self.document
        before = len(document.reported)
        odd = space
        if isinstance(space, dict):
            odd = {name: item for name, item in space.items() if not self._has_good_shape(item)}
        is_complete = validate(document, "search-space", data=odd, base=keys)
        for bad in find_non_finite(space, keys):
            document.report(bad, "NaN and infinity are not allowed", rule="finite")
        if not isinstance(space, dict) or not is_complete:
            return
        broken = tuple(problem.location for _, problem in document.reported[before:])
        for name, parameter in space.items():
            here = (*keys, name)
            if isinstance(parameter, dict) and not _is_at(document.locate(here), broken):
                self._check_parameter(here, parameter)

    def _has_good_shape(self, parameter: Any) -> bool:
        """Return whether the schema takes parameters of this shape; each is tried only once."""
        shape = _shape_of(parameter)
        if shape is None:
            return False
        if shape not in self.shapes:
            self.shapes[shape] = conforms("search-space", {"parameter": parameter})
        return self.shapes[shape]

    def _check_parameter(self, keys: Keys, parameter: dict[str, Any]) -> None:
        kind, value = str(parameter.get("_type")), parameter.get("_value")
        if kind in _NUMBERS and isinstance(value, list):
            _NUMBERS[kind](self.document, (*keys, "_value"), value)
        if kind == "choice" and isinstance(value, list):
            self._check_choice((*keys, "_value"), value)
        if kind == "input_choice":
            self._check_inputs((*keys, "_value"), value)
        allowed = self._kinds
        if kind not in allowed:
            self.document.report(
                (*keys, "_type"),
                f"the tuner {self.tuner} cannot use {kind}; allowed: {', '.join(sorted(allowed))}",
                rule="tuner-type",
            )

    @property
    def _kinds(self) -> frozenset[str]:
        if self.tuner == "GridSearch" and not self.release.grids_anything:
            return _OLD_GRID
        return _KINDS.get(self.tuner or "", _ALL | _ARCHITECTURE)

    @property
    def _takes_nested(self) -> bool:
        if self.tuner == "GridSearch":
            return self.release.grids_anything
        return self.tuner not in _KINDS or self.tuner in _NESTED

    def _check_choice(self, keys: Keys, options: list[Any]) -> None:
        for index, option in enumerate(options):
            here = (*keys, index)
            if isinstance(option, dict) and self.tuner == "BatchTuner":
                if "_name" in option:
                    message = "is no parameter: the sets of BatchTuner have no names"
                    self.document.report((*here, "_name"), message, rule="tuner-type")
            elif isinstance(option, dict):
                self._check_nested(here, option)
            elif option is None or isinstance(option, list):
                message = f"found {show(option, here)}; allowed: numbers, text, true or false, or "
                self.document.report(here, message + "objects with _name", rule="choice")
            if self.tuner in _NUMERIC_CHOICE and not _is_number(option):
                message = f"found {show(option, here)}; the tuner {self.tuner} takes numbers only"
                self.document.report(here, message, rule="tuner-type")

    def _check_inputs(self, keys: Keys, value: Any) -> None:
        number = value.get("n_chosen") if isinstance(value, dict) else 1
        is_allowed = {
            "PPOTuner": number in (0, 1) or number == [0, 1],
            "RegularizedEvolutionTuner": isinstance(number, int),
        }.get(self.tuner or "", True)
        if not is_allowed:
            allowed = "0, 1 or [0, 1]" if self.tuner == "PPOTuner" else "an integer"
            message = f"found {show(number, keys)}; {self.tuner} takes {allowed}"
            self.document.report((*keys, "n_chosen"), message, rule="tuner-type")

    def _check_nested(self, keys: Keys, option: dict[str, Any]) -> None:
        if not self._takes_nested:
            message = f"the tuner {self.tuner} cannot use nested options"
            self.document.report(keys, message, rule="tuner-type")
            return
        if not isinstance(option.get("_name"), str):
            message = "is missing: an option that is an object is named by it"
            self.document.report((*keys, "_name"), message, rule="required")
            return
        self.check(keys, {name: value for name, value in option.items() if name != "_name"})


def _shape_of(parameter: Any) -> Shape | None:
    """Return all of a plain parameter that the schema looks at: kinds, not values."""
    if not isinstance(parameter, dict) or not isinstance(parameter.get("_value"), list):
        return None
    value = parameter["_value"]
    return (*parameter, str(parameter.get("_type")), len(value), frozenset(map(type, value)))


def _is_at(here: str, locations: tuple[str, ...]) -> bool:
    inside = (f"{here}.", f"{here}[")
    return any(location == here or location.startswith(inside) for location in locations)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# What the numbers of each kind have to obey.


def _range(document: Document, keys: Keys, value: Numbers) -> None:
    low, high = value[:2]
    if not low < high:
        message = f"found {show(value, keys)}; the first number has to be below the second"
        document.report(keys, message, rule="range")


def _positive_range(document: Document, keys: Keys, value: Numbers) -> None:
    _range(document, keys, value)
    if not value[0] > 0:
        message = f"found {value[0]}; a logarithmic range begins above zero"
        document.report((*keys, 0), message, rule="range")


def _spread(document: Document, keys: Keys, value: Numbers) -> None:
    if not value[1] > 0:
        message = f"found {value[1]}; sigma has to be above zero"
        document.report((*keys, 1), message, rule="range")


def _with_step(check: Callable[[Document, Keys, Numbers], None]) -> Callable[..., None]:
    def check_both(document: Document, keys: Keys, value: Numbers) -> None:
        check(document, keys, value)
        if not value[2] > 0:
            message = f"found {value[2]}; the step q has to be above zero"
            document.report((*keys, 2), message, rule="range")

    return check_both


_NUMBERS: Mapping[str, Callable[[Document, Keys, Numbers], None]] = {
    "randint": _range,
    "uniform": _range,
    "quniform": _with_step(_range),
    "loguniform": _positive_range,
    "qloguniform": _with_step(_positive_range),
    "normal": _spread,
    "qnormal": _with_step(_spread),
    "lognormal": _spread,
    "qlognormal": _with_step(_spread),
}
