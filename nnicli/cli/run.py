"""`nnicli run`: one experiment, from its config to its results."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnicli.cli.exits import HELP, code_for, code_for_signal, describe_signal
from nnicli.cli.ignoring import ignoring
from nnicli.cli.output import print_error, print_json, print_message
from nnicli.cli.streams import OutputError
from nnicli.errors import ConfigError, NnicliError, TrialsNotStartedError, WaitTimeoutError
from nnicli.printable import printable_line

if TYPE_CHECKING:
    # Loaded by the command itself, so that `nnicli --version` and `--help` answer at once.
    from rich.console import Console

    from nnicli import Experiment
    from nnicli.cli.report import Report
    from nnicli.cli.signals import Interrupts

# Each poll costs the manager a scan of its database, so polling takes a small share of the time.
_POLL_INTERVAL_S = 0.5
_POLL_SHARE = 0.1


@click.command(epilog=HELP, short_help="Run an experiment and print its results.")
@click.argument("config", type=click.Path(), metavar="CONFIG")
@click.option("--port", type=int, help="Port of the manager.  [default: first free from 8080]")
@click.option("--nni", metavar="PATH", help="Virtual environment, Python or nni_node of the NNI.")
@click.option("--experiments-directory", metavar="DIR", help="Parent of the experiment directory.")
@click.option("--url-prefix", metavar="PREFIX", help="Path under which the manager serves.")
@click.option("--timeout", metavar="DURATION", help="Stop after this long, such as 90s or 2h.")
@click.option(
    "--start-timeout",
    metavar="DURATION",
    help="Stop when trials have waited this long and none is running.  [default: only warn]",
)
@click.option(
    "--allow-no-metric",
    is_flag=True,
    help="Succeed even if no trial reports a number as its final metric.",
)
@click.option(
    "--manager-timeout",
    metavar="DURATION",
    help="How long the manager may take to become ready.  [default: 60s]",
)
@ignoring
@click.option("--debug", is_flag=True, help="Make the manager log at debug level.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end.")
def run(config: str, *, as_json: bool, **options: Any) -> None:
    """Run the experiment in CONFIG: start it, show its progress, print its results and stop it.

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
        _print_failure(report)
        kept = f"; `nnicli experiment export {report.exp_id}` prints them" if report.exp_id else ""
        print_error(f"could not print the results: {error.message}{kept}")
        raise SystemExit(report.exit_code or error.exit_code) from error
    _print_failure(report)
    _print_next_steps(report)
    raise SystemExit(report.exit_code)


def _print_next_steps(report: Report) -> None:
    """Print where the results are, and commands that show more of them."""
    if report.exp_id is None or report.directory is None:
        return
    further = "log dispatcher {}" if report.exit_code else "experiment export {} -f results.csv"
    commands = [
        f"`{_program()} {command.format(report.exp_id)}`" for command in ("trial ls {}", further)
    ]
    print_message(f"results are in {report.directory}; next: {' or '.join(commands)}")


def _program() -> str:
    """Return the name or path of this command; after `make quickstart` it is not on PATH."""
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


def _print_failure(report: Report) -> None:
    from nnicli.cli.consoles import open_messages
    from nnicli.cli.problems import print_problem

    error = report.error
    if isinstance(error, ConfigError) and error.problems:
        # The first line counts the problems; each of them is printed with its own line.
        title, *_ = report.error_text.splitlines()
        print_error(title)
        for problem in error.problems:
            print_problem(open_messages(), problem)
        if error.advice is not None:
            print_error(error.advice.shell)
    elif report.error_text:
        print_error(report.error_text)


def _run(config: str, report: Report, messages: Console, **options: Any) -> None:
    """Run the experiment; the report shows afterwards what happened."""
    from nnicli.cli.display import ConsoleHandler
    from nnicli.cli.signals import Interrupted, interruptible

    def report_stopping() -> None:
        messages.print("already stopping; this may take a few seconds ...")

    with ConsoleHandler(messages), interruptible(report_stopping) as interrupts:
        try:
            _run_experiment(config, report, messages, interrupts, **options)
        except NnicliError as error:
            report.error, report.error_text = error, error.text_for("shell")
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
        # From here on signals are only recorded: an interrupted stop would leave processes behind.
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
    """Show progress until the experiment is over."""
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
            poll = Deadline(None)
            display.show(watcher.take_snapshot(report.status))
            report.elapsed_s = deadline.waited_s
            if not is_over and deadline.expired:
                raise WaitTimeoutError(
                    f"reached the time limit of {limit_s:.0f} s; the experiment was stopped",
                    waited_s=deadline.waited_s,
                    status=report.status,
                )
            pause_s = max(_POLL_INTERVAL_S, poll.waited_s / _POLL_SHARE)
    finally:
        display.close()
