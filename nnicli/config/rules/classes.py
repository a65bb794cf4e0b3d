"""Whether a Python file defines a class, without running any of it."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

from nnicli.config.rules.context import RuleContext
from nnicli.config.secrets import Loc
from nnicli.regular_files import read_regular

_MOST_BYTES = 4 << 20


def check_class(context: RuleContext, loc: Loc, file: Path, name: str) -> None:
    """Warn of a file that does not define the class that it should.

    It is only a warning, as a class may also be defined in ways that are not looked for, and only
    for a start: without a target the file may not be finished.

    Args:
        context: The config.
        loc: Loc of the class's field.
        file: The file, which exists.
        name: The name of the class.
    """
    if context.target is None:
        return
    try:
        content = read_regular(file, limit=_MOST_BYTES)
        with warnings.catch_warnings():
            # Python warns of "\\d" and the like, from 3.12 on on standard error.
            warnings.simplefilter("ignore")
            tree = ast.parse(content)
    except OSError:
        return
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # It may be written for another version of Python.
        return
    names = _defined_names(tree)
    if "*" in names or name in names:
        return
    classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found = f"its classes: {', '.join(classes)}" if classes else "it has no class"
    message = f"class {name} not found in {file}; {found}"
    context.document.report(loc, message, rule="class", severity="warning")


def _defined_names(tree: ast.Module) -> set[str]:
    """Return the names that a module may define, `*` for any."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            # `globals()["Mine"] = ...` and `exec(...)` may define anything.
            names |= {"*"} if node.func.id in {"globals", "exec", "vars", "setattr"} else set()
    return names
