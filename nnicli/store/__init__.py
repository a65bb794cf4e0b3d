"""All of an experiment that is on disk and needs neither a manager nor a process."""

from nnicli.store.database import ExperimentDatabase
from nnicli.store.layouts import LAYOUTS, Layout, Run, layout_for
from nnicli.store.logs import died_with_tuner, has_started, last_error, size_of, tail_text
from nnicli.store.registry import Registry
from nnicli.store.repair import mend_search_space

__all__ = [
    "LAYOUTS",
    "ExperimentDatabase",
    "Layout",
    "Registry",
    "Run",
    "died_with_tuner",
    "has_started",
    "last_error",
    "layout_for",
    "mend_search_space",
    "size_of",
    "tail_text",
]
