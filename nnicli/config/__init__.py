"""Configs and search spaces: checked, and turned into what a manager takes."""

from nnicli.config.checking import DIRECTORY_KEYS, LoadedConfig, check_config, load_config
from nnicli.config.conversion import Conversion, convert_config
from nnicli.config.document import cut_depth
from nnicli.config.membership import find_mismatch
from nnicli.config.reading import read_file
from nnicli.config.search_space import load_search_space
from nnicli.config.secrets import mask_secrets
from nnicli.config.target import Target

__all__ = [
    "DIRECTORY_KEYS",
    "Conversion",
    "LoadedConfig",
    "Target",
    "check_config",
    "convert_config",
    "cut_depth",
    "find_mismatch",
    "load_config",
    "load_search_space",
    "mask_secrets",
    "read_file",
]
