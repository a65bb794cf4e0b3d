"""v1 configs converted by NNI 3.0 itself, compared with nnicli's conversion."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nnicli import find_installation
from nnicli.config import convert_config
from tests.config_cases import CASES, MISSING, read_corpus
from tests.support import REAL_NNIS
from tools.managers import release_of

NNIS = [
    place for place in REAL_NNIS if release_of(find_installation(place).version).version == "3.0"
]
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not NNIS, reason="the real NNI 3.0 is not in NNICLI_TEST_NNI"),
    pytest.mark.skipif(not CASES.is_dir(), reason=MISSING),
]

SCRIPT = """
import json, logging, sys, yaml
from nni.experiment.config.convert import to_v2
logging.disable(logging.CRITICAL)
converted = {}
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        try:
            converted[path] = to_v2(yaml.safe_load(file))
        except (AssertionError, KeyError):
            continue
print(json.dumps(converted, default=str))
"""
# Fields in which NNI's result is wrong, and why.
BETTER = {
    "trainingService.useActiveGpu": "v2 refuses GPUs without it, and v1's default was false",
    "trainingService.reuseMode": "v1's default was false; v2's is true in 2.2 to 2.10",
    "trainingService.machineList.passphrase": "no field of v2, so NNI refuses its own result",
    "trainingService.machineList.sshPassphrase": "the field that it is",
    "searchSpace": "empty for classes of one's own: v2 wants one, so NNI refuses its own result",
    "trainingService.namespace": "lost by NNI",
    "trialCommand": "lost by NNI; reuse mode without it starts jobs without end",
    "trainingService.taskRoles": "made up by NNI, empty, where a configPath names the roles",
}


def _differences(theirs: Any, ours: Any, way: tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in {**theirs, **ours}:
            yield from _differences(theirs.get(key), ours.get(key), (*way, key))
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for one, other in zip(theirs, ours, strict=True):
            yield from _differences(one, other, way)
    elif theirs != ours:
        yield ".".join(way)


def test_every_file_that_nni_converts_gives_the_same_result() -> None:
    files = [str(CASES / "corpus" / row["file"]) for row in read_corpus() if row["format"] == "v1"]
    output = subprocess.run(
        [Path(NNIS[0]) / "bin" / "python", "-c", SCRIPT, *files],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    theirs: dict[str, Any] = json.loads(output.stdout)

    different = {
        file: set(_differences(document, json.loads(json.dumps(convert_config(file).document))))
        for file, document in theirs.items()
    }

    assert len(theirs) > 90
    assert {
        file: found - BETTER.keys() for file, found in different.items() if found - BETTER.keys()
    } == {}
    # Each kubeflow config with one role differs in one field.
    assert sum(found <= {"trialCommand"} for found in different.values()) > 70
