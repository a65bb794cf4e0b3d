"""The manager's process: finding, starting, recognizing and ending it.

Internal: it may change in any release.
"""

from nnicli.launcher.files import random_name as random_name
from nnicli.launcher.installation import (
    INSTALLATION_VARIABLE as INSTALLATION_VARIABLE,
    NniInstallation as NniInstallation,
    find_installation as find_installation,
)
from nnicli.launcher.managers import (
    RunningManager as RunningManager,
    explain_silence as explain_silence,
    find_local_addresses as find_local_addresses,
    find_local_manager as find_local_manager,
    find_managers as find_managers,
    is_new as is_new,
    is_viewing as is_viewing,
)
from nnicli.launcher.marks import ProcessMarks as ProcessMarks
from nnicli.launcher.plan import StartPlan as StartPlan
from nnicli.launcher.ports import check_port as check_port
from nnicli.launcher.process import (
    ManagerProcess as ManagerProcess,
    check_processes as check_processes,
)
from nnicli.launcher.remains import reap as reap
from nnicli.launcher.reopen import StoppedExperiment as StoppedExperiment
from nnicli.launcher.start import (
    StartedManager as StartedManager,
    start_manager as start_manager,
)
from nnicli.launcher.stopping import (
    StopOutcome as StopOutcome,
    stop_experiment as stop_experiment,
    stop_manager as stop_manager,
)
from nnicli.launcher.target import target_of as target_of
from nnicli.launcher.workers import (
    WorkerProcess as WorkerProcess,
    find_workers as find_workers,
)
