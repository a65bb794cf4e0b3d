"""Launch and control Microsoft NNI experiments over REST, without nnictl.

Public: the names in `__init__.pyi`, the only list of them, which are loaded when they are first
used, so `import nnicli` costs next to nothing; and the modules `nnicli.errors`, `nnicli.config` and
`nnicli.testing`. Everything else may change in any release.
"""

from nnicli.lazy import attach_stub

__version__ = "0.1.0"
__getattr__, __dir__ = attach_stub(__name__, "__version__")
