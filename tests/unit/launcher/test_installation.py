from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from nnicli import find_installation
from nnicli.errors import InstallationNotFoundError


def _make_environment(prefix: Path, *, version: str = "3.0", python: str = "python3.12") -> Path:
    """Create a virtual environment as pip leaves it; return its nni_node."""
    directory = prefix / "lib" / python / "site-packages" / "nni_node"
    directory.mkdir(parents=True)
    (directory / "main.js").touch()
    (directory / "node").touch(mode=0o755)
    (directory.parent / f"nni-{version}.dist-info").mkdir()
    (prefix / "bin").mkdir()
    (prefix / "bin" / "python3").symlink_to(sys.executable)
    (prefix / "pyvenv.cfg").touch()
    return directory


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A directory with a space in its name, which NNI 3.0 supports (seen live)."""
    prefix = tmp_path / "my env"
    _make_environment(prefix)
    return prefix


@pytest.mark.parametrize("part", ["", "bin/python3", "lib/python3.12/site-packages/nni_node"])
def test_an_environment_its_python_and_its_directory_lead_to_the_same_nni(
    prefix: Path, part: str
) -> None:
    found = find_installation(prefix / part)

    assert found.version == "3.0"
    assert found.entry == prefix / "lib/python3.12/site-packages/nni_node/main.js"
    assert found.node == found.entry.parent / "node"
    assert found.bin_directory == prefix / "bin"
    assert found.prefix == prefix
    assert found.is_virtual


def test_the_python_is_not_resolved(prefix: Path) -> None:
    """A virtual environment's python links to the one it was created from, which has no NNI."""
    assert (prefix / "bin/python3").resolve() != prefix / "bin/python3"

    assert find_installation(prefix / "bin/python3").prefix == prefix


def test_the_variable_is_the_default(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNICLI_NNI", str(prefix))

    assert find_installation().prefix == prefix


def test_the_argument_beats_the_variable(
    prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NNICLI_NNI", str(tmp_path / "other"))

    assert find_installation(prefix).prefix == prefix


def test_without_either_the_package_of_the_running_python_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With pip install --user or a .pth file, the package is not below sys.prefix."""
    directory = _make_environment(tmp_path / "elsewhere")
    (directory / "__init__.py").write_text("raise RuntimeError('it was imported')")
    monkeypatch.syspath_prepend(str(directory.parent))

    found = find_installation()

    assert found.entry == directory / "main.js"
    assert found.bin_directory == Path(sys.executable).parent


def test_the_error_lists_the_places_searched(tmp_path: Path) -> None:
    empty = tmp_path / "env"
    (empty / "lib/python3.9/site-packages").mkdir(parents=True)

    with pytest.raises(InstallationNotFoundError) as caught:
        find_installation(empty)

    message = str(caught.value)
    assert f"no NNI found at {empty}" in message
    assert str(empty / "lib/python3.9/site-packages/nni_node") in message
    assert "pip install nni==3.0" in message
    assert "NNICLI_NNI" in message


def test_the_error_names_the_running_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])

    with pytest.raises(
        InstallationNotFoundError, match="no NNI found in the environment of this Python"
    ):
        find_installation()


def test_the_release_of_a_development_install_is_in_package_json(prefix: Path) -> None:
    directory = prefix / "lib/python3.12/site-packages/nni_node"
    (directory.parent / "nni-3.0.dist-info").rmdir()
    (directory / "package.json").write_text(json.dumps({"version": "999.0.0-developing"}))

    assert find_installation(prefix).version == "999.0.0-developing"


@pytest.mark.parametrize("content", ["", "[]", "{}", None])
def test_an_unknown_release_is_refused(prefix: Path, content: str | None) -> None:
    directory = prefix / "lib/python3.12/site-packages/nni_node"
    (directory.parent / "nni-3.0.dist-info").rmdir()
    if content is not None:
        (directory / "package.json").write_text(content)

    with pytest.raises(InstallationNotFoundError, match="has an unknown release"):
        find_installation(prefix)


def test_a_missing_node_is_refused(prefix: Path) -> None:
    (prefix / "lib/python3.12/site-packages/nni_node/node").unlink()

    with pytest.raises(InstallationNotFoundError, match="node is missing or not executable"):
        find_installation(prefix)


def test_a_directory_outside_any_environment_is_refused(tmp_path: Path) -> None:
    """Without its own Python the tuner would run in whatever python3 PATH finds."""
    directory = _make_environment(tmp_path / "env")
    (tmp_path / "env/bin/python3").unlink()

    with pytest.raises(InstallationNotFoundError, match="is not in an environment"):
        find_installation(directory)


@pytest.mark.parametrize(
    "where", ["a\0b", "a\nb", "\ud800", "a" * 5000, "~nosuchuser/x", "\x1b[31m", 5, b"a"]
)
def test_an_invalid_path_is_refused(where: object) -> None:
    """A name that is too long raised a bare OSError, an unknown user's home a RuntimeError."""
    with pytest.raises(InstallationNotFoundError, match="no NNI found at") as caught:
        find_installation(where)  # type: ignore[arg-type]  # the point of the test

    assert str(caught.value).replace("\n", "").isprintable()


def test_the_variable_is_checked_as_the_argument_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNICLI_NNI", "a" * 5000)

    with pytest.raises(InstallationNotFoundError, match="no NNI found at"):
        find_installation()
