"""What the trials of an experiment say, whether its manager lives or not."""

from nnicli.results.best import best_trial, optimize_mode, rank_trials

__all__ = ["best_trial", "optimize_mode", "rank_trials"]
