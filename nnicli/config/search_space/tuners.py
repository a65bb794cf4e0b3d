"""How each built-in tuner handles a search space, by release.

Every row was observed on the tuner itself: `python -m tests.tuners.record` feeds the search spaces
of `tests/tuners/spaces.py` to the tuners of an installed NNI. Rows of tuners that need a package
not installed with NNI (SMAC, BOHB, PPOTuner, DNGOTuner, TPE_legacy, Anneal since 2.0) were derived
from NNI's code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nnicli.versions import ReleaseTable

_PLAIN = frozenset(("choice", "randint", "uniform"))
_NORMAL = frozenset(("normal", "qnormal", "lognormal", "qlognormal"))
_RANGES = _PLAIN | {"quniform", "loguniform", "qloguniform"}
KINDS = _RANGES | _NORMAL
"""Kinds of parameters that NNI documents for tuners."""
ARCHITECTURE = frozenset(("layer_choice", "input_choice"))
"""Kinds of parameters for architecture tuners."""


@dataclass(frozen=True, slots=True)
class Trait:
    """Something odd about a search space.

    Attributes:
        rule: Rule of its problem.
        allowed: What is allowed, for a tuner that fails with it.
        note: The warning for a tuner that runs with it; None for no warning.
    """

    rule: str
    allowed: str
    note: str | None = None


_UNDOCUMENTED = "it runs, although NNI documents only numbers and text as options"
TRAITS: Mapping[str, Trait] = {
    # Options of a choice.
    "null": Trait("choice", "numbers, text, true or false, or objects with _name", _UNDOCUMENTED),
    "list": Trait("choice", "numbers, text, true or false, or objects with _name", _UNDOCUMENTED),
    "not-numeric": Trait("tuner-type", "numbers"),
    "quoted-number": Trait("tuner-type", "numbers"),
    "huge-integer": Trait(
        "choice",
        "integers up to 2**53",
        "the manager, written in JavaScript, changes integers beyond 2**53",
    ),
    "unnamed": Trait(
        "choice",
        "objects with _name",
        "has no _name, so trials get the object as it is, and nothing in it is drawn",
    ),
    "unnamed-in-list": Trait("choice", "lists without objects", _UNDOCUMENTED),
    "nested": Trait("tuner-type", "plain options"),
    "nested-parameter": Trait("tuner-type", "options without parameters inside"),
    "text-and-others": Trait("tuner-type", "either text or numbers"),
    "nested-twice": Trait(
        "tuner-type",
        "nested options inside an option only where the outer choice has no other option",
    ),
    "mixed": Trait(
        "choice",
        "either all options with _name, or none",
        "options with and without _name are mixed, so what is inside an option may not be drawn",
    ),
    "constant": Trait(
        "choice",
        "parameters, with _type and _value",
        "is not a parameter, so every trial with this option gets it",
    ),
    "inside-a-set": Trait(
        "choice", "plain values", "the tuner does not draw from it, so trials get it as written"
    ),
    "not-a-set": Trait(
        "choice",
        "objects, each a whole set of parameters",
        "trials get it in place of a set of parameters",
    ),
    # Ranges.
    "no-integer": Trait("range", "[low, high) with an integer in it, such as [0, 5]"),
    "float-bounds": Trait("range", "integers as bounds", "NNI documents only integers as bounds"),
    "whole-floats": Trait("range", "integers as bounds", "NNI documents only integers as bounds"),
    "beyond-64-bits": Trait("range", "integers of 64 bits", "the range is wider than 64 bits"),
    "many-integers": Trait(
        "range", "a smaller range, or uniform", "the tuner may look at every integer of the range"
    ),
    "too-many-integers": Trait(
        "range", "a smaller range, or uniform", "the tuner may look at every integer of the range"
    ),
    "one-point": Trait(
        "range",
        "a first number below the second",
        "the range has one point only, so every trial gets the same value",
    ),
    "reversed": Trait(
        "range",
        "a first number below the second",
        "the first number is above the second",
    ),
    "reversed-steps": Trait(
        "range",
        "a first number below the second",
        "the first number is above the second",
    ),
    "integers": Trait(
        "tuner-type", "uniform or quniform; its randint fails with numpy 2.4 and later"
    ),
    "too-wide": Trait("range", "bounds with a finite difference"),
    "not-positive": Trait("range", "a logarithmic range that begins above zero"),
    "zero-step": Trait("range", "a step q above zero"),
    "zero-step-log": Trait("range", "a step q above zero"),
    "negative-step": Trait("range", "a step q above zero", "the step q is below zero"),
    "whole-step": Trait(
        "tuner-type",
        "a step other than 1, or randint; the tuner fails with whole bounds and a step of 1",
    ),
    "zero-sigma": Trait(
        "range", "sigma above zero", "sigma is zero, so every trial gets the same value"
    ),
    "zero-sigma-step": Trait(
        "range", "sigma above zero", "sigma is zero, so every trial gets the same value"
    ),
    "negative-sigma": Trait("range", "sigma above zero", "sigma is below zero"),
    "few-values": Trait(
        "range",
        "a step q well below sigma; the tuner fails when no other value is left",
        "the step q is far above sigma, so most trials get the same value",
    ),
    "steps": Trait("range", "a range that does not run out of values"),
    "overflow": Trait(
        "range",
        "mu and sigma of the logarithm, with a finite exponential",
        "the values are too large for a number",
    ),
    # Whole spaces.
    "empty-space": Trait("tuner-type", "at least one parameter"),
    "several-parameters": Trait(
        "tuner-type", "one parameter, a choice of whole sets of parameters"
    ),
    "_name": Trait("choice", "another name", "is a reserved word of NNI, so the tuner may drop it"),
    "_type": Trait("choice", "another name", "is a reserved word of NNI"),
    "_value": Trait("choice", "another name", "is a reserved word of NNI"),
    "_index": Trait("choice", "another name", "is a reserved word of NNI"),
}
"""Name of a trait that a tuner may fail with -> the trait."""


@dataclass(frozen=True, slots=True)
class Tuner:
    """How a built-in tuner handles search spaces.

    Attributes:
        since: First release for which the row holds.
        kinds: Kinds of parameters that it supports.
        swallows: Kinds that it accepts, but draws meaningless values for.
        fails: Traits with which it fails at once, or within the first few trials.
        fails_later: Trait -> when it fails with it; until then trials run.
        garbles: Traits with which trials get something other than what was written.
        defect: What goes wrong with it in every experiment, for any search space.
    """

    since: str
    kinds: frozenset[str]
    swallows: frozenset[str] = frozenset()
    fails: frozenset[str] = frozenset()
    fails_later: Mapping[str, str] = field(default_factory=dict)
    garbles: frozenset[str] = frozenset()
    defect: str | None = None


# They put NaN or infinity, which JSON does not have, into a parameter set.
_NOT_JSON = frozenset(("zero-step-log", "overflow"))
_EVERYWHERE = _NOT_JSON | {"no-integer", "not-positive", "zero-step", "too-wide"}
_REVERSED = frozenset(("reversed", "reversed-steps"))
_UNNAMED = frozenset(("unnamed", "unnamed-in-list"))
_WORDS = frozenset(("_type", "_index"))
_USED_UP = "when every likely value has been tried"


def _by_manager(row: Tuner, not_json: frozenset[str] = _NOT_JSON) -> tuple[Tuner, Tuner]:
    """Return a row for managers that pass on anything, and one for those that parse JSON.

    Trials of 2.3 and before run with NaN and infinity; managers of 2.4 and later crash on them.
    """
    old = replace(row, fails=row.fails - not_json, garbles=row.garbles | not_json)
    return old, replace(row, since="2.4")


# Up to 2.4 (TPE up to 2.5) hyperopt draws the values.
_HYPEROPT = Tuner(
    "1.8",
    KINDS,
    fails=_EVERYWHERE | _UNNAMED | _WORDS | {"negative-sigma", "beyond-64-bits", "empty-space"},
)
_AFTER_20 = "after 20 trials"
_HYPEROPT_TPE = replace(
    _HYPEROPT,
    fails_later=dict.fromkeys(
        (
            "float-bounds",
            "one-point",
            "reversed",
            "reversed-steps",
            "zero-sigma",
            "zero-sigma-step",
            "too-many-integers",
        ),
        _AFTER_20,
    ),
)
_NOT_JSON_OF_HYPEROPT = _NOT_JSON | {"zero-step"}
_HYPEROPT_ANNEAL = replace(_HYPEROPT, fails=_HYPEROPT.fails | {"float-bounds", "too-many-integers"})
# Since 2.6 (Random since 2.5) these share one reader of search spaces, and do not repeat values
# until none is left.
_SHARED = Tuner(
    "2.6",
    KINDS,
    fails=_EVERYWHERE
    | _REVERSED
    | {
        "beyond-64-bits",
        "constant",
        "few-values",
        "negative-sigma",
        "nested-twice",
        "zero-sigma-step",
    },
    fails_later={"steps": _USED_UP},
)
_TPE = replace(
    _SHARED, fails_later={**_SHARED.fails_later, "many-integers": "or hangs after 20 trials"}
)
_EVOLUTION = Tuner(
    "1.8",
    KINDS,
    fails=_EVERYWHERE | _UNNAMED | _WORDS | _REVERSED | {"beyond-64-bits", "negative-sigma"},
    fails_later={"empty-space": "after its first population"},
)
# It draws the same values as Evolution, but does not look at the options of a choice.
_HYPERBAND = Tuner("1.8", KINDS, fails=_EVOLUTION.fails - _UNNAMED - {"_index"})
_NUMERIC = _UNNAMED | {"not-numeric", "null", "list", "nested", "mixed"}
_BROKEN_ADVISOR = "it fails with the first result of a trial in 2.10 and 3.0; 2.9 runs it"
_BROKEN_BY_SCIPY = "it fails after its first 10 trials with scipy 1.11 and later"
_BOHB = Tuner(
    "1.8",
    _RANGES,
    fails=_EVERYWHERE | _REVERSED | {"one-point", "beyond-64-bits"},
    garbles=frozenset(("nested-parameter",)),
)
_METIS = Tuner(
    "1.8",
    _PLAIN | {"quniform"},
    fails=_EVERYWHERE
    | _NUMERIC
    | {"quoted-number", "float-bounds", "whole-step", "reversed-steps", "negative-step"},
)
_OPTIONS_ONLY = frozenset(("several-parameters", "empty-space"))
_GP = Tuner(
    "1.8",
    _RANGES,
    swallows=_NORMAL | ARCHITECTURE,
    fails=_EVERYWHERE | _NUMERIC | _REVERSED | {"beyond-64-bits"},
)
_ARCHITECTS = Tuner("1.8", ARCHITECTURE)

_ROWS: Mapping[str, tuple[Tuner, ...]] = {
    "TPE": (
        *_by_manager(_HYPEROPT_TPE, _NOT_JSON_OF_HYPEROPT),
        # It looks up the parameters of options that were not chosen.
        replace(_TPE, fails_later={**_TPE.fails_later, "nested-parameter": "now and then"}),
        replace(_TPE, since="2.8"),
    ),
    "TPE_legacy": (_HYPEROPT_TPE,),
    "Random": (
        *_by_manager(_HYPEROPT, _NOT_JSON_OF_HYPEROPT),
        replace(_SHARED, since="2.5"),
    ),
    "Anneal": _by_manager(_HYPEROPT_ANNEAL, _NOT_JSON_OF_HYPEROPT),
    "Evolution": _by_manager(_EVOLUTION),
    "GridSearch": (
        Tuner(
            "1.8",
            frozenset(("choice", "randint", "quniform")),
            fails=frozenset(
                (
                    "no-integer",
                    "zero-step",
                    "negative-step",
                    "reversed-steps",
                    "unnamed",
                    "constant",
                    "too-many-integers",
                    "_type",
                )
            )
            | {"beyond-64-bits", "empty-space"},
            garbles=frozenset(("list", "nested", "mixed")),
        ),
        replace(
            _SHARED,
            fails=_SHARED.fails - _REVERSED - {"negative-sigma"}
            | {"too-many-integers", "empty-space", "_name"},
        ),
    ),
    "BatchTuner": (Tuner("1.8", frozenset(("choice",)), fails=_OPTIONS_ONLY),),
    "PBTTuner": _by_manager(
        replace(
            _EVOLUTION,
            fails_later=dict.fromkeys(
                ("nested-parameter", "text-and-others"), "after its first population"
            ),
        )
    ),
    "Hyperband": (
        *_by_manager(_HYPERBAND),
        replace(_HYPERBAND, since="2.10", defect=_BROKEN_ADVISOR),
    ),
    # For normal distributions it reads a number that does not exist.
    "BOHB": (_BOHB, replace(_BOHB, since="2.10", defect=_BROKEN_ADVISOR)),
    "MetisTuner": (_METIS, replace(_METIS, since="2.10", defect=_BROKEN_BY_SCIPY)),
    # Releases before 3.0 run in versions of Python that numpy 2.4 does not support.
    "GPTuner": (
        *_by_manager(_GP),
        replace(_GP, since="2.10", defect=_BROKEN_BY_SCIPY),
        replace(_GP, since="3.0", fails=_GP.fails | {"integers"}, defect=_BROKEN_BY_SCIPY),
    ),
    "DNGOTuner": (
        Tuner(
            "1.8",
            _RANGES,
            swallows=_NORMAL,
            fails=_EVOLUTION.fails,
            fails_later=dict.fromkeys(_NUMERIC | {"quoted-number"}, "after its first results"),
        ),
    ),
    "SMAC": (
        Tuner(
            "1.8",
            _PLAIN | {"quniform", "loguniform"},
            fails=_EVERYWHERE | _REVERSED,
            garbles=frozenset(("nested-parameter",)),
        ),
    ),
    "PPOTuner": (_ARCHITECTS,),
    "RegularizedEvolutionTuner": (_ARCHITECTS,),
}
TUNERS = {name: ReleaseTable(*rows, through="3.0") for name, rows in _ROWS.items()}
"""Built-in tuner -> its rows, the newest last."""

# A custom tuner, or one that is not in the table: what no built-in tuner can use is refused.
ANY_TUNER = Tuner("1.8", KINDS | ARCHITECTURE, fails=_EVERYWHERE | _REVERSED | {"negative-sigma"})
"""What holds for a tuner that is not in the table."""


def find_tuner(name: str | None, release: str) -> Tuner:
    """Return the row of a tuner for a release, `ANY_TUNER` for one that is not in the table."""
    rows = TUNERS.get(name or "")
    return rows.row_for(release) if rows else ANY_TUNER
