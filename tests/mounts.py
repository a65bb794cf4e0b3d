"""Real mounts for tests, in a mount name space of their own that ends with its process."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest


@cache
def why_impossible() -> str:
    """Return why nothing can be mounted here, empty where it can."""
    if shutil.which("unshare") is None:
        return "there is no unshare here"
    tried = subprocess.run(
        [*_unshare(), "sh", "-c", "mount -t tmpfs none /mnt"],
        check=False,
        capture_output=True,
        text=True,
    )
    return "" if tried.returncode == 0 else f"nothing can be mounted here: {tried.stderr.strip()}"


def _unshare() -> list[str]:
    # Others than root may mount in a user name space of their own.
    as_user = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", "--mount", *as_user]


needs_mounts = pytest.mark.skipif(bool(why_impossible()), reason=why_impossible())
"""Mark of a test that mounts something."""


def run_mounted(
    mounts: Sequence[tuple[Path | None, Path]], code: str, *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    """Run Python code where other folders, or empty file systems, are mounted.

    Args:
        mounts: What is mounted (a folder or file, None: an empty file system) and where.
        code: What is run; `sys`, `Path`, `pytest` and `mount(source, target)` are there.
        arguments: Its `sys.argv[1:]`.
    """
    commands = [
        shlex.join(
            ["mount", "-t", "tmpfs", "none", str(target)]
            if source is None
            else ["mount", "--bind", str(source), str(target)]
        )
        for source, target in mounts
    ]
    script = " && ".join([*commands, 'exec "$@"'])
    python = [sys.executable, "-c", _PREAMBLE + code, *map(str, arguments)]
    return subprocess.run(
        [*_unshare(), "sh", "-c", script, "sh", *python],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


_PREAMBLE = """
import subprocess, sys
from pathlib import Path
import pytest
def mount(source, target):
    subprocess.run(["mount", "--bind", str(source), str(target)], check=True)
"""
