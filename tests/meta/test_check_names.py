"""Every check has a name that is documented, and the docs name no other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from nnicli.config.ignoring import CHECKS, FIXED, PLACES
from nnicli.config.rules.context import ANNOTATION
from nnicli.config.search_space.tuners import TRAITS

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "nnicli" / "config"


def _rules(tree: ast.AST) -> Iterator[str]:
    """Yield the texts that are passed as `rule=`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "rule":
            for part in ast.walk(node.value):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def test_every_rule_has_a_name() -> None:
    used = {
        rule for file in CONFIG.rglob("*.py") for rule in _rules(ast.parse(file.read_text("utf-8")))
    }
    used |= {trait.rule for trait in TRAITS.values()} | {ANNOTATION}

    assert used == CHECKS.keys() | FIXED.keys()


def test_the_docs_list_every_check() -> None:
    rows = [f"| `{name}` | {finds} |" for name, finds in {**CHECKS, **PLACES}.items()]
    fixed = ", ".join(f"`{name}`" for name in FIXED)
    text = (ROOT / "docs" / "reference" / "configs.md").read_text("utf-8")

    assert "\n".join(rows) in text
    assert fixed in " ".join(text.split())
