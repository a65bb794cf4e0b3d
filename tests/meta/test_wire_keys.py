"""Where the manager's own names of things may be spelt."""

from __future__ import annotations

import ast
from pathlib import Path

import nnicli
from nnicli.rest import DIALECTS

PACKAGE = Path(nnicli.__file__).parent
# Rows of releases, configs (which have the same names), and the fake manager.
MAY_SPELL = ("config", "releases", "rest/dialects.py", "store/layouts.py", "testing")


def test_a_key_that_was_renamed_is_spelt_in_rows_only() -> None:
    """`maxTrialNum` became `maxTrialNumber` in 2.2: who spells either is wrong in some release."""
    keys = [{row.fields[field].key for row in DIALECTS} for field in DIALECTS[0].fields]
    renamed = {key for names in keys if len(names) > 1 for key in names}
    found = {
        f"{path.relative_to(PACKAGE)}: {node.value}"
        for path in PACKAGE.rglob("*.py")
        if not path.relative_to(PACKAGE).as_posix().startswith(MAY_SPELL)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and node.value in renamed
    }

    assert renamed >= {"maxTrialNum", "maxTrialNumber", "maxExecDuration"}
    assert found == set()
