"""The client of the managers' REST API.

Internal: it may change in any release.
"""

from nnicli.rest.address import check_prefix as check_prefix
from nnicli.rest.client import ManagerClient as ManagerClient
from nnicli.rest.connection import (
    MAX_ANSWER_BYTES as MAX_ANSWER_BYTES,
    Auth as Auth,
    Connection as Connection,
)
from nnicli.rest.dialects import (
    DIALECTS as DIALECTS,
    Dialect as Dialect,
)
from nnicli.rest.messages import (
    Request as Request,
    Response as Response,
)
from nnicli.rest.nearby import advise_on_address as advise_on_address
from nnicli.rest.transport import RequestsTransport as RequestsTransport
