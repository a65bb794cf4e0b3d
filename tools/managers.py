"""The real managers that the tests run against: which releases, where, and how they are built.

`python -m tools.managers` builds a virtual environment for each release below `.managers/`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".managers"
_BUILD_TIMEOUT_S = 900
_PIP_OPTIONS = ("install", "--quiet", "--disable-pip-version-check")


@dataclass(frozen=True)
class Release:
    """A release of NNI, and what the contract has to know of it.

    Attributes:
        version: The release.
        pythons: Interpreters that it runs in, the best first.
        constraints: What pip has to be told so that its tuner starts today.
        numbers_are_exact: Whether trials that start together get the sequence ids that they are
            told; of two that start together 3.0 may give either the number of the other.
        takes_text: Whether the tuner survives a final metric that is no number.
        takes_own_sets: Whether the tuner survives a metric of a trial with parameters of the user's
            own, whose id is None.
        finds_own_algorithms: Whether the tuner's process looks for a class in its codeDirectory;
            2.2 looks under another key.
        takes_blanks: Whether trials run in a folder with a blank in its path.
        hands_from_queue: Whether a trial gets the next hyper-parameters of a queue, not its own.
    """

    version: str
    pythons: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    numbers_are_exact: bool = True
    takes_text: bool = True
    takes_own_sets: bool = True
    finds_own_algorithms: bool = True
    takes_blanks: bool = False
    hands_from_queue: bool = False

    @property
    def folder(self) -> Path:
        """Its virtual environment."""
        return FOLDER / self.version

    def is_built(self) -> bool:
        """Return whether the environment is complete, and of this row."""
        marker = self.folder / ".installed"
        return marker.is_file() and marker.read_text("utf-8") == self.recipe()

    def recipe(self) -> str:
        """Return what pip installs."""
        return " ".join((f"nni=={self.version}", *self.constraints))


_3_6_TO_3_8 = ("3.7", "3.8", "3.6")
_3_7_TO_3_9 = ("3.9", "3.8", "3.7")
# The tuner of these reads its list of algorithms with a function that 0.18 took away.
_OLD_YAML = ("ruamel.yaml<0.18",)
RELEASES = (
    Release("1.8", _3_6_TO_3_8, takes_text=False),
    Release("1.9", _3_6_TO_3_8, takes_text=False),
    Release("2.0", _3_6_TO_3_8, _OLD_YAML, takes_text=False),
    Release("2.1", _3_6_TO_3_8, _OLD_YAML, takes_text=False),
    Release("2.2", _3_6_TO_3_8, _OLD_YAML, takes_text=False, finds_own_algorithms=False),
    Release("2.3", _3_6_TO_3_8, takes_text=False),
    Release("2.4", _3_6_TO_3_8, takes_text=False),
    # Its nnictl is tried beside nnicli, and does not start with a later one.
    Release("2.5", _3_6_TO_3_8, ("filelock<3.12",), takes_text=False),
    Release("2.6", _3_6_TO_3_8, takes_text=False),
    Release("2.7", _3_7_TO_3_9),
    Release("2.8", _3_7_TO_3_9),
    Release("2.9", _3_7_TO_3_9),
    Release("2.10.1", _3_7_TO_3_9, takes_own_sets=False),
    Release(
        "3.0",
        ("3.11", "3.12", "3.13", "3.10"),
        ("setuptools<81",),
        numbers_are_exact=False,
        hands_from_queue=True,
        takes_blanks=True,
    ),
)


def release_of(version: str) -> Release:
    """Return the row of a release."""
    return next(release for release in RELEASES if release.version == version)


def find_interpreter(pythons: tuple[str, ...]) -> Path | None:
    """Return the first of these interpreters that is on this machine and can make environments."""
    for python in pythons:
        for candidate in _candidates(python):
            if _can_make_environments(candidate, python):
                return candidate
    return None


def _candidates(python: str) -> Iterator[Path]:
    found = shutil.which(f"python{python}")
    if found:
        yield Path(found)
    for root in _pyenv_roots():
        yield from sorted(root.glob(f"versions/{python}.*/bin/python{python}"), reverse=True)
    if sys.version_info[:2] == tuple(map(int, python.split("."))):
        yield Path(sys.executable)


def _pyenv_roots() -> Iterator[Path]:
    if root := os.environ.get("PYENV_ROOT"):
        yield Path(root)
    yield Path.home() / ".pyenv"
    # With another HOME the folder of its shims still tells where it is.
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if Path(folder).name == "shims":
            yield Path(folder).parent


def _can_make_environments(interpreter: Path, python: str) -> bool:
    """Return whether it runs: a shim of pyenv stands for versions that are not switched on."""
    code = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run(
            [interpreter, "-c", code], capture_output=True, text=True, timeout=60, check=False
        )
    except OSError:
        return False
    return answer.stdout.strip() == python


def build(release: Release) -> str | None:
    """Build the environment of a release unless it is there; return why it cannot be built."""
    if release.is_built():
        return None
    interpreter = find_interpreter(release.pythons)
    if interpreter is None:
        return f"it needs Python {' or '.join(release.pythons)}, and none is on this machine"
    python = release.folder / "bin" / "python"
    commands: tuple[list[str | Path], ...] = (
        [interpreter, "-m", "venv", "--clear", release.folder],
        [python, "-m", "pip", *_PIP_OPTIONS, *release.recipe().split()],
    )
    for command in commands:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_BUILD_TIMEOUT_S, check=False
        )
        if answer.returncode != 0:
            return f"{' '.join(map(str, command))} failed:\n{answer.stderr.strip()[-2000:]}"
    (release.folder / ".installed").write_text(release.recipe(), "utf-8")
    return None


def main() -> int:
    """Build what the command line names, all releases without any; tell what cannot be built."""
    parser = argparse.ArgumentParser(description="Build real managers to test against.")
    parser.add_argument("releases", nargs="*", help="such as 3.0 and 1.9; all without any")
    parser.add_argument(
        "--where-possible",
        action="store_true",
        help="a release that cannot be built is told and left out",
    )
    parser.add_argument(
        "--list", action="store_true", help="print the built ones' folders, as NNICLI_TEST_NNI"
    )
    options = parser.parse_args()
    releases = [release_of(name) for name in options.releases] or list(RELEASES)
    if options.list:
        built = [str(release.folder) for release in releases if release.is_built()]
        sys.stdout.write(os.pathsep.join(built) + "\n")
        return 0
    failed = 0
    for release in releases:
        reason = build(release)
        sys.stdout.write(f"NNI {release.version}: {reason or f'in {release.folder}'}\n")
        sys.stdout.flush()
        failed += reason is not None
    return 1 if failed and not options.where_possible else 0


if __name__ == "__main__":
    sys.exit(main())
