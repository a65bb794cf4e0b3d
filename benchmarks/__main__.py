"""Measurements of nnicli's overhead against the real NNI 3.0: `make bench`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import textwrap
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import yaml
from rich.console import Console

from benchmarks import records
from benchmarks.bare import BareManager
from benchmarks.measure import Claim, interleave, medians, show, time_call, time_command
from nnicli import Experiment, NniInstallation, find_installation, open_experiment
from nnicli.config import check_config, load_config
from nnicli.launcher.ports import is_free
from nnicli.store import Registry

CONFIG = """\
experimentName: benchmark
trialCommand: sleep 600
trialCodeDirectory: .
trialConcurrency: 1
maxTrialNumber: 5
maxExperimentDuration: 1h
searchSpace:
  x: {_type: uniform, _value: [0, 1]}
tuner: {name: Random}
trainingService: {platform: local}
"""
SEARCH_SPACE = '{"x": {"_type": "uniform", "_value": [0, %d]}}'
FIRST_PORT = 31_000


class Bench:
    """One run of all measurements, in its own HOME."""

    def __init__(self, installation: NniInstallation, home: Path, rounds: int) -> None:
        self.installation = installation
        self.home = home
        self.rounds = rounds
        self.console = Console()
        self.claims: list[Claim] = []
        self.config = home / "config.yml"
        self.config.write_text(CONFIG)
        self._ports = (port for port in range(FIRST_PORT, 65_000) if is_free(port))

    def report(self, title: str, seconds: dict[str, list[float]], claims: list[Claim]) -> None:
        show(self.console, title, seconds, claims)
        self.claims += claims

    def experiment(self) -> Experiment:
        return Experiment(nni=self.installation)

    def start(self) -> None:
        document = load_config(self.config, nni_version=self.installation.version).document
        python = str(self.installation.bin_directory / "python3")

        def ours() -> float:
            with self.experiment() as experiment:
                port = next(self._ports)
                return time_call(lambda: experiment.start_experiment(self.config, port))

        def floor() -> float:
            manager = BareManager(self.installation, self.home, next(self._ports))
            try:
                return manager.start(document)
            finally:
                manager.kill()

        def nni() -> float:
            code = f"""
                import time
                from nni.experiment import Experiment
                experiment = Experiment("local")
                config = experiment.config
                config.trial_command = "sleep 600"
                config.trial_code_directory = {str(self.home)!r}
                config.trial_concurrency = 1
                config.max_trial_number = 5
                config.search_space = {{"x": {{"_type": "uniform", "_value": [0, 1]}}}}
                config.tuner.name = "Random"
                started = time.perf_counter()
                experiment.start({next(self._ports)})
                print("took", time.perf_counter() - started)
                experiment.stop()
            """
            output = run_python(python, textwrap.dedent(code))
            return float(output.rpartition("took ")[2].split()[0])

        seconds = interleave(
            {
                "Experiment.start_experiment": ours,
                "floor: spawn, poll, POST": floor,
                "nni.experiment.Experiment.start": nni,
            },
            rounds=self.rounds,
        )
        mine, bare, _ = medians(seconds).values()
        text = "start takes at most the floor + 0.1 s"
        claim = Claim(text, mine <= bare + 0.1, f"{(mine - bare) * 1000:+.1f} ms")
        self.report("Start of an experiment", seconds, [claim])

    def updates(self) -> None:
        nnictl = str(self.installation.bin_directory / "nnictl")
        spaces = [self.home / f"space{number}.json" for number in (1, 2)]
        for number, path in enumerate(spaces, start=1):
            path.write_text(SEARCH_SPACE % number)
        with self.experiment() as experiment:
            experiment.start_experiment(self.config, next(self._ports))
            experiment.update_searchspace(spaces[0])  # returns once the tuner is connected
            exp_id = str(experiment.exp_id)
            updates: list[tuple[str, Callable[[int], object], Callable[[int], list[str]]]] = [
                (
                    "concurrency",
                    lambda turn: experiment.update_concurrency(1 + turn % 2),
                    lambda turn: ["-v", str(1 + turn % 2)],
                ),
                (
                    "duration",
                    lambda turn: experiment.update_duration(f"{1 + turn % 2}h"),
                    lambda turn: ["-v", f"{1 + turn % 2}h"],
                ),
                (
                    "trialnum",
                    lambda turn: experiment.update_trailnum(5 + turn % 2),
                    lambda turn: ["-v", str(5 + turn % 2)],
                ),
                (
                    "searchspace",
                    lambda turn: experiment.update_searchspace(spaces[turn % 2]),
                    lambda turn: ["-f", str(spaces[turn % 2])],
                ),
            ]
            for name, call, arguments in updates:
                turns = iter(range(10_000))
                seconds = interleave(
                    {
                        "nnicli": lambda call=call, turns=turns: time_call(
                            lambda: call(next(turns))
                        ),
                        "nnictl": lambda name=name, arguments=arguments, turns=turns: time_command(
                            [nnictl, "update", name, exp_id, *arguments(next(turns))]
                        ),
                    },
                    rounds=self.rounds,
                )
                mine, theirs = medians(seconds).values()
                text = f"update {name} is at least 50 times faster than nnictl's"
                claim = Claim(text, theirs >= 50 * mine, f"{theirs / mine:.0f} times")
                self.report(f"Update of the {name}", seconds, [claim])

    def imports(self) -> None:
        python = str(self.installation.bin_directory / "python3")
        commands = {
            "bare interpreter": (sys.executable, "pass"),
            "import nnicli": (sys.executable, "import nnicli"),
            "from nnicli import Experiment": (sys.executable, "from nnicli import Experiment"),
            "import requests": (sys.executable, "import requests"),
            "from nni.experiment import Experiment": (
                python,
                "from nni.experiment import Experiment",
            ),
        }
        seconds = interleave(
            {
                name: lambda command=command: time_command([command[0], "-c", command[1]])
                for name, command in commands.items()
            },
            rounds=self.rounds,
        )
        bare, package, facade, _, nni = medians(seconds).values()
        claims = [
            Claim(
                "`import nnicli` takes at most 0.05 s more than a bare interpreter",
                package <= bare + 0.05,
                f"{(package - bare) * 1000:+.1f} ms",
            ),
            Claim(
                "`from nnicli import Experiment` takes at most a quarter of nni.experiment's",
                facade <= nni / 4,
                f"1/{nni / facade:.1f}",
            ),
        ]
        self.report("Import in a fresh interpreter", seconds, claims)

    def configs(self) -> None:
        head = CONFIG.partition("searchSpace:")[0]
        tail = "tuner: {name: Random}\ntrainingService: {platform: local}\n"
        spaces = {
            f"p{number}": {"_type": "choice", "_value": [1, 2, number]}
            if number % 2
            else {"_type": "uniform", "_value": [0, number + 1]}
            for number in range(10_000)
        }
        large, named = self.home / "large.yml", self.home / "named.yml"
        large.write_text(head + tail + yaml.safe_dump({"searchSpace": spaces}))
        (self.home / "large.json").write_text(json.dumps(spaces))
        named.write_text(head + tail + "searchSpaceFile: large.json\n")
        assert check_config(self.config) == check_config(large) == check_config(named) == []
        seconds = interleave(
            {
                "a config with one parameter": lambda: time_call(lambda: check_config(self.config)),
                "10,000 parameters in the config": lambda: time_call(lambda: check_config(large)),
                "10,000 parameters in a JSON file": lambda: time_call(lambda: check_config(named)),
            },
            rounds=self.rounds,
        )
        one, *many = medians(seconds).values()
        claims = [
            Claim("checking a config takes under 20 ms", one < 0.02, f"{one * 1000:.1f} ms"),
            Claim(
                "checking 10,000 parameters takes under 2 s", max(many) < 2, f"{max(many):.2f} s"
            ),
        ]
        self.report("Check of a config", seconds, claims)

    def stop(self) -> None:
        totals: list[float] = []
        space = self.home / "space1.json"
        space.write_text(SEARCH_SPACE % 1)

        def ours() -> float:
            experiment = self.experiment()
            experiment.start_experiment(self.config, next(self._ports))
            experiment.update_searchspace(space)
            assert experiment.process is not None
            gone = watch_end(experiment.process.identity.pid)
            started = time.perf_counter()
            experiment.stop_experiment()
            ended = time.perf_counter()
            totals.append(ended - started)
            return ended - gone()

        seconds = interleave({"after the manager's exit": ours}, rounds=self.rounds)
        extra = medians(seconds)["after the manager's exit"]
        seconds["stop_experiment in all"] = totals[1:]
        claims = [
            Claim(
                "stop adds at most 0.3 s to the manager's own exit",
                extra <= 0.3,
                f"{extra * 1000:.1f} ms",
            ),
            Claim(
                "stop never waits for the manager's keep-alive timer of 5 s",
                max(totals) < 5.0,
                f"slowest {max(totals):.2f} s",
            ),
        ]
        self.report("Stop with the tuner connected", seconds, claims)

    def cycles(self, number: int = 20) -> None:
        own = psutil.Process()
        counts: list[int] = []
        left: list[str] = []

        def cycle() -> float:
            experiment = self.experiment()
            port = next(self._ports)
            started = time.perf_counter()
            experiment.start_experiment(self.config, port)
            assert experiment.process is not None
            pid = experiment.process.identity.pid
            experiment.stop_experiment()
            taken = time.perf_counter() - started
            entry = Registry().get(str(experiment.exp_id)) or {}
            if psutil.pid_exists(pid) or own.children(recursive=True):
                left.append(f"processes of {experiment.exp_id}")
            if not is_free(port):
                left.append(f"port {port}")
            if entry.get("status") != "STOPPED":
                left.append(f"registry entry {experiment.exp_id}: {entry.get('status')}")
            counts.append(own.num_fds())
            return taken

        seconds = {"start and stop": [cycle() for _ in range(number)]}
        claims = [
            Claim(f"{number} cycles leave nothing", not left, ", ".join(left) or "nothing left"),
            Claim(
                "the number of open files does not grow",
                counts[-1] <= counts[1],
                f"{counts[1]} after two cycles, {counts[-1]} after {number}",
            ),
        ]
        self.report("Repeated start and stop", seconds, claims)

    def records(self) -> None:
        """Read a large experiment from its files, through nnicli, and from the manager directly."""
        with self.experiment() as experiment:
            experiment.start_experiment(self.config, next(self._ports))
            exp_id = str(experiment.exp_id)
        directory = self.home / "nni-experiments" / exp_id
        records.fill(directory / "db" / "nni.sqlite", directory)
        recorded = open_experiment(directory)
        with self.experiment() as live:
            live.view_experiment(exp_id, next(self._ports))
            url = f"{live.endpoint}/api/v1/nni"

            def bare(path: str) -> Callable[[], float]:
                def fetch() -> object:
                    with urllib.request.urlopen(f"{url}{path}", timeout=300) as answer:
                        return json.loads(answer.read())

                return lambda: time_call(fetch)

            rounds = max(3, self.rounds // 5)
            trials = interleave(
                {
                    "open_experiment().list_trial_jobs": lambda: time_call(
                        recorded.list_trial_jobs
                    ),
                    "Experiment.list_trial_jobs": lambda: time_call(live.list_trial_jobs),
                    "floor: GET /trial-jobs, json.loads": bare("/trial-jobs"),
                },
                rounds=rounds,
            )
            at_rest, connected, floor = medians(trials).values()
            claims = [
                Claim(
                    "trials from the files are at least 2 times faster than through the manager",
                    connected >= 2 * at_rest,
                    f"{connected / at_rest:.2f} times, "
                    f"and {floor / at_rest:.2f} times faster than the bare fetch",
                ),
                Claim(
                    "Experiment.list_trial_jobs takes at most 1.6 times the bare fetch",
                    connected <= 1.6 * floor,
                    f"{connected / floor:.2f} times",
                ),
            ]
            self.report(f"The {records.TRIALS} trials of an experiment", trials, claims)
            metrics = interleave(
                {
                    "open_experiment().get_job_metrics": lambda: time_call(
                        recorded.get_job_metrics
                    ),
                    "Experiment.get_job_metrics": lambda: time_call(live.get_job_metrics),
                    "floor: GET /metric-data, json.loads": bare("/metric-data"),
                },
                rounds=rounds,
            )
            _, connected, floor = medians(metrics).values()
            claim = Claim(
                "Experiment.get_job_metrics takes at most 1.6 times the bare fetch",
                connected <= 1.6 * floor,
                f"{connected / floor:.2f} times",
            )
            self.report(f"Their {records.METRICS} metrics each", metrics, [claim])
            self._report_memory(directory, str(live.endpoint))

    def _report_memory(self, directory: Path, endpoint: str) -> None:
        claims = []
        for read in ("list_trial_jobs", "get_job_metrics", "export_data"):
            items, stays, peak = records.measure_memory(
                f"open_experiment({str(directory)!r})", read
            )
            text = f"peak memory of open_experiment().{read} is at most 1.5 times its result"
            figure = f"{peak / stays:.2f} times {stays / 1e6:.0f} MB for {items} items"
            claims.append(Claim(text, peak <= 1.5 * stays, figure))
        self.report("Memory of recorded reads", {}, claims)
        for read in ("list_trial_jobs", "get_job_metrics"):
            source = f"ManagerClient({endpoint!r})"
            items, stays, peak = records.measure_memory(source, read)
            self.console.print(
                f"  live {read}: peak {peak / 1e6:.0f} MB, {peak / stays:.2f} times the "
                f"{stays / 1e6:.0f} MB that stay for {items} items"
            )


def watch_end(pid: int) -> Callable[[], float]:
    """Return a function that returns the time at which a process ended."""
    moment: list[float] = []
    handle = os.pidfd_open(pid)

    def watch() -> None:
        import select

        select.select([handle], [], [])
        moment.append(time.perf_counter())
        os.close(handle)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()

    def result() -> float:
        thread.join(10)
        return moment[0]

    return result


def run_python(python: str, code: str) -> str:
    import subprocess

    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout


def main() -> int:
    groups = ("imports", "start", "updates", "stop", "cycles", "records")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nni", required=True, help="virtual environment with NNI 3.0")
    parser.add_argument("--rounds", type=int, default=15, help="measurements of each variant")
    parser.add_argument("--only", choices=groups, action="append", help="run only these groups")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nnicli-bench-") as directory:
        os.environ["HOME"] = directory
        bench = Bench(find_installation(arguments.nni), Path(directory), arguments.rounds)
        for group in arguments.only or groups:
            getattr(bench, group)()
    missed = [claim.text for claim in bench.claims if not claim.holds]
    bench.console.print(f"{len(bench.claims) - len(missed)} of {len(bench.claims)} claims hold")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
