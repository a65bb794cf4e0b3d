"""What needs both an experiment's files and the machine's processes."""

from nnicli.housekeeping.archiving import (
    LoadedExperiment,
    SavedExperiment,
    load_experiment,
    save_experiment,
)
from nnicli.housekeeping.deleting import Deletion, delete_experiments, prune_experiments
from nnicli.housekeeping.listing import list_experiments
from nnicli.housekeeping.reconciling import Finding, reconcile_experiments

__all__ = [
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
]
