"""Access to an experiment's files, without a manager or any other process.

Internal: it may change in any release. Names are loaded on first use, as few callers need those of
archives.
"""

from nnicli.lazy import attach_stub

__getattr__, __dir__ = attach_stub(__name__)
