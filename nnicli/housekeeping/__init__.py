"""Work on experiments that needs both their files and the machine's processes.

Internal: it may change in any release.
"""

from nnicli.housekeeping.lookup import (
    FoundExperiment as FoundExperiment,
    Kind as Kind,
    Reference as Reference,
    find_experiment as find_experiment,
)
from nnicli.housekeeping.unpacking import unpacked as unpacked
