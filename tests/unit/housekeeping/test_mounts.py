"""What is mounted in an experiment directory survives everything that nnicli deletes.

NNI leaves its NFS share mounted there after kubeflow experiments in reuse mode.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from nnicli import delete_experiments
from nnicli.store import Registry
from tests.mounts import needs_mounts, run_mounted
from tests.unit.housekeeping.conftest import MakeExperiment

pytestmark = [needs_mounts, pytest.mark.slow]

DELETE = """
from nnicli import DeletionError, delete_experiments
with pytest.raises(DeletionError) as caught:
    delete_experiments(sys.argv[1], dry_run={dry_run})
print(caught.value.path, caught.value, sep="|")
"""
# The first check does not see the mount; the second, of the moved directory, does.
DELETE_LATE = """
import nnicli.housekeeping.deleting as deleting
from nnicli import DeletionError
checks, check = [], deleting.check_unmounted
def check_late(directory):
    checks.append(directory)
    if len(checks) > {blind}:
        check(directory)
deleting.check_unmounted = check_late
with pytest.raises(DeletionError) as caught:
    deleting.delete_experiments(sys.argv[1])
print(caught.value)
"""


@pytest.fixture
def share(tmp_path: Path) -> Path:
    directory = tmp_path / "share"
    directory.mkdir()
    (directory / "precious").write_text("data")
    return directory


@pytest.fixture
def directory(make_experiment: MakeExperiment) -> Path:
    """Return an experiment directory with a mount point in it."""
    directory = make_experiment("kubeflow")
    (directory / "nfs-root").mkdir()
    return directory


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_delete_is_refused_and_names_the_mount(
    directory: Path, share: Path, dry_run: bool
) -> None:
    mounted = directory / "nfs-root"

    done = run_mounted([(share, mounted)], DELETE.format(dry_run=dry_run), "kubeflow")

    assert done.stderr == ""
    path, _, message = done.stdout.strip().partition("|")
    assert path == str(mounted)
    assert message.startswith(f"experiment kubeflow was not deleted: {mounted}: a file system (")
    assert message.endswith(f"unmount it first (umount {mounted})")
    assert (share / "precious").read_text() == "data"
    assert (directory / "environments").exists()
    assert list(Registry().read()) == ["kubeflow"]

    delete_experiments("kubeflow")
    assert not directory.exists()


def test_the_command_deletes_none_of_several_and_says_how_to_unmount(
    directory: Path, share: Path, make_experiment: MakeExperiment
) -> None:
    other = make_experiment("other")
    code = """
from nnicli.cli import main
sys.argv = ["nnicli", "experiment", "delete", "other", "kubeflow", "--yes"]
main()
"""

    done = run_mounted([(share, directory / "nfs-root")], code)

    assert done.returncode == 1
    assert f"umount {directory / 'nfs-root'}" in done.stderr
    assert other.exists()
    assert (share / "precious").exists()


@pytest.mark.parametrize("blind", [2, 3], ids=["before-it-is-moved", "while-it-is-taken-apart"])
def test_what_is_mounted_at_the_last_moment_is_kept_too(
    directory: Path, share: Path, blind: int
) -> None:
    mounted = directory / "nfs-root"

    done = run_mounted([(share, mounted)], DELETE_LATE.format(blind=blind), "kubeflow")

    assert done.stderr == ""
    assert f"{mounted}: a file system" in done.stdout
    assert f"umount {mounted}" in done.stdout
    assert (share / "precious").read_text() == "data"
    assert (directory / "db" / "nni.sqlite").exists()


def test_prune_skips_an_experiment_with_a_mount_and_deletes_the_others(
    directory: Path, share: Path, make_experiment: MakeExperiment
) -> None:
    other = make_experiment("other")
    code = """
from nnicli import prune_experiments
print([plan.record.exp_id for plan in prune_experiments(statuses=["STOPPED"], dry_run=False)])
"""

    done = run_mounted([(share, directory / "nfs-root")], code)

    assert done.stdout.strip() == "['other']"
    assert f"{directory / 'nfs-root'}: a file system" in done.stderr  # a logged warning
    assert (share / "precious").exists()
    assert directory.exists()
    assert not other.exists()


def test_mounts_do_not_count_towards_the_size(directory: Path, share: Path) -> None:
    code = """
from nnicli.housekeeping.deleting import size_on_disk
print(size_on_disk(Path(sys.argv[1])))
"""
    (share / "large").write_bytes(bytes(10_000_000))

    done = run_mounted([(share, directory / "nfs-root")], code, directory)

    assert int(done.stdout) < 10_000_000


def test_what_is_mounted_in_the_rest_of_a_killed_delete_is_kept(
    directory: Path, share: Path, parent: Path
) -> None:
    left = parent / ".nnicli-staging-dead"
    left.mkdir()
    mounted = directory.rename(left / "kubeflow") / "nfs-root"
    code = """
from nnicli.store.staging import staging_directory
with staging_directory(Path(sys.argv[1])):
    pass
"""

    done = run_mounted([(share, mounted)], code, parent)

    assert done.returncode == 0
    assert (
        "could not delete what a killed nnicli process left: [Errno 16] a file system"
        in done.stderr
    )
    assert (share / "precious").read_text() == "data"

    run_mounted([], code, parent)
    assert not left.exists()


def test_a_failed_start_keeps_what_is_mounted_in_its_directory(tmp_path: Path, share: Path) -> None:
    code = """
from nnicli.launcher.files import LaunchFiles
from nnicli.store import LAYOUTS, Run
files = LaunchFiles(LAYOUTS.row_for("3.0"), Run("failed", Path(sys.argv[1])), is_new=True)
files.make_directories()
mounted = Path(sys.argv[1], "failed", "nfs-root")
mounted.mkdir()
mount(sys.argv[2], mounted)
files.remove_new()
"""

    done = run_mounted([], code, tmp_path / "experiments", share)

    assert done.returncode == 0
    assert "could not delete the directory of a failed start" in done.stderr
    assert (share / "precious").read_text() == "data"


def test_mounts_are_not_saved_and_are_reported(
    directory: Path, share: Path, tmp_path: Path
) -> None:
    """It may be a share of terabytes."""
    code = """
from nnicli.store.archive import Part, write_archive
packed = write_archive(Path(sys.argv[1]), [Part("experiment", Path(sys.argv[2]))], {})
print(packed.skipped)
"""
    file, mounted = tmp_path / "saved.zip", directory / "nfs-root"

    done = run_mounted([(share, mounted)], code, file, directory)

    assert done.stdout.strip() == str((str(mounted),))
    with zipfile.ZipFile(file) as saved:
        assert not [name for name in saved.namelist() if "precious" in name]
