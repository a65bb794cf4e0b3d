"""A config on its way from a file to the requests that start its experiment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnicli.config.checking import config_error, examine
from nnicli.config.field_names import DIRECTORY_KEYS, Format
from nnicli.config.formats.completion import complete
from nnicli.config.formats.source import Source
from nnicli.config.formats.start_requests import StartRequests, start_requests
from nnicli.config.ignoring import check_ignored
from nnicli.config.releases import Release, release_for
from nnicli.config.target import Target
from nnicli.errors import Problem


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A config without errors.

    Attributes:
        format: The format of the document: the one that the release takes.
        document: The config, with absolute paths and all defaults; it may hold secrets.
        path: Its file, None for a mapping.
        warnings: What is surprising but runs.
        requests: The requests that make the manager start the experiment.
    """

    format: Format
    document: dict[str, Any]
    path: Path | None
    warnings: tuple[Problem, ...]
    requests: StartRequests

    def __repr__(self) -> str:
        return f"LoadedConfig({self.format}, path={self.path}, {len(self.document)} fields)"

    @property
    def experiments_directory(self) -> Path:
        """Absolute path of the parent of the experiment's directory."""
        return Path(self.document[DIRECTORY_KEYS[self.format]])

    @property
    def name(self) -> str | None:
        """The experiment's name."""
        return self.document.get("experimentName")

    @property
    def log_level(self) -> str:
        """The manager's log level: fatal, error, warning, info, debug or trace."""
        return str(self.document["logLevel"])

    @property
    def platform(self) -> str:
        """The training service."""
        if self.format == "v1":
            return str(self.document["trainingServicePlatform"])
        service = self.document["trainingService"]
        return "hybrid" if isinstance(service, list) else str(service["platform"])


def load_config(
    config: Source,
    *,
    base_path: str | os.PathLike[str] | None = None,
    nni_version: str | Release | None = None,
    target: Target | None = None,
    debug: bool = False,
    experiments_directory: str | os.PathLike[str] | None = None,
    ignore: Iterable[str] = (),
) -> LoadedConfig:
    """Return a config in the form that the manager takes.

    Args:
        config: Path of a YAML or JSON file, or the config itself.
        base_path: Directory that relative paths are relative to; None: the file's own, or the
            working directory for a mapping.
        nni_version: The NNI that will run it; None: the newest.
        target: What that NNI has in its environment; None: not known.
        debug: Whether to set the config's `debug`, and its log level to debug.
        experiments_directory: Absolute path of the parent of the experiment's directory, which
            overrides the config's; None: the config's.
        ignore: Names of checks to turn off, such as "path"; docs/reference/configs.md lists them.

    Raises:
        InvalidValueError: A name is not a check, or the check cannot be turned off.
        ConfigSyntaxError: The file is missing, unreadable, or not plain YAML or JSON.
        SearchSpaceError: Only the search space has errors.
        ConfigSchemaError: The config has errors.
        UnsupportedVersionError: nnicli does not know the release.
    """
    release = release_for(nni_version)
    examination = examine(
        config,
        base_path=base_path,
        release=release,
        target=target,
        ignored=check_ignored(ignore),
    )
    context = examination.context
    if errors := examination.errors:
        raise config_error(context.document, errors)
    format_, document = complete(
        context, examination.converter, search_space=examination.search_space, debug=debug
    )
    if experiments_directory is not None:
        document = with_experiments_directory(document, os.fspath(experiments_directory))
    return LoadedConfig(
        format=format_,
        document=document,
        path=context.document.file,
        warnings=tuple(examination.problems),
        requests=start_requests(document, format_, release),
    )


def with_experiments_directory(config: Mapping[str, Any], parent: str) -> dict[str, Any]:
    """Return a document of either format with another parent of its experiment's directory."""
    return {**config} | {key: parent for key in DIRECTORY_KEYS.values() if key in config}
