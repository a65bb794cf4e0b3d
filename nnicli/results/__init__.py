"""What the trials of an experiment say, whether its manager lives or not."""

from nnicli.results.best import Mode, best_trial, optimize_mode, rank_trials
from nnicli.results.pairing import PairedTrials

__all__ = ["Mode", "PairedTrials", "best_trial", "optimize_mode", "rank_trials"]
