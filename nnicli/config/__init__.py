"""Configs and search spaces: checked, and turned into what a manager takes.

Public: the names in `__all__`. The others are for nnicli itself.
"""

from nnicli.config.checking import (
    DIRECTORY_KEYS as DIRECTORY_KEYS,
    LoadedConfig,
    check_config,
    load_config,
)
from nnicli.config.conversion import (
    Conversion,
    convert_config,
)
from nnicli.config.document import cut_depth as cut_depth
from nnicli.config.ignoring import how_to_ignore as how_to_ignore
from nnicli.config.membership import find_mismatch as find_mismatch
from nnicli.config.reading import read_file as read_file
from nnicli.config.requests import (
    StartRequests as StartRequests,
    legacy_requests as legacy_requests,
    stored_requests as stored_requests,
    v1_requests as v1_requests,
)
from nnicli.config.schema import load_schema as load_schema
from nnicli.config.search_space import load_search_space
from nnicli.config.secrets import (
    is_secret as is_secret,
    mask_secrets,
    names_secret as names_secret,
)
from nnicli.config.target import Target
from nnicli.config.yaml_writing import write_yaml as write_yaml

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
