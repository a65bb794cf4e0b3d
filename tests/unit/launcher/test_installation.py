from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from nnicli import find_installation
from nnicli.errors import InstallationNotFoundError


def _make_environment(prefix: Path, *, version: str = "3.0", python: str = "python3.12") -> Path:
    """Lay out a virtual environment as pip leaves it; return its nni_node."""
    folder = prefix / "lib" / python / "site-packages" / "nni_node"
    folder.mkdir(parents=True)
    (folder / "main.js").touch()
    (folder / "node").touch(mode=0o755)
    (folder.parent / f"nni-{version}.dist-info").mkdir()
    (prefix / "bin").mkdir()
    (prefix / "bin" / "python3").symlink_to(sys.executable)
    (prefix / "pyvenv.cfg").touch()
    return folder


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A folder with a blank in its name, which NNI 3.0 can live in (seen live)."""
    prefix = tmp_path / "my env"
    _make_environment(prefix)
    return prefix


@pytest.mark.parametrize("part", ["", "bin/python3", "lib/python3.12/site-packages/nni_node"])
def test_an_environment_its_python_and_its_folder_name_the_same(prefix: Path, part: str) -> None:
    found = find_installation(prefix / part)

    assert found.version == "3.0"
    assert found.entry == prefix / "lib/python3.12/site-packages/nni_node/main.js"
    assert found.node == found.entry.parent / "node"
    assert found.bin_directory == prefix / "bin"
    assert found.prefix == prefix
    assert found.is_virtual


def test_the_python_is_not_resolved(prefix: Path) -> None:
    """A virtual environment's python links to the one it was made from, which has no NNI."""
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


def test_without_either_the_running_environment_is_searched_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with pip install --user or a .pth file, the package need not be below sys.prefix."""
    folder = _make_environment(tmp_path / "elsewhere")
    (folder / "__init__.py").write_text("raise RuntimeError('it was imported')")
    monkeypatch.syspath_prepend(str(folder.parent))

    found = find_installation()

    assert found.entry == folder / "main.js"
    assert found.bin_directory == Path(sys.executable).parent


def test_where_it_looked_is_told(tmp_path: Path) -> None:
    empty = tmp_path / "env"
    (empty / "lib/python3.9/site-packages").mkdir(parents=True)

    with pytest.raises(InstallationNotFoundError) as caught:
        find_installation(empty)

    message = str(caught.value)
    assert f"there is no NNI at {empty}" in message
    assert str(empty / "lib/python3.9/site-packages/nni_node") in message
    assert "pip install nni==3.0" in message
    assert "NNICLI_NNI" in message


def test_an_environment_without_nni_says_which_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])

    with pytest.raises(InstallationNotFoundError, match="the environment of this Python"):
        find_installation()


def test_a_development_install_tells_its_release_in_package_json(prefix: Path) -> None:
    folder = prefix / "lib/python3.12/site-packages/nni_node"
    (folder.parent / "nni-3.0.dist-info").rmdir()
    (folder / "package.json").write_text(json.dumps({"version": "999.0.0-developing"}))

    assert find_installation(prefix).version == "999.0.0-developing"


@pytest.mark.parametrize("content", ["", "[]", "{}", None])
def test_no_release_at_all_is_told(prefix: Path, content: str | None) -> None:
    folder = prefix / "lib/python3.12/site-packages/nni_node"
    (folder.parent / "nni-3.0.dist-info").rmdir()
    if content is not None:
        (folder / "package.json").write_text(content)

    with pytest.raises(InstallationNotFoundError, match="does not tell its release"):
        find_installation(prefix)


def test_a_missing_node_is_told(prefix: Path) -> None:
    (prefix / "lib/python3.12/site-packages/nni_node/node").unlink()

    with pytest.raises(InstallationNotFoundError, match="node is missing or not executable"):
        find_installation(prefix)


def test_a_folder_outside_any_environment_is_refused(tmp_path: Path) -> None:
    """Without its own Python the tuner would run in whatever python3 PATH finds."""
    folder = _make_environment(tmp_path / "env")
    (tmp_path / "env/bin/python3").unlink()

    with pytest.raises(InstallationNotFoundError, match="belongs to no environment"):
        find_installation(folder)


@pytest.mark.parametrize(
    "where", ["a\0b", "a\nb", "\ud800", "a" * 5000, "~nosuchuser/x", "\x1b[31m", 5, b"a"]
)
def test_what_is_not_a_path_is_refused(where: object) -> None:
    """A name that is too long was a raw OSError, an unknown user's home a RuntimeError."""
    with pytest.raises(InstallationNotFoundError, match="there is no NNI at") as caught:
        find_installation(where)  # type: ignore[arg-type]  # the point of the test

    assert str(caught.value).replace("\n", "").isprintable()


def test_the_variable_is_checked_as_the_argument_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNICLI_NNI", "a" * 5000)

    with pytest.raises(InstallationNotFoundError, match="there is no NNI at"):
        find_installation()
