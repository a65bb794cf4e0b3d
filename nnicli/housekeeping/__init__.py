"""What needs both an experiment's files and the machine's processes.

Internal: it may change in any release.
"""

from nnicli.housekeeping.lookup import (
    are_one as are_one,
    find_records as find_records,
    match_records as match_records,
)
