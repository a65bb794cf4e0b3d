"""A directory that looks like a virtual environment with NNI installed."""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from nnicli.testing.behaviour import Behaviour

_HERE = Path(__file__).parent
_MANAGER = _HERE / "fake_node" / "__main__.py"
_NNI_MODULES = _HERE / "fake_nni"

# Trials and the tuner find the fake `nni` before a real one in the environment.
_PYTHON = """#!/bin/sh
PYTHONPATH={site_packages}${{PYTHONPATH:+:$PYTHONPATH}}
export PYTHONPATH
exec {python} "$@"
"""
_NODE = """#!/bin/sh
exec {python} -E {manager} {nni_node} "$@"
"""


@dataclass(frozen=True, slots=True)
class FakeInstallation:
    """A fake NNI on disk, for `Experiment(nni=...)`.

    Attributes:
        prefix: Its virtual environment.
        version: The NNI release that it imitates.
    """

    prefix: Path
    version: str

    @classmethod
    def create(
        cls,
        directory: str | os.PathLike[str],
        *,
        version: str = "3.0",
        behaviour: Behaviour | None = None,
    ) -> FakeInstallation:
        """Create a fake NNI in a directory and return it.

        Args:
            directory: Where to create it; created if missing.
            version: Release to imitate, 2.7 or later: its command line, file layout and answers,
                where these differ between releases.
            behaviour: How its managers misbehave; by default not at all.
        """
        installation = cls(Path(directory).absolute(), version)
        installation._write_environment()
        installation._write_packages()
        installation.set_behaviour(behaviour or Behaviour())
        return installation

    @property
    def python(self) -> Path:
        """The interpreter of the environment, which sees the fake `nni`."""
        return self.prefix / "bin" / "python3"

    @property
    def site_packages(self) -> Path:
        """The site-packages directory of the environment."""
        python = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.prefix / "lib" / python / "site-packages"

    @property
    def nni_node(self) -> Path:
        """The manager's directory, with node, main.js and package.json."""
        return self.site_packages / "nni_node"

    def set_behaviour(self, behaviour: Behaviour) -> None:
        """Set the behaviour of managers started from now on, and count starts from zero again."""
        document = json.dumps(behaviour.to_json())
        (self.nni_node / "behaviour.json").write_text(document, "utf-8")
        (self.nni_node / "starts").write_text("", "utf-8")
        (self.nni_node / "requests").write_text("", "utf-8")

    def starts(self) -> int:
        """Return how many managers were started since the behaviour was set."""
        return (self.nni_node / "starts").stat().st_size

    def requests(self) -> list[str]:
        """Return the requests since the behaviour was set, each as `METHOD path?query`."""
        return (self.nni_node / "requests").read_text("utf-8").splitlines()

    def _write_environment(self) -> None:
        self.python.parent.mkdir(parents=True, exist_ok=True)
        python = shlex.quote(sys.executable)
        text = _PYTHON.format(site_packages=shlex.quote(str(self.site_packages)), python=python)
        _write_script(self.python, text)
        _write_script(self.python.with_name("python"), text)
        version = ".".join(str(part) for part in sys.version_info[:3])
        home = Path(sys.executable).parent
        (self.prefix / "pyvenv.cfg").write_text(f"home = {home}\nversion = {version}\n", "utf-8")

    def _write_packages(self) -> None:
        nni = self.site_packages / "nni"
        nni.mkdir(parents=True, exist_ok=True)
        for module in _NNI_MODULES.glob("*.py"):
            (nni / module.name).write_bytes(module.read_bytes())
        dist_info = self.site_packages / f"nni-{self.version}.dist-info"
        dist_info.mkdir(exist_ok=True)
        metadata = f"Metadata-Version: 2.1\nName: nni\nVersion: {self.version}\n"
        (dist_info / "METADATA").write_text(metadata, "utf-8")
        self._write_manager()

    def _write_manager(self) -> None:
        self.nni_node.mkdir(exist_ok=True)
        (self.nni_node / "__init__.py").write_text("", "utf-8")
        (self.nni_node / "main.js").write_text("", "utf-8")
        package = {"name": "nni", "version": _three_parts(self.version)}
        (self.nni_node / "package.json").write_text(json.dumps(package), "utf-8")
        text = _NODE.format(
            python=shlex.quote(sys.executable),
            manager=shlex.quote(str(_MANAGER)),
            nni_node=shlex.quote(str(self.nni_node)),
        )
        _write_script(self.nni_node / "node", text)


def _write_script(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    path.chmod(0o755)


def _three_parts(version: str) -> str:
    # The manager of 2.10 reports 2.10.0.
    return ".".join((*version.split("."), "0")[:3])
