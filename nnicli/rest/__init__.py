"""All that is said to a manager over HTTP."""

from nnicli.rest.address import check_prefix, is_segment
from nnicli.rest.client import ManagerClient
from nnicli.rest.credentials import check_auth, check_headers, check_verify
from nnicli.rest.dialects import DIALECTS, Dialect, ProfileField, dialect_for
from nnicli.rest.nearby import advise_on_address
from nnicli.rest.transport import (
    MAX_ANSWER_BYTES,
    Request,
    RequestsTransport,
    Response,
    Transport,
    check_max_answer_bytes,
)

__all__ = [
    "DIALECTS",
    "MAX_ANSWER_BYTES",
    "Dialect",
    "ManagerClient",
    "ProfileField",
    "Request",
    "RequestsTransport",
    "Response",
    "Transport",
    "advise_on_address",
    "check_auth",
    "check_headers",
    "check_max_answer_bytes",
    "check_prefix",
    "check_verify",
    "dialect_for",
    "is_segment",
]
