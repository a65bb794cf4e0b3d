"""All of an experiment that is on disk and needs neither a manager nor a process."""

from nnicli.store.database import ExperimentDatabase
from nnicli.store.layouts import LAYOUTS, Layout, layout_for
from nnicli.store.logs import has_started, last_error, size_of, tail_text
from nnicli.store.registry import Registry

__all__ = [
    "LAYOUTS",
    "ExperimentDatabase",
    "Layout",
    "Registry",
    "has_started",
    "last_error",
    "layout_for",
    "size_of",
    "tail_text",
]
