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

DIRECTORY = Path(__file__).parents[1] / ".managers"
_BUILD_TIMEOUT_S = 900
_PIP_OPTIONS = ("install", "--quiet", "--disable-pip-version-check")


@dataclass(frozen=True)
class Release:
    """A release of NNI, and what the contract has to know of it.

    Attributes:
        version: The release.
        pythons: Interpreters that it runs in, the best first.
        constraints: What pip needs besides, so that its tuner starts today.
        numbers_are_exact: Whether each of two trials that start together reads its own sequence
            id; in 3.0 one may read that of the other.
        takes_text: Whether the tuner survives a final metric that is not a number.
        takes_own_sets: Whether the tuner survives a metric of a trial with parameters of the user's
            own, whose id is None.
        finds_own_algorithms: Whether the tuner's process looks for a class in its codeDirectory;
            2.2 looks under another key.
        takes_spaces: Whether trials run in a directory with a space in its path.
        hands_from_queue: Whether a trial gets the next hyper-parameters of a queue, not its own.
    """

    version: str
    pythons: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    numbers_are_exact: bool = True
    takes_text: bool = True
    takes_own_sets: bool = True
    finds_own_algorithms: bool = True
    takes_spaces: bool = False
    hands_from_queue: bool = False

    @property
    def directory(self) -> Path:
        """Its virtual environment."""
        return DIRECTORY / self.version

    def is_built(self) -> bool:
        """Return whether the environment is complete, and of this row."""
        marker = self.directory / ".installed"
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
        takes_spaces=True,
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
    # With another HOME the directory of its shims still shows where it is.
    for directory in os.environ.get("PATH", "").split(os.pathsep):
        if Path(directory).name == "shims":
            yield Path(directory).parent


def _can_make_environments(interpreter: Path, python: str) -> bool:
    """Return whether it runs: pyenv has shims for versions that are not switched on, too."""
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
    python = release.directory / "bin" / "python"
    commands: tuple[list[str | Path], ...] = (
        [interpreter, "-m", "venv", "--clear", release.directory],
        [python, "-m", "pip", *_PIP_OPTIONS, *release.recipe().split()],
    )
    for command in commands:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_BUILD_TIMEOUT_S, check=False
        )
        if answer.returncode != 0:
            return f"{' '.join(map(str, command))} failed:\n{answer.stderr.strip()[-2000:]}"
    (release.directory / ".installed").write_text(release.recipe(), "utf-8")
    return None


def main() -> int:
    """Build what the command line names, all releases without any; report what cannot be built."""
    parser = argparse.ArgumentParser(description="Build real managers to test against.")
    parser.add_argument("releases", nargs="*", help="such as 3.0 and 1.9; all without any")
    parser.add_argument(
        "--where-possible",
        action="store_true",
        help="a release that cannot be built is reported and left out",
    )
    parser.add_argument(
        "--list",
        action="store_true",
        help="print the directories of those built, as NNICLI_TEST_NNI",
    )
    options = parser.parse_args()
    releases = [release_of(name) for name in options.releases] or list(RELEASES)
    if options.list:
        built = [str(release.directory) for release in releases if release.is_built()]
        sys.stdout.write(os.pathsep.join(built) + "\n")
        return 0
    failed = 0
    for release in releases:
        reason = build(release)
        sys.stdout.write(f"NNI {release.version}: {reason or f'in {release.directory}'}\n")
        sys.stdout.flush()
        failed += reason is not None
    return 1 if failed and not options.where_possible else 0


if __name__ == "__main__":
    sys.exit(main())
