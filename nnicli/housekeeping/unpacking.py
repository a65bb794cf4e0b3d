"""Unpack an archive's experiment for as long as it is read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnicli.errors import ArchiveError
from nnicli.store import EXPERIMENT_PART, open_archive, read_manifest, staging_directory


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """Unpack an experiment directory into a temporary directory, and return it.

    Raises:
        ArchiveError: The archive is damaged or hostile, or the disk is full.
    """
    with staging_directory(Path(tempfile.gettempdir())) as staging:
        try:
            with open_archive(archive) as reader:
                directory = staging / read_manifest(reader).exp_id
                reader.unpack({EXPERIMENT_PART: directory})
        except OSError as error:
            raise ArchiveError(f"{archive} cannot be read: {error}", path=archive) from error
        yield directory
