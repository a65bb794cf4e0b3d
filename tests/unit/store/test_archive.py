"""Archives are complete, checked, and never written or unpacked outside of their directory."""

from __future__ import annotations

import hashlib
import os
import random
import stat
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nnicli import AlreadyExistsError, ArchiveError
from nnicli.store.archive import CHECKSUMS, Part, open_archive, write_archive

CONTENT = bytes(range(256)) * 5000


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a directory with everything that an archive can hold."""
    directory = tmp_path / "tree"
    (directory / "deep" / "er").mkdir(parents=True)
    (directory / "empty").mkdir()
    (directory / "large").write_bytes(CONTENT)
    (directory / "deep" / "er" / "ünïcode name").write_text("text", "utf-8")
    (directory / "program").write_text("#!/bin/sh\n", "utf-8")
    (directory / "program").chmod(0o755)
    (directory / "deep" / "link").symlink_to("../large")
    return directory


@pytest.fixture
def archive(tree: Path, tmp_path: Path) -> Path:
    """Return an archive of the tree, with a document."""
    file = tmp_path / "saved.zip"
    write_archive(file, [Part("tree", tree)], {"note.json": "{}"})
    return file


def unpack(file: Path, target: Path) -> None:
    with open_archive(file) as reader:
        reader.unpack({"tree": target})


def snapshot(directory: Path) -> dict[str, object]:
    """Return everything below a directory, by its relative path."""
    found: dict[str, object] = {}
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if path.is_symlink():
            found[name] = ("link", str(path.readlink()))
        else:
            found[name] = hashlib.sha256(path.read_bytes()).digest() if path.is_file() else None
    return found


def test_a_tree_is_unpacked_as_it_was_packed(tree: Path, archive: Path, tmp_path: Path) -> None:
    unpack(archive, tmp_path / "loaded")

    assert snapshot(tmp_path / "loaded") == snapshot(tree)
    assert (tmp_path / "loaded" / "deep" / "link").read_bytes() == CONTENT


def test_everything_is_private_to_the_owner(archive: Path, tmp_path: Path) -> None:
    """Configs contain passwords, and so do databases."""
    unpack(archive, tmp_path / "loaded")

    modes = {
        path.name: stat.S_IMODE(path.lstat().st_mode)
        for path in (archive, *(tmp_path / "loaded").rglob("*"))
        if not path.is_symlink()
    }
    assert modes.pop("program") == 0o700
    assert {modes[name] for name in ("deep", "er", "empty")} == {0o700}
    assert {modes[name] for name in ("saved.zip", "large", "ünïcode name")} == {0o600}


def test_other_tools_can_check_and_read_it(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive) as plain:
        plain.extractall(tmp_path / "plain")

    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", CHECKSUMS],
        cwd=tmp_path / "plain",
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.count(": OK") == 5


def test_documents_are_read_without_unpacking(archive: Path) -> None:
    with open_archive(archive) as reader:
        assert reader.read_text("note.json") == "{}"
        assert reader.has_file("note.json")
        assert reader.has_directory("tree")
        assert not reader.has_directory("note.json")


def test_progress_ends_at_the_announced_total(tree: Path, tmp_path: Path) -> None:
    saving: list[tuple[int, int]] = []
    loading: list[tuple[int, int]] = []

    packed = write_archive(
        tmp_path / "saved.zip",
        [Part("tree", tree)],
        {},
        progress=lambda done, total: saving.append((done, total)),
    )
    with open_archive(tmp_path / "saved.zip") as reader:
        reader.unpack(
            {"tree": tmp_path / "loaded"},
            progress=lambda done, total: loading.append((done, total)),
        )

    assert saving[-1] == (packed.size, packed.size)
    assert packed.size == len(CONTENT) + len("text") + len("#!/bin/sh\n")
    assert packed.files == 3
    for calls in (saving, loading):
        assert len(calls) > 3
        assert calls == sorted(calls)
        assert calls[-1][0] == calls[-1][1]


# What must not be in one


def test_what_leads_out_is_skipped_and_reported(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret", "utf-8")
    (tree / "out").symlink_to("../secret")
    (tree / "absolute").symlink_to(tree / "large")
    (tree / "dir-out").symlink_to("..")
    (tree / "through").symlink_to("deep/../large")
    (tree / "again").symlink_to("../tree/large")
    os.mkfifo(tree / "pipe")
    (tree / "new\nline").touch()
    (tree / os.fsdecode(b"no-\xff-text")).touch()

    packed = write_archive(tmp_path / "saved.zip", [Part("tree", tree)], {})

    skipped = sorted(os.fsencode(Path(path).name) for path in packed.skipped)
    assert skipped == [
        b"absolute",
        b"again",
        b"dir-out",
        b"new\nline",
        b"no-\xff-text",
        b"out",
        b"pipe",
        b"through",
    ]
    unpack(tmp_path / "saved.zip", tmp_path / "loaded")
    assert "secret" not in str(snapshot(tmp_path / "loaded").keys())


def test_parts_can_leave_things_out_and_be_single_files(tree: Path, tmp_path: Path) -> None:
    parts = [
        Part("tree", tree, lambda name: name in ("large", "deep/er")),
        Part("tree/large", tree / "program"),
    ]

    write_archive(tmp_path / "saved.zip", parts, {})

    unpack(tmp_path / "saved.zip", tmp_path / "loaded")
    loaded = tmp_path / "loaded"
    assert sorted(snapshot(loaded)) == ["deep", "deep/link", "empty", "large", "program"]
    assert (loaded / "large").read_text("utf-8") == "#!/bin/sh\n"


HOSTILE: dict[str, Callable[[zipfile.ZipFile], None]] = {}


def hostile(function: Callable[[zipfile.ZipFile], None]) -> Callable[[zipfile.ZipFile], None]:
    HOSTILE[function.__name__.replace("_", "-")] = function
    return function


def add(plain: zipfile.ZipFile, name: str, content: str = "x", mode: int = stat.S_IFREG) -> None:
    info = zipfile.ZipInfo("x")
    info.filename = info.orig_filename = name
    info.external_attr = (mode | 0o644) << 16
    plain.writestr(info, content)


@hostile
def parent_directory(plain: zipfile.ZipFile) -> None:
    add(plain, "tree/../../evil")


@hostile
def absolute_name(plain: zipfile.ZipFile) -> None:
    add(plain, "/tmp/evil")


@hostile
def absolute_name_below(plain: zipfile.ZipFile) -> None:
    add(plain, "tree//evil")


@hostile
def windows_drive(plain: zipfile.ZipFile) -> None:
    add(plain, "tree/C:evil")


@hostile
def backslashes(plain: zipfile.ZipFile) -> None:
    add(plain, "tree\\..\\evil")


@hostile
def absolute_link(plain: zipfile.ZipFile) -> None:
    add(plain, "tree/link", "/etc/passwd", stat.S_IFLNK)


@hostile
def relative_link(plain: zipfile.ZipFile) -> None:
    add(plain, "tree/link", "../../evil", stat.S_IFLNK)


@hostile
def file_through_a_link(plain: zipfile.ZipFile) -> None:
    add(plain, "tree/link", "..", stat.S_IFLNK)
    add(plain, "tree/link/evil")


@hostile
def link_over_links(plain: zipfile.ZipFile) -> None:
    """Each alone looks as if it stayed inside."""
    add(plain, "tree/a/b/file")
    add(plain, "tree/up", "a/b", stat.S_IFLNK)
    add(plain, "tree/a/b/top", "../..", stat.S_IFLNK)
    add(plain, "tree/out", "up/top/../evil", stat.S_IFLNK)


@hostile
def link_through_what_is_no_link_yet(plain: zipfile.ZipFile) -> None:
    """Checked before the other exists, it looks as if it stayed inside."""
    add(plain, "tree/deep/out", "self/self/self/../../../evil", stat.S_IFLNK)
    add(plain, "tree/deep/self", ".", stat.S_IFLNK)


@hostile
def link_through_what_is_missing(plain: zipfile.ZipFile) -> None:
    """It would lead elsewhere as soon as that one existed."""
    add(plain, "tree/out", "missing/missing/../..", stat.S_IFLNK)


@hostile
def link_below_a_link(plain: zipfile.ZipFile) -> None:
    add(plain, "tree/self", ".", stat.S_IFLNK)
    add(plain, "tree/self/up", "..", stat.S_IFLNK)


@hostile
def file_below_a_link_that_stays_inside(plain: zipfile.ZipFile) -> None:
    add(plain, "tree/self", ".", stat.S_IFLNK)
    add(plain, "tree/self/evil")


@hostile
def device(plain: zipfile.ZipFile) -> None:
    add(plain, "tree/device", "", stat.S_IFCHR)


@hostile
def pipe(plain: zipfile.ZipFile) -> None:
    add(plain, "tree/pipe", "", stat.S_IFIFO)


@hostile
def file_that_is_a_directory(plain: zipfile.ZipFile) -> None:
    add(plain, "tree/name")
    add(plain, "tree/name/below")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_writes_nothing_outside(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "hostile.zip"
    with zipfile.ZipFile(file, "w") as plain:
        add(plain, "tree/harmless")
        HOSTILE[kind](plain)
    inside = tmp_path / "inside"
    inside.mkdir()

    with pytest.raises(ArchiveError, match=r"hostile\.zip (is not|cannot be) loaded"):
        unpack(file, inside / "loaded")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "hostile.zip", "inside"]
    assert [path.name for path in inside.iterdir()] in ([], ["loaded"])


def test_no_part_is_unpacked_through_a_link_of_another(tmp_path: Path) -> None:
    """The first link leads out only once the second exists, and a directory is made below it."""
    with zipfile.ZipFile(tmp_path / "hostile.zip", "w") as plain:
        add(plain, "code/0/trial.py")
        add(plain, "code/z/.ssh/authorized_keys")
        add(plain, "tree/code/z", f"0/{'b/' * 8}../../../../..", stat.S_IFLNK)
        add(plain, "code/0/b", ".", stat.S_IFLNK)
    loaded = tmp_path / "one" / "two" / "loaded"
    loaded.parent.mkdir(parents=True)
    targets = {name: loaded / name for name in ("code/0", "code/z/.ssh")}

    with (
        pytest.raises(ArchiveError, match="'tree/code/z' is a link to another directory"),
        open_archive(tmp_path / "hostile.zip") as reader,
    ):
        reader.unpack({"tree": loaded, **targets})

    assert list(loaded.parent.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "hostile.zip", "one"]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("part/out", "../secret", "'part/out' is a link to another directory"),
        ("tree/part", "deep", "File exists"),
        ("tree/part/in", "../secret", "File exists"),
    ],
)
def test_a_link_does_not_leave_its_own_part(
    name: str, text: str, reason: str, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "hostile.zip", "w") as plain:
        add(plain, "tree/secret")
        add(plain, "part/file")
        add(plain, name, text, stat.S_IFLNK)

    with (
        pytest.raises(ArchiveError, match=reason),
        open_archive(tmp_path / "hostile.zip") as reader,
    ):
        reader.unpack({"tree": tmp_path / "loaded", "part": tmp_path / "loaded" / "part"})


def test_a_link_over_one_that_appears_meanwhile_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "saved.zip", "w") as plain:
        add(plain, "tree/file")
        add(plain, "tree/link", "later/file", stat.S_IFLNK)
    loaded = tmp_path / "loaded"

    with (
        pytest.raises(ArchiveError, match="'tree/link' is a link to another directory"),
        open_archive(tmp_path / "saved.zip") as reader,
    ):
        reader.unpack(
            {"tree": loaded},
            progress=lambda _done, _total: (loaded / "later").symlink_to(".."),
        )


def test_no_directory_is_made_through_a_link_that_appears_meanwhile(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "saved.zip", "w") as plain:
        add(plain, "tree/file")
        add(plain, "code/0/file")
    loaded = tmp_path / "loaded"

    with (
        pytest.raises(ArchiveError, match="'code/0' leads through a link"),
        open_archive(tmp_path / "saved.zip") as reader,
    ):
        reader.unpack(
            {"tree": loaded, "code/0": loaded / "code" / "0"},
            progress=lambda _done, _total: (loaded / "code").symlink_to(".."),
        )

    assert not (tmp_path / "0").exists()


def test_links_may_lead_over_links_and_to_nothing(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "runs" / "one").mkdir(parents=True)
    (tree / "runs" / "one" / "model").write_text("best", "utf-8")
    (tree / "runs" / "latest").symlink_to("one")
    (tree / "runs" / "one" / "best").symlink_to("../latest/model")
    (tree / "missing").symlink_to("runs/two")

    packed = write_archive(tmp_path / "saved.zip", [Part("tree", tree)], {})
    unpack(tmp_path / "saved.zip", tmp_path / "loaded")

    assert packed.skipped == ()
    assert snapshot(tmp_path / "loaded") == snapshot(tree)


def test_a_duplicate_name_is_refused(tmp_path: Path) -> None:
    """The second could differ from the one that was checked."""
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as plain:
        add(plain, "tree/name")
        with pytest.warns(UserWarning, match="Duplicate name"):
            add(plain, "tree/name")

    with pytest.raises(ArchiveError, match="'tree/name' is a duplicate"):
        unpack(tmp_path / "twice.zip", tmp_path / "loaded")


def test_one_that_needs_more_than_the_disk_has_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as plain:
        add(plain, "tree/bomb")
        plain.getinfo("tree/bomb").file_size = 1 << 62

    with pytest.raises(ArchiveError, match="it needs 4,611,686,018,427,387,904 bytes"):
        unpack(tmp_path / "bomb.zip", tmp_path / "loaded")
    assert not (tmp_path / "loaded").exists()


# Damage


@pytest.mark.slow
def test_no_damage_goes_unnoticed(tree: Path, archive: Path, tmp_path: Path) -> None:
    """A flipped bit either changes nothing that is loaded, or is an error."""
    whole = archive.read_bytes()
    expected = snapshot(tree)
    noticed = 0
    randomness = random.Random(1)
    for number in range(300):
        broken = bytearray(whole)
        broken[randomness.randrange(len(whole))] ^= 1 << randomness.randrange(8)
        file, target = tmp_path / "broken.zip", tmp_path / f"loaded{number}"
        file.write_bytes(broken)
        try:
            unpack(file, target)
        except ArchiveError:
            noticed += 1
        else:
            assert snapshot(target) == expected

    assert noticed > 100


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_archive_is_an_error(archive: Path, tmp_path: Path, share: float) -> None:
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * share)])

    with pytest.raises(ArchiveError, match="is damaged, or not a saved experiment"):
        unpack(archive, tmp_path / "loaded")


def test_content_that_was_changed_with_its_crc_is_noticed(archive: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(changed, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            new.writestr(info, b"other" if info.filename == "tree/program" else content)

    with pytest.raises(ArchiveError, match="'tree/program' is not what was saved"):
        unpack(changed, tmp_path / "loaded")


def test_missing_links_and_directories_are_noticed(archive: Path, tmp_path: Path) -> None:
    """Checksums do not cover them."""
    for number, dropped in enumerate(("tree/deep/link", "tree/empty/")):
        changed = tmp_path / f"changed{number}.zip"
        with zipfile.ZipFile(archive) as old, zipfile.ZipFile(changed, "w") as new:
            for info in old.infolist():
                if info.filename != dropped:
                    new.writestr(info, old.read(info))

        with pytest.raises(ArchiveError, match=f"its MEMBERS differs in '. {dropped}'"):
            unpack(changed, tmp_path / "loaded")


@pytest.mark.parametrize("dropped", ["tree/large", "note.json"])
def test_a_missing_file_is_noticed(archive: Path, tmp_path: Path, dropped: str) -> None:
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(changed, "w") as new:
        for info in old.infolist():
            if info.filename != dropped:
                new.writestr(info, old.read(info))

    with pytest.raises(ArchiveError, match=f"its SHA256SUMS differs in '{dropped}'"):
        unpack(changed, tmp_path / "loaded")


def test_a_file_that_is_not_an_archive_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no archive", "utf-8")

    with pytest.raises(ArchiveError, match="File is not a zip file; copy it again"):
        unpack(tmp_path / "text", tmp_path / "loaded")
    with pytest.raises(ArchiveError, match="No such file"):
        unpack(tmp_path / "missing", tmp_path / "loaded")


# Writing


def test_an_existing_file_is_not_overwritten(tree: Path, tmp_path: Path) -> None:
    file = tmp_path / "saved.zip"
    file.write_text("mine", "utf-8")

    with pytest.raises(AlreadyExistsError, match=r"saved\.zip already exists; refusing to over"):
        write_archive(file, [Part("tree", tree)], {})

    assert file.read_text("utf-8") == "mine"


def test_a_file_that_appears_meanwhile_is_not_overwritten(tree: Path, tmp_path: Path) -> None:
    file = tmp_path / "saved.zip"

    def come_first(_done: int, _total: int) -> None:
        file.write_text("mine", "utf-8")

    with pytest.raises(AlreadyExistsError):
        write_archive(file, [Part("tree", tree)], {}, progress=come_first)

    assert file.read_text("utf-8") == "mine"


def test_a_failed_save_leaves_nothing(tree: Path, tmp_path: Path) -> None:
    def fail(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "target").mkdir()

    with pytest.raises(KeyboardInterrupt):
        write_archive(tmp_path / "target" / "saved.zip", [Part("tree", tree)], {}, progress=fail)

    assert list((tmp_path / "target").iterdir()) == []


def test_a_missing_directory_is_an_error(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"missing/saved\.zip was not written: .*No such file"):
        write_archive(tmp_path / "missing" / "saved.zip", [Part("tree", tree)], {})


def test_an_archive_inside_a_saved_directory_does_not_contain_itself(tree: Path) -> None:
    write_archive(tree / "saved.zip", [Part("tree", tree)], {})

    with zipfile.ZipFile(tree / "saved.zip") as plain:
        assert not [name for name in plain.namelist() if "saved" in name or "nnicli" in name]
