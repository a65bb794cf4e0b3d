"""Every NNI on this machine that can be found in the usual places."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from nnicli.errors import InstallationNotFoundError, UnsupportedVersionError
from nnicli.launcher.installation import INSTALLATION_VARIABLE, NniInstallation, find_installation
from nnicli.regular_files import read_regular
from nnicli.user_home import find_user_home

_NODE_TIMEOUT_S = 5.0
_LARGEST_LIST = 1 << 20
_AT_ONCE = 8
# Where environments are, relative to the home and the working directory.
_IN_HOME = (".virtualenvs/*", ".pyenv/versions/*", ".conda/envs/*", "*conda3", "*conda3/envs/*")
_IN_WORKING_DIRECTORY = (".venv", "venv", "env")


@dataclass(frozen=True, slots=True)
class FoundInstallation:
    """An NNI that was found, usable or not.

    Attributes:
        path: Root of its environment, as it was found.
        version: Its release, None if unknown.
        python_version: The version of the Python that runs its tuner, such as `3.7.16`, None if
            unknown.
        node_version: The version of its node.js, such as `v10.22.1`, None if that does not run.
        problem: Why it cannot be used and what to do, empty if it can.
        installation: The value for `Experiment(nni=...)`, None if it is incomplete.
    """

    path: Path
    version: str | None
    python_version: str | None
    node_version: str | None
    problem: str
    installation: NniInstallation | None

    @property
    def is_usable(self) -> bool:
        """Whether it can start managers."""
        return not self.problem


def find_installations() -> list[FoundInstallation]:
    """Return the NNIs of this machine, the default one first.

    The places searched are, in this order: the variable NNICLI_NNI, the running interpreter's
    environment, VIRTUAL_ENV and CONDA_PREFIX, each `python3` on PATH, pyenv's versions, the
    environments of conda and virtualenvwrapper, user installs, and `.venv` in the working
    directory. Nothing of an NNI is imported; of its programs only `node --version` runs.
    """
    found: dict[str, FoundInstallation] = {}
    for place in dict.fromkeys(_places()):
        one = _examine(place)
        if one is not None:
            # One environment may be reached by several names.
            entry = one.installation.entry if one.installation else one.path
            found.setdefault(os.path.realpath(entry), one)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(_with_node_version, found.values()))


def _places() -> Iterator[Path]:
    environ = os.environ
    if INSTALLATION_VARIABLE in environ:
        yield Path(environ[INSTALLATION_VARIABLE]).expanduser()
    yield Path(sys.prefix)
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if environ.get(name):
            yield Path(environ[name])
    for directory in map(Path, environ.get("PATH", "").split(os.pathsep)):
        if directory.name == "shims":
            yield from _matches(directory.parent, "versions/*")
        elif directory.name in ("bin", "Scripts"):
            yield directory.parent
    if environ.get("PYENV_ROOT"):
        yield from _matches(Path(environ["PYENV_ROOT"]), "versions/*")
    if (home := find_user_home()) is not None:
        yield from _places_in(home)
    for name in _IN_WORKING_DIRECTORY:
        yield Path.cwd() / name


def _places_in(home: Path) -> Iterator[Path]:
    for pattern in _IN_HOME:
        yield from _matches(home, pattern)
    yield from _listed_by_conda(home)
    # User installs.
    yield home / ".local"


def _matches(directory: Path, pattern: str) -> list[Path]:
    try:
        return sorted(directory.glob(pattern))
    except OSError:
        return []


def _listed_by_conda(home: Path) -> Iterator[Path]:
    try:
        text = read_regular(home / ".conda" / "environments.txt", limit=_LARGEST_LIST).decode()
    except (OSError, UnicodeDecodeError):
        return
    yield from (Path(line) for line in text.splitlines() if line.strip())


def _examine(place: Path) -> FoundInstallation | None:
    """Return the NNI at a place, None if there is none."""
    try:
        installation = find_installation(place)
    except InstallationNotFoundError as error:
        if "no NNI found at" in str(error):
            return None
        return FoundInstallation(place, None, None, None, str(error), None)
    except OSError:
        # A directory that may not be read.
        return None
    try:
        _ = installation.release
    except UnsupportedVersionError as error:
        problem = str(error)
    else:
        problem = ""
    return FoundInstallation(
        installation.prefix,
        installation.version,
        _python_version(installation),
        None,
        problem,
        installation,
    )


def _python_version(installation: NniInstallation) -> str | None:
    """Return the release of the environment's Python, without running it."""
    try:
        text = read_regular(installation.prefix / "pyvenv.cfg", limit=_LARGEST_LIST).decode()
    except (OSError, UnicodeDecodeError):
        text = ""
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key.strip() in ("version", "version_info"):
            return ".".join(value.strip().split(".")[:3])
    for directory in (*installation.entry.parents, *_matches(installation.prefix, "lib/python3.*")):
        if directory.name.startswith("python3."):
            return directory.name.removeprefix("python")
    return None


def _with_node_version(found: FoundInstallation) -> FoundInstallation:
    if found.installation is None:
        return found
    try:
        answer = subprocess.run(
            [found.installation.node, "--version"],
            capture_output=True,
            text=True,
            timeout=_NODE_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        reason = f"its node.js does not run here ({error}); reinstall nni in that environment"
        return replace(found, problem=found.problem or reason)
    return replace(found, node_version=answer.stdout.strip())
