"""NNI's release numbers, and the row of a table that holds for one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol, TypeVar

from nnicli.errors import UnsupportedVersionError
from nnicli.safe_logging import get_logger

logger = get_logger(__name__)

# A development install says 999.0.0-developing (2.2 and later).
_NUMBER = re.compile(r"v?(\d+(?:\.\d+)*)(?:[.+-]?[a-z].*)?", re.ASCII)
_DEVELOPING = 999


class VersionedRow(Protocol):
    """A row of a table whose rows hold from one release until the next row's."""

    @property
    def since(self) -> str:
        """First release for which the row holds."""


Row = TypeVar("Row", bound=VersionedRow)


def parse_version(text: str) -> tuple[int, ...]:
    """Return a release as numbers that compare: `2.10.1` -> (2, 10, 1), `v1.5` -> (1, 5).

    Trailing zeros are left out, as managers call `3.0` 3.0.0.

    Raises:
        ValueError: The text is no release number.
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no NNI release number; expected one such as '3.0'")
    numbers = [int(number) for number in match[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def row_for(rows: Sequence[Row], version: str, *, newest_known: str = "3.0") -> Row:
    """Return the row that holds for a release: the last one that is not newer.

    A release that is newer than any known one gets the newest row and a logged warning.

    Raises:
        UnsupportedVersionError: The release is older than every row, or no release number.
    """
    try:
        wanted = parse_version(version)
    except ValueError as error:
        raise UnsupportedVersionError(str(error)) from error
    fitting = [row for row in rows if parse_version(row.since) <= wanted]
    if not fitting:
        raise UnsupportedVersionError(
            f"NNI {version} is not supported; the oldest release that is: {rows[0].since}"
        )
    if wanted[0] != _DEVELOPING and wanted > parse_version(newest_known):
        logger.warning(
            "NNI %s is newer than %s, the newest release that nnicli knows; it is treated alike",
            version,
            newest_known,
        )
    return fitting[-1]
