"""The append-only tables of an experiment's `nni.sqlite`, with the columns that nnicli reads."""

EVENTS = "TrialJobEvent"
"""What happened to trials."""
EVENT_COLUMNS = ("timestamp", "trialJobId", "event", "data", "logPath", "sequenceId")
"""Those of every release."""
LATER_EVENT_COLUMNS = ("message", "environmentId")
"""Those that came later, in this order: with 2.1, and with 3.0."""
METRICS = "MetricData"
"""What trials reported."""
METRIC_COLUMNS = ("timestamp", "trialJobId", "parameterId", "type", "sequence", "data")
"""Those of every release."""
