"""Every table of what differs between releases, held against the newest release."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import nnicli
from nnicli.testing.fake_node import releases as fake
from nnicli.versions import NEWEST_KNOWN, ReleaseTable, parse_version
from tools.managers import RELEASES


def _tables() -> Iterator[tuple[str, ReleaseTable[Any]]]:
    for module in pkgutil.walk_packages(nnicli.__path__, "nnicli."):
        if module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, ReleaseTable):
                yield f"{module.name}.{name}", value
            elif isinstance(value, Mapping):
                for key, item in value.items():
                    if isinstance(item, ReleaseTable):
                        yield f"{module.name}.{name}[{key!r}]", item


# A table that other modules import is found several times, with equal rows.
TABLES = {name.removeprefix("nnicli."): table for name, table in _tables()}
every_table = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


def test_all_tables_are_found() -> None:
    names = {name.partition("[")[0].rpartition(".")[2] for name in TABLES}

    assert names >= {"ALGORITHM_REGISTRIES", "DIALECTS", "GENERATIONS", "LAYOUTS", "PACES"}
    assert names >= {"RELEASES", "TUNERS"}


@every_table
def test_a_table_was_compared_with_the_newest_release(table: ReleaseTable[Any]) -> None:
    """Compare its last row with the release, add a row if it differs, then raise `through`."""
    assert table.through == NEWEST_KNOWN


@every_table
def test_rows_rise_strictly_and_end_with_a_known_release(table: ReleaseTable[Any]) -> None:
    releases = [parse_version(row.since) for row in table]

    assert releases == sorted(set(releases))
    assert releases[-1] <= parse_version(NEWEST_KNOWN)


def test_the_newest_release_is_built_for_the_contract() -> None:
    assert RELEASES[-1].version == NEWEST_KNOWN


def test_the_fake_plays_the_newest_release() -> None:
    assert parse_version(".".join(map(str, fake.RELEASES[-1].since))) == parse_version(NEWEST_KNOWN)
