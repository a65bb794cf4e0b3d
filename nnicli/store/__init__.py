"""All of an experiment that is on disk and needs neither a manager nor a process."""

from nnicli.store.catalogue import (
    Parents,
    find_experiment_directory,
    list_recorded,
    noted_parent,
    platform_of,
    to_absolute,
)
from nnicli.store.claims import claimed, is_claimed
from nnicli.store.database import ExperimentDatabase
from nnicli.store.handed_parameters import HandedParameters
from nnicli.store.kept_config import CONFIG_KEY, read_kept_config
from nnicli.store.layouts import LAYOUTS, Layout, is_folder_name, layout_for
from nnicli.store.log_files import FetchedLog, Log, LogFile
from nnicli.store.log_places import (
    MANAGER_LOGS,
    TRIAL_LOGS,
    check_kind,
    launcher_folder,
    manager_log_path,
)
from nnicli.store.logs import size_of, tail_text
from nnicli.store.registry import Registry
from nnicli.store.repair import mend_search_space
from nnicli.store.run import Run
from nnicli.store.run_logs import LogPart, RunLogs, has_lost_connection
from nnicli.store.whole_files import write_whole

__all__ = [
    "CONFIG_KEY",
    "LAYOUTS",
    "MANAGER_LOGS",
    "TRIAL_LOGS",
    "ExperimentDatabase",
    "FetchedLog",
    "HandedParameters",
    "Layout",
    "Log",
    "LogFile",
    "LogPart",
    "Parents",
    "Registry",
    "Run",
    "RunLogs",
    "check_kind",
    "claimed",
    "find_experiment_directory",
    "has_lost_connection",
    "is_claimed",
    "is_folder_name",
    "launcher_folder",
    "layout_for",
    "list_recorded",
    "manager_log_path",
    "mend_search_space",
    "noted_parent",
    "platform_of",
    "read_kept_config",
    "size_of",
    "tail_text",
    "to_absolute",
    "write_whole",
]
