"""What the trials of an experiment say, whether its manager lives or not."""

from nnicli.results.best import Mode, best_trial, optimize_mode, rank_trials
from nnicli.results.exporting import EXPORT_FORMATS, ExportFormat, export_text, parse_export
from nnicli.results.pairing import PairedTrials

__all__ = [
    "EXPORT_FORMATS",
    "ExportFormat",
    "Mode",
    "PairedTrials",
    "best_trial",
    "export_text",
    "optimize_mode",
    "parse_export",
    "rank_trials",
]
