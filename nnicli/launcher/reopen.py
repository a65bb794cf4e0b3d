"""Reopening a stopped experiment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nnicli.config import StartRequests, reopen_requests
from nnicli.errors import (
    DecodingError,
    LaunchError,
    StateError,
    UnsupportedVersionError,
)
from nnicli.launcher.installation import NniInstallation
from nnicli.launcher.managers import find_managers
from nnicli.launcher.plan import StartPlan
from nnicli.releases import Action
from nnicli.safe_logging import get_logger
from nnicli.store import (
    CONFIG_KEY,
    ExperimentDatabase,
    ExperimentPaths,
    Layout,
    Run,
    claimed,
    platform_of,
    read_kept_config,
    repair_search_space,
)
from nnicli.units import parse_duration

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoppedExperiment:
    """A stopped experiment on this machine that is about to be reopened.

    Attributes:
        exp_id: Its id.
        installation: The NNI to open it with.
        directory: The experiment directory, named by the id.
        launcher_name: Name of its launcher directory, empty if there is none.
        database: Its database.
    """

    exp_id: str
    installation: NniInstallation
    directory: Path
    launcher_name: str
    database: ExperimentDatabase

    @classmethod
    def of(cls, directory: Path, installation: NniInstallation) -> StoppedExperiment:
        """Return the experiment in a directory.

        Args:
            directory: The experiment directory.
            installation: The NNI to open it with; its registry names the launcher directory.

        Raises:
            RegistryError: The registry cannot be read.
        """
        entry = installation.release.layout.registry().get(directory.name) or {}
        return cls(
            exp_id=directory.name,
            installation=installation,
            directory=directory,
            launcher_name=str(entry.get("fileName") or ""),
            database=ExperimentDatabase.of(directory),
        )

    @property
    def _layout(self) -> Layout:
        return self.installation.release.layout

    def _params(self) -> dict[str, Any]:
        return self.database.get_experiment_profile()["params"]

    def plan(self, action: Action, *, port: int, url_prefix: str, debug: bool) -> StartPlan:
        """Return the plan of a start that reopens the experiment.

        Args:
            action: `resume` or `view`.
            port: The manager's port, 0 for the first free one.
            url_prefix: Path below which it serves, empty for none.
            debug: Whether it logs at the level debug; else at that of the config.

        Raises:
            LaunchError: The config that was stored for a resume is needed and cannot be read.
        """
        params, config = self._params(), self._stored_config()
        run = Run(
            self.exp_id,
            self.directory.parent,
            port=port,
            url_prefix=url_prefix,
            platform=platform_of(params),
            name=params.get("experimentName"),
            launcher_name=self.launcher_name,
        )
        return StartPlan(
            action,
            run,
            self._requests(action, config),
            log_level="debug" if debug else params.get("logLevel", "info"),
            stored_config=config,
        )

    def prepare_resume(self) -> None:
        """Make sure that a resume works, and warn if it would do nothing.

        Raises:
            UnsupportedVersionError: Another generation of NNI created the experiment.
            LaunchError: The database cannot be written.
        """
        self._check_release()
        self._warn_of_spent_budget()
        if self._layout.keeps_space_as_text:
            repair_search_space(self.database.path)

    def _check_release(self) -> None:
        """Refuse a manager whose release cannot continue with this database.

        Raises:
            UnsupportedVersionError: The tables have other columns than that release writes, or the
                config is in the other format. Resuming a 2.x experiment with 3.0 ends in ERROR
                (seen live).
        """
        columns = self.database.trial_event_columns()
        is_v1 = "trainingService" not in self._params()
        if columns == self._layout.trial_event_columns and is_v1 == self._layout.has_v1_profile:
            return
        raise UnsupportedVersionError(
            f"experiment {self.exp_id} was created by another generation of NNI; the NNI "
            f"{self.installation.version} at {self.installation.prefix} cannot resume it "
            f"(its table TrialJobEvent has {len(columns)} columns, not "
            f"{len(self._layout.trial_event_columns)}, and its config is in the "
            f"{'v1' if is_v1 else 'v2'} format); pass Experiment(nni=PATH) with the NNI that "
            "created it, or only view it"
        )

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep others from starting a manager for it: two would damage the database.

        Raises:
            StateError: It has a manager, or one is being started.
        """
        with claimed(self.directory):
            _check_is_stopped(self.exp_id, self.directory)
            yield

    def _stored_config(self) -> dict[str, Any]:
        """Return the config that was kept with the database, empty if this release keeps none.

        Raises:
            LaunchError: It is needed and cannot be read.
        """
        if not self._layout.keeps_config:
            return {}
        launcher = self._layout.launcher_directory(self.launcher_name)
        path = ExperimentPaths(self.directory, launcher).kept_config(self._layout)
        if path is None:
            raise LaunchError(
                f"experiment {self.exp_id} cannot be reopened: NNI {self.installation.version} "
                f"needs its config, and {self._layout.registry().path} does not name the "
                "directory with it; read its results from its database with the NNI of a later "
                "release in view mode"
            )
        try:
            config: dict[str, Any] = read_kept_config(path)[CONFIG_KEY]
        except (OSError, DecodingError) as error:
            raise LaunchError(
                f"experiment {self.exp_id} cannot be reopened: NNI {self.installation.version} "
                f"needs the config in {path}, which cannot be read ({error}); read its results "
                "from its database with the NNI of a later release in view mode"
            ) from error
        return config

    def _requests(self, action: Action, config: Mapping[str, Any]) -> StartRequests:
        """Return the requests with which the manager reopens the experiment.

        A view does without metadata, and has to: one that gets any exits (1.9, seen live).
        """
        requests = reopen_requests(self._params(), config, self.installation.release.config)
        return replace(requests, metadata=()) if action == "view" else requests

    def _warn_of_spent_budget(self) -> None:
        """Log a warning if a resume would do nothing, with the update to call."""
        dialect = self.installation.release.dialect
        profile = self.database.get_experiment_profile()
        params = profile["params"]
        most_trials = dialect.read("max_trial_number", params)
        if most_trials is not None and len(self.database.list_trial_jobs()) >= most_trials:
            logger.warning(
                "experiment %s has used up its %s trials; call update_trailnum() with a higher "
                "number after the resume",
                self.exp_id,
                most_trials,
            )
        longest = params.get(dialect.fields["max_experiment_duration"].key)
        if longest is not None and profile["execDuration"] >= parse_duration(longest):
            logger.warning(
                "experiment %s has used up its %s; call update_duration() with a longer time after "
                "the resume",
                self.exp_id,
                longest,
            )


def _check_is_stopped(exp_id: str, directory: Path) -> None:
    for manager in find_managers():
        if manager.runs(exp_id, directory):
            raise StateError(
                f"experiment {exp_id} still has a manager (pid {manager.identity.pid}); stop it "
                "first, or use connect_experiment() with its address"
            )
