"""What nnicli knows about each NNI release.

Internal: it may change in any release.
"""

from nnicli.releases.algorithms import AlgorithmRegistry as AlgorithmRegistry
from nnicli.releases.generations import (
    GENERATIONS as GENERATIONS,
    Action as Action,
    Generation as Generation,
)
from nnicli.releases.pace import Pace as Pace
from nnicli.releases.release import (
    NniRelease as NniRelease,
    find_release as find_release,
)
