"""Every table of what differs between releases, held against the newest release."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nnicli
from nnicli.testing.fake_node import releases as fake
from nnicli.versions import NEWEST_KNOWN, ReleaseTable, parse_version
from tools.managers import RELEASES


def _tables() -> Iterator[tuple[str, list[ReleaseTable[Any]]]]:
    """Return each table, or dict of tables, under the name of the module that makes it."""
    root = Path(nnicli.__file__).parent
    for path in sorted(root.rglob("*.py")):
        source = path.read_text("utf-8")
        # An import of all modules would take pytest's plugin away from pytest.
        if "ReleaseTable" not in source:
            continue
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        loaded = importlib.import_module(f"nnicli.{module}")
        for name in _assigned(source):
            value = getattr(loaded, name, None)
            values = list(value.values()) if isinstance(value, dict) else [value]
            tables = [table for table in values if isinstance(table, ReleaseTable)]
            if tables:
                yield f"{module}.{name}", tables


def _assigned(source: str) -> Iterator[str]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


TABLES = dict(_tables())
every_table = pytest.mark.parametrize("tables", TABLES.values(), ids=TABLES)


def test_all_tables_are_found() -> None:
    names = {name.rpartition(".")[2] for name in TABLES}

    assert names >= {"ALGORITHM_REGISTRIES", "DIALECTS", "GENERATIONS", "LAYOUTS", "PACES"}
    assert names >= {"RELEASES", "TUNERS"}


@every_table
def test_a_table_was_compared_with_the_newest_release(tables: list[ReleaseTable[Any]]) -> None:
    """Compare its last row with the release, add a row if it differs, then raise `through`."""
    assert {table.through for table in tables} == {NEWEST_KNOWN}


@every_table
def test_rows_rise_strictly_and_end_with_a_known_release(tables: list[ReleaseTable[Any]]) -> None:
    for table in tables:
        releases = [parse_version(row.since) for row in table]

        assert releases == sorted(set(releases))
        assert releases[-1] <= parse_version(NEWEST_KNOWN)


def test_the_newest_release_is_built_for_the_contract() -> None:
    assert RELEASES[-1].version == NEWEST_KNOWN


def test_the_fake_plays_the_newest_release() -> None:
    assert parse_version(".".join(map(str, fake.RELEASES[-1].since))) == parse_version(NEWEST_KNOWN)
