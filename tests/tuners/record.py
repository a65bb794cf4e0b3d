"""Record what the tuners of installed NNIs do with search spaces.

    python -m tests.tuners.record 3.0 2.10.1 1.9

tries every search space of `tests/tuners/spaces.py` on every built-in tuner of the releases below
`.managers/` (see `tools/managers.py`) and writes `tests/data/tuner-verdicts.json`. It takes about a
quarter of an hour for each release on one core. `--tuner NAME` tries only that tuner and prints
what it found.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.tuners.spaces import CASES
from tests.tuners.verdicts import DATA
from tools.managers import DIRECTORY

_PROBE = Path(__file__).with_name("probe.py")
_MOST_TEXT = 100
TUNERS = (
    "TPE",
    "TPE_legacy",
    "Random",
    "Anneal",
    "Evolution",
    "BatchTuner",
    "GridSearch",
    "MetisTuner",
    "GPTuner",
    "PBTTuner",
    "RegularizedEvolutionTuner",
    "SMAC",
    "DNGOTuner",
    "PPOTuner",
    "Hyperband",
    "BOHB",
)


def try_release(python: Path, tuners: Iterable[str]) -> list[dict[str, Any]]:
    """Return the answers of the probe for every tuner and search space."""
    tasks = [
        {"tuner": tuner, "case": case, "space": space}
        for tuner in tuners
        for case, space in CASES.items()
    ]
    with tempfile.TemporaryDirectory() as directory:
        questions, answers = Path(directory) / "tasks.json", Path(directory) / "answers.jsonl"
        questions.write_text(json.dumps(tasks), "utf-8")
        # A thread per core is slower than one thread for such small sets.
        environment = {**os.environ, "HOME": directory, "OMP_NUM_THREADS": "1"}
        subprocess.run(
            [python, _PROBE, questions, answers], env=environment, check=True, timeout=7200
        )
        return [json.loads(line) for line in answers.read_text("utf-8").splitlines()]


def summarise(answers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is recorded of answers: tuner -> text of a failure -> space -> sets before it.

    Spaces that run are left out. A tuner that could not be created has the reason as its only text.
    """
    tuners: dict[str, Any] = {}
    for answer in answers:
        if "missing" in answer:
            tuners[answer["tuner"]] = answer["missing"][:_MOST_TEXT]
            continue
        failures: dict[str, dict[str, int]] = tuners.setdefault(answer["tuner"], {})
        text = answer["failed"] or ("" if answer["sets"] else "hands out nothing")
        if text:
            failures.setdefault(text[:_MOST_TEXT], {})[answer["case"]] = answer["sets"]
    return tuners


def write(releases: Mapping[str, Any]) -> None:
    """Write the verdicts, one line per failure of a tuner, so that diffs are readable."""
    lines = [f'{{"cases": {json.dumps(list(CASES), ensure_ascii=False)},']
    for release, tuners in releases.items():
        for tuner, failures in tuners.items():
            lines.append(f"{json.dumps(f'{release} {tuner}')}: {{")
            found = failures if isinstance(failures, dict) else {failures: None}
            rows = [
                f" {json.dumps(text, ensure_ascii=False)}: {json.dumps(spaces, ensure_ascii=False)}"
                for text, spaces in found.items()
            ]
            lines += [",\n".join(rows), "},"]
    DATA.write_text("\n".join(lines).removesuffix(",") + "}\n", "utf-8")


def main() -> None:
    """Try the releases and tuners given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("releases", nargs="+", metavar="RELEASE")
    parser.add_argument("--tuner", choices=TUNERS, help="try only this one; print its failures")
    options = parser.parse_args()
    tuners = TUNERS if options.tuner is None else (options.tuner,)
    found = {
        release: summarise(try_release(DIRECTORY / release / "bin" / "python", tuners))
        for release in options.releases
    }
    if options.tuner is None:
        write(found)
    else:
        json.dump(found, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
