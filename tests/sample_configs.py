"""The configs in `tests/data/configs/`: valid ones of every training service and algorithm.

Each file says in a comment which release takes it: `# nni: 2.10.1`.
"""

from __future__ import annotations

import copy
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DIRECTORY = Path(__file__).parent / "data" / "configs"
_RELEASE = re.compile(r"^# nni: (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Sample:
    """One of these configs.

    Attributes:
        path: Its file.
        release: A release that takes it.
        document: What is in it.
    """

    path: Path
    release: str
    document: dict[str, Any]

    @property
    def name(self) -> str:
        """Its way below the directory, such as `v2/services/dlc`."""
        return str(self.path.relative_to(DIRECTORY).with_suffix(""))

    @property
    def is_v1(self) -> bool:
        """Whether it is in the v1 format."""
        return self.name.startswith("v1/")


def read_sample(path: Path) -> Sample:
    """Return the config in a file."""
    text = path.read_text("utf-8")
    found = _RELEASE.search(text)
    assert found, f"{path} does not say which release takes it"
    return Sample(path, found[1], yaml.safe_load(text))


SAMPLES = [read_sample(path) for path in sorted(DIRECTORY.glob("*/*/*.yml"))]


def _services(format_name: str) -> dict[str, Sample]:
    start = f"{format_name}/services/"
    return {one.path.stem: one for one in SAMPLES if one.name.startswith(start)}


_V1, _V2 = _services("v1"), _services("v2")
# What every sample of a training service has beside its own fields.
_V1_COMMON = {**_V1["local"].document, "trainingServicePlatform": ""}
V1_TRIAL: dict[str, Any] = _V1["local"].document["trial"]
V1_MACHINE: dict[str, Any] = _V1["remote"].document["machineList"][0]

# Training service of v2 -> its fields, for those that no release runs without a cluster.
SERVICES: dict[str, dict[str, Any]] = {
    name: {
        key: value
        for key, value in _V2[name].document["trainingService"].items()
        if key != "platform"
    }
    for name in ("openpai", "aml", "dlc", "kubeflow", "frameworkcontroller", "adl")
}
V2_RELEASES = {name: _V2[name].release for name in SERVICES if _V2[name].release != "3.0"}
# Platform of v1 -> what it has beside the common fields.
V1_SECTIONS: dict[str, dict[str, Any]] = {
    name: {
        key: value
        for key, value in sample.document.items()
        if key != "trainingServicePlatform" and _V1_COMMON.get(key) != value
    }
    for name, sample in _V1.items()
}
# Platform that v2 does not have -> a release that takes it.
V1_RELEASES = {name: _V1[name].release for name in ("paiYarn", "dlts", "adl", "hybrid")}


def v2_config(service: Any) -> dict[str, Any]:
    """Return a config in the v2 format with that training service."""
    return {**copy.deepcopy(_V2["local"].document), "trainingService": service}


def v1_config(platform: str) -> dict[str, Any]:
    """Return a config in the v1 format for that platform."""
    return copy.deepcopy(_V1[platform].document)


def make_files(directory: Path) -> None:
    """Make what the configs of training services refer to."""
    (directory / "mount").mkdir()
    shutil.copy(DIRECTORY / "v1" / "services" / "space.json", directory)
