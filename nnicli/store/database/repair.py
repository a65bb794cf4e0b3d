"""Repair an experiment's database before a resume; nothing else writes to one."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from nnicli.decoding import decode_json
from nnicli.errors import DecodingError
from nnicli.store.database.guarded import connect


def repair_search_space(path: Path) -> bool:
    """Append a profile revision with the search space as an object, if the newest has it as text.

    An update stores text in 2.2 to 2.5, and after a resume the tuner of those releases fails on it;
    with such a revision it works (2.2 and 2.5, seen live). Existing rows are not changed.

    Args:
        path: The experiment's `nni.sqlite`; no manager may have it open.

    Returns:
        Whether a revision was appended.

    Raises:
        DecodingError: The database cannot be read or written.
    """
    try:
        with (
            closing(connect(path, path.absolute().as_uri(), is_written=True)) as connection,
            connection,
        ):
            connection.execute("begin immediate")
            cursor = connection.execute(
                "select * from ExperimentProfile order by revision desc limit 1"
            )
            row = cursor.fetchone()
            if row is None:
                return False
            profile = dict(zip((column[0] for column in cursor.description), row, strict=True))
            params, revision = profile.get("params"), profile.get("revision")
            params = decode_json(params) if isinstance(params, str) else None
            if not isinstance(params, dict) or not isinstance(revision, int):
                return False
            if not isinstance(params.get("searchSpace"), str):
                return False
            params["searchSpace"] = decode_json(params["searchSpace"])
            profile |= {"params": json.dumps(params), "revision": revision + 1}
            placeholders = ", ".join("?" for _ in profile)
            quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in profile)
            connection.execute(
                f"insert into ExperimentProfile ({quoted}) values ({placeholders})",  # noqa: S608 - column names
                tuple(profile.values()),
            )
    except (sqlite3.Error, OSError) as error:
        raise DecodingError(
            f"{path} cannot be repaired before the resume: {error}; its updated search space is "
            "stored as text, on which this release's tuner fails"
        ) from error
    return True
