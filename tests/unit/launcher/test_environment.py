from __future__ import annotations

from pathlib import Path

import pytest

from nnicli import NniInstallation
from nnicli.launcher.environment import manager_environment


def _installation(prefix: Path) -> NniInstallation:
    return NniInstallation("3.0", prefix / "main.js", prefix / "node", prefix / "bin")


def test_the_installation_s_python_comes_first_in_path(tmp_path: Path) -> None:
    child = manager_environment(_installation(tmp_path), {"PATH": "/usr/bin:/bin"})

    assert child["PATH"] == f"{tmp_path}/bin:/usr/bin:/bin"


def test_virtual_env_is_that_of_the_installation(tmp_path: Path) -> None:
    """The tuner of 1.7 to 1.9 looks for its manager there (seen live on 1.9)."""
    (tmp_path / "pyvenv.cfg").touch()

    child = manager_environment(_installation(tmp_path), {"VIRTUAL_ENV": "/callers/venv"})

    assert child["VIRTUAL_ENV"] == str(tmp_path)


def test_outside_a_virtual_environment_virtual_env_is_not_set(tmp_path: Path) -> None:
    child = manager_environment(_installation(tmp_path), {"VIRTUAL_ENV": "/callers/venv"})

    assert "VIRTUAL_ENV" not in child


def test_loopback_is_added_to_the_hosts_without_a_proxy(tmp_path: Path) -> None:
    environ = {"https_proxy": "http://proxy:3128", "no_proxy": "intern.example,localhost"}

    child = manager_environment(_installation(tmp_path), environ)

    assert child["no_proxy"] == "intern.example,localhost,127.0.0.1,::1"
    assert child["NO_PROXY"] == "localhost,127.0.0.1,::1"
    assert child["https_proxy"] == "http://proxy:3128"


def test_the_user_s_variables_stay(tmp_path: Path) -> None:
    """Only variables that NNI sets may belong to another experiment; the rest are the user's."""
    own = dict.fromkeys(("NNI_DATA_ROOT", "NNI_HOME", "NNI_TRACE_FLAG", "NNI_", "nni"), "mine")

    child = manager_environment(_installation(tmp_path), own)

    assert own.items() <= child.items()


@pytest.mark.parametrize(
    "name",
    [
        *("SDK_PROCESS", "NNI_MODE", "NNI_CHECKPOINT_DIRECTORY", "NNI_LOG_DIRECTORY"),
        *("NNI_LOG_LEVEL", "NNI_INCLUDE_INTERMEDIATE_RESULTS", "NNI_TUNER_COMMAND_CHANNEL"),
        *("NNI_PLATFORM", "NNI_EXP_ID", "NNI_SYS_DIR", "NNI_OUTPUT_DIR", "NNI_TRIAL_JOB_ID"),
        *("NNI_TRIAL_SEQ_ID", "NNI_CODE_DIR", "NNI_TRIAL_COMMAND_CHANNEL"),
    ],
)
def test_variables_that_nni_sets_are_left_out(name: str, tmp_path: Path) -> None:
    assert name not in manager_environment(_installation(tmp_path), {name: "outer"})


def test_variables_of_an_outer_trial_or_another_python_are_left_out(tmp_path: Path) -> None:
    """A trial may start an experiment, whose processes must not pass for the outer one's."""
    environ = {"NNI_EXP_ID": "outer", "PYTHONHOME": "/opt/py", "NNI_CONFIG_DIR": "/algos", "X": "1"}

    child = manager_environment(_installation(tmp_path), environ)

    assert {"NNI_EXP_ID", "PYTHONHOME"}.isdisjoint(child)
    assert (child["NNI_CONFIG_DIR"], child["X"]) == ("/algos", "1")


def test_options_for_other_versions_of_node_are_left_out(tmp_path: Path) -> None:
    """Node 16.14 of 2.10.1 exits over --openssl-legacy-provider (seen live)."""
    environ = {"NODE_OPTIONS": "--openssl-legacy-provider", "NODE_EXTRA_CA_CERTS": "/ca.pem"}

    child = manager_environment(_installation(tmp_path), environ)

    assert "NODE_OPTIONS" not in child
    assert child["NODE_EXTRA_CA_CERTS"] == "/ca.pem"
