"""All about the manager's process: find it, start it, know it again, end it."""

from nnicli.launcher.discovery import FoundInstallation, find_installations
from nnicli.launcher.generations import GENERATIONS, Generation, generation_for
from nnicli.launcher.installation import NniInstallation, find_installation
from nnicli.launcher.locating import (
    LocatedExperiment,
    RunningManager,
    explain_silence,
    find_local_addresses,
    find_local_manager,
    find_managers,
    is_new,
    is_viewing,
    locate_experiment,
)
from nnicli.launcher.marks import ProcessMarks
from nnicli.launcher.plan import Action, StartPlan
from nnicli.launcher.ports import check_port
from nnicli.launcher.process import ManagerProcess
from nnicli.launcher.remains import reap
from nnicli.launcher.start import StartedManager, start_manager
from nnicli.launcher.stopping import StopOutcome, stop_experiment, stop_manager
from nnicli.launcher.target import target_of
from nnicli.launcher.workers import WorkerProcess, find_workers

__all__ = [
    "GENERATIONS",
    "Action",
    "FoundInstallation",
    "Generation",
    "LocatedExperiment",
    "ManagerProcess",
    "NniInstallation",
    "ProcessMarks",
    "RunningManager",
    "StartPlan",
    "StartedManager",
    "StopOutcome",
    "WorkerProcess",
    "check_port",
    "explain_silence",
    "find_installation",
    "find_installations",
    "find_local_addresses",
    "find_local_manager",
    "find_managers",
    "find_workers",
    "generation_for",
    "is_new",
    "is_viewing",
    "locate_experiment",
    "reap",
    "start_manager",
    "stop_experiment",
    "stop_manager",
    "target_of",
]
