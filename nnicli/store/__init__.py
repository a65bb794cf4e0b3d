"""All of an experiment that is on disk and needs neither a manager nor a process.

Internal: it may change in any release. Its names are loaded when they are first used, as few
callers need those of archives.
"""

from nnicli.lazy import attach_stub

__getattr__, __dir__ = attach_stub(__name__)
