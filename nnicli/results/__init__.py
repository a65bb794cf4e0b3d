"""What the trials of an experiment say, whether its manager lives or not."""

from nnicli.results.best import Mode, best_trial, optimize_mode, rank_trials

__all__ = ["Mode", "best_trial", "optimize_mode", "rank_trials"]
