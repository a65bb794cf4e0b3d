from nnicli.store.archive import (
    ArchiveReader as ArchiveReader,
    Part as Part,
    Progress as Progress,
    open_archive as open_archive,
    write_archive as write_archive,
)
from nnicli.store.catalogue import (
    Parents as Parents,
    find_experiment_directory as find_experiment_directory,
    is_file as is_file,
    list_recorded as list_recorded,
    platform_of as platform_of,
    read_record as read_record,
    to_absolute as to_absolute,
    to_directory as to_directory,
)
from nnicli.store.claims import (
    claimed as claimed,
    is_claimed as is_claimed,
)
from nnicli.store.database.records import ExperimentDatabase as ExperimentDatabase
from nnicli.store.database.repair import repair_search_space as repair_search_space
from nnicli.store.database.sqlite import (
    access_problem as access_problem,
    copy_database as copy_database,
)
from nnicli.store.exit_codes import read_exit_code as read_exit_code
from nnicli.store.kept_config import (
    CONFIG_KEY as CONFIG_KEY,
    read_kept_config as read_kept_config,
)
from nnicli.store.layouts import (
    LAYOUTS as LAYOUTS,
    Layout as Layout,
    is_directory_name as is_directory_name,
)
from nnicli.store.logs.assigned_parameters import AssignedParameters as AssignedParameters
from nnicli.store.logs.parser import (
    LogPart as LogPart,
    RunLogs as RunLogs,
    has_lost_connection as has_lost_connection,
)
from nnicli.store.logs.paths import (
    MANAGER_LOGS as MANAGER_LOGS,
    TRIAL_LOGS as TRIAL_LOGS,
    check_kind as check_kind,
)
from nnicli.store.logs.reader import (
    FetchedLog as FetchedLog,
    Log as Log,
    LogFile as LogFile,
)
from nnicli.store.logs.tail import (
    size_of as size_of,
    tail_text as tail_text,
)
from nnicli.store.manifest import (
    CODE_PART as CODE_PART,
    EXPERIMENT_PART as EXPERIMENT_PART,
    LAUNCHER_PART as LAUNCHER_PART,
    MANIFEST as MANIFEST,
    SEARCH_SPACE_PART as SEARCH_SPACE_PART,
    Manifest as Manifest,
    read_manifest as read_manifest,
)
from nnicli.store.paths import (
    KEPT_CONFIG as KEPT_CONFIG,
    ExperimentPaths as ExperimentPaths,
)
from nnicli.store.registry import Registry as Registry
from nnicli.store.relocation import (
    Relocation as Relocation,
    recorded_directories as recorded_directories,
    relocate_database as relocate_database,
)
from nnicli.store.run import Run as Run
from nnicli.store.staging import (
    find_abandoned as find_abandoned,
    remove_abandoned as remove_abandoned,
    staging_directory as staging_directory,
)
from nnicli.store.whole_files import write_whole as write_whole
