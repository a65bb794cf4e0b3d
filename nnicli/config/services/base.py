"""The form of a training service's row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnicli.config.converter import Converter
from nnicli.config.field_names import Format
from nnicli.config.releases import Release
from nnicli.config.rules.context import RuleContext
from nnicli.config.secrets import Loc
from nnicli.errors import Severity

Section = dict[str, Any]
"""A mapping of a config, such as a training service of the v2 format."""

Check = Callable[[RuleContext, Loc, Section], None]
"""Checks a training service of the v2 format, given its loc."""

V1Check = Callable[[RuleContext], None]
"""Checks what a config in the v1 format has for a training service."""


@dataclass(frozen=True, slots=True)
class Trap:
    """Something that a release accepts, but that ends in ERROR or worse.

    Attributes:
        field: Field that it is reported at.
        applies: Returns whether a service falls into it.
        message: What happens, and what to do.
        since: First release in which it was seen.
        severity: `error` if it was seen live or is obvious from the manager's code.
    """

    field: str
    applies: Callable[[RuleContext, Loc, Section], bool]
    message: str
    since: str
    severity: Severity = "error"


@dataclass(frozen=True, slots=True)
class FirstRequest:
    """What differs between releases in the first request of a start in the v1 format.

    Attributes:
        since: First release for which the row holds.
        defaults: Sections that the manager needs even if the config does not have them.
        refused_sections: Sections that the manager does not know.
        refused_fields: Section -> fields in it, or in its items, that the manager does not know.
    """

    since: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    refused_sections: tuple[str, ...] = ()
    refused_fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def _complete_nothing(service: Section, _base: Path, _release: Release) -> Section:
    return service


def _complete_no_section(_config: Mapping[str, Any], _base: Path) -> Section:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Everything known about a training service.

    Attributes:
        v1_name: Its `trainingServicePlatform`, empty if the v1 format does not have it.
        v2_name: Its `platform` in the v2 format, empty if that does not have it.
        runs_here: Whether trials run on the manager's machine.
        runs_in_code: Whether trials run in the directory of their code, or in a copy of it.
        has_roles: Whether roles have the commands, so that `trialCommand` is not used.
        checks: Checks of it in the v2 format that a schema cannot express.
        traps: What a release accepts but cannot run.
        complete: Returns a service of the v2 format with the defaults that NNI's own client fills
            in (2.10.1, `nni/experiment/config`) and with absolute paths.
        sections: Section of a v1 config -> its key in the first request of a start, in the order
            that the manager needs.
        has_own_sections: Whether only its configs may have its sections.
        is_code_remote: Whether `trial.codeDir` is a path in a container, not on this machine.
        trial_paths: Fields of `trial` that are paths, apart from `codeDir`.
        v1_checks: Checks of its configs in the v1 format that a schema cannot express.
        v1_section_checks: Checks of its sections, in any config that has them.
        complete_v1: Returns those sections of a v1 config that it completes.
        needed_section: Section that a hybrid config needs if it names this service.
        parts: Services that it runs side by side, in the order of their sections in the request.
        to_v2: Carries its sections over to the v2 format; None if that does not have it.
        to_v1: Carries a service over to the v1 format, given its loc and the release's field for a
            remote machine's own set-up; None if that does not have it.
        newer_fields: Format and loc of a field -> first release that has it.
        requests: How releases differ in the first request of its start, newest last.
        next_port_since: First release in which it also needs the port after the manager's; empty
            if no release does.
        next_port_until: First release in which it no longer needs that; empty if all do.
    """

    v1_name: str = ""
    v2_name: str = ""
    runs_here: bool = False
    runs_in_code: bool = False
    has_roles: bool = False
    checks: tuple[Check, ...] = ()
    traps: tuple[Trap, ...] = ()
    complete: Callable[[Section, Path, Release], Section] = _complete_nothing
    sections: Mapping[str, str] = field(default_factory=dict)
    has_own_sections: bool = True
    is_code_remote: bool = False
    trial_paths: tuple[str, ...] = ()
    v1_checks: tuple[V1Check, ...] = ()
    v1_section_checks: tuple[V1Check, ...] = ()
    complete_v1: Callable[[Mapping[str, Any], Path], Section] = _complete_no_section
    needed_section: str = ""
    parts: tuple[Service, ...] = ()
    to_v2: Callable[[Converter], None] | None = None
    to_v1: Callable[[Converter, Loc, str], None] | None = None
    newer_fields: Mapping[tuple[Format, Loc], str] = field(default_factory=dict)
    requests: tuple[FirstRequest, ...] = (FirstRequest("1.8"),)
    next_port_since: str = ""
    next_port_until: str = ""

    def first_request(self, release: Release) -> FirstRequest:
        """Return the row of a release for the first request of a start."""
        return [row for row in self.requests if release.has(row.since)][-1]
