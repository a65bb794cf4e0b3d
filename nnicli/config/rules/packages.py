"""Packages that an algorithm needs in the environment of its NNI."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from nnicli.config.field_names import ALGORITHMS
from nnicli.config.rules.context import RuleContext
from nnicli.config.secrets import Loc
from nnicli.config.target import Target


@dataclass(frozen=True, slots=True)
class _Need:
    """What an algorithm needs that is not installed with NNI.

    Attributes:
        modules: The modules that it imports.
        install: What to pass to `pip install`.
    """

    modules: tuple[str, ...]
    install: tuple[str, ...]


_HYPEROPT = _Need(("hyperopt",), ("nni[Anneal]",))
# Without these modules the import of each fails (2.0 to 3.0, seen live). Hyperopt came with NNI up
# to 2.9.
_NEEDS: Mapping[str, _Need] = {
    "Anneal": _HYPEROPT,
    "TPE_legacy": _HYPEROPT,
    "SMAC": _Need(("smac", "ConfigSpaceNNI"), ("nni[SMAC]",)),
    "BOHB": _Need(("ConfigSpace", "statsmodels"), ("nni[BOHB]",)),
    "DNGOTuner": _Need(("pybnn", "torch"), ("nni[DNGO]", "torch")),
    "PPOTuner": _Need(("gym", "tensorflow"), ("nni[PPOTuner]", "tensorflow")),
    "NetworkMorphism": _Need(("torch",), ("torch",)),
}
# What `nnictl package install` of 1.x installs and registers.
_EXTRAS_OF_1 = frozenset(("SMAC", "BOHB", "PPOTuner"))


def check_packages(context: RuleContext) -> None:
    """Check that each algorithm can be imported in the environment where it will run.

    Otherwise the tuner exits at once, which the manager notices after ten seconds (2.8 to 3.0).
    """
    if context.target is None:
        return
    for kind, old_key in ALGORITHMS.items():
        section = context.section(kind)
        key = "name" if "name" in section else old_key
        name = section.get(key)
        if isinstance(name, str):
            _check(context, (kind, key), name, context.target)


def _check(context: RuleContext, loc: Loc, name: str, target: Target) -> None:
    registered = [target.registered[kind].get(name) for kind in target.registered]
    class_name = next(filter(None, registered), None)
    if class_name is not None:
        module = class_name.partition(".")[0]
        if target.find_missing((module,)):
            message = (
                f"found {name}, which is registered as {class_name}; {target.python} has no module "
                f"{module}: install its package there, or run `nnictl algo unregister "
                f"{shlex.quote(name)}`"
            )
            context.document.report(loc, message, rule="package")
    elif target.registers_extras and name in _EXTRAS_OF_1:
        message = (
            f"found {name}, which is not installed; run `nnictl package install --name={name}`"
        )
        context.document.report(loc, message, rule="package")
    elif name in _NEEDS:
        _check_need(context, loc, name, target)


def _check_need(context: RuleContext, loc: Loc, name: str, target: Target) -> None:
    need = _NEEDS[name]
    missing = target.find_missing(need.modules)
    if not missing:
        return
    modules = ", ".join(module for module in need.modules if module in missing)
    command = shlex.join((str(target.python), "-m", "pip", "install", *need.install))
    message = f"found {name}, which needs {modules}; not installed, so run `{command}`"
    context.document.report(loc, message, rule="package")
