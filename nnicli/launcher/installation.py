"""Where an NNI lies on disk, found without importing it."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nnicli.errors import InstallationNotFoundError

VARIABLE = "NNICLI_NNI"
"""Environment variable that names the NNI to use where `Experiment(nni=...)` does not."""

_SITE_PACKAGES = ("lib/python*/site-packages", "lib/python3/dist-packages", "Lib/site-packages")
_INSTALL_HINT = (
    "install the manager beside nnicli with `pip install 'nnicli[nni]'`, or name an environment "
    f"that has one with Experiment(nni=PATH) or the variable {VARIABLE}"
)


@dataclass(frozen=True, slots=True)
class NniInstallation:
    """An NNI on disk: what it takes to start its manager.

    Attributes:
        version: Release as its package says, such as `3.0` or `2.10.1`.
        entry: The manager's `main.js`.
        node: The node.js that came with it; its native modules are built for just that one.
        bin_directory: Folder of the `python3` in which this NNI is installed.
    """

    version: str
    entry: Path
    node: Path
    bin_directory: Path

    @property
    def prefix(self) -> Path:
        """The environment's root folder."""
        return self.bin_directory.parent

    @property
    def is_virtual(self) -> bool:
        """Whether it lives in a virtual environment."""
        return (self.prefix / "pyvenv.cfg").is_file()


def find_installation(where: str | os.PathLike[str] | None = None) -> NniInstallation:
    """Return the NNI at a path, or the default one.

    Args:
        where: A virtual environment, a `python` in one, or an `nni_node` folder. None: the
            variable NNICLI_NNI, else the environment of the running interpreter.

    Raises:
        InstallationNotFoundError: There is none; the message lists the places.
    """
    if where is None:
        where = os.environ.get(VARIABLE) or None
    candidates = list(_own_folders() if where is None else _folders_at(Path(where).expanduser()))
    for folder in candidates:
        if (folder / "main.js").is_file():
            return _read_installation(folder)
    places = "".join(f"\n  {place}" for place in candidates)
    if where is None:
        subject = f"the environment of this Python ({sys.prefix}) has no NNI"
    else:
        subject = f"there is no NNI at {os.fspath(where)}"
    looked = f"; looked for main.js in:{places}" if candidates else "; no such environment"
    raise InstallationNotFoundError(f"{subject}{looked}\nWhat to do: {_INSTALL_HINT}")


def _own_folders() -> Iterator[Path]:
    # find_spec of a top-level name locates the package and runs none of it. It sees user installs
    # and .pth files, which a look below sys.prefix would miss.
    spec = importlib.util.find_spec("nni_node")
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent
    yield from _folders_below(Path(sys.prefix))


def _folders_at(place: Path) -> Iterator[Path]:
    place = place.absolute()
    if place.is_file():
        # Not resolved: a virtual environment's python is a link to the one it was made from.
        yield from _folders_below(place.parent.parent)
        return
    yield place
    yield place / "nni_node"
    yield from _folders_below(place)


def _folders_below(prefix: Path) -> Iterator[Path]:
    for pattern in _SITE_PACKAGES:
        for site_packages in sorted(prefix.glob(pattern)):
            yield site_packages / "nni_node"


def _read_installation(folder: Path) -> NniInstallation:
    installation = NniInstallation(
        version=_read_version(folder),
        entry=folder / "main.js",
        node=folder / "node",
        bin_directory=_find_bin_directory(folder),
    )
    if not os.access(installation.node, os.X_OK):
        raise InstallationNotFoundError(
            f"the NNI at {folder} is incomplete: {installation.node} is missing or not executable; "
            "reinstall nni in that environment"
        )
    return installation


def _find_bin_directory(folder: Path) -> Path:
    if str(folder.parent) in sys.path:
        # A user install has no Python beside it; what imports from there is the one that runs.
        return Path(sys.executable).parent
    # From <prefix>/lib/python3.x/site-packages/nni_node up to the prefix, and no further: / itself
    # has a bin/python3 on many systems.
    for parent in list(folder.parents)[:4]:
        if (parent / "bin" / "python3").exists():
            return parent / "bin"
    raise InstallationNotFoundError(
        f"the NNI at {folder} belongs to no environment: no folder above it has a bin/python3, and "
        "without that Python no tuner can run; name the virtual environment instead"
    )


def _read_version(folder: Path) -> str:
    for metadata in folder.parent.glob("nni-*.dist-info"):
        return metadata.name.removeprefix("nni-").removesuffix(".dist-info")
    try:
        # A development install has no such folder.
        return str(json.loads((folder / "package.json").read_text("utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InstallationNotFoundError(
            f"the NNI at {folder} does not tell its release: no nni-*.dist-info beside it, and its "
            f"package.json cannot be read ({error}); reinstall nni in that environment"
        ) from error
