"""A fake NNI to test against, for nnicli itself and for users' CI.

`FakeInstallation.create(directory)` creates what looks like a virtual environment with NNI
installed. Its manager serves the REST API, writes NNI's files and runs real trials, in a fraction
of the time, and misbehaves on request.

Public: the names in `__all__`.
"""

from __future__ import annotations

from nnicli.testing.behaviour import Behaviour, Exit, Rejection, TunerExit
from nnicli.testing.installation import FakeInstallation

__all__ = ["Behaviour", "Exit", "FakeInstallation", "Rejection", "TunerExit"]
