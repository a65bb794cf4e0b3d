"""One experiment at a manager: what it is connected to, what is asked of it, when it is over.

This package is not public; `nnicli.Experiment` is its public face.
"""

from nnicli.session.link import Session
from nnicli.session.supervisor import Supervisor

__all__ = ["Session", "Supervisor"]
