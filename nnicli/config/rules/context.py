"""A config that is being checked, and what it is checked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnicli.config.documents.document import Document
from nnicli.config.releases import Release
from nnicli.config.secrets import Loc
from nnicli.config.target import Target

ANNOTATION = "annotation"
"""Rule of a problem that a start treats as an error even if it is a warning."""


@dataclass(frozen=True, slots=True)
class RuleContext:
    """A config whose fields have NNI's own spelling, and what it is checked for.

    Attributes:
        document: The config; problems are reported there.
        base: Directory that its relative paths are relative to.
        release: The NNI that will run it.
        target: What that NNI has in its environment, None if that is not known.
    """

    document: Document
    base: Path
    release: Release
    target: Target | None = None

    @property
    def data(self) -> dict[str, Any]:
        """The config's top level."""
        data: dict[str, Any] = self.document.data
        return data

    def section(self, name: str) -> dict[str, Any]:
        """Return a top-level mapping, empty if it is missing or not a mapping."""
        value = self.data.get(name)
        return value if isinstance(value, dict) else {}

    def services(self) -> list[tuple[Loc, dict[str, Any]]]:
        """Return every training service of a config in the v2 format, with its loc."""
        given = self.data.get("trainingService")
        here: Loc = ("trainingService",)
        if isinstance(given, dict):
            return [(here, given)]
        return [
            ((*here, index), service)
            for index, service in enumerate(given if isinstance(given, list) else [])
            if isinstance(service, dict)
        ]

    def sections(self, loc: Loc) -> list[tuple[Loc, dict[str, Any]]]:
        """Return the mappings at a loc, each with its own loc.

        Args:
            loc: Their loc, in which `trainingService` means every training service, and a number
                every item of a list.
        """
        if not loc:
            return [((), self.data)]
        if loc[0] == "trainingService":
            found: list[tuple[Loc, Any]] = list(self.services())
        else:
            found = [(loc[:1], self.section(str(loc[0])))]
        for key in loc[1:]:
            found = [inner for here, value in found for inner in _inside(here, value, key)]
        return [(here, value) for here, value in found if isinstance(value, dict)]

    def effective(self, name: str, loc: Loc, service: Mapping[str, Any]) -> tuple[Loc, Any]:
        """Return a field that a training service may override, with its loc."""
        if name in service:
            return (*loc, name), service[name]
        return (name,), self.data.get(name)


def _inside(loc: Loc, value: Any, key: str | int) -> list[tuple[Loc, Any]]:
    if isinstance(key, int):
        items = value if isinstance(value, list) else []
        return [((*loc, index), item) for index, item in enumerate(items)]
    return [((*loc, key), value[key])] if isinstance(value, dict) and key in value else []
