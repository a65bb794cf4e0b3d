"""One run of an experiment by a manager, as the launcher plans it and NNI's registry records it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Run:
    """Where one run of an experiment serves, and where its files are.

    Attributes:
        exp_id: The experiment; empty until its id is chosen.
        experiments_directory: Absolute parent of the experiment directory.
        port: The manager's port; 0 until one is chosen, and for an experiment that does not run.
        url_prefix: URL prefix of the manager, without slashes at its ends; empty for none.
        platform: The training service, in the config's words.
        name: The experiment's name.
        launcher_name: Name of its launcher directory; only 1.x has one.
        pid: The manager's process id; 0 before it exists.
        started_ms: When it was started, in ms since 1970; 0 before that.
    """

    exp_id: str
    experiments_directory: Path
    port: int = 0
    url_prefix: str = ""
    platform: str = "local"
    name: str | None = None
    launcher_name: str = ""
    pid: int = 0
    started_ms: int = 0

    @property
    def directory(self) -> Path | None:
        """The experiment directory, None until its id is chosen."""
        return self.experiments_directory / self.exp_id if self.exp_id else None

    @property
    def url(self) -> str:
        """The manager's address on this machine."""
        prefix = f"/{self.url_prefix}" if self.url_prefix else ""
        return f"http://127.0.0.1:{self.port}{prefix}"
