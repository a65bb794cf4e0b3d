"""All that is said to a manager over HTTP.

Internal: it may change in any release.
"""

from nnicli.rest.address import check_prefix as check_prefix
from nnicli.rest.client import ManagerClient as ManagerClient
from nnicli.rest.credentials import (
    check_auth as check_auth,
    check_headers as check_headers,
    check_verify as check_verify,
)
from nnicli.rest.dialects import (
    DIALECTS as DIALECTS,
    Dialect as Dialect,
)
from nnicli.rest.nearby import advise_on_address as advise_on_address
from nnicli.rest.transport import (
    MAX_ANSWER_BYTES as MAX_ANSWER_BYTES,
    Request as Request,
    RequestsTransport as RequestsTransport,
    Response as Response,
    check_max_answer_bytes as check_max_answer_bytes,
)
