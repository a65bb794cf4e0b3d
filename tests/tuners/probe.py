"""Feed search spaces to the built-in tuners of the NNI that runs this file.

    python probe.py TASKS ANSWERS

runs with NNI's own interpreter (Python 3.7 or later) and needs nothing but NNI. `TASKS` is a JSON
file, `[{"tuner": NAME, "case": NAME, "space": ...}, ...]`; `ANSWERS` gets a line of JSON for each.
Every space is tried in a separate process with a deadline: a tuner may loop forever, and a broken
space must not affect the next one.

A tuner is used in the way of NNI's dispatcher: the space is read from JSON, parameter sets are
requested in small groups, each is written to JSON, and its result is reported before the next
request.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_DEADLINE_S = 20.0
_SETS = 44
"""More than the first population of Evolution (32) and the random phase of any other tuner."""
# After its first ten sets MetisTuner takes seconds for each, for any search space.
_FEWER_SETS = {"GPTuner": 14, "MetisTuner": 9}
_GROUP = 4

# Built-in name -> places of its class in 2.x and 1.x, and arguments. Those of GPTuner and
# MetisTuner only make them faster.
_CLASSES = {
    "TPE": (("nni.algorithms.hpo.tpe_tuner.TpeTuner",), {}),
    "TPE_legacy": (
        ("nni.algorithms.hpo.hyperopt_tuner.HyperoptTuner",),
        {"algorithm_name": "tpe"},
    ),
    "Random": (("nni.algorithms.hpo.random_tuner.RandomTuner",), {}),
    "Anneal": (
        (
            "nni.algorithms.hpo.hyperopt_tuner.HyperoptTuner",
            "nni.hyperopt_tuner.hyperopt_tuner.HyperoptTuner",
        ),
        {"algorithm_name": "anneal"},
    ),
    "Evolution": (
        (
            "nni.algorithms.hpo.evolution_tuner.EvolutionTuner",
            "nni.evolution_tuner.evolution_tuner.EvolutionTuner",
        ),
        {},
    ),
    "BatchTuner": (
        (
            "nni.algorithms.hpo.batch_tuner.BatchTuner",
            "nni.batch_tuner.batch_tuner.BatchTuner",
        ),
        {},
    ),
    "GridSearch": (
        (
            "nni.algorithms.hpo.gridsearch_tuner.GridSearchTuner",
            "nni.gridsearch_tuner.gridsearch_tuner.GridSearchTuner",
        ),
        {},
    ),
    "MetisTuner": (
        (
            "nni.algorithms.hpo.metis_tuner.MetisTuner",
            "nni.metis_tuner.metis_tuner.MetisTuner",
        ),
        {"selection_num_starting_points": 20},
    ),
    "GPTuner": (
        ("nni.algorithms.hpo.gp_tuner.GPTuner", "nni.gp_tuner.gp_tuner.GPTuner"),
        {"selection_num_warm_up": 500, "selection_num_starting_points": 3},
    ),
    "PBTTuner": (
        ("nni.algorithms.hpo.pbt_tuner.PBTTuner", "nni.pbt_tuner.pbt_tuner.PBTTuner"),
        {"all_checkpoint_dir": "checkpoints"},
    ),
    "RegularizedEvolutionTuner": (
        (
            "nni.algorithms.hpo.regularized_evolution_tuner.RegularizedEvolutionTuner",
            "nni.regularized_evolution_tuner.regularized_evolution_tuner.RegularizedEvolutionTuner",
        ),
        {},
    ),
    "SMAC": (
        ("nni.algorithms.hpo.smac_tuner.SMACTuner", "nni.smac_tuner.smac_tuner.SMACTuner"),
        {},
    ),
    "DNGOTuner": (("nni.algorithms.hpo.dngo_tuner.DNGOTuner",), {}),
    "PPOTuner": (
        ("nni.algorithms.hpo.ppo_tuner.PPOTuner", "nni.ppo_tuner.ppo_tuner.PPOTuner"),
        {},
    ),
    "Hyperband": (
        (
            "nni.algorithms.hpo.hyperband_advisor.Hyperband",
            "nni.hyperband_advisor.hyperband_advisor.Hyperband",
        ),
        {},
    ),
    "BOHB": (
        (
            "nni.algorithms.hpo.bohb_advisor.BOHB",
            "nni.bohb_advisor.bohb_advisor.BOHB",
        ),
        {"optimize_mode": "maximize"},
    ),
}
# Up to 2.5, where hyperopt draws the values.
_OLD_CLASSES = {
    "TPE": ({"algorithm_name": "tpe"}),
    "Random": ({"algorithm_name": "random_search"}),
}
_ADVISORS = ("Hyperband", "BOHB")


class NotInstalledError(Exception):
    """The tuner, or a package that it needs, is not installed."""


class NotJsonError(Exception):
    """The tuner generated something that is not JSON."""


def find_class(name: str) -> tuple[Any, dict[str, Any]]:
    """Return a tuner's class and the arguments of its constructor."""
    places, arguments = _CLASSES[name]
    reasons = []
    candidates: list[tuple[str, Any]] = [(place, arguments) for place in places]
    if name in _OLD_CLASSES:
        candidates += [(place, _OLD_CLASSES[name]) for place in _CLASSES["Anneal"][0]]
    for place, chosen in candidates:
        module, _, attribute = place.rpartition(".")
        try:
            return getattr(importlib.import_module(module), attribute), chosen
        except Exception as error:  # noqa: BLE001 - a broken package may raise anything
            reasons.append(f"{type(error).__name__}: {error}")
    raise NotInstalledError("; ".join(reasons))


class TunerUnderTest:
    """A tuner, called in the way of the dispatcher."""

    def __init__(self, kind: Any, arguments: dict[str, Any]) -> None:
        self.tuner = kind(**arguments)
        self.next_id = 0
        self.late: list[Any] = []

    def update(self, space: Any) -> None:
        self.tuner.update_search_space(space)

    def ask(self, number: int) -> list[tuple[Any, Any]]:
        """Return pairs of id and parameters, fewer than requested if the tuner has no more now."""
        ids = list(range(self.next_id, self.next_id + number))
        self.next_id += number
        sets = self.tuner.generate_multiple_parameters(
            ids, st_callback=lambda id_, params: self.late.append((id_, params))
        )
        # Sets that the tuner still owed come through the callback.
        late, self.late = self.late, []
        return list(zip(ids, sets)) + late  # noqa: B905 - Python 3.7 has no `strict`

    def report(self, id_: Any, params: Any, value: float) -> None:
        self.tuner.receive_trial_result(id_, params, value, customized=False, trial_job_id="t")
        self.tuner.trial_end(id_, True)


class AdvisorUnderTest:
    """An advisor, which is the dispatcher itself, so its messages are intercepted."""

    def __init__(self, kind: Any, arguments: dict[str, Any]) -> None:
        self.sent: list[tuple[str, Any]] = []
        module: Any = sys.modules[kind.__module__]
        if hasattr(module, "send"):
            module.send = self._catch
        else:
            kind.send = lambda _self, command, data: self._catch(command, data)
        self.advisor = kind(**arguments)
        self.jobs = 0

    def _catch(self, command: Any, data: str) -> None:
        self.sent.append((command.name, data))

    def update(self, space: Any) -> None:
        self.advisor.handle_initialize(space)

    def ask(self, number: int) -> list[tuple[Any, Any]]:
        self.sent = []
        self.advisor.handle_request_trial_jobs(number)
        return self._sets()

    def _sets(self) -> list[tuple[Any, Any]]:
        messages = [json.loads(data) for name, data in self.sent if name == "NewTrialJob"]
        return [(message["parameter_id"], message["parameters"]) for message in messages]

    def report(self, id_: Any, params: Any, value: float) -> None:
        self.jobs += 1
        job = f"job{self.jobs}"
        metric = {
            "parameter_id": id_,
            "trial_job_id": job,
            "type": "FINAL",
            "sequence": 0,
            "value": json.dumps(value),
        }
        self.advisor.handle_report_metric_data(metric)
        end = {
            "trial_job_id": job,
            "event": "SUCCEEDED",
            "hyper_params": json.dumps({"parameter_id": id_, "parameters": params}),
        }
        self.advisor.handle_trial_end(end)


def try_space(
    name: str, kind: Any, arguments: dict[str, Any], space: Any, notify: Callable[[], object]
) -> dict[str, Any]:
    """Return the outcome of a search space; `notify` is called after every parameter set."""
    # NNI depends on both, this project on neither.
    import json_tricks  # type: ignore[import-not-found]
    import numpy as np  # type: ignore[import-not-found]

    random.seed(7)
    np.random.seed(7)  # noqa: NPY002 - the tuners draw from it
    step, handed_out = "build", 0
    samples: list[Any] = []
    try:
        under_test = (AdvisorUnderTest if name in _ADVISORS else TunerUnderTest)(kind, arguments)
        step = "update"
        under_test.update(json_tricks.loads(json.dumps(space)))
        most = _FEWER_SETS.get(name, _SETS)
        while handed_out < most:
            step = "generate"
            group = under_test.ask(min(_GROUP, most - handed_out))
            if not group:
                break
            for id_, params in group:
                step = "write"
                written = json.loads(json_tricks.dumps(params), parse_constant=_refuse)
                if len(samples) < 8:
                    samples.append(written)
                handed_out += 1
                notify()
                step = "report"
                under_test.report(id_, params, handed_out % 5 + 0.5)
    except Exception as error:  # noqa: BLE001 - any error of a tuner is its verdict
        text = f"{type(error).__name__}: {error}"
        return {"failed": text[:300], "step": step, "sets": handed_out, "samples": samples}
    return {"failed": None, "step": step, "sets": handed_out, "samples": samples}


def _refuse(constant: str) -> None:
    raise NotJsonError(f"{constant} is not JSON")


def in_process(name: str, kind: Any, arguments: dict[str, Any], space: Any) -> dict[str, Any]:
    """Return the answer of a separate process; a tuner that hangs has failed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        outcome = try_space(name, kind, arguments, space, lambda: os.write(writer, b"."))
        with os.fdopen(writer, "w") as pipe:
            json.dump(outcome, pipe, default=str)
        os._exit(0)
    os.close(writer)
    text, end = b"", time.monotonic() + _DEADLINE_S
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, end - time.monotonic()))
        chunk = os.read(reader, 65536) if ready else None
        if not chunk:
            break
        text += chunk
    os.close(reader)
    if chunk is None:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    answer = text.lstrip(b".")
    if answer:
        return dict(json.loads(answer.decode()))
    failed = "hangs" if chunk is None else "crashes"
    return {"failed": failed, "step": "generate", "sets": len(text), "samples": []}


def main(tasks_file: str, answers_file: str) -> None:
    """Try every task."""
    # Advisors of 2.8 and later read the address of the manager from the environment when NNI is
    # imported, and connect to any address but this one.
    os.environ["NNI_TUNER_COMMAND_CHANNEL"] = "ws://_unittest_placeholder_"
    tasks = json.loads(Path(tasks_file).read_text("utf-8"))
    classes: dict[str, Any] = {}
    answers = Path(answers_file).resolve()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        with answers.open("w", encoding="utf-8") as file:
            for task in tasks:
                answer = _try_task(task, classes)
                file.write(json.dumps(answer) + "\n")
                file.flush()


def _try_task(task: dict[str, Any], classes: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a task; classes that were found are cached."""
    name = task["tuner"]
    if name not in classes:
        try:
            classes[name] = find_class(name)
        except NotInstalledError as error:
            classes[name] = error
    found = classes[name]
    if isinstance(found, NotInstalledError):
        answer = {"missing": str(found)}
    else:
        answer = in_process(name, found[0], found[1], task["space"])
    return {**answer, "tuner": name, "case": task["case"]}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
