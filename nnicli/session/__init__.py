"""One experiment at a manager: what it is connected to, what is asked of it, when it is over.

Internal: `nnicli.Experiment` is what users take.
"""

from nnicli.session.link import Session as Session
from nnicli.session.supervisor import Supervisor as Supervisor
from nnicli.session.validation import (
    UPDATE_CHECKS as UPDATE_CHECKS,
    check_given as check_given,
    check_is_in_space as check_is_in_space,
    check_row as check_row,
    check_statuses as check_statuses,
    to_port as to_port,
    to_timeout as to_timeout,
)
