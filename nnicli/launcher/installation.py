"""Where an NNI is on disk, found without importing it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nnicli.errors import InstallationNotFoundError
from nnicli.regular_files import read_regular
from nnicli.releases import NniRelease, find_release

INSTALLATION_VARIABLE = "NNICLI_NNI"
"""Environment variable with the NNI to use when `Experiment(nni=...)` names none."""

_SITE_PACKAGES = ("lib/python*/site-packages", "lib/python3/dist-packages", "Lib/site-packages")
# Where the manager is below an environment, by release: 2.0 and later are a package, 1.x are data
# files next to the packages.
_IN_PACKAGES, _IN_PREFIX = "nni_node", "nni"
# node.js, relative to the directory of main.js: in the package, outside it in 1.x, and on Windows.
_LARGEST_PACKAGE = 1 << 20
_NODES = ("node", "../bin/node", "node.exe", "../Scripts/node.exe")
# The Python of an environment, from its root: on POSIX, on Windows, in conda on Windows.
_PYTHONS = ("bin/python3", "Scripts/python.exe", "python.exe")
_INSTALL_HINT = (
    "install the manager next to nnicli with `pip install nni==3.0`, or name an environment that "
    f"has one, with {{}} or the variable {INSTALLATION_VARIABLE}"
)


@dataclass(frozen=True, slots=True)
class NniInstallation:
    """An NNI on disk: what is needed to start its manager.

    Attributes:
        version: Release as its package spells it, such as `3.0` or `2.10.1`.
        entry: The manager's `main.js`.
        node: The node.js that came with it; its native modules are built for that one only.
        bin_directory: Directory of the `python3` in which this NNI is installed.
    """

    version: str
    entry: Path
    node: Path
    bin_directory: Path

    @property
    def release(self) -> NniRelease:
        """What nnicli knows about its release.

        Raises:
            UnsupportedVersionError: The release is older than 1.8, or not a release number.
        """
        return find_release(self.version)

    @property
    def prefix(self) -> Path:
        """The environment's root directory."""
        return self.bin_directory.parent

    @property
    def is_virtual(self) -> bool:
        """Whether it is installed in a virtual environment."""
        return (self.prefix / "pyvenv.cfg").is_file()


def find_installation(where: str | os.PathLike[str] | None = None) -> NniInstallation:
    """Return the NNI at a path, or the default one.

    Args:
        where: A virtual environment, a `python` in one, or the directory of the manager's `main.js`
            (`nni_node`, in 1.x `nni`). None: the variable NNICLI_NNI, else the environment of the
            running interpreter.

    Raises:
        InstallationNotFoundError: Not found; the message lists the places searched.
    """
    if where is None:
        where = os.environ.get(INSTALLATION_VARIABLE) or None
    try:
        candidates = list(
            _own_directories() if where is None else _directories_at(Path(where).expanduser())
        )
        found = next(
            (directory for directory in candidates if (directory / "main.js").is_file()), None
        )
    except (OSError, RuntimeError, TypeError) as error:
        # The name is too long, the user does not exist, or it is not a path.
        raise InstallationNotFoundError(
            f"no NNI found at {where!r:.200}: {error!s:.200}"
        ) from error
    if found is not None:
        return _read_installation(found)
    places = "".join(f"\n  {place}" for place in candidates)
    if where is None:
        subject = f"no NNI found in the environment of this Python ({sys.prefix})"
    else:
        subject = f"no NNI found at {os.fspath(where)}"
    looked = f"; looked for main.js in:{places}" if candidates else "; no such environment"
    raise InstallationNotFoundError(f"{subject}{looked}").with_advice(
        f"What to do: {_INSTALL_HINT.format('Experiment(nni=PATH)')}",
        shell=f"What to do: {_INSTALL_HINT.format('--nni PATH')}",
    )


def _own_directories() -> Iterator[Path]:
    # find_spec of a top-level name locates the package without running any of it. It finds user
    # installs and .pth files, which a search below sys.prefix would miss.
    spec = importlib.util.find_spec("nni_node")
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent
    yield from _directories_below(Path(sys.prefix))


def _directories_at(place: Path) -> Iterator[Path]:
    place = place.absolute()
    if place.is_file():
        # Not resolved: a virtual environment's python is a link to the one it was created from.
        directory = place.parent
        yield from _directories_below(
            directory.parent if directory.name in ("bin", "Scripts") else directory
        )
        return
    yield place
    yield place / _IN_PACKAGES
    yield from _directories_below(place)


def _directories_below(prefix: Path) -> Iterator[Path]:
    for site_packages in _site_packages(prefix):
        yield site_packages / _IN_PACKAGES
    yield prefix / _IN_PREFIX


def _site_packages(prefix: Path) -> Iterator[Path]:
    for pattern in _SITE_PACKAGES:
        yield from sorted(prefix.glob(pattern))


def _read_installation(directory: Path) -> NniInstallation:
    nodes = [Path(os.path.normpath(directory / node)) for node in _NODES]
    installation = NniInstallation(
        version=read_version(directory),
        entry=directory / "main.js",
        node=next((node for node in nodes if node.is_file()), nodes[0]),
        bin_directory=_find_bin_directory(directory),
    )
    if not os.access(installation.node, os.X_OK):
        raise InstallationNotFoundError(
            f"the NNI at {directory} is incomplete: {installation.node} is missing or not "
            "executable; reinstall nni in that environment"
        )
    return installation


def _find_bin_directory(directory: Path) -> Path:
    if str(directory.parent) in sys.path:
        # A user install does not include a Python; the running one imports from it.
        return Path(sys.executable).parent
    # From <prefix>/lib/python3.x/site-packages/nni_node up to the prefix, and no further: / itself
    # has a bin/python3 on many systems.
    for parent in list(directory.parents)[:4]:
        for python in _PYTHONS:
            if (parent / python).exists():
                return (parent / python).parent
    own = _find_own_python(directory)
    if own is not None:
        return own.parent
    raise InstallationNotFoundError(
        f"the NNI at {directory} is not in an environment: none of the directories above it has a "
        "bin/python3, without which no tuner can run; name the virtual environment instead"
    )


def _find_own_python(directory: Path) -> Path | None:
    """Return the `python3` of a user install's Python, if it is the one on PATH."""
    for parent in directory.parents:
        if parent.name.startswith("python3.") and parent.parent.name == "lib":
            found = shutil.which(parent.name)
            python3 = shutil.which("python3", path=os.path.dirname(found)) if found else None  # noqa: PTH120 - which takes text
            if found and python3 and os.path.realpath(found) == os.path.realpath(python3):
                return Path(python3)
    return None


def read_version(directory: Path) -> str:
    """Return the release of the NNI whose `main.js` is in this directory.

    Raises:
        InstallationNotFoundError: Nothing there names the release.
    """
    # The package's own directory; for 1.x, whose files are in the prefix, the whole environment.
    places = (directory.parent, *_site_packages(directory.parent))
    for place in places:
        for metadata in place.glob("nni-*.dist-info"):
            return metadata.name.removeprefix("nni-").removesuffix(".dist-info")
    try:
        # A development install does not have such a directory.
        text = read_regular(directory / "package.json", limit=_LARGEST_PACKAGE).decode()
        return str(json.loads(text)["version"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InstallationNotFoundError(
            f"the NNI at {directory} has an unknown release: nni-*.dist-info was not found next to "
            f"it, and its package.json cannot be read ({error}); reinstall nni in that environment"
        ) from error
