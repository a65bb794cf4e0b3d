"""What needs both an experiment's files and the machine's processes."""

from nnicli.housekeeping.listing import list_experiments

__all__ = ["list_experiments"]
