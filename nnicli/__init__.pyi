# The only list of the public names. Type checkers and editors read it, and so does `nnicli.lazy` at
# run time. Each name comes from the module that defines it, also where a package lies between.

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
    ResponseError as ResponseError,
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
from nnicli.housekeeping.archiving import (
    LoadedExperiment as LoadedExperiment,
    SavedExperiment as SavedExperiment,
    load_experiment as load_experiment,
    save_experiment as save_experiment,
)
from nnicli.housekeeping.deleting import (
    Deletion as Deletion,
    delete_experiments as delete_experiments,
    prune_experiments as prune_experiments,
)
from nnicli.housekeeping.listing import list_experiments as list_experiments
from nnicli.housekeeping.reconciling import (
    Finding as Finding,
    reconcile_experiments as reconcile_experiments,
)
from nnicli.launcher.discovery import (
    FoundInstallation as FoundInstallation,
    find_installations as find_installations,
)
from nnicli.launcher.installation import (
    NniInstallation as NniInstallation,
    find_installation as find_installation,
)
from nnicli.launcher.process import ManagerProcess as ManagerProcess
from nnicli.launcher.stopping import StopOutcome as StopOutcome
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
from nnicli.rest.client import ManagerClient as ManagerClient
from nnicli.rest.connection import Connection as Connection
from nnicli.waiting import Timeouts as Timeouts

__version__: str
