"""Results of an experiment's trials, live or recorded.

Internal: it may change in any release.
"""

from nnicli.results.best import (
    Mode as Mode,
    best_trial as best_trial,
    optimize_mode as optimize_mode,
    rank_trials as rank_trials,
)
from nnicli.results.exporting import (
    EXPORT_FORMATS as EXPORT_FORMATS,
    ExportFormat as ExportFormat,
    export_text as export_text,
    parse_export as parse_export,
)
from nnicli.results.pairing import PairedTrials as PairedTrials
from nnicli.results.table import trials_table as trials_table
