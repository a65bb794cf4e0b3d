"""What needs both an experiment's files and the machine's processes."""

from nnicli.housekeeping.archiving import (
    LoadedExperiment,
    SavedExperiment,
    load_experiment,
    save_experiment,
)
from nnicli.housekeeping.listing import list_experiments

__all__ = [
    "LoadedExperiment",
    "SavedExperiment",
    "list_experiments",
    "load_experiment",
    "save_experiment",
]
