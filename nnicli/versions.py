"""NNI's release numbers, and tables of what differs between releases."""

from __future__ import annotations

import re
from typing import Protocol, TypeVar

from nnicli.errors import UnsupportedVersionError
from nnicli.safe_logging import get_logger

logger = get_logger(__name__)

NEWEST_KNOWN = "3.0"
"""The newest NNI release that nnicli knows; newer ones are treated like it."""

# The release of a development install is 999.0.0-developing (2.2 and later).
_NUMBER = re.compile(r"v?(\d+(?:\.\d+)*)(?:[.+-]?[a-z].*)?", re.ASCII)
_DEVELOPING = 999
# Newer releases that were already reported in this process.
_reported: set[tuple[int, ...]] = set()


class VersionedRow(Protocol):
    """A row of a table, valid from its release until that of the next row."""

    @property
    def since(self) -> str:
        """First release for which the row is valid."""


Row = TypeVar("Row", bound=VersionedRow)


class ReleaseTable(tuple[Row, ...]):  # noqa: SLOT001 - it has an attribute
    """Rows of what differs between releases, the oldest first.

    Attributes:
        through: The newest release that the rows were compared with. A meta test names each table
            in which this is not NEWEST_KNOWN.
    """

    through: str

    def __new__(cls, *rows: Row, through: str) -> ReleaseTable[Row]:
        """Return the table of these rows."""
        table = super().__new__(cls, rows)
        table.through = through
        return table

    def row_for(self, version: str) -> Row:
        """Return the row for a release: the last one that is not newer.

        A release newer than NEWEST_KNOWN gets the newest row, and a warning once per process.

        Raises:
            UnsupportedVersionError: The release is older than every row, or not a release number.
        """
        try:
            wanted = parse_version(version)
        except ValueError as error:
            raise UnsupportedVersionError(str(error)) from error
        fitting = [row for row in self if parse_version(row.since) <= wanted]
        if not fitting:
            raise UnsupportedVersionError(
                f"NNI {version} is not supported; the oldest supported release is {self[0].since}"
            )
        _report_newer(version, wanted)
        return fitting[-1]


def parse_version(text: str) -> tuple[int, ...]:
    """Return a release as comparable numbers: `2.10.1` -> (2, 10, 1), `v1.5` -> (1, 5).

    Trailing zeros are dropped, as managers of `3.0` say 3.0.0.

    Raises:
        ValueError: The text is not a release number.
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not an NNI release number; expected one such as '3.0'")
    numbers = [int(number) for number in match[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _report_newer(version: str, numbers: tuple[int, ...]) -> None:
    is_known = numbers[0] == _DEVELOPING or numbers <= parse_version(NEWEST_KNOWN)
    if is_known or numbers in _reported:
        return
    _reported.add(numbers)
    logger.warning(
        "NNI %s is newer than %s, the newest release that nnicli knows; treating it as %s",
        version,
        NEWEST_KNOWN,
        NEWEST_KNOWN,
    )
