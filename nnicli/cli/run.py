"""`nnicli run`: an experiment from its config to its results."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnicli.cli.exits import HELP, code_for, code_for_signal, describe_signal
from nnicli.cli.ignoring import ignoring
from nnicli.cli.output import print_json, tell, tell_error
from nnicli.cli.streams import OutputError
from nnicli.errors import ConfigError, NnicliError, TrialsNotStartedError, WaitTimeoutError
from nnicli.printable import printable_line

if TYPE_CHECKING:
    # Loaded by the command itself: `nnicli --version` and `--help` are to answer at once.
    from rich.console import Console

    from nnicli import Experiment
    from nnicli.cli.report import Report
    from nnicli.cli.signals import Interrupts

# A look costs the manager a scan of its database, so looks take up a small part of the time.
_LOOK_INTERVAL_S = 0.5
_LOOK_SHARE = 0.1


@click.command(epilog=HELP, short_help="Start an experiment, wait for its end, print the results.")
@click.argument("config", type=click.Path(), metavar="CONFIG")
@click.option("--port", type=int, help="Port of the manager.  [default: first free from 8080]")
@click.option("--nni", metavar="PATH", help="Virtual environment, python or nni_node of the NNI.")
@click.option("--experiments-directory", metavar="DIR", help="Parent of the experiment's folder.")
@click.option("--url-prefix", metavar="PREFIX", help="Path below which the manager serves.")
@click.option("--timeout", metavar="DURATION", help="Stop after that long, such as 90s or 2h.")
@click.option(
    "--start-timeout",
    metavar="DURATION",
    help="Stop when trials have waited that long while none ran.  [default: only warn]",
)
@click.option(
    "--allow-no-metric",
    is_flag=True,
    help="Succeed also when no trial reports a number as its final metric.",
)
@click.option(
    "--manager-timeout",
    metavar="DURATION",
    help="How long the manager may take to become ready.  [default: 60s]",
)
@ignoring
@click.option("--debug", is_flag=True, help="Let the manager log at level debug.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end.")
def run(config: str, *, as_json: bool, **options: Any) -> None:
    """Start the experiment of CONFIG, show its progress, print its results, stop it.

    Results go to standard output, progress and messages to standard error. Ctrl-C and SIGTERM stop
    the experiment cleanly.
    """
    from nnicli.cli.consoles import open_messages
    from nnicli.cli.report import Report

    report = Report()
    _run(config, report, open_messages(), **options)
    try:
        _print_results(report, as_json=as_json)
    except OutputError as error:
        _tell_error(report)
        kept = f"; `nnicli experiment export {report.exp_id}` has them" if report.exp_id else ""
        tell_error(f"the results are not printed, as {error.message}{kept}")
        raise SystemExit(report.exit_code or error.exit_code) from error
    _tell_error(report)
    _tell_next(report)
    raise SystemExit(report.exit_code)


def _tell_next(report: Report) -> None:
    """Say where an experiment that ran has its results, and what may be done with them."""
    if report.exp_id is None or report.directory is None:
        return
    further = "log dispatcher {}" if report.exit_code else "experiment export {} -f results.csv"
    commands = [
        f"`{_program()} {command.format(report.exp_id)}`" for command in ("trial ls {}", further)
    ]
    tell(f"results are in {report.directory}; next: {' or '.join(commands)}")


def _program() -> str:
    """Return what this command is called by; `make quickstart` has it outside of PATH."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return "python -m nnicli"
    return called.name if shutil.which(called.name) == str(called) else str(called)


def _print_results(report: Report, *, as_json: bool) -> None:
    from nnicli.cli.consoles import open_output
    from nnicli.cli.report import print_report, to_document

    if as_json:
        print_json(to_document(report))
    else:
        print_report(open_output(), report)


def _tell_error(report: Report) -> None:
    from nnicli.cli.consoles import open_messages
    from nnicli.cli.problems import print_problem

    error = report.error
    if isinstance(error, ConfigError) and error.problems:
        # The first line says how many; each is shown with its own.
        title, *_ = report.error_text.splitlines()
        tell_error(title)
        for problem in error.problems:
            print_problem(open_messages(), problem)
        if error.advice is not None:
            tell_error(error.advice.shell)
    elif report.error_text:
        tell_error(report.error_text)


def _run(config: str, report: Report, messages: Console, **options: Any) -> None:
    """Do all of it; whatever happens is in the report afterwards."""
    from nnicli.cli.display import ConsoleHandler
    from nnicli.cli.signals import Interrupted, interruptible

    def tell_stopping() -> None:
        messages.print("already stopping, which may take some seconds ...")

    with ConsoleHandler(messages), interruptible(tell_stopping) as interrupts:
        try:
            _run_experiment(config, report, messages, interrupts, **options)
        except NnicliError as error:
            report.error, report.error_text = error, error.told("shell")
            report.exit_code = code_for(error, starts_manager=True)
        except Interrupted as error:
            report.error = error
    if interrupts.received is not None:
        report.exit_code = code_for_signal(interrupts.received)
        report.error_text = f"stopped by {describe_signal(interrupts.received)}"


def _run_experiment(
    config: str,
    report: Report,
    messages: Console,
    interrupts: Interrupts,
    *,
    port: int | None,
    debug: bool,
    timeout: str | None,
    start_timeout: str | None,
    allow_no_metric: bool,
    manager_timeout: str | None,
    nni: str | None,
    experiments_directory: str | None,
    url_prefix: str | None,
    ignore: tuple[str, ...],
) -> None:
    from nnicli import Experiment, Timeouts
    from nnicli.units import parse_duration

    def seconds(text: str | None, option: str) -> int | None:
        return None if text is None else parse_duration(text, field=option)

    limit_s = seconds(timeout, "--timeout")
    start_s = seconds(start_timeout, "--start-timeout")
    ready_s = seconds(manager_timeout, "--manager-timeout")
    experiment = Experiment(
        nni=nni,
        experiments_directory=experiments_directory,
        url_prefix=url_prefix,
        timeouts=Timeouts() if ready_s is None else Timeouts(start_s=ready_s),
    )
    try:
        with interrupts.raising():
            experiment.start_experiment(config, port, debug, ignore=ignore)
            _follow(
                experiment,
                report,
                messages,
                interrupts,
                limit_s=limit_s,
                start_timeout=start_s,
                allow_no_metric=allow_no_metric,
            )
    finally:
        # From here on signals are only noted: a stop that is cut off would leave things behind.
        if experiment.endpoint is not None:
            messages.print("stopping ...")
            experiment.stop_experiment()
            report.trials = experiment.list_trial_jobs()


def _follow(
    experiment: Experiment,
    report: Report,
    messages: Console,
    interrupts: Interrupts,
    *,
    limit_s: float | None,
    **ending: Any,
) -> None:
    """Show the progress until the experiment has come to its end."""
    from nnicli.cli.display import open_display
    from nnicli.cli.progress import Watcher
    from nnicli.waiting import Deadline

    watcher = Watcher(experiment)
    report.exp_id, report.mode = experiment.exp_id, watcher.mode
    profile = experiment.get_experiment_profile()
    report.name, report.directory = profile["params"].get("experimentName"), profile["logDir"]
    parts = (report.name, report.exp_id, experiment.endpoint)
    heading = printable_line(" ".join(part for part in parts if part))
    if not messages.is_terminal:
        messages.print(f"started {heading}", soft_wrap=True)
    display = open_display(messages, heading)
    deadline, pause_s, is_over = Deadline(limit_s), 0.0, False
    try:
        while not is_over:
            interrupts.check()
            try:
                status = experiment.wait(timeout=min(pause_s, deadline.remaining_s), **ending)
                report.status = status.value
                is_over = True
            except TrialsNotStartedError:
                raise
            except WaitTimeoutError as error:
                report.status = error.status
            look = Deadline(None)
            display.show(watcher.look(report.status))
            report.elapsed_s = deadline.waited_s
            if not is_over and deadline.expired:
                raise WaitTimeoutError(
                    f"the time limit of {limit_s:.0f} s is reached; the experiment was stopped",
                    waited_s=deadline.waited_s,
                    status=report.status,
                )
            pause_s = max(_LOOK_INTERVAL_S, look.waited_s / _LOOK_SHARE)
    finally:
        display.close()
