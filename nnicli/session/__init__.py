"""The session of an experiment: its connection, changes to it, and its supervision.

Internal: users work with `nnicli.Experiment`.
"""

from nnicli.session.changes import (
    import_data as import_data,
    kill_trial as kill_trial,
    submit_trial as submit_trial,
    update_profile as update_profile,
)
from nnicli.session.link import Session as Session
from nnicli.session.sources import ReadSource as ReadSource
from nnicli.session.supervisor import Supervisor as Supervisor
from nnicli.session.validation import (
    check_given as check_given,
    check_statuses as check_statuses,
    to_port as to_port,
    to_timeout as to_timeout,
)
from nnicli.session.wait_loop import WaitLimits as WaitLimits, wait_for_end as wait_for_end
