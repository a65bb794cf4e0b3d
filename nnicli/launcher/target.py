"""What an installation has besides its release: registered algorithms and Python packages."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nnicli.config import Target, read_file
from nnicli.launcher.environment import manager_environment
from nnicli.launcher.installation import NniInstallation
from nnicli.releases import AlgorithmRegistry
from nnicli.safe_logging import get_logger
from nnicli.user_home import user_home

logger = get_logger(__name__)

_LOOK_TIMEOUT_S = 20.0
# find_spec of a top-level name locates the module without running any of it.
_FIND = (
    "import importlib.util, sys\n"
    "print(*(n for n in sys.argv[1:] if importlib.util.find_spec(n) is None))\n"
)
_KINDS = ("tuner", "assessor", "advisor")


def target_of(installation: NniInstallation) -> Target:
    """Return what is in an installation's environment, for checks of configs.

    Nothing of NNI or of an algorithm is imported: its registry is read as plain YAML, and its
    Python is run only to look up the modules that a config needs.
    """
    row = installation.release.algorithms
    environ = manager_environment(installation, os.environ)
    python = installation.bin_directory / "python3"

    def find_missing(modules: Iterable[str]) -> frozenset[str]:
        return _find_missing(python, modules, directory=installation.entry.parent, environ=environ)

    return Target(
        python=python,
        search_path=environ["PATH"],
        registered=_read_registry(_registry_path(installation, row, environ), row),
        registers_extras=row.registers_extras,
        find_missing=find_missing,
    )


def _registry_path(
    installation: NniInstallation, row: AlgorithmRegistry, environ: Mapping[str, str]
) -> Path:
    if row.is_next_to_manager:
        return installation.entry.parent / "config" / row.file
    if row.variable and row.variable in environ:
        # As the tuner resolves it, whose working directory this is.
        return Path(installation.entry.parent, environ[row.variable], row.file)
    is_own = installation.is_virtual or (installation.prefix / "conda-meta").is_dir()
    directory = installation.prefix / "nni" if is_own else user_home() / ".config" / "nni"
    return directory / row.file


def _read_registry(path: Path, row: AlgorithmRegistry) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    document = read_file(path)
    if not isinstance(document.data, dict):
        problems = "; ".join(problem.message for problem in document.problems)
        logger.warning(
            "could not read the registered algorithms: %s: %s", path, problems or "not a mapping"
        )
        return {}
    return {kind: _names(document.data.get(f"{kind}s"), row) for kind in _KINDS}


def _names(algorithms: Any, row: AlgorithmRegistry) -> dict[str, str]:
    names: dict[str, str] = {}
    for algorithm in algorithms if isinstance(algorithms, list) else ():
        # Up to 2.5 it also lists the algorithms of NNI itself.
        if not isinstance(algorithm, dict) or algorithm.get("source") == "nni":
            continue
        class_name = algorithm.get(row.class_key)
        for key in (row.name_key, "alias"):
            name = algorithm.get(key)
            if isinstance(name, str) and isinstance(class_name, str):
                names[name] = class_name
    return names


def _find_missing(
    python: Path, modules: Iterable[str], *, directory: Path, environ: Mapping[str, str]
) -> frozenset[str]:
    argv = [str(python), "-c", _FIND, *modules]
    try:
        answer = subprocess.run(
            argv,
            # Started as a tuner is, so that it finds what a tuner would find.
            cwd=directory,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LOOK_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("could not look up the packages of an algorithm with %s: %s", python, error)
        return frozenset()
    return frozenset(answer.stdout.split())
