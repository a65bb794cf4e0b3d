"""Which installations are found, on directories that look like environments."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnicli import find_installation, find_installations
from nnicli.errors import InstallationNotFoundError


def make_2_x(prefix: Path, *, version: str = "2.10.1", python: str = "3.9") -> Path:
    """Create a virtual environment of 2.0 or later as pip leaves it."""
    packages = prefix / "lib" / f"python{python}" / "site-packages"
    (packages / "nni_node").mkdir(parents=True)
    (packages / "nni_node" / "main.js").touch()
    make_node(packages / "nni_node" / "node")
    (packages / f"nni-{version}.dist-info").mkdir()
    return finish(prefix, python)


def make_1_x(prefix: Path, *, version: str = "1.9", python: str = "3.7") -> Path:
    """Create a virtual environment of 1.x, whose manager is outside the packages."""
    (prefix / "lib" / f"python{python}" / "site-packages" / f"nni-{version}.dist-info").mkdir(
        parents=True
    )
    (prefix / "nni").mkdir()
    (prefix / "nni" / "main.js").touch()
    finish(prefix, python)
    make_node(prefix / "bin" / "node")
    return prefix


def make_node(path: Path, *, version: str = "v10.22.1") -> None:
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)


def finish(prefix: Path, python: str) -> Path:
    (prefix / "bin").mkdir(exist_ok=True)
    (prefix / "bin" / "python3").touch(mode=0o755)
    (prefix / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {python}.16\n")
    return prefix


@pytest.fixture(autouse=True)
def nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what this machine has: the running environment, PATH and the working directory."""
    monkeypatch.setattr("sys.prefix", str(tmp_path / "running"))
    monkeypatch.setenv("PATH", "/nowhere/bin")
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    monkeypatch.chdir(tmp_path)


# One installation of 1.x, Windows and user installs


@pytest.mark.parametrize("part", ["", "bin/python3", "nni"])
def test_a_1_x_environment_its_python_and_its_directory_lead_to_the_same_nni(
    tmp_path: Path, part: str
) -> None:
    prefix = make_1_x(tmp_path / "old env")

    found = find_installation(prefix / part)

    assert found.version == "1.9"
    assert found.entry == prefix / "nni" / "main.js"
    assert found.node == prefix / "bin" / "node"
    assert found.bin_directory == prefix / "bin"
    assert found.is_virtual


def test_the_algorithms_directory_of_2_x_is_not_a_manager(tmp_path: Path) -> None:
    """`<prefix>/nni` exists in every environment in which 2.x ran."""
    prefix = make_2_x(tmp_path / "env")
    (prefix / "nni").mkdir()

    assert find_installation(prefix).entry.parent.name == "nni_node"


@pytest.mark.parametrize("old", [False, True], ids=["2.x", "1.x"])
def test_the_layouts_on_windows_are_recognized(tmp_path: Path, old: bool) -> None:
    prefix = tmp_path / "env"
    packages = prefix / "Lib" / "site-packages"
    manager = prefix / "nni" if old else packages / "nni_node"
    scripts = prefix / "Scripts"
    for directory in (manager, scripts, packages / "nni-2.3.dist-info"):
        directory.mkdir(parents=True)
    (manager / "main.js").touch()
    (scripts / "python.exe").touch(mode=0o755)
    node = scripts / "node.exe" if old else manager / "node.exe"
    make_node(node)

    found = find_installation(scripts / "python.exe")

    assert (found.version, found.node, found.bin_directory) == ("2.3", node, scripts)


def test_a_user_install_runs_in_its_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = make_2_x(tmp_path / "local")
    (prefix / "bin" / "python3").unlink()
    system = tmp_path / "system" / "bin"
    system.mkdir(parents=True)
    (system / "python3.9").touch(mode=0o755)
    (system / "python3").symlink_to("python3.9")
    monkeypatch.setenv("PATH", str(system))

    assert find_installation(prefix).bin_directory == system


def test_a_user_install_for_a_python_other_than_python3_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tuner is started as `python3`, which would be the wrong one."""
    prefix = make_2_x(tmp_path / "local")
    (prefix / "bin" / "python3").unlink()
    system = tmp_path / "system" / "bin"
    system.mkdir(parents=True)
    for name in ("python3.9", "python3"):
        (system / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(system))

    with pytest.raises(InstallationNotFoundError, match="is not in an environment"):
        find_installation(prefix)


# All installations of a machine


def test_every_place_is_searched_once_and_in_order(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = make_1_x(tmp_path / "named")
    running = make_2_x(tmp_path / "running", version="3.0", python="3.12")
    active = make_2_x(tmp_path / "active")
    on_path = make_2_x(tmp_path / "on path", version="2.5", python="3.7")
    (tmp_path / "pyenv" / "shims").mkdir(parents=True)
    of_pyenv = make_2_x(tmp_path / "pyenv/versions/3.8.18", version="2.0", python="3.8")
    of_conda = make_2_x(home / "miniconda3/envs/lab", version="2.9")
    listed = make_2_x(tmp_path / "listed", version="2.8")
    (home / ".conda").mkdir()
    (home / ".conda" / "environments.txt").write_text(f"{listed}\n{active}\n")
    here = make_2_x(tmp_path / ".venv", version="2.7")
    monkeypatch.setenv("NNICLI_NNI", str(named))
    monkeypatch.setenv("VIRTUAL_ENV", str(active))
    monkeypatch.setenv("PATH", f"{on_path}/bin:{tmp_path}/pyenv/shims:{active}/bin:/nowhere")

    found = find_installations()

    expected = [named, running, active, on_path, of_pyenv, of_conda, listed, here]
    assert [one.path for one in found] == expected
    assert [one.version for one in found] == [
        "1.9",
        "3.0",
        "2.10.1",
        "2.5",
        "2.0",
        "2.9",
        "2.8",
        "2.7",
    ]
    assert found[0].python_version == "3.7.16"
    assert all(one.is_usable and one.node_version == "v10.22.1" for one in found)


def test_a_machine_without_nni_has_no_installations() -> None:
    assert find_installations() == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda prefix: (prefix / "bin/node").unlink(), "missing or not executable"),
        (lambda prefix: (prefix / "bin/node").chmod(0o644), "missing or not executable"),
        (lambda prefix: (prefix / "bin/node").write_text("#!/bin/sh\nexit 1\n"), "does not run"),
        (lambda prefix: (prefix / "bin/python3").unlink(), "is not in an environment"),
        (
            lambda prefix: (prefix / "lib/python3.7/site-packages/nni-1.9.dist-info").rename(
                prefix / "lib/python3.7/site-packages/nni-1.6.dist-info"
            ),
            "NNI 1.6 is not supported",
        ),
    ],
    ids=["no node", "node not executable", "node does not run", "no python", "too old"],
)
def test_an_unusable_installation_names_the_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: object, problem: str
) -> None:
    prefix = make_1_x(tmp_path / "env")
    monkeypatch.setenv("NNICLI_NNI", str(prefix))
    assert callable(change)
    change(prefix)

    (found,) = find_installations()

    assert not found.is_usable
    assert problem in found.problem
