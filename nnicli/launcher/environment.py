"""The environment of a manager, which its tuner and local trials inherit."""

from __future__ import annotations

import os
from collections.abc import Mapping

from nnicli.launcher import marks
from nnicli.launcher.installation import NniInstallation

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
# For another Python, or for other versions of node: an option that the manager's node does not
# know, or a missing script, ends it at once (16.14 and 18.15, seen live).
_FOREIGN = frozenset(("PYTHONHOME", "__PYVENV_LAUNCHER__", "VIRTUAL_ENV", "NODE_OPTIONS"))
# Further variables that managers set for their tuners and trials (1.8 to 3.0, `nnimanager.js`,
# `env_vars.py`).
_OTHERS_OF_NNI = frozenset(
    (
        "SDK_PROCESS",
        "NNI_MODE",
        "NNI_CHECKPOINT_DIRECTORY",
        "NNI_LOG_LEVEL",
        "NNI_INCLUDE_INTERMEDIATE_RESULTS",
        "NNI_TUNER_COMMAND_CHANNEL",
        "NNI_PLATFORM",
        "NNI_TRIAL_JOB_ID",
        "NNI_TRIAL_SEQ_ID",
        "NNI_CODE_DIR",
        "NNI_TRIAL_COMMAND_CHANNEL",
    )
)
# If a tuner or a trial of an outer experiment starts this one, these belong to the outer one.
_LEFT_OUT = _FOREIGN | marks.VARIABLES | _OTHERS_OF_NNI


def manager_environment(
    installation: NniInstallation, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment for the manager of an installation.

    The installation's Python comes first in PATH: up to 2.7 the tuner runs whatever `python3`
    is there, and trials do in every release. With a proxy and websockets 15 or newer the tuner
    would look for the manager through the proxy (2.8 to 3.0, seen live), so loopback is excluded.
    NODE_OPTIONS is left out, for trials too: a trial that runs node sets it in its own command.
    The caller's other variables stay, whatever their names, except those that NNI itself sets.
    """
    child = {name: value for name, value in environ.items() if name not in _LEFT_OUT}
    path = environ.get("PATH", os.defpath)
    child["PATH"] = os.pathsep.join((str(installation.bin_directory), path))
    if installation.is_virtual:
        child["VIRTUAL_ENV"] = str(installation.prefix)
    for name in ("no_proxy", "NO_PROXY"):
        excluded = [host for host in child.get(name, "").split(",") if host]
        child[name] = ",".join(dict.fromkeys((*excluded, *_LOOPBACK)))
    return child
