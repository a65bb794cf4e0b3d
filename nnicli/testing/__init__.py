"""A fake NNI to test against: for nnicli itself, and for users' own CI.

`FakeInstallation.create(directory)` makes a folder that looks like a virtual environment with NNI
in it. Its manager speaks the REST API, keeps NNI's files and runs real trials, in a fraction of
the time, and misbehaves on request.

Public: the names in `__all__`.
"""

from __future__ import annotations

from nnicli.testing.behaviour import Behaviour, Exit, Rejection, TunerExit
from nnicli.testing.installation import FakeInstallation

__all__ = ["Behaviour", "Exit", "FakeInstallation", "Rejection", "TunerExit"]
