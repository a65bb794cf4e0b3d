"""Configs and search spaces: checked, and converted to what a manager takes.

Public: the names in `__all__`. Others are internal to nnicli.
"""

from nnicli.config.checking import check_config
from nnicli.config.conversion import (
    Conversion,
    convert_config,
)
from nnicli.config.documents.document import cut_depth as cut_depth
from nnicli.config.documents.reader import read_file as read_file
from nnicli.config.formats.start_requests import (
    StartRequests as StartRequests,
    reopen_requests as reopen_requests,
)
from nnicli.config.ignoring import how_to_ignore as how_to_ignore
from nnicli.config.loading import (
    LoadedConfig,
    load_config,
    with_experiments_directory as with_experiments_directory,
)
from nnicli.config.releases import (
    RELEASES as RELEASES,
    Release as Release,
)
from nnicli.config.schema.schemas import (
    known_fields as known_fields,
    load_schema as load_schema,
)
from nnicli.config.search_space.checks import load_search_space
from nnicli.config.search_space.points import find_mismatch as find_mismatch
from nnicli.config.secrets import (
    is_secret as is_secret,
    mask_secrets,
    names_secret as names_secret,
)
from nnicli.config.services import needs_next_port as needs_next_port
from nnicli.config.target import Target

__all__ = [
    "Conversion",
    "LoadedConfig",
    "Target",
    "check_config",
    "convert_config",
    "load_config",
    "load_search_space",
    "mask_secrets",
]
