"""The append-only tables of an experiment's `nni.sqlite`, with the columns that nnicli reads."""

EVENTS = "TrialJobEvent"
"""What happened to trials."""
EVENT_COLUMNS = ("timestamp", "trialJobId", "event", "data", "logPath", "sequenceId")
"""Its columns in every release."""
LATER_EVENT_COLUMNS = ("message", "environmentId")
"""The columns added later, in this order: in 2.1, and in 3.0."""
METRICS = "MetricData"
"""What trials reported."""
METRIC_COLUMNS = ("timestamp", "trialJobId", "parameterId", "type", "sequence", "data")
"""Its columns in every release."""
