"""Launch and control Microsoft NNI experiments over REST, without nnictl.

The public names are loaded when they are first used, so `import nnicli` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnicli.errors import (
        AlreadyConnectedError as AlreadyConnectedError,
        AlreadyExistsError as AlreadyExistsError,
        ArchiveError as ArchiveError,
        ConfigError as ConfigError,
        ConfigSchemaError as ConfigSchemaError,
        ConfigSyntaxError as ConfigSyntaxError,
        ConnectError as ConnectError,
        ConnectionLostError as ConnectionLostError,
        DecodingError as DecodingError,
        DeletionError as DeletionError,
        ExperimentFailedError as ExperimentFailedError,
        ExperimentNotFoundError as ExperimentNotFoundError,
        InstallationNotFoundError as InstallationNotFoundError,
        InvalidValueError as InvalidValueError,
        LaunchError as LaunchError,
        ManagerExitedError as ManagerExitedError,
        ManagerStillAliveError as ManagerStillAliveError,
        NnicliError as NnicliError,
        NoMetricError as NoMetricError,
        NotConnectedError as NotConnectedError,
        NotFoundError as NotFoundError,
        NoTrialSucceededError as NoTrialSucceededError,
        PortInUseError as PortInUseError,
        Problem as Problem,
        ProcessIdentity as ProcessIdentity,
        RegistryError as RegistryError,
        RequestTimeoutError as RequestTimeoutError,
        RestError as RestError,
        SearchSpaceError as SearchSpaceError,
        StartTimeoutError as StartTimeoutError,
        StateError as StateError,
        StatusError as StatusError,
        StopError as StopError,
        StopNotSupportedError as StopNotSupportedError,
        TrialJobNotFoundError as TrialJobNotFoundError,
        TrialLogNotAvailableError as TrialLogNotAvailableError,
        TrialsNotStartedError as TrialsNotStartedError,
        TrialStillRunningError as TrialStillRunningError,
        TunerCrashedError as TunerCrashedError,
        TunerNotReadyError as TunerNotReadyError,
        TunerTooSlowError as TunerTooSlowError,
        UnsupportedPlatformError as UnsupportedPlatformError,
        UnsupportedVersionError as UnsupportedVersionError,
        UpdateNotAppliedError as UpdateNotAppliedError,
        WaitTimeoutError as WaitTimeoutError,
    )
    from nnicli.experiment import Experiment as Experiment
    from nnicli.housekeeping import (
        Deletion as Deletion,
        Finding as Finding,
        LoadedExperiment as LoadedExperiment,
        SavedExperiment as SavedExperiment,
        delete_experiments as delete_experiments,
        list_experiments as list_experiments,
        load_experiment as load_experiment,
        prune_experiments as prune_experiments,
        reconcile_experiments as reconcile_experiments,
        save_experiment as save_experiment,
    )
    from nnicli.launcher import (
        FoundInstallation as FoundInstallation,
        ManagerProcess as ManagerProcess,
        NniInstallation as NniInstallation,
        StopOutcome as StopOutcome,
        find_installation as find_installation,
        find_installations as find_installations,
    )
    from nnicli.models import (
        ExperimentProfile as ExperimentProfile,
        ExperimentRecord as ExperimentRecord,
        ExperimentStatus as ExperimentStatus,
        MetricType as MetricType,
        NNIManagerStatus as NNIManagerStatus,
        ParametersStatus as ParametersStatus,
        TrialHyperParameters as TrialHyperParameters,
        TrialJob as TrialJob,
        TrialJobStatistics as TrialJobStatistics,
        TrialJobStatus as TrialJobStatus,
        TrialMetricData as TrialMetricData,
        TrialResult as TrialResult,
        TrialSource as TrialSource,
    )
    from nnicli.recorded import (
        RecordedExperiment as RecordedExperiment,
        open_experiment as open_experiment,
    )
    from nnicli.rest import ManagerClient as ManagerClient
    from nnicli.waiting import Timeouts as Timeouts

__version__ = "0.1.0"

_HOMES = {
    "nnicli.errors": (
        "AlreadyConnectedError",
        "AlreadyExistsError",
        "ArchiveError",
        "ConfigError",
        "ConfigSchemaError",
        "ConfigSyntaxError",
        "ConnectError",
        "ConnectionLostError",
        "DecodingError",
        "DeletionError",
        "ExperimentFailedError",
        "ExperimentNotFoundError",
        "InstallationNotFoundError",
        "InvalidValueError",
        "LaunchError",
        "ManagerExitedError",
        "ManagerStillAliveError",
        "NnicliError",
        "NoMetricError",
        "NoTrialSucceededError",
        "NotConnectedError",
        "NotFoundError",
        "PortInUseError",
        "Problem",
        "ProcessIdentity",
        "RegistryError",
        "RequestTimeoutError",
        "RestError",
        "SearchSpaceError",
        "StartTimeoutError",
        "StateError",
        "StatusError",
        "StopError",
        "StopNotSupportedError",
        "TrialJobNotFoundError",
        "TrialLogNotAvailableError",
        "TrialStillRunningError",
        "TrialsNotStartedError",
        "TunerCrashedError",
        "TunerNotReadyError",
        "TunerTooSlowError",
        "UnsupportedPlatformError",
        "UnsupportedVersionError",
        "UpdateNotAppliedError",
        "WaitTimeoutError",
    ),
    "nnicli.experiment": ("Experiment",),
    "nnicli.housekeeping": (
        "Deletion",
        "Finding",
        "LoadedExperiment",
        "SavedExperiment",
        "delete_experiments",
        "list_experiments",
        "load_experiment",
        "prune_experiments",
        "reconcile_experiments",
        "save_experiment",
    ),
    "nnicli.launcher": (
        "FoundInstallation",
        "ManagerProcess",
        "NniInstallation",
        "StopOutcome",
        "find_installation",
        "find_installations",
    ),
    "nnicli.models": (
        "ExperimentProfile",
        "ExperimentRecord",
        "ExperimentStatus",
        "MetricType",
        "NNIManagerStatus",
        "ParametersStatus",
        "TrialHyperParameters",
        "TrialJob",
        "TrialJobStatistics",
        "TrialJobStatus",
        "TrialMetricData",
        "TrialResult",
        "TrialSource",
    ),
    "nnicli.recorded": ("RecordedExperiment", "open_experiment"),
    "nnicli.rest": ("ManagerClient",),
    "nnicli.waiting": ("Timeouts",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME_OF]  # noqa: PLE0604 - all of them are text


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
