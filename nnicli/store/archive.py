"""Zip archives with checksums, packed, checked or unpacked as a stream."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Literal

from nnicli.errors import AlreadyExistsError, ArchiveError, NnicliError
from nnicli.regular_files import open_regular
from nnicli.removal import find_mounts
from nnicli.store.staging import STAGING_PREFIX, staging_directory

CHECKSUMS = "SHA256SUMS"
"""The member that lists all files, in the form that `sha256sum --check` reads."""
MEMBERS = "MEMBERS"
"""The member that lists all members before it: the kind of each, as `ls -F` marks it, and its
name."""

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in total."""

_CHUNK = 1 << 20
# Several times as fast as the default, and only a little larger.
_LEVEL = 1
_ZIP64_FROM = 1 << 30
_LARGEST_TEXT = 16 << 20
_LONGEST_LINK = 4096
# Per line of SHA256SUMS, besides the member's name: the sum, two spaces and a line end.
_SUM_LENGTH = 67
# Enough for some hundred thousand trials with all of their files.
_LARGEST_LIST = 128 << 20
# Deflate can shrink uniform data to a thousandth; it shrinks what NNI writes to a tenth.
_LARGEST_RATIO = 200
_SUSPICIOUS_FROM = 1 << 30
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
# What is not valid in a name on every system, or leads to another directory on some.
_NOT_PORTABLE = re.compile("[\x00-\x1f\x7f\\\\\ud800-\udfff]|(^|/)[A-Za-z]:")
_SUM = re.compile(r"([0-9a-f]{64})  (.+)")
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
# The errors that reading a damaged zip file raises.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OverflowError)

Kind = Literal["file", "directory", "link", "other"]
_KINDS: dict[int, Kind] = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


def _nothing(_path: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Part:
    """A file or a directory that goes into an archive.

    Attributes:
        name: Its name in the archive.
        path: Where it is.
        leaves_out: Relative path of something in it, with `/` -> whether to leave that out.
    """

    name: str
    path: Path
    leaves_out: Callable[[str], bool] = _nothing


@dataclass(frozen=True, slots=True)
class Packed:
    """What went into an archive.

    Attributes:
        files: Number of files.
        size: Their size in bytes, before compression.
        skipped: Paths left out, as an archive cannot hold them: links that lead out of their
            directory, sockets and the like, names that are not valid on every system; and mounts.
    """

    files: int
    size: int
    skipped: tuple[str, ...]


def write_archive(
    file: Path,
    parts: Iterable[Part],
    documents: Mapping[str, str],
    *,
    progress: Progress | None = None,
) -> Packed:
    """Write an archive, for the owner only, in one step; if that fails, no file is left.

    A file that grows meanwhile is packed up to the size that it has when its turn comes.

    Args:
        file: The archive, which must not exist, in a directory that does.
        parts: What goes into it.
        documents: Name -> text of further members.
        progress: Called as the work proceeds.

    Raises:
        AlreadyExistsError: The file already exists.
        ArchiveError: A file cannot be read or written.
    """
    if os.path.lexists(file):
        raise _exists_error(file)
    try:
        with staging_directory(file.parent) as staging:
            draft = staging / "archive"
            with open(draft, "xb", opener=_open_for_owner) as stream:
                packed = _Packer(tuple(parts), progress).pack(stream, documents)
                stream.flush()
                os.fsync(stream.fileno())
            _publish(draft, file)
    except AlreadyExistsError:
        raise
    except OSError as error:
        raise ArchiveError(
            f"{file} was not written: {error.filename or file}: {error.strerror or error}",
            path=file,
        ) from error
    return packed


def _exists_error(file: Path) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"{file} already exists; refusing to overwrite it; choose another name, or delete it first",
        path=file,
    )


def _open_for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def _publish(draft: Path, file: Path) -> None:
    """Give a finished file its name, unless another file has taken it meanwhile."""
    try:
        os.link(draft, file)
    except FileExistsError:
        raise _exists_error(file) from None
    except OSError:
        # The file system does not support hard links, so only a rename is left.
        if os.path.lexists(file):
            raise _exists_error(file) from None
        draft.rename(file)


@dataclass(frozen=True, slots=True)
class _Found:
    """Something on disk that may go into an archive.

    Attributes:
        name: Its name in the archive.
        path: Where it is.
        kind: What it is; `other` is left out of archives.
        size: A file's size in bytes, else 0.
    """

    name: str
    path: str
    kind: Kind
    size: int


class _Packer:
    """Writes parts and documents into one zip file."""

    def __init__(self, parts: tuple[Part, ...], progress: Progress | None) -> None:
        self._parts = parts
        self._progress = progress or (lambda _done, _total: None)
        self._checksums: list[str] = []
        self._done = 0
        self._total = 0

    def pack(self, stream: IO[bytes], documents: Mapping[str, str]) -> Packed:
        self._total = sum(found.size for found in self._walk())
        skipped = []
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
            for found in self._walk():
                if found.kind == "other":
                    skipped.append(found.path)
                else:
                    # A running experiment may delete files meanwhile, but never its records.
                    with suppress(FileNotFoundError):
                        self._add_found(archive, found)
            files = len(self._checksums)
            for name, text in documents.items():
                self._add_summed(archive, name, (text.encode(),))
            marks = [f"{_mark_of(info)} {info.filename}\n" for info in archive.infolist()]
            self._add_summed(archive, MEMBERS, (mark.encode() for mark in marks))
            _add(archive, CHECKSUMS, (line.encode() for line in self._checksums))
        return Packed(files, self._done, tuple(skipped))

    def _walk(self) -> Iterator[_Found]:
        for part in self._parts:
            yield from _walk(part)

    def _add_found(self, archive: zipfile.ZipFile, found: _Found) -> None:
        if found.kind == "directory":
            _add(archive, f"{found.name}/", (), mode=stat.S_IFDIR)
        elif found.kind == "link":
            _add(
                archive, found.name, (str(Path(found.path).readlink()).encode(),), mode=stat.S_IFLNK
            )
        else:
            # The file may have been replaced with a link, which must not be followed, or with a
            # pipe, which must not block.
            handle = os.open(found.path, os.O_RDONLY | _NO_FOLLOW | _NO_WAIT)
            with os.fdopen(handle, "rb") as source:
                status = os.fstat(handle)
                size, rights = status.st_size, stat.S_IMODE(status.st_mode)
                chunks = self._counted(_read_chunks(source, size))
                self._add_summed(archive, found.name, chunks, size=size, mode=rights)

    def _counted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._done += len(chunk)
            self._progress(self._done, max(self._done, self._total))
            yield chunk

    def _add_summed(
        self,
        archive: zipfile.ZipFile,
        name: str,
        chunks: Iterable[bytes],
        *,
        size: int = 0,
        mode: int = 0,
    ) -> None:
        digest = hashlib.sha256()

        def digested() -> Iterator[bytes]:
            for chunk in chunks:
                digest.update(chunk)
                yield chunk

        _add(archive, name, digested(), size=size, mode=mode)
        self._checksums.append(f"{digest.hexdigest()}  {name}\n")


def _add(
    archive: zipfile.ZipFile, name: str, chunks: Iterable[bytes], *, size: int = 0, mode: int = 0
) -> None:
    with archive.open(name, "w", force_zip64=size >= _ZIP64_FROM) as target:
        for chunk in chunks:
            target.write(chunk)
    kind = stat.S_IFMT(mode) or stat.S_IFREG
    # Of the mode only the executable bit is kept: the unpacked file is for its owner only.
    archive.getinfo(name).external_attr = (kind | 0o600 | (mode & stat.S_IXUSR)) << 16


def _read_chunks(source: IO[bytes], size: int) -> Iterator[bytes]:
    while size > 0 and (chunk := source.read(min(_CHUNK, size))):
        size -= len(chunk)
        yield chunk


def _walk(part: Part) -> Iterator[_Found]:
    """Return what is in a part, each directory before its content."""
    root = os.path.realpath(part.path)
    if not os.path.isdir(root):  # noqa: PTH112 - as in the walk
        yield _classify(part.name, root, os.lstat(root), root)
        return
    # A mount does not belong to the experiment, and may be a share of terabytes.
    mounts = {str(mount.path) for mount in find_mounts(Path(root))}
    directories = [""]
    while directories:
        directory = directories.pop()
        with os.scandir(os.path.join(root, directory)) as entries:  # noqa: PTH118 - for speed
            listed = sorted(entries, key=lambda entry: entry.name)
        for entry in listed:
            relative = directory + entry.name
            if entry.name.startswith(STAGING_PREFIX) or part.leaves_out(relative):
                continue
            if entry.path in mounts:
                yield _Found(f"{part.name}/{relative}", entry.path, "other", 0)
                continue
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                found = _classify(f"{part.name}/{relative}", entry.path, status, root)
                yield found
                if found.kind == "directory":
                    directories.append(f"{relative}/")


def _classify(name: str, path: str, status: os.stat_result, root: str) -> _Found:
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), "other")
    if not _is_portable(name) or (kind == "link" and not _leads_inside(path, root)):
        kind = "other"
    return _Found(name, path, kind, status.st_size if kind == "file" else 0)


def _is_portable(name: str) -> bool:
    """Return whether a name is valid in an archive and on every system."""
    parts = name.removesuffix("/").split("/")
    return not _NOT_PORTABLE.search(name) and not {"", ".", ".."}.intersection(parts)


def _leads_inside(link: str, root: str) -> bool:
    text = str(Path(link).readlink())
    return _stays_inside(text, Path(link), Path(root)) and _is_inside(Path(link), Path(root))


def _stays_inside(text: str, link: Path, root: Path) -> bool:
    """Return whether a link cannot leave a directory, whatever else is or will be in it.

    `..` is allowed only at the start, where real directories precede it: a name before it could be
    a link.
    """
    names = [name for name in text.split("/") if name not in ("", ".")]
    ups = names.count("..")
    return (
        not text.startswith("/")
        and not _NOT_PORTABLE.search(text)
        and ".." not in names[ups:]
        and ups < len(link.relative_to(root).parts)
    )


def _is_inside(path: Path, directory: Path) -> bool:
    """Return whether a path is in a directory when all links are followed."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(directory))


@contextmanager
def open_archive(path: Path) -> Iterator[ArchiveReader]:
    """Open an archive; errors while it is open are raised as an ArchiveError.

    Raises:
        ArchiveError: It is missing, damaged, something else, or has members that are not allowed.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(_Portions(path, file)) as archive:
            yield ArchiveReader(path, archive)
    except NnicliError:
        raise
    except OSError as error:
        failed = error.filename or path
        raise ArchiveError(
            f"{path} cannot be loaded: {failed}: {error.strerror or error}", path=path
        ) from error
    except _DAMAGE as error:
        raise _damage_error(path, error) from error


class _Portions(io.RawIOBase):
    """An archive's file, which refuses to read too much at once.

    zipfile reads the list of members in one piece, and turns each fifty bytes of it into an object
    of a thousand.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        if size > _LARGEST_LIST:
            raise ArchiveError(
                f"{self._path} cannot be loaded: its list of members has {size:,} bytes; at most "
                f"{_LARGEST_LIST:,} are allowed",
                path=self._path,
            )
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def _damage_error(path: Path, reason: object) -> ArchiveError:
    return ArchiveError(
        f"{path} is damaged, or not a saved experiment: {reason}; copy it again from where it was "
        "saved",
        path=path,
    )


@dataclass(frozen=True, slots=True)
class _Link:
    """A link to be made.

    Attributes:
        name: Its name in the archive.
        path: The link.
        root: The directory that it must not leave.
        text: Where it leads.
    """

    name: str
    path: Path
    root: Path
    text: str


class ArchiveReader:
    """An open archive whose list of members was checked; contents are checked as they are read."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self._archive = archive
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in archive.infolist():
            self._check_member(info)
            self._members[info.filename] = info
        self._checksums: dict[str, bytes] = {}
        if CHECKSUMS in self._members:
            self._check_lists()

    def has_file(self, name: str) -> bool:
        """Return whether the archive has a file with this name."""
        return name in self._members

    def has_directory(self, name: str) -> bool:
        """Return whether the archive has a directory with this name."""
        return f"{name}/" in self._members or any(True for _ in self._below(name))

    def read_text(self, name: str) -> str:
        """Return the text of a member.

        Raises:
            ArchiveError: It is missing, damaged or too long.
        """
        return self._read_text(name, _LARGEST_TEXT)

    def unpack(self, targets: Mapping[str, Path], *, progress: Progress | None = None) -> None:
        """Write directories of the archive to disk, files with mode 0600, directories with 0700.

        Args:
            targets: Directory in the archive -> the directory to write it to, which must not exist,
                in one that nobody else writes to; a directory comes before those inside it.
            progress: Called as the work proceeds.

        Raises:
            ArchiveError: A member is damaged, or leads out of its directory. What was written until
                then is left.
            OSError: A file cannot be written.
        """
        links = [link for name, target in targets.items() for link in self._links(name, target)]
        total = sum(self._size_of(name) for name in targets)
        done = 0
        for size in self._write_parts(targets):
            done += size
            if progress is not None:
                progress(done, total)
        self._make_links(links)

    def _below(self, directory: str) -> Iterator[zipfile.ZipInfo]:
        prefix = f"{directory}/"
        return (
            info
            for name, info in self._members.items()
            if name.startswith(prefix) and name != prefix
        )

    def _size_of(self, directory: str) -> int:
        return sum(info.file_size for info in self._below(directory) if _kind_of(info) == "file")

    def _check_member(self, info: zipfile.ZipInfo) -> None:
        name = info.orig_filename
        if not _is_portable(name) or name != info.filename:
            raise self._refusal(name, "leads out of the directory to unpack into")
        kind = _kind_of(info)
        if kind == "other" or (kind == "directory") != info.is_dir():
            raise self._refusal(name, "is not a file, a directory or a link")
        if info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS:
            raise self._refusal(name, "is encrypted, or compressed with an unsupported method")
        if name in self._members:
            raise self._refusal(name, "is a duplicate")

    def _refusal(self, name: str, what: str) -> ArchiveError:
        return ArchiveError(
            f"{self.path} cannot be loaded: its member {name[:200]!r} {what}; nnicli and nnictl do "
            "not write such archives",
            path=self.path,
        )

    def _check_lists(self) -> None:
        """Compare the members with those that were saved, and read their checksums.

        Checksums do not cover links and directories, so there is a list of these, too. nnictl's
        archives have neither.
        """
        sums = [_SUM.fullmatch(line) for line in self._read_list(CHECKSUMS)]
        self._checksums = {match[2]: bytes.fromhex(match[1]) for match in sums if match is not None}
        files = [name for name, info in self._members.items() if _kind_of(info) == "file"]
        self._require_same(CHECKSUMS, self._checksums, files)
        listed = self._read_list(MEMBERS)
        marked = [f"{_mark_of(info)} {name}" for name, info in self._members.items()]
        self._require_same(MEMBERS, listed, marked)

    def _read_list(self, name: str) -> list[str]:
        """Return the lines of a list, and drop the member that contains it."""
        longest = sum(len(member.encode()) + _SUM_LENGTH for member in self._members)
        lines = self._read_text(name, longest).split("\n")
        del self._members[name]
        return lines[:-1]

    def _require_same(self, listing: str, listed: Iterable[str], found: Iterable[str]) -> None:
        if different := set(listed) ^ set(found):
            raise _damage_error(self.path, f"its {listing} differs in {min(different)!r}")

    def _read_text(self, name: str, longest: int) -> str:
        info = self._members.get(name)
        if info is None:
            raise _damage_error(self.path, f"it has no {name}")
        if info.file_size > longest:
            raise _damage_error(self.path, f"its {name} is {info.file_size:,} bytes long")
        return b"".join(self._verified(info)).decode()

    def _check_ratio(self) -> None:
        """Refuse a small archive that would fill the disk."""
        packed = self.path.stat().st_size
        unpacked = sum(info.file_size for info in self._members.values())
        if unpacked > max(_SUSPICIOUS_FROM, packed * _LARGEST_RATIO):
            raise ArchiveError(
                f"{self.path} cannot be loaded: its {packed:,} bytes would become {unpacked:,}, "
                f"more than {_LARGEST_RATIO} times as many, which is not plausible for a saved "
                "experiment; unpack it by other means if you trust it",
                path=self.path,
            )

    def _check_space(self, directory: Path, needed: int) -> None:
        free = shutil.disk_usage(directory).free
        if needed > free:
            raise ArchiveError(
                f"{self.path} cannot be loaded: it needs {needed:,} bytes, but only {free:,} are "
                f"free in {directory}; free some space, or choose another directory",
                path=self.path,
            )

    def _verified(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """Return a member's content in chunks; raise at the end if the checksum is wrong."""
        digest = hashlib.sha256()
        with self._archive.open(info) as source:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                yield chunk
        expected = self._checksums.get(info.filename)
        if expected not in (None, digest.digest()):
            raise _damage_error(self.path, f"{info.filename!r} is not what was saved")

    def _write_parts(self, targets: Mapping[str, Path]) -> Iterator[int]:
        """Write all directories and files; return the size of each chunk in bytes."""
        made: list[Path] = []
        for name, target in targets.items():
            self._make_target(name, target, made)
            made.append(target)
            for info in self._below(name):
                path = _path_of(info, name, target)
                if info.is_dir():
                    _make_directories(path, target)
                    continue
                _make_directories(path.parent, target)
                if _kind_of(info) == "file":
                    yield from self._write(info, path)

    def _make_target(self, name: str, target: Path, made: Iterable[Path]) -> None:
        around = next((path for path in made if target.is_relative_to(path)), target.parent)
        _make_directories(target.parent, around)
        if not _is_inside(target.parent, around):
            raise self._refusal(name, "leads through a link")
        self._check_space(target.parent, self._size_of(name))
        self._check_ratio()
        target.mkdir(mode=0o700)

    def _write(self, info: zipfile.ZipInfo, path: Path) -> Iterator[int]:
        """Write a file; return the size of each chunk in bytes."""
        with open(path, "xb", opener=_open_for_owner) as target:
            for chunk in self._verified(info):
                target.write(chunk)
                yield len(chunk)
        if (info.external_attr >> 16) & stat.S_IXUSR:
            path.chmod(0o700)

    def _links(self, name: str, target: Path) -> Iterator[_Link]:
        """Return the links of a directory; the text of each is checked to stay inside."""
        for info in self._below(name):
            if _kind_of(info) == "link":
                path = _path_of(info, name, target)
                text = self._read_text(info.filename, _LONGEST_LINK)
                if not _stays_inside(text, path, target):
                    raise self._refusal(info.filename, "is a link to another directory")
                yield _Link(info.filename, path, target, text)

    def _make_links(self, links: Collection[_Link]) -> None:
        """Make the links after everything else, so that nothing is written through one."""
        for link in links:
            link.path.symlink_to(link.text)
        for link in links:
            # Their texts rule that out, unless another process made links here meanwhile.
            if not _is_inside(link.path, link.root):
                raise self._refusal(link.name, "is a link to another directory")


def _path_of(info: zipfile.ZipInfo, directory: str, target: Path) -> Path:
    return target / info.filename[len(directory) + 1 :]


def _kind_of(info: zipfile.ZipInfo) -> Kind:
    form = stat.S_IFMT(info.external_attr >> 16)
    if not form:
        # Written on a system that has only these two.
        return "directory" if info.is_dir() else "file"
    return _KINDS.get(form, "other")


def _mark_of(info: zipfile.ZipInfo) -> str:
    is_program = (info.external_attr >> 16) & stat.S_IXUSR
    return {"directory": "/", "link": "@"}.get(_kind_of(info), "*" if is_program else "-")


def _make_directories(directory: Path, root: Path) -> None:
    missing = []
    while directory != root and not directory.is_dir():
        missing.append(directory)
        directory = directory.parent
    for path in reversed(missing):
        path.mkdir(mode=0o700)
