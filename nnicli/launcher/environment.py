"""The environment in which a manager, and so its tuner and local trials, runs."""

from __future__ import annotations

import os
from collections.abc import Mapping

from nnicli.launcher.installation import NniInstallation

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Of another Python, or for other versions of node: one that a manager's own node does not know, or
# a script that is not there, ends it at once (16.14 and 18.15, seen live).
_FOREIGN = ("PYTHONHOME", "__PYVENV_LAUNCHER__", "VIRTUAL_ENV", "NODE_OPTIONS")
# Of an outer experiment whose trial starts this one.
_FOREIGN_PREFIX = "NNI_"
# Of the algorithms that a user registered for this NNI.
_KEPT = ("NNI_CONFIG_DIR",)


def manager_environment(
    installation: NniInstallation, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment for the manager of an installation.

    The installation's own Python comes first in PATH: up to 2.7 the tuner runs whatever `python3`
    is there, and trials do in every release. With a proxy and websockets 15 or newer the tuner
    would look for the manager through the proxy (2.8 to 3.0, seen live), so loopback is excepted.
    NODE_OPTIONS is left out, for trials too: a trial that runs node sets it in its own command.
    """
    child = {
        name: value
        for name, value in environ.items()
        if name not in _FOREIGN and (not name.startswith(_FOREIGN_PREFIX) or name in _KEPT)
    }
    path = environ.get("PATH", os.defpath)
    child["PATH"] = os.pathsep.join((str(installation.bin_directory), path))
    if installation.is_virtual:
        child["VIRTUAL_ENV"] = str(installation.prefix)
    for name in ("no_proxy", "NO_PROXY"):
        excepted = [host for host in child.get(name, "").split(",") if host]
        child[name] = ",".join(dict.fromkeys((*excepted, *_LOOPBACK)))
    return child
