"""Packages whose names are loaded on first use."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable


def attach_stub(
    package: str, *defined: str
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return the `__getattr__` and `__dir__` of a package whose names are those of its stub.

    The stub is `__init__.pyi` next to `__init__.py`: the imports that type checkers and editors
    read. `__all__` has its names, after those that `__init__.py` itself defines.
    """
    module = sys.modules[package]
    homes: dict[str, str] = {}

    def read_homes() -> dict[str, str]:
        if not homes:
            homes.update(_read_imports(package))
        return homes

    def get(name: str) -> object:
        if name == "__all__":
            return [*defined, *read_homes()]
        if name not in read_homes():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(importlib.import_module(homes[name]), name)
        setattr(module, name, value)
        return value

    def list_names() -> list[str]:
        return sorted({*vars(module), *read_homes()})

    return get, list_names


def _read_imports(package: str) -> dict[str, str]:
    """Return name -> the module that the stub imports it from."""
    # Imported here, so that importing the package alone stays fast.
    import ast  # noqa: PLC0415
    import pkgutil  # noqa: PLC0415

    # Read through the package's loader, as the stub may be in an archive.
    stub = pkgutil.get_data(package, "__init__.pyi")
    if stub is None:
        raise ImportError(f"{package} cannot be loaded without its __init__.pyi", name=package)
    return {
        alias.name: node.module
        for node in ast.parse(stub).body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
