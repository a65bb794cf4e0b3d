"""Files from outside: only regular ones are opened, and opening never blocks."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from nnicli.regular_files import open_regular, read_regular


def test_a_file_is_also_read_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")

    with open_regular(tmp_path / "link") as file:
        assert file.read() == b"content"


def test_a_link_is_refused_if_it_may_not_be_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")

    with pytest.raises(OSError, match="a link, which is not followed") as caught:
        open_regular(tmp_path / "link", follow_links=False)

    assert caught.value.errno == errno.ELOOP


@pytest.mark.timeout(20)
@pytest.mark.parametrize("is_linked", [False, True])
def test_a_named_pipe_without_a_writer_is_refused_at_once(tmp_path: Path, is_linked: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    path = tmp_path / ("link" if is_linked else "pipe")

    with pytest.raises(OSError, match="expected a regular file, found a named pipe") as caught:
        open_regular(path)

    assert caught.value.filename == str(path)


@pytest.mark.timeout(20)
def test_a_named_pipe_that_replaces_a_file_does_not_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the check of a file and its opening, another process may replace it."""
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    as_file = (tmp_path / "file").stat()
    monkeypatch.setattr(Path, "stat", lambda *_, **__: as_file)

    with pytest.raises(OSError, match="found a named pipe"):
        open_regular(tmp_path / "pipe")


def test_a_link_to_a_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/zero")

    with pytest.raises(OSError, match="expected a regular file, found a device"):
        read_regular(tmp_path / "link", limit=100)


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # names of sockets must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        with pytest.raises(OSError, match="found a socket"):
            open_regular("socket")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)


def test_a_missing_file_is_reported_as_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "missing")


def test_a_file_up_to_the_limit_is_read_and_a_larger_one_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(100))

    assert len(read_regular(tmp_path / "file", limit=100)) == 100
    with pytest.raises(OSError, match="larger than the 99 bytes") as caught:
        read_regular(tmp_path / "file", limit=99)
    assert caught.value.errno == errno.EFBIG


def test_files_without_a_size_are_read_whole() -> None:
    """Files in /proc have size 0."""
    if not Path("/proc/self/status").exists():
        pytest.skip("there is no /proc here")

    assert b"Name:" in read_regular("/proc/self/status", limit=100_000)
